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

`equations` has this as plain steps. How it is arranged here (stored parameters keep the form above; the arrangement is
made once a sequence):

- *Planes.* The gates of all steps lie gate by gate, ``(gate, T, B, H)`` in the order o i f g, so that every elementwise
  call runs over contiguous memory and each weight gradient is one product a gate. A fifth plane holds c_{t−1} right
  behind g: one multiplication of (i, f) by (g, c_{t−1}) gives both terms of c_t.
- *One tanh for all gates.* σ(a) = ½ + ½ tanh(a/2), with the inner ½ folded into the arranged weights.
- *Tiles.* A step's product is cut into tiles small enough for OpenBLAS's fast small-matrix kernels (see `tiling`).
- *Factors.* What multiplies d_h and d_c above needs no recurrence. It is made for a block of steps at once, small
  enough to stay in the second-level cache, in place of the gates, and then becomes δ in place.
- *Calls.* The loops pass results by position: by keyword a call takes 60 ns more, up to 1 % of a step.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from charrnn.nn import parameters
from charrnn.nn.arrangement import Below, block_steps, by_gate, panels, tiles, turned_panels
from charrnn.nn.cell import Group
from charrnn.nn.embedding import GATHERED_ROWS, lookup, lookup_backward
from charrnn.nn.parameters import Array


class LSTMState(NamedTuple):
    """What the cell remembers: hidden state ``h`` and memory ``c``, both (B, H).

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> charrnn.LSTMState(h=np.zeros((1, 2)), c=np.ones((1, 2))).c
    array([[1., 1.]])

    """

    h: Array
    c: Array


class _Step(NamedTuple):
    """Views of one step's arrays, made once: making them takes as long as a short step's arithmetic."""

    gates: Array  # (4, B, H): o i f g
    sigmoids: Array  # (3, B, H): o i f
    i_f: Array  # (2, B, H)
    g_c_prev: Array  # (2, B, H): what i and f are multiplied by
    c: Array  # (B, H)
    tanh_c: Array  # (B, H)
    o: Array  # (B, H)
    h: Array  # (B, H)
    h_rows: Array  # (1, 1, row blocks, rows of one, H): the same, as the next step's product reads it


class _StepBack(NamedTuple):
    """The same for the way back, where the gates' planes hold factors and then δ."""

    d_o: Array  # (B, H)
    d_ifg: Array  # (3, B, H)
    d_rows: Array  # (4, 1, row blocks, rows of one, H): all four, as the product reads them


@dataclass(frozen=True)
class LSTMWorkspace:
    """Arrays for T steps of B streams, in P panels of columns, blocks of K steps and blocks of R rows.

    7·T·B·H + 5·K·B·H + 10·B·H + (8·D + 9·H + 12 + 256)·H numbers, and T·B·D + 4·R·D + 4·D·H more for vectors as inputs.
    `tiles`, `steps` and `steps_back` only view others.
    """

    W_xh: Array  # (4, D, H): planes o i f g, for ids with the bias added
    d_W_xh: Array  # (4, D, H)  # noqa: N815 - the gradient of W_xh
    W_hh: Array  # (4, P, 1, H, H/P)
    W_hh_T: Array  # (4, P, 1, H, H/P): panels of each gate's transpose
    b_h: Array  # (4, 1, H)
    room: Array  # (H, H + 8), for `turned_panels`
    planes: Array  # (5, T, B, H): o i f g and c_{t−1}; after `backward` the first four hold δ
    c: Array  # (T + 1, B, H): c[0] is the initial memory, c[t + 1] follows input t; all but the last are plane 4
    tanh_c: Array  # (T, B, H)
    h: Array  # (T + 1, B, H): h[0] is the initial state, h[t + 1] follows input t
    products: Array  # (4, B, H): a step's products with W_hh, gate by gate
    tiles: Array  # (4, P, row blocks, rows of one, H/P): the same, as the panels and blocks of rows leave it
    terms: Array  # (2, B, H): i g and f c_{t−1}
    d_h: Array  # (B, H)
    d_c: Array  # (B, H)
    slopes: Array  # (4, K, B, H): a block's factors
    forget: Array  # (K, B, H): a block's forget gates, kept while their plane becomes δ
    gathered: Array  # (4 · 64, H), for `lookup_backward`
    steps: tuple[_Step, ...]
    steps_back: tuple[_StepBack, ...]
    below: Below | None  # where the inputs are vectors

    @property
    def outputs(self) -> Array:
        """(T, B, H): the hidden states."""
        return self.h[1:]

    @property
    def gates(self) -> dict[str, Array]:
        """Input i, forget f and output o, (T, B, H) each, after `forward`."""
        o, i, f = self.planes[:3]
        return {"i": i, "f": f, "o": o}

    @property
    def d_inputs(self) -> Array | None:
        """(T, B, D): gradient of the inputs, where they are vectors."""
        return self.below.d_inputs if self.below else None


@dataclass(frozen=True)
class LSTM:
    """D inputs into H hidden units."""

    input_size: int
    hidden_size: int
    gate_names: ClassVar[tuple[str, ...]] = ("i", "f", "o")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""
        D, H = self.input_size, self.hidden_size
        return {"W_xh": (D, 4 * H), "W_hh": (H, 4 * H), "b_h": (4 * H,)}

    def initialize(self, params: Group, rng: np.random.Generator, std: float) -> None:
        """Fill the weights as `parameters.weights` says; the bias is 0, but 1 for the forget gate.

        A forget gate that starts open lets gradients through from the first step (Jozefowicz et al., 2015).
        """
        H = self.hidden_size
        parameters.weights((params["W_xh"], params["W_hh"]), rng, std, H)
        params["b_h"][...] = 0
        params["b_h"][H : 2 * H] = 1

    def zero_state(self, B: int, dtype: np.dtype[Any]) -> LSTMState:
        """Return the state before any character."""
        return LSTMState(*np.zeros((2, B, self.hidden_size), dtype))

    def workspace(self, T: int, B: int, dtype: np.dtype[Any], *, from_ids: bool) -> LSTMWorkspace:
        """Allocate what `forward` and `backward` fill."""
        D, H = self.input_size, self.hidden_size
        blocks, P = tiles(B, H)
        rows, tanh_c, h = (np.empty(s, dtype) for s in ((5 * T + 1, B, H), (T, B, H), (T + 1, B, H)))
        planes, c = rows[: 5 * T].reshape(5, T, B, H), rows[4 * T :]
        products = np.empty((4, B, H), dtype)
        cut = (1, 1, blocks, B // blocks, H)
        K = block_steps(T, B, H)
        return LSTMWorkspace(
            W_xh=np.empty((4, D, H), dtype),
            d_W_xh=np.empty((4, D, H), dtype),
            W_hh=np.empty((4, P, 1, H, H // P), dtype),
            W_hh_T=np.empty((4, P, 1, H, H // P), dtype),
            b_h=np.empty((4, 1, H), dtype),
            room=np.empty((H, H + 8), dtype),
            planes=planes,
            c=c,
            tanh_c=tanh_c,
            h=h,
            products=products,
            tiles=products.reshape(4, blocks, B // blocks, P, H // P).transpose(0, 3, 1, 2, 4),
            terms=np.empty((2, B, H), dtype),
            d_h=np.empty((B, H), dtype),
            d_c=np.empty((B, H), dtype),
            slopes=np.empty((4, K, B, H), dtype),
            forget=np.empty((K, B, H), dtype),
            gathered=np.empty((4 * GATHERED_ROWS, H), dtype),
            steps=tuple(
                _Step(
                    gates=p[:4],
                    sigmoids=p[:3],
                    i_f=p[1:3],
                    g_c_prev=p[3:],
                    c=c[t + 1],
                    tanh_c=tanh_c[t],
                    o=p[0],
                    h=h[t + 1],
                    h_rows=h[t + 1].reshape(cut),
                )
                for t, p in enumerate(planes.swapaxes(0, 1))
            ),
            steps_back=tuple(
                _StepBack(d_o=p[0], d_ifg=p[1:4], d_rows=p[:4].reshape(4, *cut[1:])) for p in planes.swapaxes(0, 1)
            ),
            below=None if from_ids else Below.allocate(4, (T, B, D), H, dtype),
        )

    def arrange(self, params: Group, ws: LSTMWorkspace) -> None:
        """Copy the weights into the workspace as the products want them; due whenever they have changed."""
        H = self.hidden_size
        P = ws.W_hh.shape[1]
        for plane, gate in enumerate((3, 0, 1, 2)):
            columns = slice(gate * H, (gate + 1) * H)
            inner = 1 if gate == 2 else 0.5  # σ(a) = ½ + ½ tanh(a/2); g is a plain tanh
            W_hh = params["W_hh"][:, columns]
            np.multiply(panels(W_hh, P), inner, out=ws.W_hh[plane])
            ws.W_hh_T[plane] = turned_panels(W_hh, P, ws.room)
            np.multiply(params["b_h"][columns], inner, out=ws.b_h[plane, 0])
            np.multiply(params["W_xh"][:, columns], inner, out=ws.W_xh[plane])
            if ws.below:
                ws.below.W_xh_T[plane] = params["W_xh"][:, columns].T
        if not ws.below:
            np.add(ws.W_xh, ws.b_h, out=ws.W_xh)

    def forward(self, params: Group, ws: LSTMWorkspace, inputs: Array, state: LSTMState) -> LSTMState:
        """Run the whole sequence (see `Cell.forward`)."""
        T, _, H = ws.outputs.shape
        self._project(ws, inputs)
        ws.h[0], ws.c[0] = state
        products, tiles, terms, W_hh = ws.products, ws.tiles, ws.terms, ws.W_hh
        i_g, f_c = terms
        matmul, add, multiply, tanh = np.matmul, np.add, np.multiply, np.tanh
        h_prev = ws.h[0].reshape(1, 1, *tiles.shape[2:4], H)
        for step in ws.steps:
            matmul(h_prev, W_hh, tiles)
            add(step.gates, products, step.gates)
            tanh(step.gates, step.gates)
            multiply(step.sigmoids, 0.5, step.sigmoids)
            add(step.sigmoids, 0.5, step.sigmoids)
            multiply(step.i_f, step.g_c_prev, terms)
            add(i_g, f_c, step.c)
            tanh(step.c, step.tanh_c)
            multiply(step.o, step.tanh_c, step.h)
            h_prev = step.h_rows
        return LSTMState(ws.h[T].copy(), ws.c[T].copy())

    def _project(self, ws: LSTMWorkspace, inputs: Array) -> None:
        """Write the input part of every step's pre-activations into the planes, bias included."""
        T, B, H = ws.outputs.shape
        if not ws.below:
            lookup(ws.W_xh, inputs, ws.planes[:4])
            return
        gates = ws.planes[:4].reshape(4, T * B, H)
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
        T, K = len(ws.outputs), len(ws.forget)
        d_h, d_c, W_hh_T, products, tiles = ws.d_h, ws.d_c, ws.W_hh_T, ws.products, ws.tiles
        product, term = ws.terms
        matmul, add, multiply, add_up = np.matmul, np.add, np.multiply, np.add.reduce
        product[...], d_c[...] = (0, 0) if d_state is None else d_state
        for stop in range(T, 0, -K):
            start = max(0, stop - K)
            through_h = self._factors(ws, start, stop)
            for t in range(stop - 1, start - 1, -1):
                step = ws.steps_back[t]
                add(d_outputs[t], product, d_h)
                multiply(d_h, through_h[t - start], term)
                add(d_c, term, d_c)
                multiply(step.d_o, d_h, step.d_o)
                multiply(step.d_ifg, d_c, step.d_ifg)
                multiply(d_c, ws.forget[t - start], d_c)
                matmul(step.d_rows, W_hh_T, tiles)
                add_up(products, axis=0, out=product)
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
        d_a = ws.planes[:4].reshape(4, T * B, H)
        h_prev = ws.h[:T].reshape(T * B, H)
        if ws.below:
            np.matmul(inputs.reshape(T * B, -1).T, d_a, out=ws.d_W_xh)
            d_b_h = np.matmul(np.ones(T * B, d_a.dtype), d_a)
        else:
            lookup_backward(d_a, inputs, ws.d_W_xh, ws.gathered)
            d_b_h = np.add.reduce(ws.d_W_xh, axis=1)  # each position is one row of one-hot, which sums to 1
        # (gate, rows, H) views of the packed gradients; plane 0 is o, the last gate, and planes 1… are i f g.
        d_W_xh, d_W_hh = by_gate(grads["W_xh"], 4), by_gate(grads["W_hh"], 4)
        for planes, gates in ((slice(1, 4), slice(0, 3)), (slice(0, 1), slice(3, 4))):
            np.matmul(h_prev.T, d_a[planes], out=d_W_hh[gates])
            d_W_xh[gates] = ws.d_W_xh[planes]
            grads["b_h"].reshape(4, H)[gates] = d_b_h[planes]
        if ws.below:
            ws.below.write_d_inputs(d_a)
