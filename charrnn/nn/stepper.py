"""The network one character at a time, as a sampler needs it.

It computes what `Session.logits` computes, bit for bit: with the weights that `lstm`, `gru` and `vanilla` arrange, and
with their equations in the same order. But it keeps no arrays of a sequence, and its state stays in place. A single
character of one stream is mostly calls, and so takes half as long (256 units: 21 µs instead of 37).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from charrnn.nn.arrangement import tiling
from charrnn.nn.embedding import Ids
from charrnn.nn.gru import GRUState, GRUWeights
from charrnn.nn.lstm import LSTMState, LSTMWeights
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Array, Parameters, empty
from charrnn.nn.vanilla import VanillaState, VanillaWeights

# Reads x_t W_xh + b_h of a layer, (G, B, H), and turns its state into the next one.
Step = Callable[[Array], None]


class Stepper:
    """A model that reads B streams one character at a time, from a zero state.

    Parameters
    ----------
    model : the network
    params : its parameters, read once
    B : streams

    """

    def __init__(self, model: CharRNN, params: Parameters, B: int) -> None:
        dtype = params.vector.dtype
        self.logits = empty((B, model.vocab_size), dtype)
        """(B, V): the scores of what may follow the last character read; the next one overwrites them."""
        self._weights: list[Any] = []
        self._steps: list[Step] = []
        states: list[Any] = []
        for k, cell in enumerate(model.cells):
            weights = cell.weights(B, dtype, from_ids=k == 0 and not model.embedding)
            cell.arrange(params.group(f"cells.{k}"), weights)
            state, step = _STEPS[model.cell](weights, B, cell.hidden_size)
            self._weights.append(weights)
            self._steps.append(step)
            states.append(state)
        self.state: State = tuple(states)
        """Of each layer; the next character read overwrites it."""
        self._embedding = params["embedding.W_e"] if model.embedding else None
        self._table = None if model.embedding else _table(self._weights[0].W_xh)
        self._W_hy = params["embedding.W_e"].T if model.tied else params["linear.W_hy"]
        self._b_y = params["linear.b_y"]

    def read(self, ids: Ids) -> None:
        """Read the next character of each stream, (B,)."""
        for k, step in enumerate(self._steps):
            step(self._inputs(k, ids))
        np.dot(self.state[-1].h, self._W_hy, self.logits)
        np.add(self.logits, self._b_y, self.logits)

    def _inputs(self, layer: int, ids: Ids) -> Array:
        """Return x_t W_xh + b_h of a layer, (G, B, H)."""
        if layer == 0 and self._table is not None:
            # The rows of one stream are a view, without a copy.
            rows: Array = self._table[ids[0]] if len(ids) == 1 else self._table[ids][:, :, 0].swapaxes(0, 1)
            return rows
        weights = self._weights[layer]
        x = self.state[layer - 1].h if layer or self._embedding is None else self._embedding[ids]
        products: Array = np.matmul(x, _by_gate(weights.W_xh))
        return np.add(products, weights.b_h, out=products)

    def copy_state(self) -> State:
        """Return the state of each layer in fresh arrays."""
        return tuple(type(own)(*(array.copy() for array in own)) for own in self.state)

    def rewind(self, state: State) -> None:
        """Return to an earlier state, which is copied."""
        for own, earlier in zip(self.state, state, strict=True):
            for array, value in zip(own, earlier, strict=True):
                array[...] = value


def _table(W_xh: Array) -> Array:
    """Copy weights so that the rows of a character lie side by side, (V, G, 1, H)."""
    return np.ascontiguousarray(_by_gate(W_xh).swapaxes(0, 1))[:, :, None]


def _by_gate(W_xh: Array) -> Array:
    """View weights as (G, D, H): a vanilla cell's have no axis of gates."""
    return W_xh.reshape(-1, *W_xh.shape[-2:])


def _tiles(products: Array, h: Array) -> tuple[Array, Array]:
    """View h (B, H) and its products (G, B, H) as blocks of rows and panels of columns, as the weights are cut."""
    G, B, H = products.shape
    blocks, P = tiling(B, H)
    rows = h.reshape(1, blocks, B // blocks, H)
    return rows, products.reshape(G, *rows.shape[:3], P, H // P).transpose(0, 4, 1, 2, 3, 5)


def _zeros(shape: tuple[int, ...], weights: Any) -> Array:
    array = empty(shape, weights.W_hh.dtype)
    array[...] = 0
    return array


def _vanilla(weights: VanillaWeights, B: int, H: int) -> tuple[VanillaState, Step]:
    h, product = _zeros((2, B, H), weights)
    W_hh = weights.W_hh

    def step(x: Array) -> None:
        np.dot(h, W_hh, product)
        np.add(x[0], product, product)
        np.tanh(product, h)

    return VanillaState(h), step


def _lstm(weights: LSTMWeights, B: int, H: int) -> tuple[LSTMState, Step]:
    planes, terms, (h, tanh_c) = (_zeros((n, B, H), weights) for n in (5, 2, 2))
    a, sigmoids, i_f, g_c, c = planes[:4], planes[:3], planes[1:3], planes[3:], planes[4]
    W_hh, half, o, (i_g, f_c), (rows, tiles) = weights.W_hh, _half(h), planes[0], terms, _tiles(a, h)
    matmul, add, multiply, tanh = np.matmul, np.add, np.multiply, np.tanh

    def step(x: Array) -> None:
        matmul(rows, W_hh, tiles)
        add(x, a, a)
        tanh(a, a)
        multiply(sigmoids, half, sigmoids)
        add(sigmoids, half, sigmoids)
        multiply(i_f, g_c, terms)
        add(i_g, f_c, c)
        tanh(c, tanh_c)
        multiply(o, tanh_c, h)

    return LSTMState(h, c), step


def _gru(weights: GRUWeights, B: int, H: int) -> tuple[GRUState, Step]:
    a, (h, term) = (_zeros((n, B, H), weights) for n in (3, 2))
    gates, (n, r, z) = a[1:], a
    W_hh, b_hn, half, (rows, tiles) = weights.W_hh, weights.b_hn, _half(h), _tiles(a, h)
    matmul, add, subtract, multiply, tanh = np.matmul, np.add, np.subtract, np.multiply, np.tanh

    def step(x: Array) -> None:
        matmul(rows, W_hh, tiles)
        add(x[:2], gates, gates)
        tanh(gates, gates)
        multiply(gates, half, gates)
        add(gates, half, gates)
        # n = tanh(a_n + r q), where q = u_n + b_hn
        add(n, b_hn, n)
        multiply(r, n, n)
        add(x[2], n, n)
        tanh(n, n)
        subtract(h, n, term)
        multiply(z, term, term)
        add(n, term, h)

    return GRUState(h), step


def _half(like: Array) -> Array:
    # NumPy would convert the number of Python in each call.
    return np.array(0.5, like.dtype)


_STEPS: dict[str, Callable[[Any, int, int], tuple[Any, Step]]] = {"vanilla": _vanilla, "lstm": _lstm, "gru": _gru}
