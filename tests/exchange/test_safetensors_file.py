"""A .safetensors file has PyTorch's names, and all that it takes to be read again."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="the package writes and reads the format")

from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from charrnn.checkpoint import load
from charrnn.errors import ExchangeError, MissingPackageError
from charrnn.exchange.description import to_state_dict
from charrnn.exchange.pytorch import as_safetensors, from_safetensors
from charrnn.paths import PRETRAINED
from tests.exchange.conftest import MODELS, TEXT, assert_equal_models, log_probs, model_of, read

PATH = Path("model.safetensors")


@pytest.mark.parametrize(("cell", "layout", "dtype"), MODELS, ids=str)
def test_a_model_comes_back_to_the_last_bit(cell: str, layout: tuple[tuple[int, ...], int], dtype: str) -> None:
    trained = model_of(cell, layout, dtype)
    PATH.write_bytes(as_safetensors(trained, "mine"))
    back = from_safetensors(PATH)
    assert_equal_models(back, trained)
    assert back.corpus.name == "mine"


def test_the_model_that_ships_comes_back_with_its_log_probabilities() -> None:
    trained = load(PRETRAINED)
    PATH.write_bytes(as_safetensors(trained, "clerk"))
    ids = read(trained, TEXT, 10)
    np.testing.assert_array_equal(
        log_probs(from_safetensors(PATH), ids, "float32")[0], log_probs(trained, ids, "float32")[0]
    )


def test_its_tensors_are_a_state_dict_and_its_metadata_describes_the_model() -> None:
    trained = model_of("lstm", ((6, 5), 3), "float32")
    PATH.write_bytes(as_safetensors(trained, "mine"))
    tensors, wanted = load_file(PATH), to_state_dict(trained.model, trained.params)
    assert tensors.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(tensors[name], array)
    with safe_open(PATH, framework="numpy") as file:
        metadata = file.metadata()
    assert metadata["format"] == "pt"
    assert metadata["vocabulary"] == trained.vocabulary.characters
    assert (metadata["cell"], json.loads(metadata["hidden_sizes"])) == ("lstm", [6, 5])


def test_equal_models_give_equal_bytes() -> None:
    assert as_safetensors(model_of("gru", ((6, 5), 3)), "a") == as_safetensors(model_of("gru", ((6, 5), 3)), "a")


def test_a_file_that_does_not_say_its_characters_asks_for_them() -> None:
    trained = model_of("gru", ((7,), 0))
    save_file(to_state_dict(trained.model, trained.params), PATH)
    with pytest.raises(ExchangeError, match=r"has no vocabulary: pass its tensors and their characters"):
        from_safetensors(PATH)


@pytest.mark.parametrize("name", ["missing.safetensors", "folder.safetensors"])
def test_a_file_that_cannot_be_opened_is_named(name: str) -> None:
    Path("folder.safetensors").mkdir()
    with pytest.raises(ExchangeError, match=rf"^{name} cannot be read as \.safetensors"):
        from_safetensors(name)


def test_a_damaged_file_is_refused() -> None:
    data = as_safetensors(model_of("gru", ((7,), 0)), "mine")
    for damaged in (b"", data[:7], data[:-1], b"\xff" * 8 + data[8:], data[:9] + b"x" + data[10:]):
        PATH.write_bytes(damaged)
        with pytest.raises(ExchangeError, match=r"cannot be read as \.safetensors"):
            from_safetensors(PATH)


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = as_safetensors(model_of("gru", ((7,), 0)), "mine")
    PATH.write_bytes(data)
    for name in ("safetensors", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=r"^a \.safetensors needs safetensors: `pip install safetensors`$"):
        from_safetensors(PATH)
    with pytest.raises(MissingPackageError, match=r"needs safetensors"):
        as_safetensors(model_of("gru", ((7,), 0)), "mine")
