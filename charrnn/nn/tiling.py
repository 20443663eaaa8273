"""How a step's product with W_hh is cut into tiles.

OpenBLAS takes its fast small-matrix kernels while M·N·K does not exceed a million, and a step's product is often just
beyond that. `np.matmul` over stacks of blocks runs one small product after another, without a copy.
"""

from charrnn.nn.parameters import Array

_SMALL_PRODUCT = 1_000_000


def tiles(B: int, H: int) -> tuple[int, int]:
    """Into how many blocks of rows, and of columns for each gate, a step's (B, H) · (H, H) product is cut.

    Panels of 64 columns or, where H is no multiple of that, the widest up to 100; and rows so few that a tile stays
    under OpenBLAS's limit for small-matrix kernels. At (B, H) = (32, 512) this takes the forward loop from 80 to 56 ms,
    at (16, 384) from 10.4 to 6.2, at (16, 256) from 5.1 to 3.4. One row, as in sampling, is not cut. A rule by shape,
    not a timing, so that a run computes the same bits each time.
    """
    widths = [N for N in range(32, min(H, 100) + 1) if H % N == 0]
    if not widths or B < 4:
        return 1, 1
    N = 64 if H % 64 == 0 else max(widths)
    blocks = next((n for n in range(1, B + 1) if B % n == 0 and B // n * H * N <= _SMALL_PRODUCT), 1)
    return blocks, H // N


def panels(weights: Array, P: int) -> Array:
    """View (H, H) weights as P panels of columns, (P, 1, H, H/P)."""
    H = len(weights)
    view: Array = weights.reshape(H, P, 1, H // P).transpose(1, 2, 0, 3)
    return view


def turned_panels(weights: Array, P: int, room: Array) -> Array:
    """Copy (H, H) weights into `room` (H, H + 8), and view their transpose there as `panels`.

    The rows of packed weights often lie a multiple of 1 KiB apart, so that a column of them falls into few sets of the
    cache. With rows of H + 8 numbers transposing takes 96 µs instead of 460 at H = 256, 450 instead of 1,850 at 512.
    """
    rows = room[:, : len(weights)]
    rows[...] = weights
    return panels(rows.T, P)
