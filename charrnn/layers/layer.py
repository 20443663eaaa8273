"""What `Stack` and `check_layer` ask of a layer, whoever wrote it."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from charrnn.nn.parameters import Array, Parameters

# A generator, or the seed of one; a seed gives the same numbers each time.
Randomness = np.random.Generator | int


class Layer(Protocol):
    """Arrays in, arrays out, and the way back.

    ``backward`` belongs to the ``forward`` before it, and overwrites ``grads``. A layer that keeps no state maps one
    array to one array; `charrnn.layers.recurrent.Recurrent` takes and gives a state beside it.
    """

    params: Any
    """The weights by name: a `Parameters`, or for `check_layer` any mapping of arrays. ``forward`` computes in their
    data type."""
    grads: Any
    """Their gradients, likewise."""

    def forward(self, inputs: Any, /) -> Any:
        """Return the outputs."""

    def backward(self, d_outputs: Any, /) -> Any:
        """Return the gradient of the inputs, given that of the outputs."""


def as_rows(values: ArrayLike, width: int, params: Parameters, what: str) -> Array:
    """Return vectors (..., width) as (n, 1, width), contiguous and in the parameters' data type.

    Raises
    ------
    ValueError
        If they are not so wide.
    """
    rows = np.ascontiguousarray(values, params.vector.dtype)
    if rows.shape[-1:] != (width,):
        raise ValueError(f"{what} must have the shape (..., {width}), not {np.shape(values)}")
    return rows.reshape(-1, 1, width)


def swapped(array: Array, *, batch_first: bool) -> Array:
    """Return (B, T, ·) as (T, B, ·) or the other way round where `batch_first`; a fresh array, contiguous."""
    return np.array(array.swapaxes(0, 1) if batch_first else array, order="C")


class TapeError(RuntimeError):
    """A backward pass was asked for without a forward pass before it."""

    def __init__(self) -> None:
        super().__init__("backward needs a forward before it, and uses up what that left: call forward again")
