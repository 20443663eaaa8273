"""What every optimizer promises, and then what only one of them does.

That each equals its formula, in blocks of numbers or all at once: tests/test_mutants.py.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from charrnn.nn.parameters import Array, Parameters
from charrnn.optim import OPTIMIZERS, SGD, Adagrad, Adam

every_default = pytest.mark.parametrize("kind", OPTIMIZERS)


def numbers(*values: float) -> Parameters:
    return Parameters({"p": (len(values),)}, np.array(values))


@every_default
def test_memories_start_empty_and_are_of_the_parameters_form(kind: str) -> None:
    params = Parameters({"cells.0.W_hh": (2, 3), "linear.b_y": (4,)})
    state = OPTIMIZERS[kind]().init(params)
    assert state.updates == 0
    assert tuple(state.memories) == OPTIMIZERS[kind].memories
    for memory in state.memories.values():
        assert (memory.shapes, memory.vector.dtype) == (params.shapes, np.float32)
        assert not memory.vector.any()


@every_default
def test_no_gradient_moves_nothing(kind: str) -> None:
    params, optimizer = numbers(1.0, -2.0), OPTIMIZERS[kind]()
    optimizer.update(params, numbers(0.0, 0.0), optimizer.init(params), 0.1)
    np.testing.assert_array_equal(params.vector, [1, -2])


@every_default
def test_default_rate_finds_the_bottom_of_a_bowl(kind: str) -> None:
    params, optimizer = numbers(0.5, -0.3), OPTIMIZERS[kind]()
    state = optimizer.init(params)
    for _ in range(600):
        optimizer.update(params, params.copy(), state, optimizer.default_learning_rate)
    assert np.abs(params.vector).max() < 5e-3


# --- Adagrad ---


def test_adagrad_eps_stands_inside_the_root() -> None:
    params, adagrad = numbers(0.0), Adagrad(eps=1e-8)
    adagrad.update(params, numbers(1e-10), adagrad.init(params), 0.1)
    # 0.1 · 1e-10 / √(1e-20 + 1e-8) = 1e-11 / 1e-4; outside the root it would be 1e-3
    assert params["p"][0] == pytest.approx(-1e-7, rel=1e-6)


gradients = hnp.arrays(np.float32, (6, 4), elements=st.floats(-(2.0**60), 2.0**60, width=32))


@given(gradients)
def test_adagrads_memory_never_shrinks(history: Array) -> None:
    params, adagrad = Parameters({"p": (4,)}), Adagrad()
    state = adagrad.init(params)
    before = np.zeros(4, np.float32)
    for gradient in history:
        adagrad.update(params, params.like(gradient), state, 0.1)
        after = state.memories["sum_squares"].vector.copy()
        assert (after >= before).all()
        before = after
    assert np.isfinite(params.vector).all()


# --- Adam ---


def test_adams_step_does_not_fade_under_a_constant_gradient() -> None:
    params, adam = numbers(0.0), Adam()
    state = adam.init(params)
    for _ in range(200):
        before = params["p"][0]
        adam.update(params, numbers(0.3), state, 0.01)
        assert before - params["p"][0] == pytest.approx(0.01, rel=1e-6)


# --- momentum ---


def test_sgd_goes_on_when_the_gradient_stops() -> None:
    params, sgd = numbers(0.0), SGD(momentum=0.5)
    state = sgd.init(params)
    for gradient in (1.0, 0.0, 0.0):
        sgd.update(params, numbers(gradient), state, 0.1)
    assert params["p"][0] == pytest.approx(-0.1 * (1 + 0.5 + 0.25))


@every_default
@pytest.mark.parametrize("size", [1, 4])
def test_arrays_of_another_size_are_refused_and_nothing_is_changed(kind: str, size: int) -> None:
    optimizer, params = OPTIMIZERS[kind](), numbers(1, 2, 3)
    others = Parameters({"p": (size,)}, dtype=np.float64)
    state, foreign = optimizer.init(params), optimizer.init(others)
    with pytest.raises(ValueError, match=r"^grads must have 3 numbers"):
        optimizer.update(params, others, state, 0.1)
    with pytest.raises(ValueError, match=r"^state\.memories\['.*'\] must have 3 numbers"):
        optimizer.update(params, params.like(), foreign, 0.1)
    assert params.vector.tolist() == [1, 2, 3]
    assert (state.updates, foreign.updates) == (0, 0)
    assert all(not memory.vector.any() for memory in state.memories.values())
