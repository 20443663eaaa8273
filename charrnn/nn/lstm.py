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

`equations` has this as plain steps. The parameters are stored in the form above; here they are arranged so:

- *Planes.* The gates of all steps lie gate by gate, ``(gate, S, T, R, H)`` in the order o i f g, so that every
  elementwise call runs over contiguous memory and each weight gradient is one product a gate. A fifth plane holds
  c_{t−1} right behind g: one multiplication of (i, f) by (g, c_{t−1}) gives both terms of c_t.
- *One tanh for all gates.* σ(a) = ½ + ½ tanh(a/2), with the inner ½ folded into the arranged weights.
- *Tiles.* A step's product is cut into tiles small enough for OpenBLAS's fast kernels (see `arrangement`).
- *Factors.* What d_h and d_c are multiplied by needs no recurrence. It is made for a block of steps at once, small
  enough to stay in the second-level cache. It takes the place of the gates, and then becomes δ in place.
- *Calls.* The loops pass results by position: by keyword a call takes 60 ns more, up to 1 % of a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from charrnn.nn import parameters
from charrnn.nn.arrangement import InputGradient, block_steps, by_gate, panels, tiling, turned_panels
from charrnn.nn.cell import Group
from charrnn.nn.embedding import GATHERED_ROWS, lookup, lookup_backward
from charrnn.nn.parameters import Array, empty


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


class LSTMWeights(NamedTuple):
    """The parameters as the products want them: gates o i f g, in P panels of columns (see `arrangement.tiling`)."""

    W_xh: Array  # (4, D, H), for ids with the bias added
    W_xh_T: Array | None  # (4, H, D), for vectors
    W_hh: Array  # (4, P, 1, 1, H, H/P)
    W_hh_T: Array  # (4, P, 1, 1, H, H/P): panels of each gate's transpose
    b_h: Array  # (4, 1, H)
    room: Array  # (H, H + 8), for `turned_panels`


class _Step(NamedTuple):
    """Views of one step's arrays, made once: making them takes as long as a short step's arithmetic."""

    gates: Array  # (4, S, R, H): o i f g
    sigmoids: Array  # (3, S, R, H): o i f
    o: Array  # (S, R, H)
    i_f: Array  # (2, S, R, H)
    g_c_prev: Array  # (2, S, R, H): what i and f are multiplied by
    c: Array  # (S, R, H)
    tanh_c: Array  # (S, R, H)
    h: Array  # (S, R, H)
    h_rows: Array  # (S, row blocks, rows of one, H): the same, as the next step's product reads it


class _StepBack(NamedTuple):
    """The same for the way back, where the gates' planes hold factors and then δ."""

    o: Array  # (S, R, H)
    ifg: Array  # (3, S, R, H)
    rows: Array  # (4, 1, S, row blocks, rows of one, H): all four, as the product reads them


@dataclass(frozen=True)
class LSTMWorkspace:
    """Arrays for T steps of S·R streams, in blocks of K steps; `tiles`, `steps` and `steps_back` only view others."""

    planes: Array  # (5, S, T, R, H): o i f g and c_{t−1}; after `backward` the first four hold δ
    c: Array  # (S, R, H): the last memory; those before it are plane 4
    tanh_c: Array  # (S, T, R, H)
    h: Array  # (S, T + 1, R, H): h[:, 0] is the initial state, h[:, t + 1] follows input t
    outputs: Array  # (S, T, R, H): the hidden states, without the initial one
    products: Array  # (4, S, R, H): a step's products with W_hh, gate by gate
    tiles: Array  # (4, P, S, row blocks, rows of one, H/P): the same, as the panels and blocks of rows leave it
    terms: Array  # (2, S, R, H): of a sum; forwards i g and f c_{t−1}
    d_h: Array  # (S, R, H)
    d_c: Array  # (S, R, H)
    slopes: Array  # (4, S, K, R, H): a block's factors
    forget: Array  # (S, K, R, H): a block's forget gates, kept while their plane becomes δ
    d_W_xh: Array  # (4, D, H), gate by gate  # noqa: N815 - the gradient of W_xh
    gathered: Array  # (4 · 64, H), for `lookup_backward`
    steps: tuple[_Step, ...]
    steps_back: tuple[_StepBack, ...]
    below: InputGradient | None  # where the inputs are vectors

    @property
    def gates(self) -> dict[str, Array]:
        """Input i, forget f and output o, (S, T, R, H) each, after `forward`."""
        o, i, f = self.planes[:3]
        return {"i": i, "f": f, "o": o}

    @property
    def d_inputs(self) -> Array | None:
        """(S, T, R, D): gradient of the inputs, where they are vectors."""
        return self.below.d_inputs if self.below else None


@dataclass(frozen=True)
class LSTMCell:
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

    def weights(self, R: int, dtype: np.dtype[Any], *, from_ids: bool) -> LSTMWeights:
        """Allocate arranged weights."""
        D, H = self.input_size, self.hidden_size
        _, P = tiling(R, H)
        return LSTMWeights(
            W_xh=empty((4, D, H), dtype),
            W_xh_T=None if from_ids else empty((4, H, D), dtype),
            W_hh=empty((4, P, 1, 1, H, H // P), dtype),
            W_hh_T=empty((4, P, 1, 1, H, H // P), dtype),
            b_h=empty((4, 1, H), dtype),
            room=empty((H, H + 8), dtype),
        )

    def arrange(self, params: Group, weights: LSTMWeights) -> None:
        """Copy the parameters into `weights`."""
        P = weights.W_hh.shape[1]
        W_xh, W_hh, b_h = (by_gate(params[name], 4) for name in ("W_xh", "W_hh", "b_h"))
        for plane, gate in enumerate((3, 0, 1, 2)):  # o i f g among i f g o
            inner = 1 if gate == 2 else 0.5  # σ(a) = ½ + ½ tanh(a/2); g is a plain tanh
            np.multiply(W_xh[gate], inner, out=weights.W_xh[plane])
            np.multiply(panels(W_hh[gate], P), inner, out=weights.W_hh[plane])
            np.multiply(b_h[gate], inner, out=weights.b_h[plane])
            weights.W_hh_T[plane] = turned_panels(W_hh[gate], P, weights.room)
            if weights.W_xh_T is not None:
                weights.W_xh_T[plane] = W_xh[gate].T
        if weights.W_xh_T is None:
            np.add(weights.W_xh, weights.b_h, out=weights.W_xh)

    def workspace(self, T: int, R: int, dtype: np.dtype[Any], *, from_ids: bool, S: int = 1) -> LSTMWorkspace:
        """Allocate what `forward` and `backward` fill."""
        D, H = self.input_size, self.hidden_size
        blocks, P = tiling(R, H)
        planes, h, products = (empty(s, dtype) for s in ((5, S, T, R, H), (S, T + 1, R, H), (4, S, R, H)))
        tanh_c, last_c = empty((S, T, R, H), dtype), empty((S, R, H), dtype)
        cut = (S, blocks, R // blocks, H)
        K = block_steps(T, S * R, H)
        by_step = planes.transpose(2, 0, 1, 3, 4)  # (T, 5, S, R, H)
        return LSTMWorkspace(
            planes=planes,
            c=last_c,
            tanh_c=tanh_c,
            h=h,
            outputs=h[:, 1:],
            products=products,
            tiles=products.reshape(4, *cut[:3], P, H // P).transpose(0, 4, 1, 2, 3, 5),
            terms=empty((2, S, R, H), dtype),
            d_h=empty((S, R, H), dtype),
            d_c=empty((S, R, H), dtype),
            slopes=empty((4, S, K, R, H), dtype),
            forget=empty((S, K, R, H), dtype),
            d_W_xh=empty((4, D, H), dtype),
            gathered=empty((4 * GATHERED_ROWS, H), dtype),
            steps=tuple(
                _Step(
                    gates=p[:4],
                    sigmoids=p[:3],
                    o=p[0],
                    i_f=p[1:3],
                    g_c_prev=p[3:],
                    c=by_step[t + 1, 4] if t + 1 < T else last_c,
                    tanh_c=tanh_c[:, t],
                    h=h[:, t + 1],
                    h_rows=h[:, t + 1].reshape(cut),
                )
                for t, p in enumerate(by_step)
            ),
            steps_back=tuple(_StepBack(o=p[0], ifg=p[1:4], rows=p[:4].reshape(4, 1, *cut)) for p in by_step),
            below=None if from_ids else InputGradient.allocate(4, (S, T, R, D), dtype),
        )

    def forward(self, weights: LSTMWeights, ws: LSTMWorkspace, inputs: Array, state: LSTMState) -> LSTMState:
        """Run the whole sequence (see `Cell.forward`)."""
        S, T, R, H = ws.outputs.shape
        # x_t W_xh + b_h for every step at once, into the planes of the gates
        if weights.W_xh_T is None:
            lookup(weights.W_xh, inputs, ws.planes[:4])
        else:
            a = ws.planes[:4].reshape(4, S, T * R, H)
            np.matmul(inputs.reshape(S, T * R, -1), weights.W_xh[:, None], out=a)
            np.add(a, weights.b_h[:, None], out=a)
        ws.h[:, 0], ws.planes[4, :, 0] = state.h.reshape(S, R, H), state.c.reshape(S, R, H)
        W_hh, products, tiles, terms = weights.W_hh, ws.products, ws.tiles, ws.terms
        i_g, f_c = terms
        matmul, add, multiply, tanh = np.matmul, np.add, np.multiply, np.tanh
        h_prev = ws.h[:, 0].reshape(*tiles.shape[2:5], H)
        for step in ws.steps:
            # a_t = x_t W_xh + b_h + h_{t−1} W_hh
            matmul(h_prev, W_hh, tiles)
            add(step.gates, products, step.gates)
            # g = tanh(a_g), and o, i, f = σ(a) = ½ + ½ tanh(a/2)
            tanh(step.gates, step.gates)
            multiply(step.sigmoids, 0.5, step.sigmoids)
            add(step.sigmoids, 0.5, step.sigmoids)
            # c_t = i g + f c_{t−1}
            multiply(step.i_f, step.g_c_prev, terms)
            add(i_g, f_c, step.c)
            # h_t = o tanh(c_t)
            tanh(step.c, step.tanh_c)
            multiply(step.o, step.tanh_c, step.h)
            h_prev = step.h_rows
        return LSTMState(step.h.reshape(S * R, H).copy(), ws.c.reshape(S * R, H).copy())

    def backward(
        self,
        weights: LSTMWeights,
        ws: LSTMWorkspace,
        grads: Sequence[Group],
        inputs: Array,
        d_outputs: Array,
        d_state: LSTMState | None = None,
    ) -> LSTMState:
        """Run the sequence backwards (see `Cell.backward`)."""
        (S, T, R, H), K = ws.outputs.shape, ws.forget.shape[1]
        W_hh_T, products, tiles, d_h, d_c = weights.W_hh_T, ws.products, ws.tiles, ws.d_h, ws.d_c
        from_next, term = ws.terms
        matmul, add, multiply, add_up = np.matmul, np.add, np.multiply, np.add.reduce
        from_next[...], d_c[...] = (0, 0) if d_state is None else (d.reshape(S, R, H) for d in d_state)
        for stop in range(T, 0, -K):
            start = max(0, stop - K)
            h_to_c = self._factors(ws, start, stop)
            for t in range(stop - 1, start - 1, -1):
                step = ws.steps_back[t]
                # d_h = d_outputs_t + δ_{t+1} W_hhᵀ
                add(d_outputs[:, t], from_next, d_h)
                # d_c = d_c f_{t+1} + d_h o (1 − tanh² c); its first term is there already
                multiply(d_h, h_to_c[:, t - start], term)
                add(d_c, term, d_c)
                # δ_o = d_h · tanh(c) o', and (δ_i, δ_f, δ_g) = d_c · (g i', c_{t−1} f', i g'), with the slopes
                # o' = o (1 − o) and so on, g' = 1 − g²
                multiply(step.o, d_h, step.o)
                multiply(step.ifg, d_c, step.ifg)
                # for the step before: d_c f_t, and δ_t W_hhᵀ
                multiply(d_c, ws.forget[:, t - start], d_c)
                matmul(step.rows, W_hh_T, tiles)
                add_up(products, axis=0, out=from_next)
        for shard, d_params in enumerate(grads):
            self._weight_gradients(weights, ws, shard, d_params, inputs[shard])
        return LSTMState(from_next.reshape(S * R, H).copy(), d_c.reshape(S * R, H).copy())

    def _factors(self, ws: LSTMWorkspace, start: int, stop: int) -> Array:
        """Replace the gates of steps start…stop−1 by the factors that turn d_h and d_c into δ.

        Returns o (1 − tanh² c), the share of d_h that reaches d_c: (S, stop − start, R, H), a view into the workspace.
        """
        o, i, f, g, _ = planes = ws.planes[:, :, start:stop]
        tanh_c = ws.tanh_c[:, start:stop]
        slopes = ws.slopes[:, :, : stop - start]
        # o', i', f' = σ' = s (1 − s)
        np.subtract(1, planes[:3], out=slopes[:3])
        np.multiply(slopes[:3], planes[:3], out=slopes[:3])
        ws.forget[:, : stop - start] = f
        # i g' = i (1 − g²), before the planes of i and g are overwritten
        i_slope_g = slopes[3]
        np.multiply(g, g, out=i_slope_g)
        np.subtract(1, i_slope_g, out=i_slope_g)
        np.multiply(i_slope_g, i, out=i_slope_g)
        # g i' and c_{t−1} f'
        np.multiply(slopes[1:3], planes[3:], out=planes[1:3])
        g[...] = i_slope_g
        # o (1 − tanh² c), where i g' was
        h_to_c: Array = slopes[3]
        np.multiply(tanh_c, tanh_c, out=h_to_c)
        np.subtract(1, h_to_c, out=h_to_c)
        np.multiply(h_to_c, o, out=h_to_c)
        # tanh(c) o'
        np.multiply(slopes[0], tanh_c, out=o)
        return h_to_c

    def _weight_gradients(
        self, weights: LSTMWeights, ws: LSTMWorkspace, shard: int, grads: Group, inputs: Array
    ) -> None:
        """Write the gradients that need no recurrence from a shard's δ in the planes, each one product a gate."""
        _, T, R, H = ws.outputs.shape
        d_a = ws.planes[:4, shard].reshape(4, T * R, H)
        h_prev = ws.h[shard, :T].reshape(T * R, H)
        if weights.W_xh_T is None:
            lookup_backward(d_a, inputs, ws.d_W_xh, ws.gathered)
            d_b_h = np.add.reduce(ws.d_W_xh, axis=1)  # each position is one row of one-hot, which sums to 1
        else:
            np.matmul(inputs.reshape(T * R, -1).T, d_a, out=ws.d_W_xh)
            d_b_h = np.matmul(np.ones(T * R, d_a.dtype), d_a)
        # (gate, rows, H) views of the packed gradients; plane 0 is o, the last gate, and planes 1… are i f g.
        d_W_xh, d_W_hh = by_gate(grads["W_xh"], 4), by_gate(grads["W_hh"], 4)
        for planes, gates in ((slice(1, 4), slice(0, 3)), (slice(0, 1), slice(3, 4))):
            np.matmul(h_prev.T, d_a[planes], out=d_W_hh[gates])
            d_W_xh[gates] = ws.d_W_xh[planes]
            grads["b_h"].reshape(4, H)[gates] = d_b_h[planes]
        if ws.below and weights.W_xh_T is not None:
            ws.below.write(shard, d_a, weights.W_xh_T)
