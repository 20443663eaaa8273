"""Arrays that grow, and arrays that are maps of files.

A text of any length becomes ids in little memory. A `GrowingArray` starts in memory and moves to a file once it is
large. It is changed there a piece at a time, and read at the end as a memory map. Pages of a map that were read count
as memory of this process: code that reads a long map calls `release_pages` from time to time.
"""

import errno
import mmap
import os
import zlib
from collections.abc import Callable
from io import FileIO
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from charrnn.errors import TextError
from charrnn.machine import available_memory, format_bytes

MOST_IN_MEMORY = 32 << 20  # bytes; an array up to this size needs no file
PIECE_SIZE = 1 << 20  # values changed at once
_CHECK_EVERY = 64 << 20  # bytes added in memory between two looks at how much is free

Place = Callable[[], FileIO | None]


class GrowingArray:
    """A one-dimensional array of integers that grows at its end.

    `place` is called once, when the array is too large for memory; it returns an empty file to read and write, or None.
    """

    def __init__(self, dtype: DTypeLike, place: Place | None = None) -> None:
        self.dtype = np.dtype(dtype)
        self.nbytes = 0
        self.trouble: OSError | None = None
        """The error that made it leave its file for memory."""
        self._place = place
        self._memory = bytearray()  # grows in place, where an array would be copied
        self._file: FileIO | None = None

    def __len__(self) -> int:
        return self.nbytes // self.dtype.itemsize

    @property
    def is_in_file(self) -> bool:
        """Whether it is in the file that `place` returned."""
        return self._file is not None

    def append(self, values: NDArray[np.integer]) -> None:
        """Add values, which must fit the type, at the end; raise `TextError` if no file and no memory has room."""
        data = values.astype(self.dtype, copy=False).tobytes()
        if self._place and self.nbytes + len(data) > MOST_IN_MEMORY:
            self._file, self._place = self._place(), None
            if self._file:
                data = bytes(self._memory) + data
                self._memory, self.nbytes = bytearray(), 0
        if self._file:
            try:
                self._write(self.nbytes, data)
            except OSError as error:
                self._move_to_memory(error)
        if not self._file:
            self._require_memory(len(data))
            self._memory += data
        self.nbytes += len(data)

    def recode(self, table: NDArray[np.integer], advance: Callable[[int], object] = lambda _: None) -> int:
        """Replace each value v by ``table[v]``, of the table's type; `advance` is told how many bytes are done.

        Returns the CRC-32 of the new values, or 0 if they take more bytes than the old: the last piece is then first.
        """
        size, old = len(self), self.dtype
        is_wider = table.itemsize > old.itemsize
        starts = range(0, size, PIECE_SIZE)
        checksum = done = 0
        if is_wider:
            self._reserve(size * table.itemsize)
        # Wider values overwrite what comes after them, so the last piece comes first.
        for start in reversed(starts) if is_wider else starts:
            values = self._read(start * old.itemsize, min(PIECE_SIZE, size - start) * old.itemsize)
            data = table[np.frombuffer(values, old)].tobytes()
            self._write(start * table.itemsize, data)
            checksum = 0 if is_wider else zlib.crc32(data, checksum)
            done += len(values)
            advance(done)
        self.dtype, self.nbytes = table.dtype, size * table.itemsize
        if self._file:
            self._file.truncate(self.nbytes)
        else:
            del self._memory[self.nbytes :]
        return checksum

    def view(self) -> NDArray[Any]:
        """Return the array, (N,) and read-only; nothing can be appended while that is in use."""
        data: bytearray | mmap.mmap = self._memory
        if self._file:
            data = mmap.mmap(self._file.fileno(), self.nbytes, access=mmap.ACCESS_READ)
        values = np.frombuffer(data, self.dtype)
        values.flags.writeable = False
        return values

    def finish(self) -> NDArray[Any]:
        """Return the array as `view` does, and close the file, which lasts as long as it is mapped."""
        values = self.view()
        if self._file:
            self._file.close()
        return values

    def _read(self, start: int, size: int) -> bytes:
        if not self._file:
            return bytes(self._memory[start : start + size])
        self._file.seek(start)
        data = b""
        while len(data) < size and (more := self._file.read(size - len(data))):
            data += more
        return data

    def _write(self, start: int, data: bytes) -> None:
        if not self._file:
            self._memory[start : start + len(data)] = data
            return
        self._file.seek(start)
        rest = memoryview(data)
        while rest:  # a signal or a full disk may leave a write half done
            rest = rest[self._file.write(rest) or 0 :]

    def _reserve(self, size: int) -> None:
        """Make room for `size` bytes in all, so that overwriting cannot fail half-way."""
        if self._file and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # the file system cannot promise room
                    self._move_to_memory(error)
        if not self._file:
            self._require_memory(size - self.nbytes)
            while len(self._memory) < size:
                self._memory += bytes(min(PIECE_SIZE, size - len(self._memory)))

    def _move_to_memory(self, trouble: OSError) -> None:
        self._require_memory(self.nbytes, is_certain=True)
        for start in range(0, self.nbytes, PIECE_SIZE):
            self._memory += self._read(start, min(PIECE_SIZE, self.nbytes - start))
        self.trouble, self._file = trouble, None

    def _require_memory(self, more: int, *, is_certain: bool = False) -> None:
        """Refuse what does not fit in memory; looked up only now and then, unless `is_certain`."""
        if not is_certain and (self.nbytes + more) // _CHECK_EVERY == self.nbytes // _CHECK_EVERY:
            return
        free = available_memory()
        if free is not None and more + _CHECK_EVERY > free:
            raise TextError(
                f"the text is too long for the {format_bytes(free)} of free memory; give a part of it, or "
                "name a folder with more room in CHARRNN_CACHE"
            )


def release_pages(array: NDArray[Any]) -> None:
    """Give back the memory of a map's pages; does nothing for an array in memory.

    The pages stay in the system's cache while there is room, so reading them again is quick.
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
