"""Recurrent layers: equal to the plain equations, in either order of axes, whole or in parts."""

from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.layers import Recurrent
from charrnn.nn import equations
from charrnn.nn.parameters import Array

B, T, D, H = 3, 7, 4, 5
KINDS: dict[str, type[Recurrent[Any]]] = {
    "vanilla": charrnn.Vanilla,
    "lstm": charrnn.LSTM,
    "gru": charrnn.GRU,
}


def layer_of(cell: str, **options: Any) -> Recurrent[Any]:
    return KINDS[cell](D, H, rng=1, dtype=np.float64, **options)


def random_state(layer: Recurrent[Any], rng: np.random.Generator) -> Any:
    zero = layer.zero_state(B)
    return type(zero)(*(rng.normal(size=array.shape) for array in zero))


def loops(layer: Recurrent[Any], cell: str, x: Array, state: Any) -> tuple[Array, Any]:
    """Hidden states (B, T, H) and the final state, one step at a time."""
    steps = equations.layer_forward(cell, layer.params, x.swapaxes(0, 1), state)
    return np.stack([step.h for step in steps], axis=1), type(state)(*steps[-1].state)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("cell", KINDS)
def test_a_layer_equals_the_equations(cell: str, batch_first: bool) -> None:
    rng = np.random.default_rng(0)
    layer = layer_of(cell, batch_first=batch_first)
    x, state = rng.normal(size=(B, T, D)), random_state(layer, rng)
    wanted, wanted_state = loops(layer, cell, x, state)
    outputs, final = layer.forward(x if batch_first else x.swapaxes(0, 1), state, return_sequences=True)
    np.testing.assert_allclose(outputs if batch_first else outputs.swapaxes(0, 1), wanted, rtol=1e-12)
    np.testing.assert_allclose(final, wanted_state, rtol=1e-12)


@pytest.mark.parametrize("cell", KINDS)
def test_batch_first_and_time_major_are_one_layer(cell: str) -> None:
    rng = np.random.default_rng(0)
    first, major = layer_of(cell), layer_of(cell, batch_first=False)
    x, d = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, H))
    y, _ = first.forward(x, return_sequences=True)
    turned, _ = major.forward(x.swapaxes(0, 1), return_sequences=True)
    np.testing.assert_array_equal(turned.swapaxes(0, 1), y)
    d_x, d_state = first.backward(d)
    d_turned, d_state_too = major.backward(d.swapaxes(0, 1))
    assert d_x is not None
    assert d_turned is not None
    np.testing.assert_array_equal(d_turned.swapaxes(0, 1), d_x)
    np.testing.assert_array_equal(d_state_too, d_state)
    np.testing.assert_array_equal(major.grads.vector, first.grads.vector)


@pytest.mark.parametrize("cell", KINDS)
def test_the_last_output_is_the_end_of_the_sequence_and_so_is_its_gradient(cell: str) -> None:
    rng = np.random.default_rng(0)
    layer = layer_of(cell)
    x, d = rng.normal(size=(B, T, D)), rng.normal(size=(B, H))
    whole, _ = layer.forward(x, return_sequences=True)
    d_x, _ = layer.backward(np.concatenate([np.zeros((B, T - 1, H)), d[:, None]], axis=1))
    grads = layer.grads.vector.copy()
    last, _ = layer.forward(x)
    np.testing.assert_array_equal(last, whole[:, -1])
    d_x_too, _ = layer.backward(d)
    np.testing.assert_array_equal(d_x_too, d_x)
    np.testing.assert_array_equal(layer.grads.vector, grads)


@pytest.mark.parametrize("cell", KINDS)
def test_a_split_sequence_with_its_state_carried_equals_the_whole(cell: str) -> None:
    rng = np.random.default_rng(0)
    layer = layer_of(cell)
    x, d = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, H))
    whole, final = layer.forward(x, return_sequences=True)
    d_x, d_start = layer.backward(d)
    grads = layer.grads.vector.copy()
    first, state = layer.forward(x[:, :3], return_sequences=True)
    second, end = layer.forward(x[:, 3:], state, return_sequences=True)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-12)
    np.testing.assert_allclose(end, final, rtol=1e-12)
    d_second, d_state = layer.backward(d[:, 3:])
    total = layer.grads.vector.copy()
    layer.forward(x[:, :3], return_sequences=True)
    d_first, d_start_too = layer.backward(d[:, :3], d_state)
    total += layer.grads.vector
    assert d_first is not None
    assert d_second is not None
    assert d_x is not None
    np.testing.assert_allclose(np.concatenate([d_first, d_second], axis=1), d_x, rtol=1e-10)
    np.testing.assert_allclose(d_start_too, d_start, rtol=1e-10)
    np.testing.assert_allclose(total, grads, rtol=1e-10)


@pytest.mark.parametrize("cell", KINDS)
def test_ids_are_one_hot_vectors(cell: str) -> None:
    rng = np.random.default_rng(0)
    layer = layer_of(cell)
    ids, d = rng.integers(0, D, (B, T)), rng.normal(size=(B, T, H))
    from_ids, _ = layer.forward(ids, return_sequences=True)
    nothing, _ = layer.backward(d)
    grads = layer.grads.vector.copy()
    from_vectors, _ = layer.forward(charrnn.one_hot(ids, D), return_sequences=True)
    layer.backward(d)
    assert nothing is None
    np.testing.assert_allclose(from_ids, from_vectors, rtol=1e-12)
    np.testing.assert_allclose(grads, layer.grads.vector, rtol=1e-10)


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("cell", KINDS)
def test_every_gradient_is_right(cell: str, return_sequences: bool) -> None:
    rng = np.random.default_rng(0)
    layer = layer_of(cell)
    rows = charrnn.check_layer(
        layer, rng.normal(size=(B, T, D)), random_state(layer, rng), return_sequences=return_sequences
    )
    assert {row.array for row in rows} >= {"W_xh", "W_hh", "b_h", "inputs", "state.0"}
    assert all(row.passed for row in rows)


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


def test_backward_needs_a_forward_of_its_own() -> None:
    layer = layer_of("vanilla")
    with pytest.raises(RuntimeError, match="call forward again"):
        layer.backward(np.zeros((B, H)))
    layer.forward(np.zeros((B, T, D)))
    layer.backward(np.zeros((B, H)))
    with pytest.raises(RuntimeError, match="call forward again"):
        layer.backward(np.zeros((B, H)))


def test_one_seed_gives_the_same_weights_in_each_data_type() -> None:
    wide, narrow = charrnn.GRU(D, H, rng=3, dtype=np.float64), charrnn.GRU(D, H, rng=3)
    np.testing.assert_array_equal(wide.params.vector.astype(np.float32), narrow.params.vector)
    assert narrow.forward(np.zeros((B, T, D)))[0].dtype == np.float32
