"""The vanilla (Elman, 1990) recurrent cell.

::

    h_t = tanh(x_t W_xh + h_{t−1} W_hh + b_h)

    x (T, B, D) or ids (T, B)    W_xh (D, H)    W_hh (H, H)    b_h (H,)    h (T, B, H)

Backwards, with δ_t the gradient of the bracket (the pre-activation):

::

    d_h_t = d_outputs_t + δ_{t+1} W_hhᵀ            what the layer above says, and what the next step says
    δ_t   = d_h_t (1 − h_t²)                       from the output: tanh' = 1 − tanh²
    d_W_xh = Σ_t x_tᵀ δ_t    d_W_hh = Σ_t h_{t−1}ᵀ δ_t    d_b_h = Σ_t δ_t    d_x_t = δ_t W_xhᵀ

`equations` has this as plain steps. Only the products with W_hh must go step by step. The others are one product each
over all T·B rows. At batch 1 a step of the loops is so short that how NumPy is called decides: an `out` by position is
60 ns less than by keyword.
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


@dataclass(frozen=True)
class VanillaWorkspace:
    """Arrays for T steps of B streams.

    3·T·B·H + 2·B·H + (D + H + 64)·H numbers, and T·B·D more for vectors as inputs. `steps` only views them.
    """

    table: Array  # (D, H): W_xh with b_h added, rows for ids to look up
    W_hh_T: Array  # (H, H): a product with a contiguous transpose is up to twice as fast as with a transposed view
    h: Array  # (T + 1, B, H): h[0] is the initial state, h[t + 1] follows input t
    slope: Array  # (T, B, H): 1 − h²
    d_a: Array  # (T, B, H): δ, the gradient of the pre-activations
    product: Array  # (B, H): a step's product with W_hh
    gathered: Array  # (64, H), for `lookup_backward`
    # The views (h, slope, d_a) of each step, made once: making them takes as long as a short step's arithmetic.
    steps: tuple[tuple[Array, Array, Array], ...]
    d_inputs: Array | None  # (T, B, D), where the inputs are vectors

    @property
    def outputs(self) -> Array:
        """(T, B, H): the hidden states."""
        return self.h[1:]

    @property
    def gates(self) -> dict[str, Array]:
        """None: the cell has no gates."""
        return {}


@dataclass(frozen=True)
class Vanilla:
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

    def workspace(self, T: int, B: int, dtype: np.dtype[Any], *, from_ids: bool) -> VanillaWorkspace:
        """Allocate what `forward` and `backward` fill."""
        D, H = self.input_size, self.hidden_size
        h, slope, d_a = np.empty((T + 1, B, H), dtype), np.empty((T, B, H), dtype), np.empty((T, B, H), dtype)
        return VanillaWorkspace(
            table=np.empty((D, H), dtype),
            W_hh_T=np.empty((H, H), dtype),
            h=h,
            slope=slope,
            d_a=d_a,
            product=np.empty((B, H), dtype),
            gathered=np.empty((GATHERED_ROWS, H), dtype),
            steps=tuple(zip(h[1:], slope, d_a, strict=True)),
            d_inputs=None if from_ids else np.empty((T, B, D), dtype),
        )

    def arrange(self, params: Group, ws: VanillaWorkspace) -> None:
        """Copy the weights into the workspace as the products want them; due whenever they have changed."""
        np.add(params["W_xh"], params["b_h"], out=ws.table)
        ws.W_hh_T[...] = params["W_hh"].T

    def forward(self, params: Group, ws: VanillaWorkspace, inputs: Array, state: VanillaState) -> VanillaState:
        """Run the whole sequence (see `Cell.forward`)."""
        T, B, H = ws.outputs.shape
        # Input part of every step at once, into the place where the hidden state will stand.
        if ws.d_inputs is None:
            lookup(ws.table, inputs, ws.outputs)
        else:
            np.matmul(inputs.reshape(T * B, -1), params["W_xh"], out=ws.outputs.reshape(T * B, H))
            ws.outputs[...] += params["b_h"]
        ws.h[0] = state.h
        W_hh, product, add, tanh = params["W_hh"], ws.product, np.add, np.tanh
        h_prev = ws.h[0]
        for h, _, _ in ws.steps:
            h_prev.dot(W_hh, product)  # half a microsecond less than `np.matmul`
            add(h, product, h)
            tanh(h, h)
            h_prev = h
        return VanillaState(h_prev.copy())

    def backward(
        self,
        params: Group,
        grads: Group,
        ws: VanillaWorkspace,
        inputs: Array,
        d_outputs: Array,
        d_state: VanillaState | None = None,
    ) -> VanillaState:
        """Run the sequence backwards (see `Cell.backward`)."""
        T, B, H = ws.d_a.shape
        np.multiply(ws.outputs, ws.outputs, out=ws.slope)
        np.subtract(1, ws.slope, out=ws.slope)
        # δ_t = d_outputs_t (1 − h_t²) + (δ_{t+1} W_hhᵀ)(1 − h_t²), whose first term needs no recurrence.
        np.multiply(d_outputs, ws.slope, out=ws.d_a)
        product, W_hh_T, add, multiply = ws.product, ws.W_hh_T, np.add, np.multiply
        product[...] = 0 if d_state is None else d_state.h
        for _, slope, d_a in reversed(ws.steps):
            multiply(product, slope, product)
            add(d_a, product, d_a)
            d_a.dot(W_hh_T, product)
        d_a = ws.d_a.reshape(T * B, H)
        np.dot(ws.h[:T].reshape(T * B, H).T, d_a, out=grads["W_hh"])
        np.ones(T * B, d_a.dtype).dot(d_a, grads["b_h"])
        if ws.d_inputs is None:
            lookup_backward(d_a[None], inputs, grads["W_xh"][None], ws.gathered)
        else:
            np.matmul(inputs.reshape(T * B, -1).T, d_a, out=grads["W_xh"])
            np.matmul(d_a, params["W_xh"].T, out=ws.d_inputs.reshape(T * B, -1))
        return VanillaState(product.copy())
