"""The gated recurrent unit (Cho et al., 2014), with the reset gate after the product as in cuDNN and PyTorch.

::

    a_t = x_t W_xh + b_h           (B, 3H), packed r z n
    u_t = h_{t−1} W_hh             (B, 3H), likewise
    r, z = σ(a_r + u_r), σ(a_z + u_z)
    q    = u_n + b_hn
    n    = tanh(a_n + r q)
    h_t  = (1 − z) n + z h_{t−1}

    x (T, B, D) or ids (T, B)    W_xh (D, 3H)    W_hh (H, 3H)    b_h (3H,)    b_hn (H,)    h (T, B, H)

Cho et al. multiply by r before the product, which would make two products of each step, one waiting for the other.

Backwards, with δ the gradients of what stands under σ and tanh, and of q:

::

    d_h = d_outputs_t + d_h_{t+1} z_{t+1} + (δ_r, δ_z, δ_q)_{t+1} W_hhᵀ
    δ_n = d_h · (1 − z) (1 − n²)        δ_z = d_h · (h_{t−1} − n) z (1 − z)
    δ_q = δ_n · r                       δ_r = δ_n · q r (1 − r)
    d_W_xh = Σ xᵀ (δ_r, δ_z, δ_n)    d_W_hh = Σ h_{t−1}ᵀ (δ_r, δ_z, δ_q)    d_x = (δ_r, δ_z, δ_n) W_xhᵀ
    d_b_h  = Σ (δ_r, δ_z, δ_n)       d_b_hn = Σ δ_q

`equations` has this as plain steps. The parameters are stored in the form above; here they are arranged so:

- *Planes.* As in `lstm`: ``(plane, S, T, R, H)``, in the order q r z n. So the three that take a product with W_hh lie
  together, and so do the three that take one with W_xh.
- *One tanh for both gates.* σ(a) = ½ + ½ tanh(a/2), with the inner ½ folded into the arranged weights of r and z.
- *Tiles.* A step's product is cut into tiles small enough for OpenBLAS's fast kernels (see `arrangement`).
- *Factors.* Every δ is d_h times something that needs no recurrence. It is made for a block of steps at once, small
  enough to stay in the second-level cache, in place of the gates; so one multiplication makes all δ of a step.
- *Calls.* As in `lstm`.
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


class GRUState(NamedTuple):
    """What the cell remembers: ``h`` (B, H).

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> outputs, state = charrnn.GRU(3, 2, rng=0).forward(np.ones((1, 5, 3)))
    >>> state._fields, state.h.shape
    (('h',), (1, 2))

    """

    h: Array


class GRUWeights(NamedTuple):
    """The parameters as the products want them: in P panels of columns (see `arrangement.tiling`)."""

    W_xh: Array  # (3, D, H): r z n, for ids with the bias added
    W_xh_T: Array | None  # (3, H, D): r z n, for vectors
    W_hh: Array  # (3, P, 1, 1, H, H/P): q r z
    W_hh_T: Array  # (3, P, 1, 1, H, H/P): panels of each transpose
    b_h: Array  # (3, 1, H): r z n
    b_hn: Array  # (1, H)
    room: Array  # (H, H + 8), for `turned_panels`


class _Step(NamedTuple):
    """Views of one step's arrays, made once: making them takes as long as a short step's arithmetic."""

    h_rows: Array  # (S, row blocks, rows of one, H): h_{t−1}, as the product reads it
    h_prev: Array  # (S, R, H)
    gates: Array  # (2, S, R, H): r z
    q: Array  # (S, R, H), as the others
    r: Array
    z: Array
    n: Array
    h: Array


class _StepBack(NamedTuple):
    """The same for the way back, where the planes hold factors and then δ."""

    qrzn: Array  # (4, S, R, H)
    rows: Array  # (3, 1, S, row blocks, rows of one, H): q r z, as the product reads them


@dataclass(frozen=True)
class GRUWorkspace:
    """Arrays for T steps of S·R streams, in blocks of K steps; `tiles`, `steps` and `steps_back` only view others."""

    planes: Array  # (4, S, T, R, H): q r z n; after `backward` their δ
    h: Array  # (S, T + 1, R, H): h[:, 0] is the initial state, h[:, t + 1] follows input t
    outputs: Array  # (S, T, R, H): the hidden states, without the initial one
    products: Array  # (4, S, R, H): a step's products with W_hh, u_n u_r u_z; in `backward` d_h z behind them
    tiles: Array  # (3, P, S, row blocks, rows of one, H/P): the first three, as panels and blocks of rows leave them
    term: Array  # (S, R, H): of a sum; backwards, what the step after sends to d_h
    d_h: Array  # (S, R, H)
    block: Array  # (3, S, K, R, H): a block's update gates, kept while their plane becomes δ, and room to work
    gathered: Array  # (3 · 64, H), for `lookup_backward`
    steps: tuple[_Step, ...]
    steps_back: tuple[_StepBack, ...]
    below: InputGradient | None  # where the inputs are vectors

    @property
    def gates(self) -> dict[str, Array]:
        """Reset r and update z, (S, T, R, H) each, after `forward`."""
        return {"r": self.planes[1], "z": self.planes[2]}

    @property
    def d_inputs(self) -> Array | None:
        """(S, T, R, D): gradient of the inputs, where they are vectors."""
        return self.below.d_inputs if self.below else None


@dataclass(frozen=True)
class GRUCell:
    """D inputs into H hidden units."""

    input_size: int
    hidden_size: int
    gate_names: ClassVar[tuple[str, ...]] = ("r", "z")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""
        D, H = self.input_size, self.hidden_size
        return {"W_xh": (D, 3 * H), "W_hh": (H, 3 * H), "b_h": (3 * H,), "b_hn": (H,)}

    def initialize(self, params: Group, rng: np.random.Generator, std: float) -> None:
        """Fill the weights as `parameters.weights` says; the biases are 0."""
        parameters.weights((params["W_xh"], params["W_hh"]), rng, std, self.hidden_size)
        params["b_h"][...] = 0
        params["b_hn"][...] = 0

    def zero_state(self, B: int, dtype: np.dtype[Any]) -> GRUState:
        """Return the state before any character."""
        return GRUState(np.zeros((B, self.hidden_size), dtype))

    def weights(self, R: int, dtype: np.dtype[Any], *, from_ids: bool) -> GRUWeights:
        """Allocate arranged weights."""
        D, H = self.input_size, self.hidden_size
        _, P = tiling(R, H)
        return GRUWeights(
            W_xh=empty((3, D, H), dtype),
            W_xh_T=None if from_ids else empty((3, H, D), dtype),
            W_hh=empty((3, P, 1, 1, H, H // P), dtype),
            W_hh_T=empty((3, P, 1, 1, H, H // P), dtype),
            b_h=empty((3, 1, H), dtype),
            b_hn=empty((1, H), dtype),
            room=empty((H, H + 8), dtype),
        )

    def arrange(self, params: Group, weights: GRUWeights) -> None:
        """Copy the parameters into `weights`."""
        P = weights.W_hh.shape[1]
        W_xh, W_hh, b_h = (by_gate(params[name], 3) for name in ("W_xh", "W_hh", "b_h"))
        for gate, plane in enumerate((1, 2, 0)):  # r z n among q r z
            inner = 1 if gate == 2 else 0.5  # σ(a) = ½ + ½ tanh(a/2); n is a plain tanh
            np.multiply(W_xh[gate], inner, out=weights.W_xh[gate])
            np.multiply(panels(W_hh[gate], P), inner, out=weights.W_hh[plane])
            np.multiply(b_h[gate], inner, out=weights.b_h[gate])
            weights.W_hh_T[plane] = turned_panels(W_hh[gate], P, weights.room)
        weights.b_hn[0] = params["b_hn"]
        if weights.W_xh_T is None:
            np.add(weights.W_xh, weights.b_h, out=weights.W_xh)
        else:
            weights.W_xh_T[...] = W_xh.swapaxes(1, 2)

    def workspace(self, T: int, R: int, dtype: np.dtype[Any], *, from_ids: bool, S: int = 1) -> GRUWorkspace:
        """Allocate what `forward` and `backward` fill."""
        D, H = self.input_size, self.hidden_size
        blocks, P = tiling(R, H)
        planes, h, products = (empty(s, dtype) for s in ((4, S, T, R, H), (S, T + 1, R, H), (4, S, R, H)))
        cut = (S, blocks, R // blocks, H)
        by_step = planes.transpose(2, 0, 1, 3, 4)  # (T, 4, S, R, H)
        return GRUWorkspace(
            planes=planes,
            h=h,
            outputs=h[:, 1:],
            products=products,
            tiles=products[:3].reshape(3, *cut[:3], P, H // P).transpose(0, 4, 1, 2, 3, 5),
            term=empty((S, R, H), dtype),
            d_h=empty((S, R, H), dtype),
            block=empty((3, S, block_steps(T, S * R, H), R, H), dtype),
            gathered=empty((3 * GATHERED_ROWS, H), dtype),
            steps=tuple(
                _Step(
                    h_rows=h[:, t].reshape(cut),
                    h_prev=h[:, t],
                    gates=p[1:3],
                    q=p[0],
                    r=p[1],
                    z=p[2],
                    n=p[3],
                    h=h[:, t + 1],
                )
                for t, p in enumerate(by_step)
            ),
            steps_back=tuple(_StepBack(qrzn=p, rows=p[:3].reshape(3, 1, *cut)) for p in by_step),
            below=None if from_ids else InputGradient.allocate(3, (S, T, R, D), dtype),
        )

    def forward(self, weights: GRUWeights, ws: GRUWorkspace, inputs: Array, state: GRUState) -> GRUState:
        """Run the whole sequence (see `Cell.forward`)."""
        S, T, R, H = ws.outputs.shape
        # x_t W_xh + b_h for every step at once, into the planes r z n
        if weights.W_xh_T is None:
            lookup(weights.W_xh, inputs, ws.planes[1:])
        else:
            a = ws.planes[1:].reshape(3, S, T * R, H)
            np.matmul(inputs.reshape(S, T * R, -1), weights.W_xh[:, None], out=a)
            np.add(a, weights.b_h[:, None], out=a)
        ws.steps[0].h_prev[...] = state.h.reshape(S, R, H)
        W_hh, b_hn, tiles, term = weights.W_hh, weights.b_hn, ws.tiles, ws.term
        u_n, u_gates = ws.products[0], ws.products[1:3]
        matmul, add, subtract, multiply, tanh = np.matmul, np.add, np.subtract, np.multiply, np.tanh
        for step in ws.steps:
            # u_t = h_{t−1} W_hh
            matmul(step.h_rows, W_hh, tiles)
            # r, z = σ(a + u) = ½ + ½ tanh((a + u)/2)
            add(step.gates, u_gates, step.gates)
            tanh(step.gates, step.gates)
            multiply(step.gates, 0.5, step.gates)
            add(step.gates, 0.5, step.gates)
            # n = tanh(a_n + r q), where q = u_n + b_hn
            add(u_n, b_hn, step.q)
            multiply(step.r, step.q, term)
            add(step.n, term, step.n)
            tanh(step.n, step.n)
            # h_t = (1 − z) n + z h_{t−1} = n + z (h_{t−1} − n)
            subtract(step.h_prev, step.n, term)
            multiply(step.z, term, term)
            add(step.n, term, step.h)
        return GRUState(step.h.reshape(S * R, H).copy())

    def backward(
        self,
        weights: GRUWeights,
        ws: GRUWorkspace,
        grads: Sequence[Group],
        inputs: Array,
        d_outputs: Array,
        d_state: GRUState | None = None,
    ) -> GRUState:
        """Run the sequence backwards (see `Cell.backward`)."""
        (S, T, R, H), K = ws.outputs.shape, ws.block.shape[2]
        W_hh_T, products, tiles, d_h = weights.W_hh_T, ws.products, ws.tiles, ws.d_h
        through_z, from_next = products[3], ws.term
        matmul, add, multiply, add_up = np.matmul, np.add, np.multiply, np.add.reduce
        from_next[...] = 0 if d_state is None else d_state.h.reshape(S, R, H)
        for stop in range(T, 0, -K):
            start = max(0, stop - K)
            z = self._factors(ws, start, stop)
            for t in range(stop - 1, start - 1, -1):
                step = ws.steps_back[t]
                # d_h = d_outputs_t + what the step after sends
                add(d_outputs[:, t], from_next, d_h)
                # δ_q, δ_r, δ_z, δ_n = d_h · their factors
                multiply(step.qrzn, d_h, step.qrzn)
                # for the step before: d_h z + (δ_r, δ_z, δ_q) W_hhᵀ
                multiply(z[:, t - start], d_h, through_z)
                matmul(step.rows, W_hh_T, tiles)
                add_up(products, axis=0, out=from_next)
        for shard, d_params in enumerate(grads):
            self._weight_gradients(weights, ws, shard, d_params, inputs[shard])
        return GRUState(from_next.reshape(S * R, H).copy())

    def _factors(self, ws: GRUWorkspace, start: int, stop: int) -> Array:
        """Replace the gates of steps start…stop−1 by the factors that turn d_h into δ.

        Returns z, the share of d_h that reaches h_{t−1} directly: (S, stop − start, R, H), a view into the workspace.
        """
        q, r, z, n = ws.planes[:, :, start:stop]
        kept_z: Array
        kept_z, rest, work = ws.block[:, :, : stop - start]
        kept_z[...] = z
        np.subtract(1, z, out=rest)
        # of δ_z: (h_{t−1} − n) z (1 − z)
        np.subtract(ws.h[:, start:stop], n, out=work)
        np.multiply(work, rest, out=work)
        np.multiply(z, work, out=z)
        # of δ_n: (1 − z) (1 − n²)
        np.multiply(n, n, out=n)
        np.subtract(1, n, out=n)
        np.multiply(n, rest, out=n)
        # of δ_q: that of δ_n times r; and of δ_r: that of δ_q times q (1 − r)
        np.subtract(1, r, out=work)
        np.multiply(work, q, out=work)
        np.multiply(n, r, out=q)
        np.multiply(q, work, out=r)
        return kept_z

    def _weight_gradients(self, weights: GRUWeights, ws: GRUWorkspace, shard: int, grads: Group, inputs: Array) -> None:
        """Write the gradients that need no recurrence from a shard's δ in the planes, each one product a gate."""
        _, T, R, H = ws.outputs.shape
        planes = ws.planes[:, shard].reshape(4, T * R, H)
        d_q, d_a = planes[0], planes[1:]  # d_a: r z n
        h_prev, ones = ws.h[shard, :T].reshape(T * R, H), np.ones(T * R, d_q.dtype)
        d_W_xh, d_W_hh, d_b_h = by_gate(grads["W_xh"], 3), by_gate(grads["W_hh"], 3), grads["b_h"].reshape(3, H)
        np.matmul(h_prev.T, d_a[:2], out=d_W_hh[:2])
        np.matmul(h_prev.T, d_q, out=d_W_hh[2])
        np.matmul(ones, d_q, out=grads["b_hn"])
        if weights.W_xh_T is None:
            lookup_backward(d_a, inputs, d_W_xh, ws.gathered)
            np.add.reduce(d_W_xh, axis=1, out=d_b_h)  # each position is one row of one-hot, which sums to 1
        else:
            np.matmul(inputs.reshape(T * R, -1).T, d_a, out=d_W_xh)
            np.matmul(ones, d_a, out=d_b_h)
        if ws.below and weights.W_xh_T is not None:
            ws.below.write(shard, d_a, weights.W_xh_T)
