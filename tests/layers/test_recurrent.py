"""What recurrent layers keep, return and refuse.

That they equal the plain equations and that their gradients are right: tests/test_mutants.py.
"""

from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.layers import Recurrent
from charrnn.nn.parameters import Array

B, T, D, H = 3, 7, 4, 5
KINDS: dict[str, type[Recurrent[Any]]] = {
    "vanilla": charrnn.Vanilla,
    "lstm": charrnn.LSTM,
    "gru": charrnn.GRU,
}


def layer_of(cell: str, **options: Any) -> Recurrent[Any]:
    return KINDS[cell](D, H, rng=1, dtype=np.float64, **options)


@pytest.mark.parametrize("return_sequences", [True, False])
def test_what_is_returned_is_no_view_of_what_the_next_call_overwrites(return_sequences: bool) -> None:
    layer = layer_of("lstm", batch_first=False)
    x = np.random.default_rng(0).normal(size=(T, B, D))
    y, state = layer.forward(x, return_sequences=return_sequences)
    copies = y.copy(), *(array.copy() for array in state)
    d_x, _ = layer.backward(np.ones_like(y))
    assert d_x is not None
    d_copy = d_x.copy()
    layer.forward(2 * x, return_sequences=return_sequences)
    layer.backward(2 * np.ones_like(y))
    for array, copy in zip((y, *state, d_x), (*copies, d_copy), strict=True):
        np.testing.assert_array_equal(array, copy)


def test_neither_inputs_nor_states_nor_gradients_given_are_changed() -> None:
    for batch_first in (True, False):
        layer = layer_of("gru", batch_first=batch_first)
        x, d = np.ones((B, B, D)), np.ones((B, B, H))
        state = charrnn.GRUState(np.ones((B, H)))
        layer.forward(x, state, return_sequences=True)
        layer.backward(d, state)
        assert (x == 1).all()
        assert (d == 1).all()
        assert (state.h == 1).all()


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        (np.zeros((B, T, D + 1)), ValueError),
        (np.zeros(T), ValueError),
        (np.zeros((B, 0, D)), ValueError),
        (np.zeros((B, T)), TypeError),
        (np.full((B, T), D), IndexError),
        (np.full((B, T), -1), IndexError),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: Array, error: type[Exception]) -> None:
    with pytest.raises(error):
        layer_of("gru").forward(inputs)


def test_states_and_gradients_that_do_not_fit_are_refused() -> None:
    layer = layer_of("lstm")
    x = np.zeros((B, T, D))
    with pytest.raises(ValueError, match=r"arrays \(h, c\)"):
        layer.forward(x, charrnn.LSTMState(np.zeros((B, H)), np.zeros((1, H))))
    layer.forward(x)
    with pytest.raises(ValueError, match="outputs' shape"):
        layer.backward(np.zeros((B, T, H)))
    with pytest.raises(ValueError, match="at least one"):
        charrnn.LSTM(0, 5, rng=0)


def test_one_seed_gives_the_same_weights_in_each_data_type() -> None:
    wide, narrow = charrnn.GRU(D, H, rng=3, dtype=np.float64), charrnn.GRU(D, H, rng=3)
    np.testing.assert_array_equal(wide.params.vector.astype(np.float32), narrow.params.vector)
    assert narrow.forward(np.zeros((B, T, D)))[0].dtype == np.float32
