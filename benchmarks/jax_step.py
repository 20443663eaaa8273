"""A rival: the same training step in JAX, as its experts would write it.

One function compiled by `jax.jit` holds the whole step: `value_and_grad` over `lax.scan`, clipping by the norm and the
optimizer. The input's product (a row lookup in the first layer) is outside the scan, the parameters, the optimizer's
memory and the state are donated, and `unroll` steps of the scan are compiled as one.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from measure import compete
from workload import Shape

from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters

# XLA's CPU threads follow the affinity of the process, not OMP_NUM_THREADS.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(os.environ["OMP_NUM_THREADS"])])

import jax
import jax.numpy as jnp

_EPS = 1e-15


def vanilla(params: Any, u: Any, a: Any, state: Any) -> Any:
    """Return the state after one step; u is the hidden state's product, a the input's."""
    del params, state
    return (jnp.tanh(a + u),)


def lstm(params: Any, u: Any, a: Any, state: Any) -> Any:
    """Return the state after one step."""
    del params
    i, f, g, o = jnp.split(a + u, 4, axis=-1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru(params: Any, u: Any, a: Any, state: Any) -> Any:
    """Return the state after one step."""
    (a_r, a_z, a_n), (u_r, u_z, u_n) = jnp.split(a, 3, axis=-1), jnp.split(u, 3, axis=-1)
    r, z = jax.nn.sigmoid(a_r + u_r), jax.nn.sigmoid(a_z + u_z)
    n = jnp.tanh(a_n + r * (u_n + params["b_hn"]))
    return ((1 - z) * n + z * state[0],)


_CELLS = {"vanilla": vanilla, "lstm": lstm, "gru": gru}


class JaxTrainer:
    """A network in training.

    Parameters
    ----------
    shape : what to build
    params : charrnn's weights to start from; by default new ones
    unroll : steps of the scan that are compiled as one
    """

    def __init__(self, shape: Shape, params: Parameters | None = None, unroll: int = 1) -> None:
        B, n, H, L = shape.batch_size, shape.stream_length(), shape.hidden_size, shape.num_layers
        self.shape = shape
        self.streams = np.lib.stride_tricks.as_strided(shape.text(), (n + 1, B), (2, 2 * n))
        if params is None:
            params = CharRNN(shape.vocab_size, shape.cell, (H,) * L).initialize(np.random.default_rng(0))
        self.params = {name: jnp.array(params[name]) for name in params}
        self.memory = [jax.tree.map(jnp.zeros_like, self.params) for _ in range(1 + (shape.optimizer == "adam"))]
        self.state = self._zero_state()
        self.position, self.step = 0, 0
        config = shape.config()
        step = _make_step(shape, unroll, config.learning_rate, config.clip_norm)
        self._compiled = jax.jit(step, donate_argnums=(0, 1, 2))

    def train_step(self) -> float:
        """Learn the next chunk; return its mean loss, nats a character."""
        T = self.shape.seq_length
        if self.position == len(self.streams) - 1:
            self.position, self.state = 0, self._zero_state()
        window = self.streams[self.position : self.position + T + 1].astype(np.int32)
        self.position += T
        self.step += 1
        self.params, self.memory, self.state, loss = self._compiled(
            self.params, self.memory, self.state, window, np.float32(self.step)
        )
        return float(loss)

    def _zero_state(self) -> Any:
        size = (self.shape.batch_size, self.shape.hidden_size)
        count = 2 if self.shape.cell == "lstm" else 1
        return [tuple(jnp.zeros(size) for _ in range(count)) for _ in range(self.shape.num_layers)]


def _make_step(shape: Shape, unroll: int, learning_rate: float, max_norm: float) -> Callable[..., Any]:
    cell = _CELLS[shape.cell]

    def loss_of(params: Any, state: Any, window: Any) -> Any:
        x, last = window[:-1], []
        for k in range(shape.num_layers):
            layer = {name.rpartition(".")[2]: value for name, value in params.items() if name.startswith(f"cells.{k}.")}
            # The first layer's input is one-hot: its product is a row of the weights.
            inputs = (layer["W_xh"][x] if k == 0 else x @ layer["W_xh"]) + layer["b_h"]

            def advance(carry: Any, a: Any, layer: Any = layer) -> Any:
                new = cell(layer, carry[0] @ layer["W_hh"], a, carry)
                return new, new[0]

            carry, x = jax.lax.scan(advance, state[k], inputs, unroll=unroll)
            last.append(carry)
        log_probs = jax.nn.log_softmax(x @ params["linear.W_hy"] + params["linear.b_y"])
        return -jnp.take_along_axis(log_probs, window[1:, :, None], axis=-1).mean(), last

    def step(params: Any, memory: Any, state: Any, window: Any, t: Any) -> Any:
        (loss, state), grads = jax.value_and_grad(loss_of, has_aux=True)(params, state, window)
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in grads.values()))
        scale = jnp.minimum(1, max_norm / (norm + 1e-6))
        grads = {name: scale * g for name, g in grads.items()}
        if shape.optimizer == "adam":
            mean = {name: 0.9 * memory[0][name] + 0.1 * g for name, g in grads.items()}
            square = {name: 0.999 * memory[1][name] + 0.001 * g * g for name, g in grads.items()}
            memory, rate, root = [mean, square], learning_rate / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
            update = {name: rate * mean[name] / (jnp.sqrt(square[name]) / root + _EPS) for name in grads}
        else:
            memory = [{name: memory[0][name] + g * g for name, g in grads.items()}]
            update = {name: learning_rate * g / (jnp.sqrt(memory[0][name]) + _EPS) for name, g in grads.items()}
        return {name: params[name] - update[name] for name in params}, memory, state, loss

    return step


def build(request: Mapping[str, Any]) -> Callable[[], object]:
    """Return the step that a request asks for."""
    return JaxTrainer(Shape(*request["shape"]), unroll=request["unroll"]).train_step


if __name__ == "__main__":
    compete(build)
