"""The plain equations against differences, against PyTorch, and against the laws that any such network obeys."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from charrnn.nn import equations
from charrnn.nn.equations import NO_MASKS, Array, Masks, State
from tests.fixtures import make_torch_fixtures

V, T, B = 5, 4, 2
STORED = dict(np.load(make_torch_fixtures.PATH, allow_pickle=False))
every_cell = pytest.mark.parametrize("cell", equations.CELLS)
every_case = pytest.mark.parametrize("case", make_torch_fixtures.CASES)


class Network(NamedTuple):
    cell: str
    hidden_sizes: tuple[int, ...]
    embedding_size: int = 0
    tied: bool = False
    dropped: bool = False


NETWORKS = [
    Network(cell, *form)
    for cell in equations.CELLS
    for form in (
        ((3,),),
        ((3,), 2),
        ((3, 4),),
        ((3, 4), 2),
        ((4, 3), 3, True),
        ((3, 4), 0, False, True),
    )
]
every_network = pytest.mark.parametrize("network", NETWORKS, ids=str)


class Problem(NamedTuple):
    """All that `equations.network_gradients` takes."""

    params: dict[str, Array]
    cell: str
    inputs: Array
    targets: Array
    state: list[State]
    masks: Masks = NO_MASKS

    def losses(self) -> Array:
        tape = equations.network_forward(self.params, self.cell, self.inputs, self.state, self.masks)
        return equations.cross_entropy(tape.logits, self.targets)


def layer_arrays(cell: str, D: int, H: int, draw: Callable[..., Array]) -> tuple[dict[str, Array], State]:
    """Weights and a state of one layer."""
    G = {"vanilla": 1, "lstm": 4, "gru": 3}[cell]
    params = {"W_xh": draw(D, G * H), "W_hh": draw(H, G * H), "b_h": draw(G * H)}
    params |= {"b_hn": draw(H)} if cell == "gru" else {}
    return params, tuple(draw(B, H) for _ in range(2 if cell == "lstm" else 1))


def drawing(seed: int, dtype: type) -> Callable[..., Array]:
    rng = np.random.default_rng(seed)
    return lambda *shape: rng.normal(size=shape).astype(dtype)


def problem(network: Network, dtype: type = float) -> Problem:
    cell, hidden_sizes, E, tied, dropped = network
    draw, rng = drawing(7, dtype), np.random.default_rng(8)
    params = {"embedding.W_e": draw(V, E)} if E else {}
    state = []
    D = E or V
    for k, H in enumerate(hidden_sizes):
        layer, before = layer_arrays(cell, D, H, draw)
        params |= {f"cells.{k}.{name}": array for name, array in layer.items()}
        state.append(before)
        D = H
    params |= {} if tied else {"linear.W_hy": draw(D, V)}
    params |= {"linear.b_y": draw(V)}
    masks = NO_MASKS
    if dropped:
        outputs = [rng.integers(0, 2, (T, B, H)) * 1.6 for H in hidden_sizes]
        weights = [rng.integers(0, 2, params[f"cells.{k}.W_hh"].shape) * 1.6 for k in range(len(hidden_sizes))]
        masks = Masks(outputs, weights)
    targets = rng.integers(0, V, (T, B))
    targets[-2:, 0] = -1  # nothing to guess there
    return Problem(params, cell, rng.integers(0, V, (T, B)), targets, state, masks)


def named(state: list[State]) -> dict[str, Array]:
    """The arrays of a state by layer and name."""
    return {f"{k}/{'hc'[n]}": array for k, layer in enumerate(state) for n, array in enumerate(layer)}


def stored(prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in STORED.items() if name.startswith(prefix)}


def stored_problem(case: str) -> Problem:
    """The numbers that PyTorch was given."""
    cell = make_torch_fixtures.CASES[case].cell
    arrays = stored(f"{case}/state0/")
    names = ("h", "c") if cell == "lstm" else ("h",)
    state = [tuple(arrays[f"{k}/{name}"] for name in names) for k in range(len(arrays) // len(names))]
    return Problem(stored(f"{case}/params/"), cell, STORED[f"{case}/inputs"], STORED[f"{case}/targets"], state)


def relative_error(found: Array, wanted: Array) -> float:
    assert found.shape == wanted.shape
    return float(np.linalg.norm(found - wanted)) / max(float(np.linalg.norm(wanted)), 1e-300)


def assert_all_close(found: dict[str, Array], wanted: dict[str, Array], tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    errors = {name: relative_error(found[name], wanted[name]) for name in wanted}
    assert all(error <= tolerance for error in errors.values()), errors


def derivative(loss: Callable[[], Any], array: Array) -> Array:
    """Differentiate by each number of a complex array, by the complex step."""
    result = np.zeros(array.shape)
    for index, start in np.ndenumerate(array.copy()):
        array[index] = start + 1e-30j
        result[index] = loss().imag / 1e-30
        array[index] = start
    return result


@every_cell
def test_one_step_of_a_cell_goes_back_as_it_came(cell: str) -> None:
    forward, backward = equations.CELLS[cell]
    D, H = 3, 4
    weights = [drawing(k, float)(B, H) for k in range(2)]  # of h and c, so that the loss depends on both

    def inputs(dtype: type) -> tuple[dict[str, Array], State, Array]:
        draw = drawing(7, dtype)
        return *layer_arrays(cell, D, H, draw), draw(B, D)

    params, state, x = inputs(float)
    grads = {name: np.ones_like(array) for name, array in params.items()}
    d_state = tuple(weights[: len(state)])
    d_x, d_before = backward(params, grads, forward(params, x, state), d_state)
    found = {name: array - 1 for name, array in grads.items()}  # a step adds to what is there
    found |= {"x": d_x} | named([d_before])

    params, state, x = inputs(complex)

    def loss() -> Any:
        return sum((w * s).sum() for w, s in zip(weights, forward(params, x, state).state, strict=False))

    numeric = {name: derivative(loss, array) for name, array in (params | {"x": x} | named([state])).items()}
    assert_all_close(found, numeric, 1e-12)


@every_network
def test_gradients_equal_the_complex_step(network: Network) -> None:
    params, cell, inputs, targets, state, masks = problem(network)
    _, grads, d_state = equations.network_gradients(params, cell, inputs, targets, state, scale=0.3, masks=masks)
    moved = problem(network, complex)
    numeric = {
        name: derivative(lambda: 0.3 * moved.losses().sum(), array)
        for name, array in (moved.params | named(moved.state)).items()
    }
    assert_all_close(grads | named(d_state), numeric, 1e-12)


@every_case
def test_a_network_equals_torch(case: str) -> None:
    params, cell, inputs, targets, state, _ = stored_problem(case)
    tape = equations.network_forward(params, cell, inputs, state)
    assert relative_error(tape.logits, STORED[f"{case}/logits"]) <= 1e-13
    assert_all_close(named(tape.final), stored(f"{case}/final_state/"), 1e-13)
    losses, grads, d_state = equations.network_gradients(params, cell, inputs, targets, state, scale=1 / targets.size)
    assert losses.mean() == pytest.approx(float(STORED[f"{case}/loss"]), rel=1e-13)
    assert_all_close(grads, stored(f"{case}/grads/"), 1e-12)
    assert_all_close(named(d_state), stored(f"{case}/d_state0/"), 1e-12)


@every_case
def test_stored_fixtures_equal_torch_run_now(case: str) -> None:
    pytest.importorskip("torch")
    made, kept = make_torch_fixtures.build(case), stored(f"{case}/")
    assert_all_close({name.removeprefix(f"{case}/"): array for name, array in made.items()}, kept, 1e-12)


@every_network
def test_a_split_sequence_equals_the_whole(network: Network) -> None:
    params, cell, inputs, _, state, _ = problem(network)
    whole = equations.network_forward(params, cell, inputs, state)
    head = equations.network_forward(params, cell, inputs[:1], state)
    tail = equations.network_forward(params, cell, inputs[1:], head.final)
    np.testing.assert_allclose(np.concatenate([head.logits, tail.logits]), whole.logits, rtol=1e-10)
    assert_all_close(named(tail.final), named(whole.final), 1e-14)


def test_a_stream_does_not_see_the_others() -> None:
    params, cell, inputs, _, state, _ = problem(Network("lstm", (3, 4)))
    whole = equations.network_forward(params, cell, inputs, state)
    alone = [tuple(array[1:] for array in layer) for layer in state]
    np.testing.assert_allclose(
        equations.network_forward(params, cell, inputs[:, 1:], alone).logits, whole.logits[:, 1:], rtol=1e-10
    )


def test_huge_logits_do_not_overflow() -> None:
    np.testing.assert_array_equal(equations.log_softmax(np.array([1e4, 0.0, -1e4])), [0.0, -1e4, -2e4])


def test_a_vanilla_step_by_hand() -> None:
    params = {"W_xh": np.array([[0.5]]), "W_hh": np.array([[-1.0]]), "b_h": np.array([0.25])}
    step = equations.vanilla_forward(params, np.array([[2.0]]), (np.array([[0.75]]),))
    assert step.h[0, 0] == np.tanh(2 * 0.5 - 0.75 + 0.25)
    grads = {name: np.zeros_like(array) for name, array in params.items()}
    d_x, (d_h_prev,) = equations.vanilla_backward(params, grads, step, (np.array([[3.0]]),))
    delta = 3 * (1 - np.tanh(0.5) ** 2)
    assert (d_x[0, 0], d_h_prev[0, 0]) == pytest.approx((0.5 * delta, -delta))
    assert (grads["W_xh"][0, 0], grads["W_hh"][0, 0], grads["b_h"][0]) == pytest.approx(
        (2 * delta, 0.75 * delta, delta)
    )
