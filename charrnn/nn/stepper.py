"""The network one character at a time, as a sampler needs it.

It computes what `Session.logits` computes, with the weights that `lstm`, `gru` and `vanilla` arrange and with their
equations in the same order. But it keeps no arrays of a sequence, and its state stays in place. A single character of
one stream is mostly calls, and so takes half as long (LSTM of 256 units: 18 µs instead of 36).
"""

from collections.abc import Callable
from functools import partial
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
    params : its parameters, copied
    B : streams

    """

    def __init__(self, model: CharRNN, params: Parameters, B: int) -> None:
        dtype = params.vector.dtype
        self.logits = empty((B, model.vocab_size), dtype)
        """(B, V): the scores of what may follow the last character read; the next one overwrites them."""
        self._embedding = params["embedding.W_e"].copy() if model.embedding else None
        self._table: Array | None = None  # (V, G, 1, H): what an id adds in the lowest layer, without an embedding
        self._weights: dict[int, tuple[Array, Array]] = {}  # W_xh (G, D, H) and b_h of the layers that read vectors
        self._steps: list[Step] = []
        states: list[Any] = []
        for k, cell in enumerate(model.cells):
            from_ids = k == 0 and not model.embedding
            weights = cell.weights(B, dtype, from_ids=from_ids)
            cell.arrange(params.group(f"cells.{k}"), weights)
            W_xh = weights.W_xh.reshape(-1, *weights.W_xh.shape[-2:])  # a vanilla cell's has no axis of gates
            if from_ids:
                self._table = np.ascontiguousarray(W_xh.swapaxes(0, 1))[:, :, None]
            else:
                self._weights[k] = W_xh, weights.b_h
            state, step = _STEPS[model.cell](weights, B, cell.hidden_size)
            states.append(state)
            self._steps.append(step)
        self.state: State = tuple(states)
        """Of each layer; the next character read overwrites it."""
        self._W_hy = params["embedding.W_e"].copy().T if model.tied else params["linear.W_hy"].copy()
        self._b_y = params["linear.b_y"][None].copy()

    def read(self, ids: Ids) -> None:
        """Read the next character of each stream, (B,)."""
        for k, step in enumerate(self._steps):
            step(self._read_inputs(k, ids))
        np.dot(self.state[-1].h, self._W_hy, self.logits)
        np.add(self.logits, self._b_y, self.logits)

    def _read_inputs(self, layer: int, ids: Ids) -> Array:
        """Return x_t W_xh + b_h of a layer, (G, B, H)."""
        inputs: Array
        if layer == 0 and self._table is not None:
            # The rows of a single stream are a view.
            inputs = self._table[ids[0]] if len(ids) == 1 else self._table[ids][:, :, 0].swapaxes(0, 1)
            return inputs
        W_xh, b_h = self._weights[layer]
        x = self._embedding[ids] if layer == 0 and self._embedding is not None else self.state[layer - 1].h
        inputs = np.matmul(x, W_xh)
        inputs += b_h
        return inputs

    def copy_state(self) -> State:
        """Return the state of each layer in fresh arrays."""
        return tuple(type(own)(*(array.copy() for array in own)) for own in self.state)

    def rewind(self, state: State) -> None:
        """Return to an earlier state, which is copied."""
        for own, earlier in zip(self.state, state, strict=True):
            for array, value in zip(own, earlier, strict=True):
                array[...] = value


def _product(h: Array, W_hh: Array, out: Array) -> Callable[[], object]:
    """Return what writes h (B, H) times the weights of each gate into `out` (G, B, H)."""
    G, B, H = out.shape
    if B == 1:  # a single product with all gates side by side takes a tenth less than one for each gate
        packed = empty((H, G * H), h.dtype)
        packed.reshape(H, G, H)[...] = W_hh.reshape(G, H, H).swapaxes(0, 1)
        return partial(np.dot, h, packed, out.reshape(1, G * H))
    # Blocks of rows and panels of columns, as the weights are cut.
    blocks, P = tiling(B, H)
    rows = h.reshape(1, blocks, B // blocks, H)
    tiles = out.reshape(G, *rows.shape[:3], P, H // P).transpose(0, 4, 1, 2, 3, 5)
    return partial(np.matmul, rows, W_hh, tiles)


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
    o, (i_g, f_c), half, product = planes[0], terms, _half(h), _product(h, weights.W_hh, a)
    add, multiply, tanh = np.add, np.multiply, np.tanh

    def step(x: Array) -> None:
        # g = tanh(a_g), and o, i, f = σ(a) = ½ + ½ tanh(a/2)
        product()
        add(x, a, a)
        tanh(a, a)
        multiply(sigmoids, half, sigmoids)
        add(sigmoids, half, sigmoids)
        # c_t = i g + f c_{t−1}, and h_t = o tanh(c_t)
        multiply(i_f, g_c, terms)
        add(i_g, f_c, c)
        tanh(c, tanh_c)
        multiply(o, tanh_c, h)

    return LSTMState(h, c), step


def _gru(weights: GRUWeights, B: int, H: int) -> tuple[GRUState, Step]:
    a, (h, term) = (_zeros((n, B, H), weights) for n in (3, 2))
    gates, (n, r, z) = a[1:], a
    b_hn, half, product = weights.b_hn, _half(h), _product(h, weights.W_hh, a)
    add, subtract, multiply, tanh = np.add, np.subtract, np.multiply, np.tanh

    def step(x: Array) -> None:
        # r, z = σ(a + u) = ½ + ½ tanh((a + u)/2)
        product()
        add(x[:2], gates, gates)
        tanh(gates, gates)
        multiply(gates, half, gates)
        add(gates, half, gates)
        # n = tanh(a_n + r q), where q = u_n + b_hn
        add(n, b_hn, n)
        multiply(r, n, n)
        add(x[2], n, n)
        tanh(n, n)
        # h_t = n + z (h_{t−1} − n)
        subtract(h, n, term)
        multiply(z, term, term)
        add(n, term, h)

    return GRUState(h), step


def _half(like: Array) -> Array:
    # NumPy would convert the number of Python in each call.
    return np.array(0.5, like.dtype)


_STEPS: dict[str, Callable[[Any, int, int], tuple[Any, Step]]] = {"vanilla": _vanilla, "lstm": _lstm, "gru": _gru}
