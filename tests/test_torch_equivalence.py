"""The engine against PyTorch: numbers it once gave, and numbers it gives now where it is installed."""

import numpy as np
import pytest

from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Array, Parameters
from charrnn.optim import SGD, Adagrad, Adam, Optimizer, RMSProp
from tests.fixtures import make_torch_fixtures as torch_side

STORED = dict(np.load(torch_side.PATH, allow_pickle=False))
TRAINED = [name for name, case in torch_side.CASES.items() if case.is_trained]
# the settings with which the fixtures were made: PyTorch's Adagrad adds eps outside the root, where 1e-30 is nothing
OPTIMIZERS: dict[str, tuple[Optimizer, float]] = {
    "adagrad": (Adagrad(eps=1e-30), 0.1),
    "rmsprop": (RMSProp(decay=0.95, eps=1e-8), 2e-3),
    "adam": (Adam(), 2e-3),
    "sgd": (SGD(momentum=0.9), 0.5),
}
Numbers = dict[str, Array]


def stored(name: str) -> Numbers:
    prefix = f"{name}/"
    return {member.removeprefix(prefix): array for member, array in STORED.items() if member.startswith(prefix)}


def network(case: torch_side.Case, numbers: Numbers) -> tuple[CharRNN, Parameters, State]:
    """Build the network whose weights and initial state PyTorch was given."""
    V, B = numbers["params/linear.b_y"].size, numbers["inputs"].shape[1]
    H = numbers["params/linear.W_hy"].shape[0]
    model = CharRNN(V, case.cell, (H,) * case.num_layers, case.embedding_size)
    params = Parameters(model.shapes(), np.concatenate([numbers[f"params/{name}"].ravel() for name in model.shapes()]))
    zero = model.zero_state(B)
    state = tuple(
        type(layer)(*(numbers[f"state0/{k}/{name}"] for name in layer._fields)) for k, layer in enumerate(zero)
    )
    return model, params, state


def assert_same_pass(case: torch_side.Case, numbers: Numbers) -> None:
    model, params, state = network(case, numbers)
    inputs, targets = numbers["inputs"], numbers["targets"]
    session, grads = model.session(params, inputs.shape[1]), params.like()
    found = {"logits": session.logits(inputs, state)[0].copy()}
    losses, final, d_state = session.gradient(inputs, targets, state, grads, scale=1 / inputs.size)
    found |= {"loss": losses.mean()} | {f"grads/{name}": array for name, array in grads.items()}
    for title, layers in (("final_state", final), ("d_state0", d_state)):
        found |= {f"{title}/{k}/{name}": a for k, layer in enumerate(layers) for name, a in layer._asdict().items()}
    wanted = {name for name in numbers if name.split("/")[0] in {"loss", "logits", "grads", "final_state", "d_state0"}}
    assert found.keys() == wanted
    for name, array in found.items():
        assert array.shape == numbers[name].shape, name
        assert np.linalg.norm(array - numbers[name]) <= 1e-10 * np.linalg.norm(numbers[name]), name


@pytest.mark.parametrize("name", torch_side.CASES)
def test_engine_equals_pytorchs_stored_numbers(name: str) -> None:
    assert_same_pass(torch_side.CASES[name], stored(name))


@pytest.mark.parametrize("optimizer_name", OPTIMIZERS)
@pytest.mark.parametrize("name", TRAINED)
def test_twenty_training_steps_equal_pytorchs(name: str, optimizer_name: str) -> None:
    numbers = stored(name)
    model, params, state = network(torch_side.CASES[name], numbers)
    inputs, targets = numbers["inputs"], numbers["targets"]
    session, grads = model.session(params, inputs.shape[1]), params.like()
    optimizer, learning_rate = OPTIMIZERS[optimizer_name]
    memory, means = optimizer.init(params), []
    for _ in range(torch_side.OPTIMIZER_STEPS):
        losses, _, _ = session.gradient(inputs, targets, state, grads, scale=1 / inputs.size)
        optimizer.update(params, grads, memory, learning_rate)
        means.append(losses.mean())
    np.testing.assert_allclose(means, numbers[f"{optimizer_name}/losses"], rtol=1e-10)
    for array, found in params.items():
        wanted = numbers[f"{optimizer_name}/params/{array}"]
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10, err_msg=array)


@pytest.mark.parametrize("embedding_size", [0, 8])
@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_engine_equals_pytorch_here_and_now_at_another_size(
    monkeypatch: pytest.MonkeyPatch, cell: str, embedding_size: int
) -> None:
    pytest.importorskip("torch")
    for letter, size in {"V": 11, "T": 17, "B": 4, "H": 33, "E": 8}.items():
        monkeypatch.setattr(torch_side, letter, size)
    case = torch_side.Case(cell, 3, embedding_size)
    numbers = torch_side.draw(case, np.random.default_rng(99))
    assert_same_pass(case, numbers | torch_side.one_pass(torch_side.Network(case, numbers)))
