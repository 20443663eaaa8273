"""What a model needs to be used: every form carries all of it, and every typed text is read as the model's own was."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import charrnn as library
from charrnn import checkpoint
from charrnn.checkpoint import Checkpoint
from charrnn.errors import ExchangeError
from charrnn.exchange.description import describe, to_state_dict
from charrnn.exchange.json import from_json
from charrnn.exchange.pytorch import from_safetensors, from_torch, to_torch
from charrnn.report.pages import FORMATS, export
from charrnn.text.usage import Usage
from tests.browser import Browser
from tests.conftest import TINY, Charrnn
from tests.report.conftest import browser, untrained

__all__ = ["browser"]

# A value of each field that is not its default.
CHANGED: dict[str, Any] = {"separator": "|\n", "longest_item": 700, "normalize": "nfc", "unknown": "\ufffd"}
ACCENT = "e\u0301"  # é in two code points


def model(**usage: Any) -> Checkpoint:
    """Return a model that is used so; by default one of a plain running text."""
    trained = untrained("abcé|\n\ufffd")
    return from_torch(to_state_dict(trained.model, trained.params), trained.vocabulary.characters, "mine", **usage)


def saved(trained: Checkpoint) -> Usage:
    checkpoint.save("model.npz", trained)
    return checkpoint.load("model.npz").usage


def page(trained: Checkpoint) -> Usage:
    export(trained, "model.html")
    found = re.search('id="data">(.*?)</script>', Path("model.html").read_text(encoding="utf-8"))
    assert found
    return Usage.from_values(json.loads(found[1]))


def json_file(trained: Checkpoint) -> Usage:
    export(trained, "model.json")
    return saved(from_json("model.json"))


def safetensors(trained: Checkpoint) -> Usage:
    pytest.importorskip("safetensors")
    export(trained, "model.safetensors")
    return saved(from_safetensors("model.safetensors"))


def onnx_file(trained: Checkpoint) -> Usage:
    onnx = pytest.importorskip("onnx")
    export(trained, "model.onnx")
    return Usage.from_strings({prop.key: prop.value for prop in onnx.load("model.onnx").metadata_props})


def torch_module(trained: Checkpoint) -> Usage:
    pytest.importorskip("torch")
    return saved(from_torch(to_torch(trained)))


def like_a_torch_module(trained: Checkpoint) -> Usage:
    weights = to_state_dict(trained.model, trained.params)
    module: Any = SimpleNamespace(description=describe(trained, "mine"), state_dict=lambda: weights)
    return saved(from_torch(module))


FORMS: Mapping[str, Callable[[Checkpoint], Usage]] = {
    ".npz": saved,
    ".html": page,
    ".json": json_file,
    ".safetensors": safetensors,
    ".onnx": onnx_file,
    "module": torch_module,
    "like a module": like_a_torch_module,
}


def test_all_forms_and_all_fields_are_tried() -> None:
    assert set(FORMATS) <= set(FORMS)
    assert set(CHANGED) == {field.name for field in fields(Usage)}
    assert all(CHANGED[field.name] != field.default for field in fields(Usage))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_carries_every_field(form: str) -> None:
    assert FORMS[form](model(**CHANGED)) == Usage(**CHANGED)
    assert FORMS[form](model()) == Usage()


@pytest.mark.parametrize(
    "change",
    [
        {"separator": 7},
        {"separator": "not known"},
        {"longest_item": -1},
        {"longest_item": "7"},
        {"normalize": "nfkc"},
        {"unknown": "a"},
    ],
)
def test_a_file_with_an_impossible_field_is_refused(change: dict[str, Any]) -> None:
    export(model(**CHANGED), "model.json")
    values = json.loads(Path("model.json").read_text())
    Path("model.json").write_text(json.dumps(values | change))
    with pytest.raises(ExchangeError, match=r"model\.json is not a model"):
        from_json("model.json")
    with pytest.raises(ExchangeError, match="cannot be used this way"):
        from_torch(to_state_dict(model().model, model().params), model().vocabulary.characters, **change)


def test_a_file_of_an_older_version_is_a_model_of_a_running_text() -> None:
    export(model(**CHANGED), "model.json")
    values = json.loads(Path("model.json").read_text())
    Path("model.json").write_text(json.dumps({name: v for name, v in values.items() if name not in CHANGED}))
    assert from_json("model.json").usage == Usage()


def test_a_model_of_items_that_was_exported_and_read_again_writes_the_same(charrnn: Charrnn) -> None:
    Path("names.txt").write_text("anna\nberta\nclara\n" * 5 + "x" * 400 + "\n", newline="")
    charrnn("train", "names.txt", *TINY, "--by-line", "--steps", "20", "--max-vocab", "8", "--checkpoint", "run.npz")
    for suffix, read in ((".json", from_json), (".safetensors", from_safetensors)):
        charrnn("export", "run.npz", "-o", f"model{suffix}")
        checkpoint.save("back.npz", read(f"model{suffix}"))
        options = ("--num", "5", "--rng-seed", "1", "--no-echo", "-q")
        first, second = (charrnn("sample", name, *options).out for name in ("run.npz", "back.npz"))
        assert first == second
        assert first.count(b"\n") == 5


@pytest.fixture
def french(charrnn: Charrnn) -> str:
    """A model of a text that was composed as it was read."""
    Path("french.txt").write_text(f"un {ACCENT}t{ACCENT} pass{ACCENT}|" * 60, newline="")
    options = ("--normalize", "nfc", "--steps", "30", "--sample-every", "0", "--checkpoint", "french.npz")
    assert charrnn("train", "french.txt", *TINY, *options).code == 0
    return "french.npz"


@pytest.mark.parametrize("option", ["--stop", "--allow", "--ban", "--seed"])
def test_what_is_typed_for_a_sample_is_composed(charrnn: Charrnn, french: str, option: str) -> None:
    def written(text: str) -> bytes:
        outcome = charrnn("sample", french, "-n", "60", "--rng-seed", "2", option, text)
        assert (outcome.code, outcome.error_lines[1:]) == (0, [])
        return outcome.out

    assert written(f"{ACCENT}t") == written("ét")
    assert written(f"{ACCENT}t") != charrnn("sample", french, "-n", "60", "--rng-seed", "2").out


def test_typed_lines_are_composed(charrnn: Charrnn, french: str) -> None:
    def written(line: str) -> bytes:
        outcome = charrnn("sample", french, "-i", "-n", "20", "--rng-seed", "2", stdin=line.encode())
        assert (outcome.code, outcome.error_lines[1:]) == (0, [])
        return outcome.out

    assert written(f"un {ACCENT}t\\\n") == written("un ét\\\n")


def test_a_separator_is_composed_also_when_a_run_goes_on(charrnn: Charrnn, french: str) -> None:
    options = ("--separator", ACCENT, "--checkpoint", "items.npz")
    text = str(Path(french).with_suffix(".txt"))
    assert charrnn("train", text, *TINY, "--steps", "2", "--normalize", "nfc", *options).code == 0
    assert checkpoint.load("items.npz").separator == "é"
    assert charrnn("train", "--resume", "--steps", "3", *options).code == 0


def test_line_ends_of_a_separator_are_read_as_those_of_the_text(charrnn: Charrnn) -> None:
    Path("poems.txt").write_text("ab cd\r\n\r\nef gh\r\n\r\n" * 20, newline="")
    options = ("--separator", "\r\n\r\n", "--checkpoint", "poems.npz")
    assert charrnn("train", "poems.txt", *TINY, "--steps", "2", *options).code == 0
    assert checkpoint.load("poems.npz").separator == "\n\n"
    assert charrnn("train", "--resume", "--steps", "3", *options).code == 0


def test_texts_to_read_are_composed(charrnn: Charrnn, french: str) -> None:
    Path("composed.txt").write_text("un été passé|", newline="")
    Path("apart.txt").write_text(f"un {ACCENT}t{ACCENT} pass{ACCENT}|", newline="")
    figures = [json.loads(charrnn("score", french, f, "--json", "-q").out) for f in ("composed.txt", "apart.txt")]
    assert figures[0]["nats_per_char"] == figures[1]["nats_per_char"]
    for text in ("composed.txt", "apart.txt"):
        assert charrnn("view", french, text, "-o", f"{text}.html").code == 0
    assert Path("composed.txt.html").read_bytes() == Path("apart.txt.html").read_bytes()
    assert charrnn("gradcheck", french, "--text", "apart.txt", "-q").code == 0


def test_library_functions_compose(french: str) -> None:
    trained = library.load(french)

    def written(text: str) -> str:
        how = library.SampleConfig(length=60, stops=(f"p{text}",), allow=("letters", text), ban=("s",))
        return "".join(library.sample_text(trained, text, how, rng_seed=3))

    assert written(ACCENT) == written("é")


def test_a_library_function_never_writes_the_unknown_symbol_and_ends_an_item() -> None:
    trained = model(**CHANGED)
    trained.params["linear.b_y"] = [50.0 * (character == "\ufffd") for character in trained.vocabulary.characters]
    text = "".join(library.sample_text(trained, rng_seed=0))
    assert "\ufffd" not in text
    assert "|\n" not in text


def test_a_run_is_used_as_its_checkpoint_is() -> None:
    for separator in ("", "|"):
        sizes: dict[str, Any] = {"hidden_sizes": (4,), "batch_size": 2, "seq_length": 10}
        text = "|".join(["abc", *(a + b for a in "abcdef" for b in "abcdef")]) + "|"
        run = library.train(text, separator=separator, steps=1, val_fraction=0.0, **sizes)
        assert run.usage == run.checkpoint().usage
        assert run.usage == Usage(separator, longest_item=3 if separator else 0)


def test_pages_compose_what_is_typed(browser: Browser, charrnn: Charrnn, french: str) -> None:
    charrnn("export", french, "-o", "page.html")
    browser.open(Path("page.html"))
    uniforms = json.dumps(np.random.default_rng(9).random(30).tolist())
    call = "charrnn.sampler.generate({}, 1, {})"
    assert browser.evaluate(call.format(json.dumps(ACCENT), uniforms)) == browser.evaluate(call.format('"é"', uniforms))
    browser.evaluate(f"document.getElementById('seed-text').value = {json.dumps(ACCENT)}")
    browser.click("#write")
    assert browser.evaluate("document.getElementById('unknown').hidden")
    charrnn("view", french, "french.txt", "-n", "100", "-o", "view.html")
    browser.open(Path("view.html"))
    browser.evaluate(f"charrnn.search.query.value = {json.dumps(ACCENT + 't')}; charrnn.search.run()")
    assert browser.evaluate("charrnn.search.matches.length") == 8
    assert browser.troubles == []
