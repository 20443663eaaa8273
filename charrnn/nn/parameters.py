"""One flat vector and named views into it.

A model's weights, their gradients and an optimizer's memories all have this form, so that clipping, an update, a
reduction over processes and a checkpoint each touch one contiguous array, while the mathematics reads names.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]


class Parameters(Mapping[str, Array]):
    """Named arrays that lie one after another in a single vector.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Name and shape of each array, in storage order. Names are dotted paths such as ``cells.0.W_hh``.
    vector : (n,) array, optional
        The storage, used as it is (not copied). By default zeros of `dtype`.
    dtype : data type, default float32
        Of the zeros, where no vector is given.

    Raises
    ------
    ValueError
        If `vector` has not exactly the size the shapes ask for.

    Examples
    --------
    >>> import charrnn
    >>> params = charrnn.Parameters({"linear.W_hy": (2, 3), "linear.b_y": (3,)})
    >>> params["linear.b_y"][...] = 1
    >>> params.vector
    array([0., 0., 0., 0., 0., 0., 1., 1., 1.], dtype=float32)

    """

    def __init__(self, shapes: Shapes, vector: Array | None = None, dtype: DTypeLike = np.float32) -> None:
        size = sum(prod(shape) for shape in shapes.values())
        self.shapes = dict(shapes)
        self.vector: Array = np.zeros(size, dtype) if vector is None else vector
        if self.vector.shape != (size,):
            raise ValueError(f"the shapes need a vector of {size} numbers, not one of shape {self.vector.shape}")
        self._views: dict[str, Array] = {}
        self._groups: dict[str, dict[str, Array]] = {}
        start = 0
        for name, shape in self.shapes.items():
            stop = start + prod(shape)
            self._views[name] = self.vector[start:stop].reshape(shape)
            group, _, leaf = name.rpartition(".")
            self._groups.setdefault(group, {})[leaf] = self._views[name]
            start = stop

    def group(self, prefix: str) -> dict[str, Array]:
        """Return the views of one layer by their short names: ``group("cells.0")["W_hh"]``."""
        return self._groups[prefix]

    def like(self, vector: Array | None = None) -> Self:
        """Return the same names and shapes over another vector (by default zeros of the same data type)."""
        return type(self)(self.shapes, vector, self.vector.dtype)

    def copy(self) -> Self:
        """Return the same names, shapes and values in a vector of their own."""
        return self.like(self.vector.copy())

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a copy in another data type."""
        return self.like(self.vector.astype(dtype))

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        return f"Parameters({self.vector.size:,} numbers, {self.vector.dtype}, {', '.join(self.shapes)})"
