"""The vanilla (Elman, 1990) recurrent cell.

::

    h_t = tanh(x_t W_xh + h_{t−1} W_hh + b_h)

    x (T, B, D) or ids (T, B)    W_xh (D, H)    W_hh (H, H)    b_h (H,)    h (T, B, H)

Backwards, with δ_t the gradient of the bracket (the pre-activation):

::

    d_h_t = d_outputs_t + δ_{t+1} W_hhᵀ            from the layer above, and from the next step
    δ_t   = d_h_t (1 − h_t²)                       tanh' = 1 − tanh²
    d_W_xh = Σ_t x_tᵀ δ_t    d_W_hh = Σ_t h_{t−1}ᵀ δ_t    d_b_h = Σ_t δ_t    d_x_t = δ_t W_xhᵀ

`equations` has this as plain steps. Here only what depends on the step before stays in the loops; the rest is one call
over all T·B rows. At batch 1 a step is so short that how NumPy is called decides: with `out` by position a call takes
60 ns less than by keyword, and `dot` half a microsecond less than `matmul`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from charrnn.nn import parameters
from charrnn.nn.cell import Group
from charrnn.nn.embedding import GATHERED_ROWS, lookup, lookup_backward
from charrnn.nn.parameters import Array, empty


class VanillaState(NamedTuple):
    """What the cell remembers: ``h`` (B, H).

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> outputs, state = charrnn.Vanilla(3, 2, rng=0).forward(np.ones((1, 5, 3)))
    >>> bool((outputs == state.h).all())
    True

    """

    h: Array


class VanillaWeights(NamedTuple):
    """The parameters as the products want them."""

    W_xh: Array  # (D, H), for ids with b_h added
    W_xh_T: Array | None  # (H, D), for vectors
    W_hh: Array  # (H, H)
    W_hh_T: Array  # (H, H): a product with a contiguous transpose is up to twice as fast as with a transposed view
    b_h: Array  # (H,)


class _Step(NamedTuple):
    """Views of one step's arrays, made once: making them takes as long as a short step's arithmetic."""

    h: Array  # (R, H)
    slope: Array  # (R, H)
    d_a: Array  # (R, H)


@dataclass(frozen=True)
class VanillaWorkspace:
    """Arrays for T steps of S·R streams."""

    h: Array  # (S, T + 1, R, H): h[:, 0] is the initial state, h[:, t + 1] follows input t
    outputs: Array  # (S, T, R, H): the hidden states, without the initial one
    slope: Array  # (S, T, R, H): 1 − h²
    d_a: Array  # (S, T, R, H): δ, the gradient of the pre-activations
    product: Array  # (R, H): a step's product with W_hh
    gathered: Array  # (64, H), for `lookup_backward`
    steps: tuple[tuple[_Step, ...], ...]  # of each shard
    d_inputs: Array | None  # (S, T, R, D), where the inputs are vectors

    @property
    def gates(self) -> dict[str, Array]:
        """Empty: the cell has no gates."""
        return {}


@dataclass(frozen=True)
class VanillaCell:
    """D inputs into H hidden units."""

    input_size: int
    hidden_size: int
    gate_names: ClassVar[tuple[str, ...]] = ()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""
        D, H = self.input_size, self.hidden_size
        return {"W_xh": (D, H), "W_hh": (H, H), "b_h": (H,)}

    def initialize(self, params: Group, rng: np.random.Generator, std: float) -> None:
        """Fill the weights as `parameters.weights` says; the bias is 0."""
        parameters.weights((params["W_xh"], params["W_hh"]), rng, std, self.hidden_size)
        params["b_h"][...] = 0

    def zero_state(self, B: int, dtype: np.dtype[Any]) -> VanillaState:
        """Return the state before any character."""
        return VanillaState(np.zeros((B, self.hidden_size), dtype))

    def weights(self, R: int, dtype: np.dtype[Any], *, from_ids: bool) -> VanillaWeights:  # noqa: ARG002 - as every cell
        """Allocate arranged weights."""
        D, H = self.input_size, self.hidden_size
        return VanillaWeights(
            W_xh=empty((D, H), dtype),
            W_xh_T=None if from_ids else empty((H, D), dtype),
            W_hh=empty((H, H), dtype),
            W_hh_T=empty((H, H), dtype),
            b_h=empty((H,), dtype),
        )

    def arrange(self, params: Group, weights: VanillaWeights) -> None:
        """Copy the parameters into `weights`."""
        weights.W_hh[...] = params["W_hh"]
        weights.W_hh_T[...] = params["W_hh"].T
        weights.b_h[...] = params["b_h"]
        if weights.W_xh_T is None:
            np.add(params["W_xh"], params["b_h"], out=weights.W_xh)
        else:
            weights.W_xh[...] = params["W_xh"]
            weights.W_xh_T[...] = params["W_xh"].T

    def workspace(self, T: int, R: int, dtype: np.dtype[Any], *, from_ids: bool, S: int = 1) -> VanillaWorkspace:
        """Allocate what `forward` and `backward` fill."""
        D, H = self.input_size, self.hidden_size
        h, slope, d_a = (empty((S, steps, R, H), dtype) for steps in (T + 1, T, T))
        return VanillaWorkspace(
            h=h,
            outputs=h[:, 1:],
            slope=slope,
            d_a=d_a,
            product=empty((R, H), dtype),
            gathered=empty((GATHERED_ROWS, H), dtype),
            steps=tuple(tuple(map(_Step, *arrays)) for arrays in zip(h[:, 1:], slope, d_a, strict=True)),
            d_inputs=None if from_ids else empty((S, T, R, D), dtype),
        )

    def forward(
        self, weights: VanillaWeights, ws: VanillaWorkspace, inputs: Array, state: VanillaState
    ) -> VanillaState:
        """Run the whole sequence (see `Cell.forward`)."""
        S, T, R, H = ws.outputs.shape
        # x_t W_xh + b_h for every step at once, into the place where h_t will stand
        if weights.W_xh_T is None:
            lookup(weights.W_xh, inputs, ws.outputs)
        else:
            for shard, outputs in enumerate(ws.outputs):
                np.matmul(inputs[shard].reshape(T * R, -1), weights.W_xh, out=outputs.reshape(T * R, H))
            ws.outputs[...] += weights.b_h
        ws.h[:, 0] = state.h.reshape(S, R, H)
        W_hh, product, add, tanh = weights.W_hh, ws.product, np.add, np.tanh
        for shard, steps in enumerate(ws.steps):
            h_prev = ws.h[shard, 0]
            for step in steps:
                h = step.h
                # h_t = tanh(x_t W_xh + b_h + h_{t−1} W_hh)
                h_prev.dot(W_hh, product)
                add(h, product, h)
                tanh(h, h)
                h_prev = h
        return VanillaState(ws.h[:, T].reshape(S * R, H).copy())

    def backward(
        self,
        weights: VanillaWeights,
        ws: VanillaWorkspace,
        grads: Sequence[Group],
        inputs: Array,
        d_outputs: Array,
        d_state: VanillaState | None = None,
    ) -> VanillaState:
        """Run the sequence backwards (see `Cell.backward`)."""
        S, _, R, H = ws.d_a.shape
        np.multiply(ws.outputs, ws.outputs, out=ws.slope)
        np.subtract(1, ws.slope, out=ws.slope)
        # d_outputs_t (1 − h_t²), the part of δ_t that needs no recurrence
        np.multiply(d_outputs, ws.slope, out=ws.d_a)
        product, W_hh_T, add, multiply = ws.product, weights.W_hh_T, np.add, np.multiply
        d_first = np.empty((S * R, H), ws.d_a.dtype)
        for shard, d_params in enumerate(grads):
            own = slice(shard * R, (shard + 1) * R)
            product[...] = 0 if d_state is None else d_state.h[own]
            for step in reversed(ws.steps[shard]):
                # δ_t += (δ_{t+1} W_hhᵀ) (1 − h_t²)
                multiply(product, step.slope, product)
                add(step.d_a, product, step.d_a)
                step.d_a.dot(W_hh_T, product)
            d_first[own] = product
            self._weight_gradients(weights, ws, shard, d_params, inputs[shard])
        return VanillaState(d_first)

    def _weight_gradients(
        self, weights: VanillaWeights, ws: VanillaWorkspace, shard: int, grads: Group, inputs: Array
    ) -> None:
        """Write the gradients that need no recurrence from a shard's δ, each one product."""
        _, T, R, H = ws.d_a.shape
        d_a, h_prev = ws.d_a[shard].reshape(T * R, H), ws.h[shard, :T].reshape(T * R, H)
        np.dot(h_prev.T, d_a, out=grads["W_hh"])
        np.ones(T * R, d_a.dtype).dot(d_a, grads["b_h"])
        if weights.W_xh_T is None or ws.d_inputs is None:
            lookup_backward(d_a[None], inputs, grads["W_xh"][None], ws.gathered)
        else:
            np.matmul(inputs.reshape(T * R, -1).T, d_a, out=grads["W_xh"])
            np.matmul(d_a, weights.W_xh_T, out=ws.d_inputs[shard].reshape(T * R, -1))
