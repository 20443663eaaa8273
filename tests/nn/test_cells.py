"""One recurrent layer by itself, of either kind. That it equals the equations: tests/test_mutants.py."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.nn.arrangement import tiling
from charrnn.nn.cell import Cell
from charrnn.nn.model import CELLS
from charrnn.nn.parameters import Array, Parameters

T, B, D, H = 13, 3, 4, 5  # more positions than `nn.embedding` calls few
every_cell = pytest.mark.parametrize("kind", CELLS)
every_input = pytest.mark.parametrize("from_ids", [True, False], ids=["ids", "vectors"])


class Pass(NamedTuple):
    """What a layer is given, forwards and backwards."""

    cell: Cell
    params: Parameters
    inputs: Array
    state: Any
    d_outputs: Array
    d_final: Any


class Gradients(NamedTuple):
    """What a layer's backward pass says."""

    grads: Parameters
    d_inputs: Array | None
    d_state: Any


def draw(kind: str, *, from_ids: bool) -> Pass:
    rng = np.random.default_rng(5)
    cell = CELLS[kind](D, H)
    params = Parameters(cell.shapes(), dtype=np.float64)
    params.vector[...] = rng.normal(0, 0.5, params.vector.size)
    zero = cell.zero_state(B, np.dtype(np.float64))
    state, d_final = (type(zero)(*(rng.normal(size=array.shape) for array in zero)) for _ in range(2))
    inputs = rng.integers(0, D, (T, B)) if from_ids else rng.normal(size=(T, B, D))
    return Pass(cell, params, inputs, state, rng.normal(size=(T, B, H)), d_final)


def forward(work: Pass, dtype: Any = np.float64) -> tuple[Any, Any]:
    """Return the workspace after a forward pass, and the final state."""
    ws = work.cell.workspace(len(work.inputs), B, np.dtype(dtype), from_ids=work.inputs.ndim == 2)
    return ws, work.cell.forward(arranged(work, dtype), ws, work.inputs[None], work.state)


def arranged(work: Pass, dtype: Any = np.float64) -> Any:
    weights = work.cell.weights(B, np.dtype(dtype), from_ids=work.inputs.ndim == 2)
    work.cell.arrange(work.params, weights)
    return weights


def backward(work: Pass) -> Gradients:
    ws, _ = forward(work)
    grads = work.params.like(np.full_like(work.params.vector, np.nan))
    d_state = work.cell.backward(
        arranged(work), ws, [grads.group("")], work.inputs[None], work.d_outputs[None], work.d_final
    )
    return Gradients(grads, ws.d_inputs, d_state)


@every_input
@every_cell
def test_sequence_split_with_states_carried_both_ways_equals_whole(kind: str, from_ids: bool) -> None:
    whole = draw(kind, from_ids=from_ids)
    first = whole._replace(inputs=whole.inputs[:6], d_outputs=whole.d_outputs[:6])
    first_ws, between = forward(first)
    second = whole._replace(inputs=whole.inputs[6:], d_outputs=whole.d_outputs[6:], state=between)
    second_ws, _ = forward(second)
    np.testing.assert_allclose(
        np.concatenate([first_ws.outputs, second_ws.outputs], axis=1), forward(whole)[0].outputs, rtol=1e-12
    )
    late = backward(second)
    early = backward(first._replace(d_final=late.d_state))
    answer = backward(whole)
    np.testing.assert_allclose(early.grads.vector + late.grads.vector, answer.grads.vector, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(early.d_state, answer.d_state, rtol=1e-10, atol=1e-13)


@every_cell
def test_no_gradient_of_the_final_state_is_a_gradient_of_zero(kind: str) -> None:
    work = draw(kind, from_ids=True)
    zero = work.cell.zero_state(B, np.dtype(np.float64))
    ours, theirs = (backward(work._replace(d_final=d_final)) for d_final in (None, zero))
    np.testing.assert_array_equal(ours.grads.vector, theirs.grads.vector)
    np.testing.assert_array_equal(ours.d_state, theirs.d_state)


@every_cell
def test_state_before_any_character_is_zero_in_the_dtype_asked_for(kind: str) -> None:
    for array in CELLS[kind](D, H).zero_state(B, np.dtype(np.float32)):
        assert (array.shape, array.dtype, array.any()) == ((B, H), np.float32, False)


def test_only_the_forget_gate_starts_with_a_bias() -> None:
    for kind in CELLS:
        cell = CELLS[kind](D, H)
        params = Parameters(cell.shapes(), np.full(sum(map(np.prod, cell.shapes().values())), np.nan))
        cell.initialize(params.group(""), np.random.default_rng(0), 0.0)
        assert np.isfinite(params.vector).all()
        assert params["W_hh"].all()
        biases = params["b_h"].reshape(-1, H)
        wanted = [0, 1, 0, 0] if kind == "lstm" else [0] * len(biases)
        np.testing.assert_array_equal(biases, np.repeat(wanted, H).reshape(-1, H))
        assert kind != "gru" or not params["b_hn"].any()


@given(st.integers(1, 512), st.integers(1, 64).map(lambda n: 16 * n))
def test_tiles_are_small_products_wherever_the_sizes_allow(B: int, H: int) -> None:
    blocks, P = tiling(B, H)
    assert B % blocks == 0
    assert H % P == 0
    width = H // P
    if P > 1:
        assert width == 64 or (32 <= width <= 200 and H % 64)
    if blocks > 1:
        assert B // blocks * H * width <= 1_000_000 < B * H * width
