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

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from charrnn.nn import parameters
from charrnn.nn.cell import Group
from charrnn.nn.embedding import GATHERED_ROWS, lookup, lookup_backward
from charrnn.nn.parameters import Array


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

    h: Array  # (B, H)
    slope: Array  # (B, H)
    d_a: Array  # (B, H)


@dataclass(frozen=True)
class VanillaWorkspace:
    """Arrays for T steps of B streams."""

    h: Array  # (T + 1, B, H): h[0] is the initial state, h[t + 1] follows input t
    slope: Array  # (T, B, H): 1 − h²
    d_a: Array  # (T, B, H): δ, the gradient of the pre-activations
    product: Array  # (B, H): a step's product with W_hh
    gathered: Array  # (64, H), for `lookup_backward`
    steps: tuple[_Step, ...]
    d_inputs: Array | None  # (T, B, D), where the inputs are vectors

    @property
    def outputs(self) -> Array:
        """(T, B, H): the hidden states."""
        return self.h[1:]

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

    def weights(self, B: int, dtype: np.dtype[Any], *, from_ids: bool) -> VanillaWeights:  # noqa: ARG002 - as every cell
        """Allocate arranged weights."""
        D, H = self.input_size, self.hidden_size
        return VanillaWeights(
            W_xh=np.empty((D, H), dtype),
            W_xh_T=None if from_ids else np.empty((H, D), dtype),
            W_hh=np.empty((H, H), dtype),
            W_hh_T=np.empty((H, H), dtype),
            b_h=np.empty(H, dtype),
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

    def workspace(self, T: int, B: int, dtype: np.dtype[Any], *, from_ids: bool) -> VanillaWorkspace:
        """Allocate what `forward` and `backward` fill."""
        D, H = self.input_size, self.hidden_size
        h, slope, d_a = (np.empty((steps, B, H), dtype) for steps in (T + 1, T, T))
        return VanillaWorkspace(
            h=h,
            slope=slope,
            d_a=d_a,
            product=np.empty((B, H), dtype),
            gathered=np.empty((GATHERED_ROWS, H), dtype),
            steps=tuple(map(_Step, h[1:], slope, d_a)),
            d_inputs=None if from_ids else np.empty((T, B, D), dtype),
        )

    def forward(
        self, weights: VanillaWeights, ws: VanillaWorkspace, inputs: Array, state: VanillaState
    ) -> VanillaState:
        """Run the whole sequence (see `Cell.forward`)."""
        T, B, H = ws.outputs.shape
        # x_t W_xh + b_h for every step at once, into the place where h_t will stand
        if weights.W_xh_T is None:
            lookup(weights.W_xh, inputs, ws.outputs)
        else:
            np.matmul(inputs.reshape(T * B, -1), weights.W_xh, out=ws.outputs.reshape(T * B, H))
            ws.outputs[...] += weights.b_h
        ws.h[0] = state.h
        W_hh, product, add, tanh = weights.W_hh, ws.product, np.add, np.tanh
        h_prev = ws.h[0]
        for step in ws.steps:
            h = step.h
            # h_t = tanh(x_t W_xh + b_h + h_{t−1} W_hh)
            h_prev.dot(W_hh, product)
            add(h, product, h)
            tanh(h, h)
            h_prev = h
        return VanillaState(h_prev.copy())

    def backward(
        self,
        weights: VanillaWeights,
        ws: VanillaWorkspace,
        grads: Group,
        inputs: Array,
        d_outputs: Array,
        d_state: VanillaState | None = None,
    ) -> VanillaState:
        """Run the sequence backwards (see `Cell.backward`)."""
        T, B, H = ws.d_a.shape
        np.multiply(ws.outputs, ws.outputs, out=ws.slope)
        np.subtract(1, ws.slope, out=ws.slope)
        # d_outputs_t (1 − h_t²), the part of δ_t that needs no recurrence
        np.multiply(d_outputs, ws.slope, out=ws.d_a)
        product, W_hh_T, add, multiply = ws.product, weights.W_hh_T, np.add, np.multiply
        product[...] = 0 if d_state is None else d_state.h
        for step in reversed(ws.steps):
            # δ_t += (δ_{t+1} W_hhᵀ) (1 − h_t²)
            multiply(product, step.slope, product)
            add(step.d_a, product, step.d_a)
            step.d_a.dot(W_hh_T, product)
        d_a = ws.d_a.reshape(T * B, H)
        np.dot(ws.h[:T].reshape(T * B, H).T, d_a, out=grads["W_hh"])
        np.ones(T * B, d_a.dtype).dot(d_a, grads["b_h"])
        if weights.W_xh_T is None or ws.d_inputs is None:
            lookup_backward(d_a[None], inputs, grads["W_xh"][None], ws.gathered)
        else:
            np.matmul(inputs.reshape(T * B, -1).T, d_a, out=grads["W_xh"])
            np.matmul(d_a, weights.W_xh_T, out=ws.d_inputs.reshape(T * B, -1))
        return VanillaState(product.copy())
