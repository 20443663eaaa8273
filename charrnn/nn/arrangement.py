"""How the cells arrange their arrays: products cut into tiles, packed gates seen one by one, blocks of steps.

OpenBLAS takes its fast small-matrix kernels while M·N·K does not exceed a million, and a step's product with W_hh is
often just beyond that. So the product is cut into tiles: `np.matmul` over stacks of blocks runs one small product after
another, without a copy.

G is the number of gates; the other letters are those of the cells (see `lstm`).
"""

from typing import Any, NamedTuple, Self

import numpy as np

from charrnn.nn.parameters import Array, empty

_SMALL_PRODUCT = 1_000_000
# Numbers in one array of a block of the backward pass: a few such arrays stay in the second-level cache.
_BLOCK_NUMBERS = 32_768


def tiling(R: int, H: int) -> tuple[int, int]:
    """Return the numbers of row blocks and of column panels that a step's (R, H) · (H, H) product is cut into.

    Panels of 64 columns or, where H is not a multiple of 64, the widest up to 200; and so few rows that a tile stays
    under OpenBLAS's limit for small-matrix kernels. At (R, H) = (32, 512) this takes the forward loop from 80 to 56 ms,
    at (16, 384) from 10.4 to 6.2, at (16, 256) from 5.1 to 3.4. One row, as in sampling, is not cut. A rule by shape,
    not by timing, so that a run computes the same bits each time.
    """
    widths = [N for N in range(32, min(H, 200) + 1) if H % N == 0]
    if not widths or R < 4:
        return 1, 1
    N = 64 if H % 64 == 0 else max(widths)
    blocks = next((n for n in range(1, R + 1) if R % n == 0 and R // n * H * N <= _SMALL_PRODUCT), 1)
    return blocks, H // N


def panels(weights: Array, P: int) -> Array:
    """View (H, H) weights as P panels of columns, (P, 1, 1, H, H/P)."""
    H = len(weights)
    view: Array = weights.reshape(H, P, 1, 1, H // P).transpose(1, 2, 3, 0, 4)
    return view


def turned_panels(weights: Array, P: int, room: Array) -> Array:
    """Copy (H, H) weights into `room` (H, H + 8), and view their transpose there as `panels`.

    The rows of packed weights often lie a multiple of 1 KiB apart, so that a column of them falls into few sets of the
    cache. With rows of H + 8 numbers transposing takes 96 µs instead of 460 at H = 256, 450 instead of 1,850 at 512.
    """
    rows = room[:, : len(weights)]
    rows[...] = weights
    return panels(rows.T, P)


def by_gate(packed: Array, G: int) -> Array:
    """View (rows, G·H) as (G, rows, H)."""
    gates: Array = packed.reshape(-1, G, packed.shape[-1] // G).swapaxes(0, 1)
    return gates


def block_steps(T: int, B: int, H: int) -> int:
    """Return how many steps of B streams and H units the backward pass prepares at once, K."""
    return min(T, max(1, _BLOCK_NUMBERS // (B * H)))


class InputGradient(NamedTuple):
    """The gradient of vector inputs, made in blocks of rows whose products stay in cache."""

    products: Array  # (G, rows, D): of a block of rows, gate by gate
    d_inputs: Array  # (S, T, R, D)

    @classmethod
    def allocate(cls, G: int, shape: tuple[int, int, int, int], dtype: np.dtype[Any]) -> Self:
        """Make room for G gates over inputs of this shape."""
        _, T, R, D = shape
        rows = min(T * R, max(1, _BLOCK_NUMBERS // D))
        return cls(empty((G, rows, D), dtype), empty(shape, dtype))

    def write(self, shard: int, d_a: Array, W_xh_T: Array) -> None:
        """Write d_x = Σ δ W_xhᵀ of one shard, summed over the gates.

        Parameters
        ----------
        d_a : (G, T·R, H), δ of every gate
        W_xh_T : (G, H, D)
        """
        _, most, D = self.products.shape
        d_inputs = self.d_inputs[shard].reshape(-1, D)
        for start in range(0, len(d_inputs), most):
            rows = d_a[:, start : start + most]
            products = self.products[:, : rows.shape[1]]
            np.matmul(rows, W_xh_T, out=products)
            np.add.reduce(products, axis=0, out=d_inputs[start : start + most])
