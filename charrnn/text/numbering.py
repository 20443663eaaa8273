"""Numbers for characters, given as they come, in as few bytes as they need."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from charrnn.text.cells import Cells, Place
from charrnn.text.vocabulary import UNKNOWN, code_points, from_code_points

CODE_SPACE = 0x110000  # Unicode's code points, assigned or not


class Numbering:
    """A text's ids, grown block by block.

    An id takes one byte while there are at most 256 distinct characters, then two, then four.

    Parameters
    ----------
    characters
        Distinct characters that have the ids 0, 1, ... before any text comes.
    place
        Where a long text's ids may go instead of into memory (see `charrnn.text.cells.Cells`).
    is_counting
        Whether to count how often each character comes.
    """

    def __init__(self, characters: str = "", *, place: Place | None = None, is_counting: bool = False) -> None:
        self._table = np.full(CODE_SPACE, -1, dtype=np.int32)  # code point -> id
        self._points = np.empty(0, dtype=np.uint32)  # id -> code point
        self._dtype = np.dtype(np.uint8)
        self.cells = Cells(place)
        self._is_counting = is_counting
        self._counts = np.zeros(0, dtype=np.int64)
        self._admit(code_points(characters))

    def __len__(self) -> int:
        return len(self.cells) // self._dtype.itemsize

    def append(self, points: NDArray[np.unsignedinteger]) -> None:
        """Add a block of the text, as code points in whatever type; characters not met before get the next ids."""
        if points.dtype == np.uint8 and self._dtype == np.uint8:
            data = self._bytes_for(points.tobytes())
        else:
            ids = self._table[points]
            if ids.size and ids.min() < 0:
                self._admit(np.unique(points[ids < 0]))
                ids = self._table[points]
            data = ids.astype(self._dtype).tobytes()
        if self._is_counting:
            counts = np.bincount(np.frombuffer(data, dtype=self._dtype), minlength=len(self._points))
            counts[: len(self._counts)] += self._counts
            self._counts = counts
        self.cells.append(data)

    def _bytes_for(self, block: bytes) -> bytes:
        """Return the ids of a block whose characters are bytes, as those of ASCII are: faster than by the table."""
        if new := block.translate(None, delete=self._known_bytes):
            self._admit(np.unique(np.frombuffer(new, dtype=np.uint8)))
        if self._dtype == np.uint8:
            return block.translate(self._byte_table)
        return self._table[np.frombuffer(block, dtype=np.uint8)].astype(self._dtype).tobytes()

    def renumber(self, advance: Callable[[int], object] = lambda _: None) -> int:
        """Give the characters their ids anew, in code-point order; return the CRC-32 of all ids.

        Parameters
        ----------
        advance : told how many bytes have been renumbered so far
        """
        order = np.argsort(self._points)
        rank = np.empty(len(order), dtype=self._dtype)
        rank[order] = np.arange(len(order))
        return self._replace(rank, self._points[order], advance)

    def cap(self, most: int, keep: str = "") -> tuple[int, int]:
        """Keep the most frequent characters, of equals the first, and make of all others one unknown symbol.

        The characters of `keep` come before all others, however rare they are.

        The unknown symbol is U+FFFD, which is none of those that are kept and the same where the text has it already.
        Nothing happens where there are no more characters than that.

        Returns
        -------
        How many distinct characters were given up, and how many of the text they were.
        """
        points, counts = self._points, self._counts
        others = np.flatnonzero(points != ord(UNKNOWN))
        if len(others) <= most:
            return 0, 0
        is_optional = ~np.isin(points[others], code_points(keep))
        ranked = others[np.lexsort((points[others], -counts[others], is_optional))]
        kept, rare = ranked[:most], ranked[most:]
        characters = np.append(points[kept], np.uint32(ord(UNKNOWN)))
        ids = np.full(len(points), most, dtype=np.intp)  # the unknown symbol's, the last
        ids[kept] = np.arange(most)
        self._replace(ids, characters)
        return len(rare), int(counts[rare].sum())

    def forget(self, known: int, unknown: int) -> None:
        """Make of every id from `known` on the one id `unknown`."""
        ids = np.arange(len(self._points))
        ids[known:] = unknown
        self._replace(ids, self._points[:known])

    @property
    def characters(self) -> str:
        """The distinct characters, in the order of their ids."""
        return from_code_points(self._points)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """What holds an id."""
        return self._dtype

    @property
    def ids(self) -> NDArray[np.unsignedinteger]:
        """The text's ids, read-only; nothing can be appended while they are in use."""
        ids = np.frombuffer(self.cells.view(), dtype=self._dtype)
        ids.flags.writeable = False
        return ids

    def _admit(self, new: NDArray[np.unsignedinteger]) -> None:
        count = len(self._points)
        self._points = np.concatenate([self._points, new.astype(np.uint32)])
        self._table[new] = np.arange(count, len(self._points))
        first = self._table[:256]
        self._known_bytes = np.flatnonzero(first >= 0).astype(np.uint8).tobytes()
        self._byte_table = first.astype(np.uint8).tobytes()
        needed = _smallest(len(self._points))
        if needed != self._dtype:
            self._rewrite(np.arange(len(self._points)), needed)

    def _replace(
        self,
        ids: NDArray[np.integer],
        points: NDArray[np.uint32],
        advance: Callable[[int], object] = lambda _: None,
    ) -> int:
        """Write ``ids[i]`` for every id i; the characters of the new ids are `points`. Return the CRC-32."""
        self._points = points
        self._table[:] = -1
        self._table[points] = np.arange(len(points))
        return self._rewrite(ids, _smallest(len(points)), advance)

    def _rewrite(
        self,
        ids: NDArray[np.integer],
        dtype: np.dtype[np.unsignedinteger],
        advance: Callable[[int], object] = lambda _: None,
    ) -> int:
        old, new, done = self._dtype, ids.astype(dtype), 0

        def change(data: bytes) -> bytes:
            nonlocal done
            done += len(data)
            advance(done)
            return new[np.frombuffer(data, dtype=old)].tobytes()

        self._dtype = dtype
        return self.cells.change(old.itemsize, dtype.itemsize, change)


def _smallest(count: int) -> "np.dtype[np.unsignedinteger]":
    """Return the smallest type that holds the ids of so many characters."""
    return np.min_scalar_type(max(count - 1, 0))
