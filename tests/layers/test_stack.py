"""Layers on top of each other: the same as the whole network, as PyTorch's, and as finite differences."""

from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.nn.parameters import Array

KINDS: dict[str, Any] = {"vanilla": charrnn.Vanilla, "lstm": charrnn.LSTM, "gru": charrnn.GRU}


def network(cell: str, V: int, sizes: tuple[int, ...], E: int, arrays: dict[str, Array]) -> charrnn.Stack:
    """The layers of a `CharRNN`, with weights by its names."""
    options: dict[str, Any] = {"rng": 0, "dtype": np.float64}
    layers: list[Any] = [charrnn.Embedding(V, E, **options)] if E else []
    names = ["embedding"] * len(layers) + [f"cells.{k}" for k in range(len(sizes))] + ["linear"]
    for D, H in zip((E or V, *sizes), sizes, strict=False):
        layers.append(KINDS[cell](D, H, batch_first=False, **options))
    stack = charrnn.Stack([*layers, charrnn.Linear(sizes[-1], V, **options)])
    for k, name in enumerate(names):
        for short in stack.layers[k].params:
            stack.layers[k].params[short] = arrays[f"{name}.{short}"]
    return stack


@pytest.mark.parametrize("E", [0, 3])
@pytest.mark.parametrize("cell", KINDS)
def test_a_stack_is_the_network_that_trains(cell: str, E: int) -> None:
    rng = np.random.default_rng(0)
    model = charrnn.CharRNN(6, cell, (5, 4), E)
    params = model.initialize(rng, dtype=np.float64)
    inputs, targets = rng.integers(0, 6, (2, 7, 3))
    session, zero, grads = model.session(params, 3), model.zero_state(3, np.float64), params.like()
    losses, _, _ = session.gradient(inputs, targets, zero, grads, scale=1 / 21)
    stack = network(cell, 6, (5, 4), E, dict(params))
    logits, _ = stack.forward(inputs, return_sequences=True)
    loss, d_logits = charrnn.softmax_cross_entropy(logits, targets)
    stack.backward(d_logits)
    assert loss == pytest.approx(losses.mean(), rel=1e-12)
    np.testing.assert_allclose(stack.grads.vector, grads.vector, rtol=1e-10, atol=1e-14)


def mixed() -> charrnn.Stack:
    return charrnn.Stack(
        [
            charrnn.LSTM(4, 6, rng=1),
            charrnn.Dropout(0.3),
            charrnn.GRU(6, 5, rng=2),
            charrnn.Vanilla(5, 3, rng=3),
            charrnn.Dropout(0.3, locked=True),
            charrnn.Linear(3, 2, rng=4),
        ]
    )


def test_the_vector_of_a_stack_is_that_of_its_layers() -> None:
    stack = mixed()
    stack.params["2.W_hh"] = 7
    stack.layers[5].params["b_y"] = 8
    assert stack.layers[2].params["W_hh"][0, 0] == 7
    assert stack.params["5.b_y"][0] == 8
    assert sum(layer.params.vector.size for layer in stack.layers) == stack.params.vector.size
    stack.forward(np.ones((2, 5, 4)))
    stack.backward(np.ones((2, 2)))
    assert stack.grads["5.b_y"][0] == 2


def test_without_sequences_only_the_last_recurrent_layer_gives_its_last_output() -> None:
    stack, x = mixed(), np.ones((2, 5, 4))
    last, states = stack.forward(x)
    whole, states_too = stack.forward(x, return_sequences=True)
    assert whole.shape == (2, 5, 2)
    np.testing.assert_allclose(last, whole[:, -1], rtol=1e-5)
    np.testing.assert_array_equal(states[2].h, states_too[2].h)


def test_a_split_sequence_with_its_states_carried_equals_the_whole() -> None:
    stack, x = mixed(), np.random.default_rng(0).normal(size=(2, 6, 4))
    whole, _ = stack.forward(x, return_sequences=True)
    first, states = stack.forward(x[:, :2], return_sequences=True)
    second, _ = stack.forward(x[:, 2:], states, return_sequences=True)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-5)


def test_random_numbers_drop_and_the_same_drop_the_same() -> None:
    stack, x = mixed(), np.ones((2, 5, 4))
    some, _ = stack.forward(x, rng=0)
    same, _ = stack.forward(x, rng=np.random.default_rng(0))
    none, _ = stack.forward(x)
    np.testing.assert_array_equal(some, same)
    assert not np.allclose(some, none)


def test_stacks_that_cannot_be_are_refused() -> None:
    layer = charrnn.GRU(3, 3, rng=0)
    with pytest.raises(ValueError, match="at least one"):
        charrnn.Stack([])
    with pytest.raises(ValueError, match="one place"):
        charrnn.Stack([layer, layer])
    with pytest.raises(ValueError, match="data types differ: float32, float64"):
        charrnn.Stack([charrnn.GRU(3, 3, rng=0), charrnn.Linear(3, 3, rng=0, dtype=np.float64)])
    stack = charrnn.Stack([layer])
    with pytest.raises(ValueError, match="one stack"):
        charrnn.Stack([layer])
    with pytest.raises(ValueError, match="states must be as many as the recurrent layers, 1, not 2"):
        stack.forward(np.ones((2, 5, 3)), (None, None))


@pytest.fixture
def two() -> charrnn.Stack:
    """Two recurrent layers of different kinds and sizes."""
    return charrnn.Stack([charrnn.LSTM(3, 4, rng=0), charrnn.GRU(4, 5, rng=1), charrnn.Linear(5, 2, rng=2)])


X, D_Y = np.ones((2, 6, 3)), np.ones((2, 2))
LSTM_STATE = charrnn.LSTMState(np.ones((2, 4)), np.ones((2, 4)))
GRU_STATE = charrnn.GRUState(np.ones((2, 5)))


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ((), "states must be as many as the recurrent layers, 2, not 0"),
        ((LSTM_STATE,), "states must be as many as the recurrent layers, 2, not 1"),
        ((LSTM_STATE, GRU_STATE, GRU_STATE), "states must be as many as the recurrent layers, 2, not 3"),
        ((GRU_STATE, LSTM_STATE), r"states\[0\] must be the arrays \(h, c\), each of shape \(B, 4\)"),
        ((LSTM_STATE, LSTM_STATE), r"states\[1\] must be the arrays \(h\), each of shape \(B, 5\)"),
        (LSTM_STATE, r"states\[0\] must be the arrays \(h, c\), each of shape \(B, 4\)"),
        ((LSTM_STATE, 7), r"states\[1\] must be the arrays \(h\)"),
        ((LSTM_STATE, charrnn.GRUState(np.ones((3, 5)))), r"state must be the arrays \(h\), each of shape \(2, 5\)"),
    ],
)
def test_states_that_do_not_fit_are_refused_on_both_ways(two: charrnn.Stack, states: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        two.forward(X, states)
    two.forward(X)
    if said.startswith("states"):  # before any layer has used up what its forward left
        with pytest.raises(ValueError, match=f"^d_{said}"):
            two.backward(D_Y, states)
        two.backward(D_Y)
    else:
        with pytest.raises(ValueError, match=f"^d_{said}"):
            two.backward(D_Y, states)


@pytest.mark.parametrize("wrong", [1j, None, "1", np.datetime64(0, "s")])
def test_what_is_no_real_number_is_refused_everywhere(two: charrnn.Stack, wrong: Any) -> None:
    state, vectors = (None, charrnn.GRUState(np.full((2, 5), wrong))), np.full((2, 6, 3), wrong)
    linear, table, dropout = charrnn.Linear(3, 2, rng=0), charrnn.Embedding(7, 3, rng=0), charrnn.Dropout(0.5)
    for call in (
        lambda: two.forward(vectors),
        lambda: two.forward(X, state),
        lambda: linear.forward(vectors),
        lambda: charrnn.softmax_cross_entropy(vectors, np.zeros((2, 6), int)),
    ):
        with pytest.raises(TypeError, match="must be numbers that fit"):
            call()
    two.forward(X)
    table.forward([[1, 2], [3, 4]])
    for back in (
        lambda: two.backward(D_Y, state),
        lambda: two.backward(np.full(D_Y.shape, wrong)),
        lambda: table.backward(np.full((2, 2, 3), wrong)),
    ):
        with pytest.raises(TypeError, match="must be numbers that fit"):
            back()
    two.backward(D_Y)  # nothing was used up
    if wrong != 1j:  # which passes through dropout, as checks of gradients may want
        with pytest.raises(TypeError, match="must be numbers that fit"):
            dropout.forward(vectors, rng=0)


@pytest.mark.parametrize("states", [7, iter(())])
def test_states_that_are_no_tuple_are_refused(two: charrnn.Stack, states: Any) -> None:
    with pytest.raises(TypeError, match=r"^states must be a tuple of one state for each recurrent layer"):
        two.forward(X, states)
    two.forward(X)
    with pytest.raises(TypeError, match=r"^d_states must be a tuple of one state for each recurrent layer"):
        two.backward(D_Y, states)


def test_each_layer_gets_its_own_gradient_of_a_final_state(two: charrnn.Stack) -> None:
    def gradients(*d_states: Any) -> Array:
        two.forward(X)
        two.backward(0 * D_Y, d_states)
        return two.grads.vector.copy()

    lower, upper = gradients(LSTM_STATE, None), gradients(None, GRU_STATE)
    assert not np.array_equal(lower, upper)
    np.testing.assert_allclose(gradients(LSTM_STATE, GRU_STATE), lower + upper, rtol=1e-4, atol=1e-6)


def test_parameters_of_another_stack_are_refused(two: charrnn.Stack) -> None:
    other = charrnn.Stack([charrnn.GRU(3, 40, rng=0)])
    with pytest.raises(ValueError, match=r"^params must have the names and shapes"):
        two.params = other.params
    with pytest.raises(ValueError, match=r"^grads must have the names and shapes"):
        two.grads = other.grads
    two.params = two.params.astype(np.float64)
    assert two.forward(X)[0].dtype == np.float64
