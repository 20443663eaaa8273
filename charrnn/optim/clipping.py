"""Keeping a gradient in bounds, by value or by norm, in place on one flat vector.

Call `global_norm` first: it is finite only if every number is. Clipping by value would pass a NaN on, and clipping by
the norm would turn one infinity into a vector of NaN.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# A sum of squares below this may have lost numbers whose squares vanish. Looked up, because `np.finfo` takes 1 µs.
_LEAST_SQUARES = {np.dtype(name): float(np.finfo(name).tiny) * 1e6 for name in ("float32", "float64")}


def global_norm(grads: Array) -> float:
    """Euclidean length of the vector; NaN or infinity if one of its numbers is, or if the length itself overflows.

    Scaled by the largest number where the plain sum of squares would leave the data type's range (in float32 a square
    overflows at 2e19 and vanishes at 1e-23).

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> charrnn.global_norm(np.array([3.0, 4.0]))
    5.0

    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = float(np.dot(grads, grads))
    if math.isfinite(squares) and squares > _LEAST_SQUARES[grads.dtype]:
        return math.sqrt(squares)
    largest = float(np.max(np.abs(grads), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    scaled = grads / grads.dtype.type(largest)
    return largest * math.sqrt(float(np.dot(scaled, scaled)))


def clip_value(grads: Array, limit: float) -> None:
    """Bring every number into [−limit, limit].

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> grads = np.array([3.0, 40.0])  # of a layer or a network it is `grads.vector`
    >>> charrnn.clip_value(grads, 5.0)
    >>> grads
    array([3., 5.])

    """
    np.clip(grads, -limit, limit, out=grads)


def clip_norm(grads: Array, norm: float, max_norm: float) -> None:
    """Shorten the vector, whose length is `norm`, to at most `max_norm`; its direction stays.

    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", 2013.

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> grads = np.array([30.0, 40.0])
    >>> charrnn.clip_norm(grads, charrnn.global_norm(grads), 5.0)
    >>> grads
    array([3., 4.])

    """
    if norm > max_norm:
        np.multiply(grads, max_norm / norm, out=grads)
