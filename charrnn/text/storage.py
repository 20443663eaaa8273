"""Bytes that grow: in memory, and beyond a size in a file, if there is a place for one.

So a text of any length becomes ids in a little memory: what is appended goes to the end of a file, what is changed is
changed there piece by piece, and what is read at last is a memory map.

Arrays that are maps of files, and the memory that reading them takes.
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

IN_MEMORY = 32 << 20  # bytes that never need a file
PIECE_SIZE = 1 << 20  # units changed at once
_ROOM_ASKED_EVERY = 64 << 20  # bytes

Place = Callable[[], FileIO | None]


class Cells:
    """Bytes in units of a size that may change.

    Parameters
    ----------
    place : asked once, for an empty file to read and write, when the bytes are too many for the memory

    Attributes
    ----------
    trouble : why they are in memory though there was a file for them; None where there was no such trouble
    """

    def __init__(self, place: Place | None = None) -> None:
        self._place = place
        self._memory = bytearray()  # grows in place where an array would be copied
        self._file: FileIO | None = None
        self._size = 0
        self.trouble: OSError | None = None

    def __len__(self) -> int:
        return self._size

    @property
    def is_in_file(self) -> bool:
        """Whether they are in the file that `place` gave."""
        return self._file is not None

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises
        ------
        TextError
            If there is no room for them, neither in a file nor in memory.
        """
        if self._place and self._size + len(data) > IN_MEMORY:
            self._file, self._place = self._place(), None
            if self._file:
                held, self._memory = self._memory, bytearray()
                self._size = 0
                self.append(bytes(held))
        if self._file:
            try:
                self._write(self._size, data)
            except OSError as error:
                self._move_to_memory(error)
        if not self._file:
            self._ask_for_room(len(data))
            self._memory += data
        self._size += len(data)

    def change(self, unit: int, new_unit: int, change: Callable[[bytes], bytes]) -> int:
        """Give every unit a new value, of another size perhaps.

        Parameters
        ----------
        unit, new_unit : bytes of each before and after
        change : of any number of units at once

        Returns
        -------
        The CRC-32 of all of it; 0 where units grow, for then the last piece is the first to be changed.
        """
        count, checksum = self._size // unit, 0
        starts = range(0, count, PIECE_SIZE)
        if new_unit > unit:
            self._reserve(count * new_unit)
        # A larger unit overwrites what comes after it, so the last piece comes first; a smaller one what was before.
        for start in reversed(starts) if new_unit > unit else starts:
            data = change(self._read(start * unit, min(PIECE_SIZE, count - start) * unit))
            self._write(start * new_unit, data)
            checksum = 0 if new_unit > unit else zlib.crc32(data, checksum)
        self._size = count * new_unit
        if self._file:
            self._file.truncate(self._size)
        else:
            del self._memory[self._size :]
        return checksum

    def view(self) -> bytearray | mmap.mmap:
        """Return all of it; nothing can be appended while that is in use."""
        if self._file:
            return mmap.mmap(self._file.fileno(), self._size, access=mmap.ACCESS_READ)
        return self._memory

    def release(self) -> bytearray | mmap.mmap:
        """Return all of it, and close the file, whose bytes stay for as long as they are mapped."""
        view = self.view()
        if self._file:
            self._file.close()
        return view

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
        written = 0
        while written < len(data):  # a signal or a disk's end may leave a write half done
            written += self._file.write(memoryview(data)[written:]) or 0

    def _reserve(self, size: int) -> None:
        """Make room for what will be written over and after what there is."""
        if self._file:
            try:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(self._file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot promise it
                    self._move_to_memory(error)
        if not self._file:
            self._ask_for_room(size - self._size)
            while len(self._memory) < size:
                self._memory += bytes(min(PIECE_SIZE, size - len(self._memory)))

    def _move_to_memory(self, trouble: OSError) -> None:
        """Give the file up."""
        self._require_room(self._size)
        for start in range(0, self._size, PIECE_SIZE):
            self._memory += self._read(start, min(PIECE_SIZE, self._size - start))
        self.trouble, self._file = trouble, None

    def _ask_for_room(self, more: int) -> None:
        if (self._size + more) // _ROOM_ASKED_EVERY > self._size // _ROOM_ASKED_EVERY:
            self._require_room(more)

    @staticmethod
    def _require_room(size: int) -> None:
        free = available_memory()
        if free is not None and size + _ROOM_ASKED_EVERY > free:
            raise TextError(
                f"the text is too long for the {format_bytes(free)} of memory that are free; give a part of it, or "
                "name a folder with more room in CHARRNN_CACHE"
            )


class Integers:
    """Integers that grow as `Cells` do.

    Parameters
    ----------
    dtype : of each
    place : as there
    """

    def __init__(self, dtype: DTypeLike, place: Place | None = None) -> None:
        self._dtype = np.dtype(dtype)
        self._cells = Cells(place)

    def append(self, numbers: NDArray[np.integer]) -> None:
        """Add some at the end; they must fit."""
        self._cells.append(numbers.astype(self._dtype).tobytes())

    def finish(self) -> NDArray[Any]:
        """Return all of them, (N,) and read-only, where they are in a file as a memory map. No more can be added."""
        numbers = np.frombuffer(self._cells.release(), self._dtype)
        numbers.flags.writeable = False
        return numbers


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
