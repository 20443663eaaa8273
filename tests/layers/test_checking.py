"""The check of anyone's layer: finds a planted mistake, passes what is right, leaves the layer as it was."""

from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.nn.parameters import Array


class Peephole:
    """A user's own recurrent layer: one gate that sees its memory, m' = m + σ(x W + m·p) (1 − m), outputs tanh m."""

    def __init__(self, mistake: str = "") -> None:
        rng = np.random.default_rng(0)
        self.params: dict[str, Array] = {"W": rng.normal(size=(3, 4)), "p": rng.normal(size=4)}
        self.grads: dict[str, Array] = {}
        self.mistake = mistake

    def forward(self, x: Array, state: tuple[Array]) -> tuple[Array, tuple[Array]]:
        (m,) = state
        self.tape = []
        outputs = []
        for x_t in x:
            g = 1 / (1 + np.exp(-(x_t @ self.params["W"] + m * self.params["p"])))
            after = m + g * (1 - m)
            self.tape.append((x_t, m, g, after))
            m = after
            outputs.append(np.tanh(m))
        return np.stack(outputs), (m,)

    def backward(self, d_outputs: Array, d_state: tuple[Array]) -> tuple[Array, tuple[Array]]:
        (d_m,) = d_state
        self.grads = {name: np.zeros_like(array) for name, array in self.params.items()}
        d_x = []
        for d_y, (x_t, m, g, after) in zip(reversed(d_outputs), reversed(self.tape), strict=True):
            d_m = d_m + d_y * (1 - np.tanh(after) ** 2)
            d_a = d_m * (1 - m) * g * (1 - g)
            self.grads["W"] += x_t.T @ d_a
            self.grads["p"] += (d_a * m).sum(axis=0)
            d_x.append(d_a @ self.params["W"].T)
            d_m = d_m * (1 - g) + (0 if self.mistake == "no path through the peephole" else d_a * self.params["p"])
        if self.mistake == "doubled":
            self.grads["p"] *= 2
        return np.stack(d_x[::-1]), (d_m,)


X = np.random.default_rng(1).normal(size=(5, 2, 3))
STATE = (np.random.default_rng(2).normal(size=(2, 4)),)


def verdicts(layer: Any, *given: Any, **options: Any) -> dict[str, bool]:
    return {row.array: row.passed for row in charrnn.check_layer(layer, *given, **options)}


def test_a_layer_of_ones_own_that_is_right_passes() -> None:
    assert verdicts(Peephole(), X, STATE) == {"W": True, "p": True, "inputs": True, "state.0": True}


def test_a_planted_mistake_is_found_where_it_shows() -> None:
    assert verdicts(Peephole("doubled"), X, STATE) == {"W": True, "p": False, "inputs": True, "state.0": True}
    assert not any(verdicts(Peephole("no path through the peephole"), X, STATE).values())


def test_a_mistake_in_a_layer_of_this_package_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = charrnn.GRU(3, 4, rng=0)
    backward = type(layer.cell).backward

    def swapped(*arguments: Any) -> Any:
        (grads,) = next(given for given in arguments if isinstance(given, list))
        d_state = backward(*arguments)
        grads["b_h"][:4], grads["b_h"][4:8] = grads["b_h"][4:8].copy(), grads["b_h"][:4].copy()
        return d_state

    monkeypatch.setattr(type(layer.cell), "backward", swapped)
    found = verdicts(layer, X.swapaxes(0, 1), return_sequences=True)
    assert found == {"W_xh": True, "W_hh": True, "b_h": False, "b_hn": True, "inputs": True}


def test_the_layer_is_as_it_was_whatever_happens() -> None:
    layer = charrnn.LSTM(3, 4, rng=0)
    params, grads, numbers = layer.params, layer.grads, layer.params.vector.copy()
    verdicts(layer, X)
    with pytest.raises(ValueError, match="inputs must be"):
        verdicts(layer, X[..., :2])
    assert layer.params is params
    assert layer.grads is grads
    np.testing.assert_array_equal(layer.params.vector, numbers)
    assert layer.forward(X)[0].dtype == np.float32


def test_some_entries_of_a_large_array_are_enough() -> None:
    rows = charrnn.check_layer(charrnn.Linear(30, 40, rng=0), np.ones((2, 30)), entries=6)
    assert {row.array: (row.size, row.checked) for row in rows}["W_hy"] == (1200, 6)
    assert all(row.passed for row in rows)


def test_a_layer_without_weights_is_checked_by_its_inputs() -> None:
    assert verdicts(charrnn.Dropout(0.5), X, rng=3) == {"inputs": True}
