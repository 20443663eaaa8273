"""The long short-term memory cell (Hochreiter & Schmidhuber, 1997; forget gate: Gers et al., 2000).

::

    a_t = x_t W_xh + h_{t−1} W_hh + b_h            (B, 4H), the gates packed i f g o
    i, f, o = σ(a_i), σ(a_f), σ(a_o)    g = tanh(a_g)
    c_t = f c_{t−1} + i g
    h_t = o tanh(c_t)

    x (T, B, D) or ids (T, B)    W_xh (D, 4H)    W_hh (H, 4H)    b_h (4H,)    h, c (T, B, H)

Backwards, with δ the gradients of the pre-activations a:

::

    d_h = d_outputs_t + δ_{t+1} W_hhᵀ
    d_c = d_c f_{t+1} + d_h o (1 − tanh² c)
    δ_o = d_h · tanh(c) o (1 − o)       δ_i = d_c · g i (1 − i)
    δ_f = d_c · c_{t−1} f (1 − f)       δ_g = d_c · i (1 − g²)
    d_W_xh = Σ xᵀ δ    d_W_hh = Σ h_{t−1}ᵀ δ    d_b_h = Σ δ    d_x = δ W_xhᵀ

How it is arranged (stored parameters keep the form above; the arrangement is made once a sequence, here alone):

- *Planes.* The gates of all steps lie gate by gate, ``(gate, T, B, H)`` in the order o i f g, so that every elementwise
  call runs over contiguous memory and each weight gradient is one product a gate. A fifth plane holds c_{t−1} right
  behind g: one multiplication of (i, f) by (g, c_{t−1}) gives both terms of c_t.
- *One tanh for all gates.* σ(a) = ½ + ½ tanh(a/2), with the inner ½ folded into the arranged weights.
- *Panels.* W_hh is cut into blocks of columns, so that each product stays within the size for which OpenBLAS has its
  fast small-matrix kernels (see `_panel_count`).
- *Factors.* What multiplies d_h and d_c above needs no recurrence. It is made for a block of steps at once, small
  enough to stay in the second-level cache, in place of the gates, and then becomes δ in place.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from charrnn.nn import initializers
from charrnn.nn.cell import Group
from charrnn.nn.embedding import lookup, lookup_backward
from charrnn.nn.parameters import Array

# Numbers in one array of a block of the backward pass.
_BLOCK_NUMBERS = 32_768
# OpenBLAS takes its small-matrix kernels while M·N·K does not exceed this.
_SMALL_PRODUCT = 1_000_000


class LSTMState(NamedTuple):
    """What the cell remembers: hidden state ``h`` and memory ``c``, both (B, H)."""

    h: Array
    c: Array


@dataclass(frozen=True)
class LSTMWorkspace:
    """Arrays for T steps of B streams, with P panels, blocks of K steps and blocks of R rows.

    7·T·B·H + 5·K·B·H + 14·B·H + (4·D + 8·H + 4)·H numbers, and T·B·D + 4·R·D + 4·D·H more for vectors as inputs.
    """

    W_xh: Array  # (4, D, H): planes o i f g, for ids with the bias added
    W_hh: Array  # (4, P, H, H/P)
    W_hh_T: Array  # (4, P, H, H/P): panels of each gate's transpose
    b_h: Array  # (4, 1, H)
    planes: Array  # (5, T + 1, B, H): o i f g and c_{t−1}; after `backward` the first four hold δ
    tanh_c: Array  # (T, B, H)
    h: Array  # (T + 1, B, H): h[0] is the initial state, h[t + 1] follows input t
    products: Array  # (4, B, H): a step's products with W_hh, gate by gate
    terms: Array  # (2, B, H): i g and f c_{t−1}
    d_h: Array  # (B, H)
    d_c: Array  # (B, H)
    slopes: Array  # (4, K, B, H): a block's factors
    forget: Array  # (K, B, H): a block's forget gates, kept while their plane becomes δ
    below: "_Below | None"  # where the inputs are vectors

    @property
    def outputs(self) -> Array:
        """(T, B, H): the hidden states."""
        return self.h[1:]

    @property
    def d_inputs(self) -> Array | None:
        """(T, B, D): gradient of the inputs, where they are vectors."""
        return self.below.d_inputs if self.below else None


class _Below(NamedTuple):
    """For the gradient of the inputs."""

    W_xh_T: Array  # (4, H, D)
    products: Array  # (4, R, D): of a block of rows, gate by gate
    d_inputs: Array  # (T, B, D)


@dataclass(frozen=True)
class LSTM:
    """D inputs into H hidden units."""

    input_size: int
    hidden_size: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""
        D, H = self.input_size, self.hidden_size
        return {"W_xh": (D, 4 * H), "W_hh": (H, 4 * H), "b_h": (4 * H,)}

    def initialize(self, params: Group, rng: np.random.Generator, std: float) -> None:
        """Fill the weights as `initializers.weights` says; the bias is 0, but 1 for the forget gate.

        A forget gate that starts open lets gradients through from the first step (Jozefowicz et al., 2015).
        """
        H = self.hidden_size
        initializers.weights((params["W_xh"], params["W_hh"]), rng, std, H)
        params["b_h"][...] = 0
        params["b_h"][H : 2 * H] = 1

    def zero_state(self, B: int, dtype: np.dtype[Any]) -> LSTMState:
        """Return the state before any character."""
        shape = (B, self.hidden_size)
        return LSTMState(np.zeros(shape, dtype), np.zeros(shape, dtype))

    def workspace(self, T: int, B: int, dtype: np.dtype[Any], *, from_ids: bool) -> LSTMWorkspace:
        """Allocate what `forward` and `backward` fill."""
        D, H = self.input_size, self.hidden_size
        P = _panel_count(B, H)
        K = min(T, max(1, _BLOCK_NUMBERS // (B * H)))
        R = min(T * B, max(1, _BLOCK_NUMBERS // D))
        return LSTMWorkspace(
            W_xh=np.empty((4, D, H), dtype),
            W_hh=np.empty((4, P, H, H // P), dtype),
            W_hh_T=np.empty((4, P, H, H // P), dtype),
            b_h=np.empty((4, 1, H), dtype),
            planes=np.empty((5, T + 1, B, H), dtype),
            tanh_c=np.empty((T, B, H), dtype),
            h=np.empty((T + 1, B, H), dtype),
            products=np.empty((4, B, H), dtype),
            terms=np.empty((2, B, H), dtype),
            d_h=np.empty((B, H), dtype),
            d_c=np.empty((B, H), dtype),
            slopes=np.empty((4, K, B, H), dtype),
            forget=np.empty((K, B, H), dtype),
            below=None if from_ids else _Below(*(np.empty(s, dtype) for s in ((4, H, D), (4, R, D), (T, B, D)))),
        )

    def arrange(self, params: Group, ws: LSTMWorkspace) -> None:
        """Copy the weights into the workspace as the products want them; due whenever they have changed."""
        H = self.hidden_size
        _, P, _, N = ws.W_hh.shape
        for plane, gate in enumerate((3, 0, 1, 2)):
            columns = slice(gate * H, (gate + 1) * H)
            inner = 1 if gate == 2 else 0.5  # σ(a) = ½ + ½ tanh(a/2); g is a plain tanh
            W_hh = params["W_hh"][:, columns]
            np.multiply(W_hh.reshape(H, P, N).swapaxes(0, 1), inner, out=ws.W_hh[plane])
            ws.W_hh_T[plane] = W_hh.T.reshape(H, P, N).swapaxes(0, 1)
            np.multiply(params["b_h"][columns], inner, out=ws.b_h[plane, 0])
            np.multiply(params["W_xh"][:, columns], inner, out=ws.W_xh[plane])
            if ws.below:
                ws.below.W_xh_T[plane] = params["W_xh"][:, columns].T
        if not ws.below:
            np.add(ws.W_xh, ws.b_h, out=ws.W_xh)

    def forward(self, params: Group, ws: LSTMWorkspace, inputs: Array, state: LSTMState) -> LSTMState:
        """Run the whole sequence (see `Cell.forward`)."""
        T, B, H = ws.outputs.shape
        self._project(ws, inputs)
        ws.h[0], ws.planes[4, 0] = state
        # A step's products, cut as the panels of W_hh are.
        P = ws.W_hh.shape[1]
        panels = ws.products.reshape(4, B, P, H // P).swapaxes(1, 2)
        products, terms, W_hh, h_prev = ws.products, ws.terms, ws.W_hh, ws.h[0]
        for t in range(T):
            gates, sigmoids = ws.planes[:4, t], ws.planes[:3, t]
            np.matmul(h_prev, W_hh, out=panels)
            np.add(gates, products, out=gates)
            np.tanh(gates, out=gates)
            np.multiply(sigmoids, 0.5, out=sigmoids)
            np.add(sigmoids, 0.5, out=sigmoids)
            np.multiply(ws.planes[1:3, t], ws.planes[3:, t], out=terms)
            c = ws.planes[4, t + 1]
            np.add(terms[0], terms[1], out=c)
            np.tanh(c, out=ws.tanh_c[t])
            h_prev = ws.h[t + 1]
            np.multiply(ws.planes[0, t], ws.tanh_c[t], out=h_prev)
        return LSTMState(h_prev.copy(), ws.planes[4, T].copy())

    def _project(self, ws: LSTMWorkspace, inputs: Array) -> None:
        """Write the input part of every step's pre-activations into the planes, bias included."""
        T, B, H = ws.outputs.shape
        if not ws.below:
            for table, plane in zip(ws.W_xh, ws.planes[:4, :T], strict=True):
                lookup(table, inputs, plane)
            return
        gates = ws.planes[:4, :T].reshape(4, T * B, H)
        np.matmul(inputs.reshape(T * B, -1), ws.W_xh, out=gates)
        np.add(gates, ws.b_h, out=gates)

    def backward(
        self,
        params: Group,
        grads: Group,
        ws: LSTMWorkspace,
        inputs: Array,
        d_outputs: Array,
        d_state: LSTMState | None = None,
    ) -> LSTMState:
        """Run the sequence backwards (see `Cell.backward`)."""
        T, B, H = ws.outputs.shape
        K, P = len(ws.forget), ws.W_hh.shape[1]
        panels = ws.products.reshape(4, B, P, H // P).swapaxes(1, 2)
        d_h, d_c, product = ws.d_h, ws.d_c, ws.terms[0]
        product[...], d_c[...] = (0, 0) if d_state is None else d_state
        for stop in range(T, 0, -K):
            start = max(0, stop - K)
            through_h = self._factors(ws, start, stop)
            for t in range(stop - 1, start - 1, -1):
                np.add(d_outputs[t], product, out=d_h)
                np.multiply(d_h, through_h[t - start], out=ws.terms[1])
                np.add(d_c, ws.terms[1], out=d_c)
                d_o, d_ifg = ws.planes[0, t], ws.planes[1:4, t]
                np.multiply(d_o, d_h, out=d_o)
                np.multiply(d_ifg, d_c, out=d_ifg)
                np.multiply(d_c, ws.forget[t - start], out=d_c)
                np.matmul(ws.planes[:4, t, None], ws.W_hh_T, out=panels)
                np.add.reduce(ws.products, axis=0, out=product)
        self._weight_gradients(params, grads, ws, inputs)
        return LSTMState(product.copy(), d_c.copy())

    def _factors(self, ws: LSTMWorkspace, start: int, stop: int) -> Array:
        """Replace the gates of steps start…stop−1 by what turns d_h and d_c into δ.

        Returns o (1 − tanh² c), the share of d_h that reaches d_c: (stop − start, B, H), a view into the workspace.
        """
        o, i, f, g, _ = planes = ws.planes[:, start:stop]
        tanh_c = ws.tanh_c[start:stop]
        slopes = ws.slopes[:, : stop - start]
        # σ' = s (1 − s) for the three sigmoid gates
        np.subtract(1, planes[:3], out=slopes[:3])
        np.multiply(slopes[:3], planes[:3], out=slopes[:3])
        ws.forget[: stop - start] = f
        # i (1 − g²) needs i and g before their planes go
        np.multiply(g, g, out=slopes[3])
        np.subtract(1, slopes[3], out=slopes[3])
        np.multiply(slopes[3], i, out=slopes[3])
        np.multiply(slopes[1:3], planes[3:], out=planes[1:3])  # i' g and f' c_{t−1}
        g[...] = slopes[3]
        through_h: Array = slopes[3]
        np.multiply(tanh_c, tanh_c, out=through_h)
        np.subtract(1, through_h, out=through_h)
        np.multiply(through_h, o, out=through_h)
        np.multiply(slopes[0], tanh_c, out=o)
        return through_h

    def _weight_gradients(self, params: Group, grads: Group, ws: LSTMWorkspace, inputs: Array) -> None:
        """Write the gradients that need no recurrence from the δ in the planes, each one product a gate."""
        T, B, H = ws.outputs.shape
        d_a = ws.planes[:4, :T].reshape(4, T * B, H)
        h_prev = ws.h[:T].reshape(T * B, H)
        # (gate, rows, H) views of the packed gradients; plane 0 is o, the last gate, and planes 1… are i f g.
        for planes, gates in ((d_a[1:], slice(0, 3)), (d_a[:1], slice(3, 4))):
            np.matmul(h_prev.T, planes, out=_by_gate(grads["W_hh"], H)[gates])
            np.add.reduce(planes, axis=1, out=grads["b_h"].reshape(4, H)[gates])
            if not ws.below:
                lookup_backward(planes, inputs, _by_gate(grads["W_xh"], H)[gates])
            else:
                np.matmul(inputs.reshape(T * B, -1).T, planes, out=_by_gate(grads["W_xh"], H)[gates])
        if ws.below:
            self._input_gradient(ws.below, d_a)

    def _input_gradient(self, below: _Below, d_a: Array) -> None:
        """Write d_x = Σ δ W_xhᵀ over the gates, a block of rows at a time so that their four products stay in cache."""
        d_inputs = below.d_inputs.reshape(-1, self.input_size)
        R = below.products.shape[1]
        for start in range(0, len(d_inputs), R):
            rows = d_a[:, start : start + R]
            products = below.products[:, : rows.shape[1]]
            np.matmul(rows, below.W_xh_T, out=products)
            np.add.reduce(products, axis=0, out=d_inputs[start : start + R])


def _by_gate(packed: Array, H: int) -> Array:
    """View (rows, 4H) as (4, rows, H)."""
    gates: Array = packed.reshape(-1, 4, H).swapaxes(0, 1)
    return gates


def _panel_count(B: int, H: int) -> int:
    """Into how many blocks of columns each gate's (H, H) weight is cut for products with B rows.

    The fewest that bring a product under OpenBLAS's limit for small-matrix kernels, while a panel keeps at least 32
    columns; 1 where no such count divides H. At (B, H) = (64, 256) this takes a step's product from 171 to 214
    GFLOP/s. A rule by shape, not a timing, so that a run computes the same bits each time.
    """
    for P in range(1, H // 32 + 1):
        if H % P == 0 and B * H * (H // P) <= _SMALL_PRODUCT:
            return P
    return 1
