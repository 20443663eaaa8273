"""Every optimizer is a row of one table; what only one of them promises comes after."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from charrnn import optim
from charrnn.nn.parameters import Array, Parameters
from charrnn.optim import OPTIMIZERS, SGD, Adagrad, Adam, Optimizer, RMSProp
from tests import reference

# an optimizer, and the same in `reference`; the settings are none of the defaults
TABLE: dict[str, tuple[Optimizer, Callable[..., None]]] = {
    "adagrad": (Adagrad(eps=1e-3), partial(reference.adagrad, eps=1e-3)),
    "rmsprop": (RMSProp(decay=0.7, eps=1e-3), partial(reference.rmsprop, alpha=0.7, eps=1e-3)),
    "adam": (Adam(beta1=0.8, beta2=0.97, eps=1e-3), partial(reference.adam, betas=(0.8, 0.97), eps=1e-3)),
    "sgd": (SGD(momentum=0.6), partial(reference.sgd, momentum=0.6)),
}
every_optimizer = pytest.mark.parametrize("name", TABLE)
every_default = pytest.mark.parametrize("kind", OPTIMIZERS)


def numbers(*values: float) -> Parameters:
    return Parameters({"p": (len(values),)}, np.array(values))


def drawn(rng: np.random.Generator, shapes: dict[str, tuple[int, ...]]) -> Parameters:
    params = Parameters(shapes, dtype=np.float64)
    params.vector[...] = rng.normal(size=params.vector.size)
    return params


def test_table_has_a_row_for_every_optimizer() -> None:
    assert {name: type(optimizer) for name, (optimizer, _) in TABLE.items()} == dict(OPTIMIZERS)


@every_optimizer
def test_twenty_steps_equal_the_slow_reference(name: str) -> None:
    optimizer, slow_update = TABLE[name]
    rng = np.random.default_rng(7)
    shapes = {"W": (90, optim._BLOCK_NUMBERS // 40), "b": (5,)}  # two blocks and a short third
    params = drawn(rng, shapes)
    assert params.vector.size > 2 * optim._BLOCK_NUMBERS
    slow_params, slow_memory = dict(params.copy()), dict[str, Array]()
    state = optimizer.init(params)
    for _ in range(20):
        grads = drawn(rng, shapes)
        before = grads.vector.copy()
        optimizer.update(params, grads, state, 0.05)
        slow_update(slow_params, dict(grads), slow_memory, 0.05)
        np.testing.assert_array_equal(grads.vector, before)
    for array, wanted in slow_params.items():
        np.testing.assert_allclose(params[array], wanted, rtol=1e-12, atol=1e-12)


@every_default
def test_steps_in_small_blocks_are_the_same_bits(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    results = []
    for block_numbers in (1000, 7):
        monkeypatch.setattr(optim, "_BLOCK_NUMBERS", block_numbers)
        optimizer, rng = OPTIMIZERS[kind](), np.random.default_rng(0)
        params = drawn(rng, {"p": (50,)})
        state = optimizer.init(params)
        for _ in range(3):
            optimizer.update(params, drawn(rng, {"p": (50,)}), state, 0.1)
        results.append(params.vector)
    np.testing.assert_array_equal(results[0], results[1])


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
def test_updates_are_counted(kind: str) -> None:
    params, optimizer = numbers(1.0), OPTIMIZERS[kind]()
    state = optimizer.init(params)
    for _ in range(3):
        optimizer.update(params, numbers(0.5), state, 0.1)
    assert state.updates == 3


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


@every_optimizer
@pytest.mark.parametrize("size", [1, 2, 4, 60_000])
def test_arrays_of_another_size_are_refused_and_nothing_is_changed(name: str, size: int) -> None:
    optimizer, params = TABLE[name][0], numbers(1, 2, 3)
    others = Parameters({"p": (size,)}, dtype=np.float64)
    state, foreign = optimizer.init(params), optimizer.init(others)
    with pytest.raises(ValueError, match=r"^grads must have 3 numbers"):
        optimizer.update(params, others, state, 0.1)
    with pytest.raises(ValueError, match=r"^state\.memories\['.*'\] must have 3 numbers"):
        optimizer.update(params, params.like(), foreign, 0.1)
    assert params.vector.tolist() == [1, 2, 3]
    assert (state.updates, foreign.updates) == (0, 0)
    assert all(not memory.vector.any() for memory in state.memories.values())


@every_optimizer
def test_the_memory_of_another_optimizer_is_refused(name: str) -> None:
    optimizer, params = TABLE[name][0], numbers(1, 2, 3)
    for other, (theirs, _) in TABLE.items():
        if other != name:
            with pytest.raises(ValueError, match=r"^state must have the memories .*, which init makes, not "):
                optimizer.update(params, params.like(), theirs.init(params), 0.1)
