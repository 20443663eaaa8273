"""What the cells with gates share: packed gates seen one by one, blocks of steps, the gradient of vector inputs.

G is the number of gates; the rest of the letters are a cell's own (see `lstm`).
"""

from typing import Any, NamedTuple, Self

import numpy as np

from charrnn.nn.parameters import Array

# Numbers in one array of a block of the backward pass: a few such arrays stay in the second-level cache.
_BLOCK_NUMBERS = 32_768


def by_gate(packed: Array, G: int) -> Array:
    """View (rows, G·H) as (G, rows, H)."""
    gates: Array = packed.reshape(-1, G, packed.shape[-1] // G).swapaxes(0, 1)
    return gates


def block_steps(T: int, B: int, H: int) -> int:
    """Return how many steps of B streams and H units the backward pass prepares at once."""
    return min(T, max(1, _BLOCK_NUMBERS // (B * H)))


class Below(NamedTuple):
    """For the gradient of vector inputs, in blocks of R rows: T·B·D + G·R·D + G·D·H numbers."""

    W_xh_T: Array  # (G, H, D)
    products: Array  # (G, R, D): of a block of rows, gate by gate
    d_inputs: Array  # (T, B, D)

    @classmethod
    def allocate(cls, G: int, shape: tuple[int, int, int], H: int, dtype: np.dtype[Any]) -> Self:
        """Make room for G gates of H units over inputs of this shape."""
        T, B, D = shape
        R = min(T * B, max(1, _BLOCK_NUMBERS // D))
        return cls(np.empty((G, H, D), dtype), np.empty((G, R, D), dtype), np.empty(shape, dtype))

    def write_d_inputs(self, d_a: Array) -> None:
        """Write d_x = Σ δ W_xhᵀ over the gates, a block of rows at a time so that their products stay in cache.

        Parameters
        ----------
        d_a : (G, T·B, H), δ of every gate, read
        """
        _, R, D = self.products.shape
        d_inputs = self.d_inputs.reshape(-1, D)
        for start in range(0, len(d_inputs), R):
            rows = d_a[:, start : start + R]
            products = self.products[:, : rows.shape[1]]
            np.matmul(rows, self.W_xh_T, out=products)
            np.add.reduce(products, axis=0, out=d_inputs[start : start + R])
