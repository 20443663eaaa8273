"""Characters into the network: rows of a table.

A one-hot vector times a matrix is one row of that matrix, so neither the one-hot input nor a learned embedding ever
builds the one-hot vectors: both are `lookup`, and `lookup_backward` adds each row's gradient where the row came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from charrnn.nn.parameters import Array, empty

Ids = NDArray[np.intp]

# Up to this many positions the cost of calls decides: the product with a one-hot matrix beats a loop over the symbols
# (10 µs against 46 µs at 25 positions). Beyond it the loop wins, and so it does in a script of thousands of signs.
_FEW_POSITIONS, _FEW_SYMBOLS = 32, 1024
# Rows gathered at once: enough for one product to add them up, few enough to stay in the second-level cache.
GATHERED_ROWS = 64


def as_ids(ids: ArrayLike, size: int) -> Ids:
    """Return ids of any shape as the functions here take them, checked by `check_ids`."""
    found = np.asarray(ids)
    check_ids(found, size)
    return found.astype(np.intp)


def check_ids(ids: NDArray[Any], size: int) -> None:
    """Check that ids are integers in 0…size−1.

    Raises
    ------
    TypeError
        If they are not integers.
    IndexError
        If one is outside 0…size−1.
    """
    if not ids.size:
        return
    if ids.dtype.kind not in "iu":
        raise TypeError(f"ids must be integers, not {ids.dtype}")
    if not 0 <= int(ids.min()) <= int(ids.max()) < size:
        raise IndexError(f"ids must be 0…{size - 1}, and these are {ids.min()}…{ids.max()}")


def one_hot(ids: ArrayLike, vocab_size: int, dtype: DTypeLike = np.float32) -> Array:
    """Return for each id a vector that is 1 at its place and 0 elsewhere: (..., V).

    The layers here do not need it: they take ids as one-hot vectors, and look up a row instead of multiplying.

    Parameters
    ----------
    ids : (...) integers in 0…V−1
    vocab_size : V
    dtype : of the vectors

    Raises
    ------
    IndexError, TypeError
        If an id is outside 0…V−1, or not an integer.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)

    """
    vectors: Array = np.eye(vocab_size, dtype=dtype)[as_ids(ids, vocab_size)]
    return vectors


def lookup(table: Array, ids: Ids, out: Array) -> None:
    """Write ``table[ids]`` into `out`, for one table or for each of G.

    Parameters
    ----------
    table : (V, N) or (G, V, N)
    ids : (T, B) integers in 0…V−1 (not checked: a larger one reads the last row)
    out : (T, B, N) or (G, T, B, N), contiguous, overwritten
    """
    # "clip" lets NumPy write straight into `out`; the default mode goes through a buffer of the same size.
    np.take(table, ids, axis=-2, out=out, mode="clip")


def lookup_backward(d_out: Array, ids: Ids, d_table: Array, gathered: Array) -> None:
    """Write the gradient of `lookup`: row v is the sum of `d_out` over the positions whose id is v.

    Parameters
    ----------
    d_out : (G, T·B, N), each of the G contiguous, read; G is for an LSTM's gates, say
    ids : (T, B)
    d_table : (G, V, N), overwritten
    gathered : (G · GATHERED_ROWS, N), to work in
    """
    G, rows, N = d_out.shape
    V, flat = d_table.shape[1], ids.reshape(-1)
    if len(flat) <= _FEW_POSITIONS and V <= _FEW_SYMBOLS:
        one_hot = np.zeros((V, len(flat)), d_out.dtype)
        one_hot[flat, np.arange(len(flat))] = 1
        np.matmul(one_hot, d_out, out=d_table)
        return
    d_table[...] = 0
    # Positions sorted by symbol, so that each symbol's positions lie side by side.
    order = np.argsort(flat, kind="stable")
    present, rank = np.unique(flat[order], return_inverse=True)
    for start in range(0, rows, GATHERED_ROWS):
        some = slice(start, start + GATHERED_ROWS)
        n, first, last = len(order[some]), rank[some][0], rank[some][-1]
        part = gathered[: G * n].reshape(G, n, N)
        for source, target in zip(d_out, part, strict=True):
            np.take(source, order[some], axis=0, out=target, mode="clip")
        # A product with zeros and ones adds up the rows of each symbol.
        belongs = (np.arange(first, last + 1)[:, None] == rank[some]).astype(d_out.dtype)
        d_table[:, present[first : last + 1]] += np.matmul(belongs, part)


class EmbeddingWorkspace(NamedTuple):
    """What the embedding leaves for the layer above, and room to work."""

    outputs: Array  # (..., E)
    gathered: Array  # (64, E), for `lookup_backward`


@dataclass(frozen=True)
class EmbeddingTable:
    """A learned table ``W_e`` (V, E): one row of E numbers a character."""

    vocab_size: int
    embedding_size: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""
        return {"W_e": (self.vocab_size, self.embedding_size)}

    def workspace(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> EmbeddingWorkspace:
        """Allocate room for ids of this shape."""
        E = self.embedding_size
        return EmbeddingWorkspace(empty((*shape, E), dtype), empty((GATHERED_ROWS, E), dtype))

    def forward(self, params: Mapping[str, Array], ws: EmbeddingWorkspace, inputs: Ids) -> None:
        """Write the rows of the ids into ``ws.outputs``."""
        lookup(params["W_e"], inputs, ws.outputs)

    def backward(self, ws: EmbeddingWorkspace, grads: Mapping[str, Array], inputs: Ids, d_outputs: Array) -> None:
        """Write the table's gradient, given that of the outputs (..., E)."""
        lookup_backward(d_outputs.reshape(1, -1, self.embedding_size), inputs, grads["W_e"][None], ws.gathered)
