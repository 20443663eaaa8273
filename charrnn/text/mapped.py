"""Arrays that are maps of files, and the memory that reading them takes."""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def let_go(array: NDArray[Any]) -> None:
    """Let go of the pages of a map that were read; an array in memory stays as it is.

    What was read of a file stays in the system's own cache for as long as there is room, and is not read from the disk
    again. But it would count as this process's memory, and over a long text that would become all of it.
    """
    mapped = _map_of(array)
    if mapped and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array is a map of a file, or of a part of one."""
    return _map_of(array) is not None


def _map_of(array: NDArray[Any]) -> mmap.mmap | None:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, mmap.mmap) else None
