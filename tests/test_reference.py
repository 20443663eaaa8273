"""The slow reference against differences, against PyTorch, and against arithmetic done by hand."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import pytest

from tests import reference
from tests.fixtures import make_torch_fixtures
from tests.reference import Array, Cell, Params, State

V, T, B = 5, 3, 2
STORED = dict(np.load(make_torch_fixtures.PATH, allow_pickle=False))
# from the loss as a function of a small step to its derivative at 0
Slope: TypeAlias = Callable[[Callable[[complex], Any]], float]


class Network(NamedTuple):
    cell: Cell
    hidden_sizes: tuple[int, ...]
    embedding_size: int


NETWORKS = [Network(cell, sizes, E) for cell in ("vanilla", "lstm", "gru") for sizes in ((3,), (3, 4)) for E in (0, 2)]
every_network = pytest.mark.parametrize("network", NETWORKS, ids=str)
every_case = pytest.mark.parametrize("case", make_torch_fixtures.CASES)


def draw_network(network: Network, dtype: type = float) -> tuple[Params, State]:
    cell, hidden_sizes, E = network
    rng = np.random.default_rng(7)

    def draw(*shape: int) -> Array:
        return rng.normal(size=shape).astype(dtype)

    G = {"vanilla": 1, "lstm": 4, "gru": 3}[cell]
    state_names = ("h", "c") if cell == "lstm" else ("h",)
    params = {"embedding.W_e": draw(V, E)} if E else {}
    state: State = []
    D = E or V
    for k, H in enumerate(hidden_sizes):
        params[f"cells.{k}.W_xh"] = draw(D, G * H)
        params[f"cells.{k}.W_hh"] = draw(H, G * H)
        params[f"cells.{k}.b_h"] = draw(G * H)
        if cell == "gru":
            params[f"cells.{k}.b_hn"] = draw(H)
        state.append({name: draw(B, H) for name in state_names})
        D = H
    return params | {"linear.W_hy": draw(D, V), "linear.b_y": draw(V)}, state


def draw_text() -> tuple[Array, Array]:
    rng = np.random.default_rng(8)
    return rng.integers(0, V, (T, B)), rng.integers(0, V, (T, B))


def named(state: State) -> dict[str, Array]:
    return {f"{k}/{name}": array for k, layer in enumerate(state) for name, array in layer.items()}


def stored(prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in STORED.items() if name.startswith(prefix)}


def stored_problem(case: str) -> tuple[Params, Cell, Array, Array, State]:
    """What `reference.gradients` takes, from the numbers PyTorch was given."""
    cell = cast("Cell", make_torch_fixtures.CASES[case].cell)
    arrays = stored(f"{case}/state0/")
    names = ("h", "c") if cell == "lstm" else ("h",)
    state = [{name: arrays[f"{k}/{name}"] for name in names} for k in range(len(arrays) // len(names))]
    return stored(f"{case}/params/"), cell, STORED[f"{case}/inputs"], STORED[f"{case}/targets"], state


def relative_error(found: Array, wanted: Array) -> float:
    assert found.shape == wanted.shape
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def assert_all_close(found: dict[str, Array], wanted: dict[str, Array], tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    errors = {name: relative_error(found[name], wanted[name]) for name in wanted}
    assert all(error <= tolerance for error in errors.values()), errors


def derivative(slope: Slope, loss: Callable[[], Any], array: Array) -> Array:
    """Differentiate by each number of `array`; `slope` sees the loss as a function of what is added."""
    result = np.zeros(array.shape)
    for index, start in np.ndenumerate(array.copy()):

        def loss_after(step: complex, index: tuple[int, ...] = index, start: Any = start) -> Any:
            array[index] = start + step
            return loss()

        result[index] = slope(loss_after)
        array[index] = start
    return result


def assert_gradients_equal(slope: Slope, network: Network, dtype: type, tolerance: float) -> None:
    inputs, targets = draw_text()
    params, state = draw_network(network)
    _, grads, d_state0, _ = reference.gradients(params, network.cell, inputs, targets, state)
    params, state = draw_network(network, dtype)
    numeric = {
        name: derivative(slope, lambda: reference.forward(params, network.cell, inputs, targets, state)[0], array)
        for name, array in (params | named(state)).items()
    }
    assert_all_close(grads | named(d_state0), numeric, tolerance)


@every_network
def test_gradients_equal_central_differences(network: Network) -> None:
    assert_gradients_equal(lambda loss: float(loss(1e-5) - loss(-1e-5)) / 2e-5, network, float, 1e-7)


@every_network
def test_gradients_equal_complex_steps(network: Network) -> None:
    assert_gradients_equal(lambda loss: float(loss(1e-30j).imag) / 1e-30, network, complex, 1e-12)


@every_case
def test_forward_equals_torch(case: str) -> None:
    loss, log_probs, final = reference.forward(*stored_problem(case))
    logits = STORED[f"{case}/logits"]
    assert loss == pytest.approx(float(STORED[f"{case}/loss"]), rel=1e-13)
    assert relative_error(log_probs, logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))) <= 1e-13
    assert_all_close(named(final), stored(f"{case}/final_state/"), 1e-13)


@every_case
def test_gradients_equal_torch(case: str) -> None:
    loss, grads, d_state0, final = reference.gradients(*stored_problem(case))
    assert loss == pytest.approx(float(STORED[f"{case}/loss"]), rel=1e-13)
    assert_all_close(grads, stored(f"{case}/grads/"), 1e-12)
    assert_all_close(named(d_state0), stored(f"{case}/d_state0/"), 1e-12)
    assert_all_close(named(final), stored(f"{case}/final_state/"), 1e-13)


@every_case
def test_stored_fixtures_equal_torch_run_now(case: str) -> None:
    pytest.importorskip("torch")
    made, kept = make_torch_fixtures.build(case), stored(f"{case}/")
    assert_all_close({name.removeprefix(f"{case}/"): array for name, array in made.items()}, kept, 1e-12)


@pytest.mark.parametrize("case", ["vanilla_1", "lstm_1", "gru_1"])
@pytest.mark.parametrize(
    ("name", "update", "settings"),
    [
        ("adagrad", reference.adagrad, {"learning_rate": 0.1, "eps": 1e-30}),
        ("rmsprop", reference.rmsprop, {"learning_rate": 2e-3, "alpha": 0.95, "eps": 1e-8}),
        ("adam", reference.adam, {"learning_rate": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8}),
        ("sgd", reference.sgd, {"learning_rate": 0.5, "momentum": 0.9}),
    ],
)
def test_twenty_optimizer_steps_equal_torch(
    case: str, name: str, update: Callable[..., None], settings: dict[str, Any]
) -> None:
    params, cell, inputs, targets, state = stored_problem(case)
    memory: Params = {}
    losses = []
    for _ in STORED[f"{case}/{name}/losses"]:
        loss, grads, _, _ = reference.gradients(params, cell, inputs, targets, state)
        update(params, grads, memory, **settings)
        losses.append(loss)
    assert_all_close({"losses": np.array(losses)}, {"losses": STORED[f"{case}/{name}/losses"]}, 1e-11)
    assert_all_close(params, stored(f"{case}/{name}/params/"), 1e-11)


def test_adagrad_puts_eps_inside_the_root() -> None:
    params = {"w": np.array([1.0])}
    reference.adagrad(params, {"w": np.array([3.0])}, {}, learning_rate=0.5, eps=16.0)
    assert params["w"] == [1.0 - 0.5 * 3.0 / 5.0]  # sqrt(3² + 16) = 5


@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_split_sequence_equals_whole(cell: Cell) -> None:
    inputs, targets = draw_text()
    params, state = draw_network(Network(cell, (3, 4), 0))
    whole, whole_log_probs, whole_final = reference.forward(params, cell, inputs, targets, state, reduction="sum")
    head, head_log_probs, state = reference.forward(params, cell, inputs[:1], targets[:1], state, reduction="sum")
    tail, tail_log_probs, final = reference.forward(params, cell, inputs[1:], targets[1:], state, reduction="sum")
    assert head + tail == pytest.approx(whole, rel=1e-14)
    np.testing.assert_array_equal(np.concatenate([head_log_probs, tail_log_probs]), whole_log_probs)
    assert_all_close(named(final), named(whole_final), 0)


def test_sum_is_the_mean_times_the_number_of_targets() -> None:
    inputs, targets = draw_text()
    params, state = draw_network(Network("lstm", (3,), 0))
    mean, mean_grads, mean_d_state0, _ = reference.gradients(params, "lstm", inputs, targets, state)
    total, grads, d_state0, _ = reference.gradients(params, "lstm", inputs, targets, state, reduction="sum")
    assert total == pytest.approx(mean * T * B)
    scaled = {name: array * T * B for name, array in (mean_grads | named(mean_d_state0)).items()}
    assert_all_close(grads | named(d_state0), scaled, 1e-14)


def test_huge_logits_do_not_overflow() -> None:
    np.testing.assert_array_equal(reference.log_softmax(np.array([1e4, 0.0, -1e4])), [0.0, -1e4, -2e4])


def test_clip_by_value_moves_only_what_is_outside() -> None:
    clipped = reference.clip_by_value({"w": np.array([-7.0, -5.0, 0.5, 6.0])}, 5.0)
    np.testing.assert_array_equal(clipped["w"], [-5.0, -5.0, 0.5, 5.0])


def test_clip_by_norm_measures_all_arrays_together() -> None:
    grads = {"a": np.array([[3.0]]), "b": np.array([0.0, 4.0])}
    clipped, norm = reference.clip_by_norm(grads, 1.0)
    assert norm == 5.0
    np.testing.assert_allclose(clipped["a"], [[0.6]], rtol=1e-15)
    np.testing.assert_allclose(clipped["b"], [0.0, 0.8], rtol=1e-15)
    unclipped, _ = reference.clip_by_norm(grads, 5.0)
    assert_all_close(unclipped, grads, 0)


def test_temperature_is_a_power_of_the_probabilities() -> None:
    log_probs = np.log([0.2, 0.4, 0.4])
    # at temperature 1/2 each is squared: 0.04, 0.16, 0.16 of 0.36
    np.testing.assert_allclose(reference.with_temperature(log_probs, 0.5), [1 / 9, 4 / 9, 4 / 9], rtol=1e-14)
    np.testing.assert_allclose(reference.with_temperature(log_probs, 1.0), [0.2, 0.4, 0.4], rtol=1e-14)


def test_temperature_zero_takes_the_first_of_the_most_likely() -> None:
    np.testing.assert_array_equal(reference.with_temperature(np.log([0.2, 0.4, 0.4]), 0), [0, 1, 0])


@pytest.mark.parametrize(
    ("k", "kept"),
    [
        (1, [0, 1, 0, 0]),
        (2, [1 / 3, 2 / 3, 0, 0]),
        (3, [2 / 7, 4 / 7, 1 / 7, 0]),  # of the two equal ones the first
        (9, [0.25, 0.5, 0.125, 0.125]),
    ],
)
def test_top_k_keeps_exactly_k(k: int, kept: list[float]) -> None:
    np.testing.assert_allclose(reference.keep_top_k(np.array([0.25, 0.5, 0.125, 0.125]), k), kept, rtol=1e-15)


@pytest.mark.parametrize(
    ("p", "kept"),
    [
        (0.0, [0, 1, 0, 0]),  # at least one
        (0.5, [0, 1, 0, 0]),  # reached exactly: no more are taken
        (0.51, [1 / 3, 2 / 3, 0, 0]),
        (0.8, [2 / 7, 4 / 7, 1 / 7, 0]),  # of the two equal ones the first
        (1.0, [0.25, 0.5, 0.125, 0.125]),
    ],
)
def test_top_p_keeps_the_fewest_that_reach_p(p: float, kept: list[float]) -> None:
    np.testing.assert_allclose(reference.keep_top_p(np.array([0.25, 0.5, 0.125, 0.125]), p), kept, rtol=1e-15)
