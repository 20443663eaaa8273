"""A rival: the classic recipe for a character-level network, one time step after another.

As taught since A. Karpathy's "The Unreasonable Effectiveness of Recurrent Neural Networks" (2015), written anew: one
stream, dictionaries of arrays by time step, column vectors, float64, every weight gradient summed step by step.

::

    h_t = tanh(W_xh x_t + W_hh h_{t−1} + b_h)      p_t = softmax(W_hy h_t + b_y)      loss = −Σ log p_t[target_t]
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from measure import compete
from numpy.typing import NDArray
from workload import Shape

Array = NDArray[Any]

_LEARNING_RATE = 0.1
_CLIP_VALUE = 5.0
_EPS = 1e-8


class ClassicTrainer:
    """One vanilla layer, trained by Adagrad on one stream."""

    def __init__(self, shape: Shape) -> None:
        H, V = shape.hidden_size, shape.vocab_size
        rng = np.random.default_rng(0)
        self.seq_length = shape.seq_length
        self.ids = shape.text().tolist()
        self.params: dict[str, Array] = {
            "W_xh": 0.01 * rng.standard_normal((H, V)),
            "W_hh": 0.01 * rng.standard_normal((H, H)),
            "W_hy": 0.01 * rng.standard_normal((V, H)),
            "b_h": np.zeros((H, 1)),
            "b_y": np.zeros((V, 1)),
        }
        self.sum_squares = {name: np.zeros_like(array) for name, array in self.params.items()}
        self.position, self.h = 0, np.zeros((H, 1))

    def train_step(self) -> float:
        """Learn the next chunk; return its summed loss in nats."""
        if self.position + self.seq_length >= len(self.ids):
            self.position, self.h = 0, np.zeros_like(self.h)
        window = self.ids[self.position : self.position + self.seq_length + 1]
        self.position += self.seq_length
        loss, grads, self.h = gradients(self.params, window[:-1], window[1:], self.h)
        for name, grad in grads.items():
            np.clip(grad, -_CLIP_VALUE, _CLIP_VALUE, out=grad)
            self.sum_squares[name] += grad * grad
            self.params[name] -= _LEARNING_RATE * grad / np.sqrt(self.sum_squares[name] + _EPS)
        return loss


def gradients(
    params: dict[str, Array], inputs: list[int], targets: list[int], h0: Array
) -> tuple[float, dict[str, Array], Array]:
    """Return the summed loss, its gradient by each parameter, and the last hidden state (H, 1)."""
    x: dict[int, Array] = {}
    h: dict[int, Array] = {-1: h0}
    probs: dict[int, Array] = {}
    loss = 0.0
    for t, character in enumerate(inputs):
        x[t] = np.zeros((len(params["b_y"]), 1))
        x[t][character] = 1
        h[t] = np.tanh(params["W_xh"] @ x[t] + params["W_hh"] @ h[t - 1] + params["b_h"])
        scores = np.exp(params["W_hy"] @ h[t] + params["b_y"])
        probs[t] = scores / np.sum(scores)
        loss -= float(np.log(probs[t][targets[t], 0]))
    grads = {name: np.zeros_like(array) for name, array in params.items()}
    d_h_next = np.zeros_like(h0)
    for t in reversed(range(len(inputs))):
        d_y = probs[t].copy()
        d_y[targets[t]] -= 1
        grads["W_hy"] += d_y @ h[t].T
        grads["b_y"] += d_y
        d_a = (1 - h[t] * h[t]) * (params["W_hy"].T @ d_y + d_h_next)
        grads["b_h"] += d_a
        grads["W_xh"] += d_a @ x[t].T
        grads["W_hh"] += d_a @ h[t - 1].T
        d_h_next = params["W_hh"].T @ d_a
    return loss, grads, h[len(inputs) - 1]


def build(request: Mapping[str, Any]) -> Callable[[], object]:
    """Return the step that a request asks for."""
    return ClassicTrainer(Shape(*request["shape"])).train_step


if __name__ == "__main__":
    compete(build)
