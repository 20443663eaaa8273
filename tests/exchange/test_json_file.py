"""A model in JSON: every number to the last bit, in a form that needs no NumPy, and read again only if it is whole."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.checkpoint import load
from charrnn.errors import ExchangeError
from charrnn.exchange.json import as_json, from_json
from charrnn.paths import PRETRAINED
from charrnn.version import __version__
from tests.exchange.conftest import MODELS, TEXT, assert_equal_models, log_probs, model_of, read


@pytest.mark.parametrize(("cell", "layout", "dtype"), MODELS, ids=str)
def test_a_model_comes_back_to_the_last_bit(cell: str, layout: tuple[tuple[int, ...], int], dtype: str) -> None:
    trained = model_of(cell, layout, dtype)
    Path("model.json").write_bytes(as_json(trained, "mine"))
    back = from_json("model.json")
    assert_equal_models(back, trained)
    assert back.corpus.name == "mine"


def test_the_model_that_ships_comes_back_with_its_log_probabilities() -> None:
    trained = load(PRETRAINED)
    Path("model.json").write_bytes(as_json(trained, "clerk"))
    back = from_json("model.json")
    ids = read(trained, TEXT, 10)
    np.testing.assert_array_equal(log_probs(back, ids, "float32")[0], log_probs(trained, ids, "float32")[0])


def test_a_program_without_numpy_can_compute_with_it() -> None:
    trained = model_of("lstm", ((7,), 0))
    model = json.loads(as_json(trained, "mine"))
    p, H = model["params"], model["hidden_sizes"][0]
    ids = {character: number for number, character in enumerate(model["vocabulary"])}
    h, c = [0.0] * H, [0.0] * H
    for character in TEXT[:50]:
        a = [
            x + b + sum(h[j] * p["cells.0.W_hh"][j][k] for j in range(H))
            for k, (x, b) in enumerate(zip(p["cells.0.W_xh"][ids[character]], p["cells.0.b_h"], strict=True))
        ]
        gates = dict(zip(model["gate_order"], (a[g * H : (g + 1) * H] for g in range(4)), strict=True))
        i, f, o = ([1 / (1 + math.exp(-v)) for v in gates[gate]] for gate in "ifo")
        c = [f[j] * c[j] + i[j] * math.tanh(gates["g"][j]) for j in range(H)]
        h = [o[j] * math.tanh(c[j]) for j in range(H)]
    logits = [b + sum(h[j] * p["linear.W_hy"][j][v] for j in range(H)) for v, b in enumerate(p["linear.b_y"])]
    total = math.log(sum(map(math.exp, logits)))
    found = [logit - total for logit in logits]
    np.testing.assert_allclose(found, log_probs(trained, read(trained, TEXT[:50], 1))[0][-1, 0], rtol=0, atol=1e-12)


def test_the_description_stands_before_the_numbers_a_line_a_key() -> None:
    lines = as_json(model_of("gru", ((6, 5), 3)), 'a "name"\n').decode().splitlines()
    assert lines[:3] == ["{", ' "name": "a \\"name\\"\\n",', f' "charrnn": "{__version__}",']
    assert ' "hidden_sizes": [6, 5],' in lines
    assert ' "gate_order": "rzn",' in lines
    assert all(line.startswith(' "') for line in lines[1 : lines.index(' "params": {')])


def change(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda model: model.update({key: value})


DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "no vocabulary": lambda model: model.pop("vocabulary"),
    "a vocabulary of another size": lambda model: model["vocabulary"].pop(),
    "characters out of order": lambda model: model["vocabulary"].reverse(),
    "an unknown cell": change("cell", "qrnn"),
    "a cell of another kind": change("cell", "lstm"),
    "a size of 0": change("hidden_sizes", [0]),
    "no layers": change("hidden_sizes", []),
    "a size that is no number": change("hidden_sizes", [True]),
    "a negative embedding": change("embedding_size", -1),
    "tied without an embedding": change("tied", True),
    "gates in another order": change("gate_order", "zrn"),
    "another type of number": change("dtype", "int8"),
    "a name that is none": change("name", 7),
    "no arrays": change("params", {}),
    "an array too many": lambda model: model["params"].update(more=[1]),
    "a row too short": lambda model: model["params"]["cells.0.W_hh"][2].pop(),
    "a row too few": lambda model: model["params"]["cells.0.W_hh"].pop(),
    "a number that is not finite": lambda model: model["params"].update({"cells.0.b_hn": [math.nan] * 7}),
    "a number beyond float32": lambda model: model["params"].update({"cells.0.b_hn": [1e300] * 7}),
    "a number that is a text": lambda model: model["params"].update({"cells.0.b_hn": ["x"] * 7}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_no_whole_model_is_refused_in_one_sentence(damage: str) -> None:
    model = json.loads(as_json(model_of("gru", ((7,), 0), "float32"), "mine"))
    DAMAGE[damage](model)
    Path("model.json").write_text(json.dumps(model))
    with pytest.raises(ExchangeError, match=r"^model\.json is not a model exported as \.json \(.*\)$"):
        from_json("model.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000, b'{"name": 1e999}'])
def test_what_is_no_json_of_a_model_is_refused(data: bytes) -> None:
    Path("model.json").write_bytes(data)
    with pytest.raises(ExchangeError, match=r"model\.json is not a model"):
        from_json("model.json")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ExchangeError, match=r"missing\.json cannot be read: No such file"):
        from_json("missing.json")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_that_an_editor_saved_in_another_way_of_unicode_is_read(encoding: str) -> None:
    trained = model_of("gru", ((7,), 0), "float32")
    text = as_json(trained, "mine").decode()
    Path("model.json").write_text(text, encoding=encoding, newline="\r\n")
    assert_equal_models(from_json("model.json"), trained)
