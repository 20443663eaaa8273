"""Numbers for characters, given as they come, in as few bytes as they need."""

import numpy as np
from numpy.typing import NDArray

from charrnn.text.vocabulary import code_points, from_code_points

CODE_SPACE = 0x110000  # Unicode's code points, assigned or not
PIECE_SIZE = 1 << 20  # bytes or ids converted at once: whole ids, so a multiple of four


class Numbering:
    """A text's ids, grown block by block.

    An id takes one byte while there are at most 256 distinct characters, then two, then four.

    Parameters
    ----------
    characters
        Distinct characters that have the ids 0, 1, ... before any text comes.
    """

    def __init__(self, characters: str = "") -> None:
        self._table = np.full(CODE_SPACE, -1, dtype=np.int32)  # code point -> id
        self._points = np.empty(0, dtype=np.uint32)  # id -> code point
        self._dtype = np.dtype(np.uint8)
        self._cells = bytearray()  # grows in place where an array would be copied
        self._admit(code_points(characters))

    def __len__(self) -> int:
        return len(self._cells) // self._dtype.itemsize

    def append(self, points: NDArray[np.uint32]) -> None:
        """Add a block of the text; characters not met before get the next ids."""
        ids = self._table[points]
        new = points[ids < 0]
        if new.size:
            self._admit(np.unique(new))
            ids = self._table[points]
        self._cells += ids.astype(self._dtype).tobytes()

    def renumber(self) -> None:
        """Give the characters their ids anew, in code-point order."""
        order = np.argsort(self._points)
        rank = np.empty(len(order), dtype=self._dtype)
        rank[order] = np.arange(len(order))
        ids = np.frombuffer(self._cells, dtype=self._dtype)
        for start in range(0, len(ids), PIECE_SIZE):
            piece = ids[start : start + PIECE_SIZE]
            piece[:] = rank[piece]
        self._points = self._points[order]
        self._table[self._points] = np.arange(len(order))

    @property
    def characters(self) -> str:
        """The distinct characters, in the order of their ids."""
        return from_code_points(self._points)

    @property
    def ids(self) -> NDArray[np.unsignedinteger]:
        """The text's ids, read-only; nothing can be appended while they are in use."""
        ids = np.frombuffer(self._cells, dtype=self._dtype)
        ids.flags.writeable = False
        return ids

    def _admit(self, new: NDArray[np.uint32]) -> None:
        count = len(self._points)
        self._points = np.concatenate([self._points, new])
        self._table[new] = np.arange(count, len(self._points))
        needed = np.min_scalar_type(max(len(self._points) - 1, 0))
        if needed != self._dtype:
            self._widen(needed)

    def _widen(self, dtype: np.dtype[np.unsignedinteger]) -> None:
        # piece by piece, giving back the front of the old cells, so that both are never whole at once
        old, self._cells = self._cells, bytearray()
        while old:
            self._cells += np.frombuffer(old[:PIECE_SIZE], dtype=self._dtype).astype(dtype).tobytes()
            del old[:PIECE_SIZE]
        self._dtype = dtype
