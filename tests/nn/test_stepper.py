"""One character at a time, the network computes what it computes of a whole sequence."""

import numpy as np
import pytest

from charrnn.nn.model import CharRNN
from charrnn.nn.stepper import Stepper

V = 7
NETWORKS = [
    *(CharRNN(V, cell, (8, 5), embedding_size) for cell in ("vanilla", "lstm", "gru") for embedding_size in (0, 4)),
    CharRNN(V, "lstm", (6,), 6, tied=True),
    CharRNN(V, "gru", (128,)),  # whose products with 8 streams are cut into tiles
]


@pytest.mark.parametrize("B", [1, 8])
@pytest.mark.parametrize("model", NETWORKS, ids=str)
def test_characters_one_by_one_give_the_scores_of_the_sequence(model: CharRNN, B: int) -> None:
    rng = np.random.default_rng(0)
    params, ids = model.initialize(rng, std=0.8, dtype=np.float64), rng.integers(0, V, (10, B))
    params.vector[...] = rng.normal(0, 0.5, params.vector.shape)  # biases too
    logits, state = model.session(params, B).logits(ids, model.zero_state(B, np.float64))
    stepper = Stepper(model, params, B)
    for row, wanted in zip(ids, logits, strict=True):
        stepper.read(row)
        np.testing.assert_allclose(stepper.logits, wanted, rtol=1e-12, atol=1e-12)
    for own, last in zip(stepper.state, state, strict=True):
        for array, value in zip(own, last, strict=True):
            np.testing.assert_allclose(array, value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("model", NETWORKS, ids=str)
def test_a_stepper_returns_to_where_it_was(model: CharRNN) -> None:
    rng = np.random.default_rng(1)
    stepper = Stepper(model, model.initialize(rng), 2)
    first, second = rng.integers(0, V, (2, 2))
    stepper.read(first)
    state = stepper.copy_state()
    stepper.read(second)
    wanted = stepper.logits.copy()
    stepper.rewind(state)
    stepper.read(second)
    np.testing.assert_array_equal(stepper.logits, wanted)
