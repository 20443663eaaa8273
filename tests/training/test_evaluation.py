"""The held-out figure is that of the plain equations, over every transition once, and touches nothing."""

from itertools import pairwise
from typing import Literal

import numpy as np
import pytest

from charrnn.nn import equations
from charrnn.nn.model import CharRNN
from charrnn.scoring import reading
from charrnn.training import evaluation
from charrnn.training.evaluation import Evaluator

V = 5


def plain_sum(model: CharRNN, params: equations.Params, text: equations.Array) -> float:
    """Nats over one stretch of text, read from the zero state, character by character."""
    tape = equations.network_forward(params, model.cell, text[:-1, None], model.zero_state(1, np.float64))
    return float(equations.cross_entropy(tape.logits, text[1:, None]).sum())


@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
@pytest.mark.parametrize("length", [2, 3, 41, 60, 61, 62, 63, 64])
def test_evaluation_equals_the_equations_on_the_same_streams(
    monkeypatch: pytest.MonkeyPatch, cell: Literal["vanilla", "lstm", "gru"], length: int
) -> None:
    monkeypatch.setattr(evaluation, "MAX_STREAMS", 3)
    monkeypatch.setattr(evaluation, "MIN_STREAM_LENGTH", 10)
    monkeypatch.setattr(reading, "CHUNK_LENGTH", 7)
    rng = np.random.default_rng(length)
    model = CharRNN(V, cell, (4, 3))
    params = model.initialize(rng, dtype=np.float64)
    text = rng.integers(0, V, length)
    streams = 1 if length < 21 else 2 if length < 31 else 3
    each, rest = divmod(length - 1, streams)
    cuts = [k * each for k in range(streams + 1)]
    parts = [text[first : last + 1] for first, last in pairwise(cuts)]
    if rest:
        parts.append(text[-rest - 1 :])
    # Each part begins with the character the one before it ended with, so that every transition counts once.
    assert sum(len(part) - 1 for part in parts) == length - 1
    wanted = sum(plain_sum(model, params, part) for part in parts) / (length - 1)
    assert Evaluator(model, text.astype(np.uint8)).loss(params) == pytest.approx(wanted, rel=1e-12)


def test_a_uniform_model_loses_the_logarithm_of_the_vocabulary() -> None:
    model = CharRNN(V, "lstm", (4,))
    params = model.initialize(np.random.default_rng(0), dtype=np.float64)
    params.vector[:] = 0
    text = np.random.default_rng(1).integers(0, V, 1234)
    assert Evaluator(model, text).loss(params) == pytest.approx(np.log(V), rel=1e-12)


def test_evaluating_twice_gives_the_same_bits_and_changes_no_parameter() -> None:
    model = CharRNN(V, "lstm", (4,))
    params = model.initialize(np.random.default_rng(0))
    before = params.vector.tobytes()
    evaluator = Evaluator(model, np.random.default_rng(1).integers(0, V, 1234))
    assert evaluator.loss(params) == evaluator.loss(params)
    assert params.vector.tobytes() == before


def test_of_a_long_text_only_the_beginning_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_CHARACTERS", 300)
    model = CharRNN(V, "lstm", (4,))
    params = model.initialize(np.random.default_rng(0), dtype=np.float64)
    text = np.random.default_rng(1).integers(0, V, 1234)
    evaluator = Evaluator(model, text)
    assert (len(evaluator.scored), evaluator.transitions) == (300, 299)
    assert evaluator.loss(params) == Evaluator(model, text[:300]).loss(params)
