"""Models from PyTorch compute here what they computed there, and ours go there and come back."""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.checkpoint import load, save
from charrnn.errors import ExchangeError, MissingPackageError
from charrnn.exchange.description import to_state_dict
from charrnn.exchange.pytorch import from_torch, to_torch
from charrnn.nn.parameters import Array
from charrnn.sampling.sampler import sample
from tests.conftest import Charrnn
from tests.exchange.conftest import CELLS, LAYOUTS, assert_equal_models, log_probs, model_of
from tests.fixtures.make_torch_models import CASES, CHARS, PATH

STORED = dict(np.load(PATH, allow_pickle=False))


def stored(case: str) -> dict[str, Array]:
    """Return the state_dict that PyTorch made."""
    prefix = f"{case}/state_dict/"
    return {name.removeprefix(prefix): array for name, array in STORED.items() if name.startswith(prefix)}


def assert_computes_the_same(case: str, state_dict: Mapping[str, Any]) -> None:
    trained = from_torch(state_dict, CHARS)
    ids = trained.vocabulary.encode("".join(CHARS[number] for number in STORED[f"{case}/ids"].reshape(-1)))
    found, _ = log_probs(trained, ids.reshape(STORED[f"{case}/ids"].shape))
    wanted = STORED[f"{case}/log_probs"][..., [CHARS.index(character) for character in trained.vocabulary.characters]]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_a_model_of_pytorch_computes_here_what_it_computed_there(case: str) -> None:
    assert_computes_the_same(case, stored(case))
    model = from_torch(stored(case), CHARS).model
    kind = {"RNN": "vanilla", "LSTM": "lstm", "GRU": "gru"}[CASES[case].module]
    assert (model.cell, model.hidden_sizes) == (kind, CASES[case].hidden_sizes)
    assert (model.embedding_size, model.tied) == (CASES[case].embedding_size, CASES[case].tied)


@pytest.mark.parametrize("case", CASES)
def test_the_parts_are_found_whatever_the_order_and_the_names_before_them(case: str) -> None:
    state_dict = stored(case)
    assert_computes_the_same(case, dict(sorted(state_dict.items())))
    assert_computes_the_same(case, {f"module.net.{name}": array for name, array in state_dict.items()})


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_a_state_dict_of_ours_comes_back_to_the_last_bit(cell: str, layout: tuple[tuple[int, ...], int]) -> None:
    trained = model_of(cell, layout, "float32")
    state_dict = to_state_dict(trained.model, trained.params)
    back = from_torch(state_dict, trained.vocabulary.characters)
    if cell != "gru":
        # two biases in one: adding the other's zeros changes nothing
        assert not state_dict[next(name for name in state_dict if "bias_hh" in name)].any()
    assert_equal_models(back, trained)


def test_eleven_modules_are_stacked_by_their_numbers() -> None:
    trained = model_of("vanilla", ((3, 4, 5, 3, 4, 5, 3, 4, 5, 3, 4), 0))
    state_dict = to_state_dict(trained.model, trained.params)
    assert_equal_models(from_torch(dict(sorted(state_dict.items())), trained.vocabulary.characters), trained)


def test_a_model_from_elsewhere_is_saved_sampled_scored_and_described(charrnn: Charrnn, text_file: Path) -> None:
    save("model.npz", from_torch(stored("gru_embedding"), CHARS, "greetings"))
    assert_equal_models(load("model.npz"), from_torch(stored("gru_embedding"), CHARS))
    outcome = charrnn("sample", "model.npz", "--seed", "hello", "-n", "20")
    assert (outcome.code, outcome.out[:5]) == (0, b"hello")
    scored = charrnn("score", "model.npz", str(text_file))
    assert scored.code == 0, scored.err
    assert "the model is from elsewhere, and its training text is not known" in scored.err
    info = charrnn("info", "model.npz")
    assert (info.code, info.err) == (0, "")
    lines = info.out.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["file", "model", "symbols", "text"]
    assert lines[3] == "text      greetings: an imported model, whose training text is not known"
    assert json.loads(charrnn("info", "model.npz", "--json").out)["command"] is None
    resumed = charrnn("train", "--resume", "--checkpoint", "model.npz")
    assert (resumed.code, len(resumed.error_lines)) == (1, 1)
    started = charrnn(
        *("train", str(text_file), "--init-from", "model.npz", "--steps", "2", "--checkpoint", "new.npz"),
        *("--batch-size", "2", "--seq-length", "10"),
    )
    assert started.code == 0, started.err
    assert load("new.npz").model.cell == "gru"


def tensors_without(case: str, *names: str) -> dict[str, Array]:
    return {name: array for name, array in stored(case).items() if name not in names}


def with_more(case: str, **arrays: Array) -> dict[str, Array]:
    return stored(case) | {name.replace("__", "."): array for name, array in arrays.items()}


ZEROS = np.zeros
REFUSED: dict[str, tuple[Mapping[str, Any], str]] = {
    "no recurrent layer": ({"weight": ZEROS((9, 5))}, "has no weight_ih_l0"),
    "nothing": ({}, "has no weight_ih_l0"),
    "bidirectional": (
        with_more("lstm", rnn__weight_ih_l0_reverse=ZEROS((20, 9))),
        "a bidirectional model cannot write",
    ),
    "a projection": (with_more("lstm", rnn__weight_hr_l0=ZEROS((3, 5))), "projects the hidden state"),
    "no weight_hh": (tensors_without("lstm", "rnn.weight_hh_l1"), r"rnn\.\*_l1 has no weight_hh"),
    "no weight_ih": (tensors_without("gru", "rnn.weight_ih_l1"), r"rnn\.\*_l1 has no weight_ih"),
    "no layer below": (
        tensors_without("lstm", *(f"rnn.{part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))),
        r"rnn\.\*_l1 has no layer 0 below it",
    ),
    "no output": (
        tensors_without("gru", "decoder.weight"),
        r"no nn\.Linear with a weight of shape \(9, 5\) turns 5 hidden units",
    ),
    "no embedding": (
        tensors_without("gru_embedding", "embed.weight"),
        r"^no nn\.Embedding of shape \(9, 3\) makes the 3 inputs of the lowest layer$",
    ),
    "one name of a tied matrix": (tensors_without("lstm_tied", "embed.weight"), "pass them under both names"),
    "another layer": (with_more("gru", norm__weight=ZEROS(5)), r"norm\.weight belongs to no nn\.Embedding"),
    "another matrix": (with_more("gru", hidden__weight=ZEROS((5, 5))), r"hidden\.weight belongs to no nn\.Embedding"),
    "a bias too long": (
        with_more("gru", decoder__bias=ZEROS(8)),
        r"decoder\.bias must have one number for each of 9 characters",
    ),
    "sizes that do not meet": (
        with_more("lstm", rnn__weight_ih_l1=ZEROS((20, 6))),
        r"rnn\.\*_l1 takes 6 inputs, but rnn\.\*_l0 below it has 5",
    ),
    "modules without an order": (
        with_more("lstm", top__weight_ih_l0=ZEROS((15, 5)), top__weight_hh_l0=ZEROS((15, 5))),
        r"^rnn\.\* and top\.\* are recurrent modules without an order",
    ),
    "kinds of cell in one list": (
        {f"layers.{k}.weight_{i}h_l0": ZEROS((rows, 5)) for k, rows in enumerate((20, 15)) for i in "ih"},
        "are different kinds of cell",
    ),
    "cells of one step": (
        {f"cell.weight_{i}h": ZEROS((20, 5)) for i in "ih"},
        r"cell\.weight_ih is of a cell such as nn\.LSTMCell: use nn\.RNN, nn\.LSTM or nn\.GRU",
    ),
    "no kind of cell": (with_more("lstm", rnn__weight_hh_l0=ZEROS((20, 4))), r"is not a layer of an nn\.RNN"),
    "a bias of another size": (with_more("lstm", rnn__bias_hh_l0=ZEROS(19)), r"is not a layer of an nn\.RNN"),
    "a weight that is no matrix": (with_more("lstm", rnn__weight_hh_l0=ZEROS(20)), "must be a matrix"),
    "whole numbers": (with_more("gru", rnn__bias_ih_l0=ZEROS(15, np.int64)), "has int64 numbers"),
    "not finite": (with_more("gru", rnn__bias_ih_l0=np.full(15, np.nan)), r"rnn\.bias_ih_l0 has numbers that are not"),
    "two outputs": (with_more("gru", other__weight=ZEROS((9, 5))), r"other\.weight belongs to no nn\.Embedding"),
    "two outputs with biases": (
        with_more("gru", other__weight=ZEROS((9, 5)), other__bias=ZEROS(9)),
        r"decoder\.weight and other\.weight could each be the output",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_model_of_ours_is_refused_with_what_is_in_the_way(case: str) -> None:
    state_dict, words = REFUSED[case]
    with pytest.raises(ExchangeError, match=words) as refusal:
        from_torch(state_dict, CHARS)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("chars", "words"),
    [
        ("", "must be single characters"),
        (["he", "l"], "must be single characters"),
        ("helo wrdl", "has 'l' twice"),
        ("helo wrd\ud800", "half a character"),
        ("helo wrd", r"no nn\.Linear with a weight of shape \(8, 5\)"),
    ],
)
def test_chars_that_are_no_vocabulary_are_refused(chars: Any, words: str) -> None:
    with pytest.raises(ExchangeError, match=words):
        from_torch(stored("gru"), chars)


def test_a_module_for_its_state_dict_is_refused() -> None:
    with pytest.raises(ExchangeError, match=r"expected a state_dict, got a list: pass module\.state_dict\(\)"):
        from_torch([], "ab")  # type: ignore[arg-type]


def test_half_precision_becomes_single() -> None:
    trained = from_torch({name: array.astype(np.float16) for name, array in stored("gru").items()}, CHARS)
    assert trained.params.vector.dtype == np.float32


def test_without_pytorch_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "charrnn.exchange.torch_module", raising=False)
    with pytest.raises(MissingPackageError, match=r"^to_torch needs torch: `pip install torch`$"):
        to_torch(model_of("gru", ((7,), 0)))


def test_a_model_from_elsewhere_writes_the_same_text_in_another_order_of_ids() -> None:
    one = from_torch(stored("lstm"), CHARS)
    order = [8, 0, 3, 1, 2, 7, 6, 4, 5]
    shuffled = {
        name: array[:, order] if name == "rnn.weight_ih_l0" else array[order] if "decoder" in name else array
        for name, array in stored("lstm").items()
    }
    other = from_torch(shuffled, [CHARS[place] for place in order])
    assert_equal_models(one, other)
    written = [
        list(islice(sample(m.model, m.params, np.array([1]), np.random.default_rng(1)), 30))
        for m in (one, replace(other))
    ]
    assert written[0] == written[1]
