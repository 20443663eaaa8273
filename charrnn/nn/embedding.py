"""Characters into the network: rows of a table.

A one-hot vector times a matrix is one row of that matrix, so neither the one-hot input nor a learned embedding ever
builds the one-hot vectors: both are `lookup`, and `lookup_backward` adds each row's gradient where the row came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.nn.parameters import Array

Ids = NDArray[np.intp]

# Up to this many positions the product with a one-hot matrix beats a loop over the symbols (10 µs against 46 µs at 25
# positions); beyond it the loop wins, and needs no array of V columns.
_FEW_POSITIONS = 32
# Rows gathered at once by the loop: what it allocates stays in the second-level cache.
_BLOCK_NUMBERS = 16_384


def lookup(table: Array, ids: Ids, out: Array) -> None:
    """Write ``table[ids]`` into `out`.

    Parameters
    ----------
    table : (V, N)
    ids : (T, B) integers in 0…V−1 (not checked: a larger one reads the last row)
    out : (T, B, N), overwritten
    """
    # "clip" lets NumPy write straight into `out`; the default mode goes through a buffer of the same size.
    np.take(table, ids, axis=0, out=out, mode="clip")


def lookup_backward(d_out: Array, ids: Ids, d_table: Array) -> None:
    """Write the gradient of `lookup`: row v is the sum of `d_out` over the positions whose id is v.

    Parameters
    ----------
    d_out : (..., T·B, N), read; leading axes (an LSTM's gates) share the ids
    ids : (T, B)
    d_table : (..., V, N), overwritten
    """
    *_, positions, width = d_out.shape
    flat = ids.reshape(-1)
    if positions <= _FEW_POSITIONS:
        one_hot = np.zeros((positions, d_table.shape[-2]), d_out.dtype)
        one_hot[np.arange(positions), flat] = 1
        np.matmul(one_hot.T, d_out, out=d_table)
        return
    d_table[...] = 0
    # Positions sorted by symbol, so that each symbol's positions lie side by side.
    order = np.argsort(flat, kind="stable")
    bounds = np.searchsorted(flat, np.arange(d_table.shape[-2] + 1), sorter=order)
    rows = max(1, _BLOCK_NUMBERS // width)
    for symbol in np.flatnonzero(np.diff(bounds)):
        for start in range(bounds[symbol], bounds[symbol + 1], rows):
            places = order[start : min(start + rows, bounds[symbol + 1])]
            d_table[..., symbol, :] += np.add.reduce(d_out[..., places, :], axis=-2)


@dataclass(frozen=True)
class EmbeddingWorkspace:
    """What the embedding leaves for the layer above: T·B·E numbers."""

    outputs: Array  # (T, B, E)


@dataclass(frozen=True)
class Embedding:
    """A learned table ``W_e`` (V, E): one row of E numbers a character."""

    vocab_size: int
    embedding_size: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""
        return {"W_e": (self.vocab_size, self.embedding_size)}

    def workspace(self, T: int, B: int, dtype: np.dtype[Any]) -> EmbeddingWorkspace:
        """Allocate room for sequences of T steps in B streams."""
        return EmbeddingWorkspace(np.empty((T, B, self.embedding_size), dtype))

    def forward(self, params: Mapping[str, Array], ws: EmbeddingWorkspace, inputs: Ids) -> None:
        """Write the rows of the (T, B) ids into ``ws.outputs``."""
        lookup(params["W_e"], inputs, ws.outputs)

    def backward(self, grads: Mapping[str, Array], d_outputs: Array, inputs: Ids) -> None:
        """Write the table's gradient, given that of the outputs (T, B, E)."""
        lookup_backward(d_outputs.reshape(-1, self.embedding_size), inputs, grads["W_e"])
