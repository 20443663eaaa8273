"""The items of a text, each learned separately: names, one a line, or poems with a blank line between.

Where an item begins and ends
-----------------------------
A text is one or more files, or a string, which counts as one file. CRLF and CR line ends are LF by then.

- An item begins at the beginning of a file, or directly after a separator.
- It ends at the next separator, or at the end of its file. Separators are found from the left and do not overlap, as
  ``str.split`` finds them. None reaches from one file into the next.
- The line end at the very end of a file belongs to no item. Only one is left out, and only where no separator ends
  there: ``a⏎⏎b⏎`` and ``a⏎⏎b`` have the same two items.
- An item that is empty, or has white space alone, is left out and counted as blank. After a separator that ends a file
  there is no item, and so no blank one.
- Two items may be equal. They are two items, unless repetitions are dropped (`Items.repeats`).

These borders are found once, here, and then kept as numbers. They are never searched for in items that were joined
again: an item and the separator after it may have a separator between them that was not there before.

How an item is read
-------------------
An item is read from the last character of the separator, whether the text has one before it or not. To be guessed are
its own characters and then the whole separator, which ends it::

    ormesby ness ⏎        reads   ⏎ o r m e s b y   n e s s
                          guesses o r m e s b y   n e s s ⏎
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from charrnn.text.batches import NO_TARGET
from charrnn.text.cells import Integers, Place
from charrnn.text.mapped import let_go

_PIECE_SIZE = 1 << 20  # ids searched at once, or items looked at
_ITEMS_HASHED = 1 << 17  # at most so many at once
_FIRST_LOOK = 32  # characters of an item that are looked at together with those of others
_HASH_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2⁶⁴


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Items:
    """N items of a text, none of them empty; neither the text nor its items are ever copied whole.

    Attributes
    ----------
    ids : (M,) array, the whole text; it may be a memory map
    separator : (S,) ids of what stands between two items
    starts, lengths : (N,) unsigned integers: where each item begins in the text, and its characters without the
        separator; they may be memory maps
    """

    ids: NDArray[np.integer]
    separator: NDArray[np.intp]
    starts: NDArray[np.unsignedinteger]
    lengths: NDArray[np.unsignedinteger]

    def __len__(self) -> int:
        return len(self.starts)

    def spans(self, numbers: NDArray[np.intp] | slice) -> NDArray[np.intp]:
        """Return the characters that are to be guessed in some items: their own, and the separator's."""
        return self.lengths[numbers].astype(np.intp) + len(self.separator)

    @cached_property
    def characters(self) -> int:
        """All that are to be guessed."""
        return sum(int(self.spans(piece).sum()) for piece in self.pieces())

    @cached_property
    def longest(self) -> int:
        """Characters of the longest item, without the separator; 0 where there is none."""
        return max((int(self.lengths[piece].max()) for piece in self.pieces()), default=0)

    def pieces(self) -> Iterator[slice]:
        """Yield all items, a piece at a time; of a map each piece is let go when it was looked at."""
        for start in range(0, len(self), _PIECE_SIZE):
            yield slice(start, min(start + _PIECE_SIZE, len(self)))
            let_go(self.starts)
            let_go(self.lengths)

    def choose(self, numbers: NDArray[np.intp] | NDArray[np.bool] | slice) -> Self:
        """Return some of the items."""
        return replace(self, starts=self.starts[numbers], lengths=self.lengths[numbers])

    def part(
        self, is_second: Callable[[NDArray[np.intp]], NDArray[np.bool]], place: Place | None = None
    ) -> tuple[Self, Self]:
        """Part the items in two, by a question that is answered for the numbers of some.

        Their lengths are wanted by chance, and are therefore in memory: of lines, a byte each.

        Parameters
        ----------
        place : where very many starts may go (see `charrnn.text.cells.Cells`)
        """
        kind = np.min_scalar_type(self.longest)
        parts = [(Integers(self.starts.dtype, place), Integers(kind)) for _ in range(2)]
        for piece in self.pieces():
            second = is_second(np.arange(piece.start, piece.stop))
            for (starts, lengths), chosen in zip(parts, (~second, second), strict=True):
                starts.append(self.starts[piece][chosen])
                lengths.append(self.lengths[piece][chosen])
        first, last = (replace(self, starts=starts.finish(), lengths=lengths.finish()) for starts, lengths in parts)
        return first, last

    def window(self, numbers: NDArray[np.intp], start: int, stop: int) -> NDArray[np.intp]:
        """Return a stretch of some items side by side: (stop − start, len(numbers)), fresh.

        Place 0 of an item is the separator's last character, which it begins from. What comes after an item's end is
        `NO_TARGET`.
        """
        places = np.arange(start, stop)[:, None]
        starts, lengths = (array[numbers].astype(np.intp) for array in (self.starts, self.lengths))
        is_within = (places > 0) & (places <= lengths)
        text = self.ids[np.where(is_within, starts + places - 1, starts)]
        after = places - lengths - 1
        ends = np.where(after < len(self.separator), self.separator.take(after, mode="clip"), NO_TARGET)
        ends = np.where(places == 0, self.separator[-1], ends)
        return np.where(is_within, np.asarray(text, dtype=np.intp), ends)

    def joined(self) -> NDArray[np.integer]:
        """Return all items, each followed by its separator, as one text: fresh."""
        starts, lengths = (array.astype(np.intp) for array in (self.starts, self.lengths))
        spans = lengths + len(self.separator)
        places = np.arange(self.characters) - np.repeat(np.cumsum(spans) - spans, spans)
        after = places - np.repeat(lengths, spans)
        own = self.ids[np.repeat(starts, spans) + np.minimum(places, np.repeat(lengths, spans) - 1)]
        joined: NDArray[np.integer] = np.where(after < 0, own, self.separator.take(after, mode="clip"))
        return joined.astype(self.ids.dtype)

    def joined_starts(self) -> NDArray[np.intp]:
        """Return where each item begins in what `joined` returns: (N,)."""
        spans = self.spans(slice(None))
        starts: NDArray[np.intp] = np.cumsum(spans) - spans
        return starts

    def copied(self) -> Self:
        """Return the items in a text of their own, which has nothing else."""
        return replace(self, ids=self.joined(), starts=self.joined_starts().astype(self.starts.dtype))

    def repeats(self) -> NDArray[np.bool]:
        """Return which items are equal to an earlier one: (N,).

        They are compared by hashes of 64 bits. That takes about 32 bytes an item, and `starts` must rise.
        """
        is_repeat = np.ones(len(self), dtype=bool)
        _, first = np.unique(self.hashes(), return_index=True)  # of equals, the first
        is_repeat[first] = False
        return is_repeat

    def hashes(self) -> NDArray[np.uint64]:
        """Return a hash of each item's characters: (N,)."""
        base = np.uint64(_HASH_BASE)
        size = min(_PIECE_SIZE, len(self.ids))
        powers = np.cumprod(np.full(size, base))  # P, P², …, modulo 2⁶⁴
        inverses = np.cumprod(np.full(size, np.uint64(pow(_HASH_BASE, -1, 1 << 64))))
        found = np.empty(len(self), dtype=np.uint64)
        number = 0
        while number < len(self):
            near = slice(number, number + _ITEMS_HASHED)
            begin = int(self.starts[number])
            stops = self.starts[near].astype(np.intp) - begin + self.lengths[near].astype(np.intp)
            count = int(np.searchsorted(stops, _PIECE_SIZE, side="right"))
            if not count:  # longer than a piece
                found[number] = self._hash_of_long(number, powers)
                number += 1
                continue
            # The hash of an item is Σ (id + 1) Pᵏ. A running sum gives those of all items in a piece at once.
            block = self.ids[begin : begin + int(stops[count - 1])].astype(np.uint64) + np.uint64(1)
            sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(block * powers[: len(block)])])
            places = stops[:count] - self.lengths[number : number + count]
            found[number : number + count] = (sums[stops[:count]] - sums[places]) * inverses[places]
            number += count
            let_go(self.ids)
        return found

    def _hash_of_long(self, number: int, powers: NDArray[Any]) -> int:
        start, length = int(self.starts[number]), int(self.lengths[number])
        total, factor = 0, 1
        for begin in range(start, start + length, _PIECE_SIZE):
            block = self.ids[begin : min(begin + _PIECE_SIZE, start + length)].astype(np.uint64) + np.uint64(1)
            # `powers` begins with P, and the sum that `hashes` makes with P⁰: hence one P less.
            total += factor * int((block * powers[: len(block)]).sum()) * pow(_HASH_BASE, -1, 1 << 64)
            factor = factor * pow(_HASH_BASE, len(block), 1 << 64) % (1 << 64)
            let_go(self.ids)
        return total % (1 << 64)

    def has(self, item: NDArray[np.integer]) -> bool:
        """Whether one of the items is this very one, (n,) ids without a separator."""
        starts = self.starts[self.lengths == len(item)].astype(np.intp)
        for place, number in enumerate(item):
            starts = starts[self.ids[starts + place] == number]
        return bool(starts.size)


def find_items(
    ids: NDArray[np.integer],
    separator: NDArray[np.intp],
    place: Place | None = None,
    *,
    characters: str = "",
    file_ends: Sequence[int] = (),
) -> tuple[Items, int]:
    """Return the items of a text, as the module's docstring defines them, and how many blank ones were left out.

    Parameters
    ----------
    ids : (M,) array
    separator : (S,) ids, at least one
    place : where the places of very many items may go (see `charrnn.text.cells.Cells`)
    characters : the character of each id. Without them nothing is known to be white space or a line end.
    file_ends : where each file ends, rising; by default the text is one file
    """
    kind = np.uint32 if len(ids) < 1 << 32 else np.uint64
    found = Integers(kind, place), Integers(kind, place)
    space = np.array([c.isspace() for c in characters] or [False])
    line_feed = characters.find("\n")
    blank = 0

    def add(begin: int, ends: NDArray[np.intp]) -> None:
        """Add the items that end at these places, the first of which begins here."""
        nonlocal blank
        starts = np.concatenate([[begin], ends[:-1] + len(separator)])
        is_item = ~_are_blank(ids, starts, ends, space)
        found[0].append(starts[is_item])
        found[1].append((ends - starts)[is_item])
        blank += int(np.count_nonzero(~is_item))

    for begin, file_end in pairwise((0, *(file_ends or (len(ids),)))):
        free = begin  # where the next item begins
        for borders in _places(ids[begin:file_end], separator):
            ends = _apart(borders + begin, free, len(separator))
            if len(ends):
                add(free, ends)
                free = int(ends[-1]) + len(separator)
        if free < file_end:
            stop = file_end - int(ids[file_end - 1] == line_feed)  # no id is -1
            if free < stop:
                add(free, np.array([stop]))
    return Items(ids, separator, found[0].finish(), found[1].finish()), blank


def has_separator(ids: NDArray[np.integer], separator: NDArray[np.intp]) -> bool:
    """Whether a text has a separator anywhere."""
    return any(len(places) for places in _places(ids, separator))


def reach_within_items(starts: NDArray[np.integer], length: int) -> NDArray[np.intp]:
    """Return how far back each character of a text can look within its item: (length,).

    The text is items that were joined, each with its separator. The first character of an item sees one, the last of
    the separator before it, if that is there.

    Parameters
    ----------
    starts : (N,) where each item begins in the text, rising
    length : the text's
    """
    places = np.arange(length)
    if not len(starts):
        return places
    own = np.searchsorted(starts, places, side="right") - 1
    return np.where(own < 0, places, np.minimum(places - starts.take(own, mode="clip") + 1, places))


def _are_blank(
    ids: NDArray[np.integer], starts: NDArray[np.intp], ends: NDArray[np.intp], space: NDArray[np.bool]
) -> NDArray[np.bool]:
    """Return which of some stretches of a text are empty or have white space alone."""
    is_blank = ends <= starts
    left = np.flatnonzero(~is_blank)  # those that have had nothing but white space so far
    for k in range(_FIRST_LOOK):
        left = left[space.take(ids[starts[left] + k], mode="clip")]
        is_over = ends[left] == starts[left] + k + 1
        is_blank[left[is_over]] = True
        left = left[~is_over]
    for number in left.tolist():
        pieces = range(int(starts[number]), int(ends[number]), _PIECE_SIZE)
        is_blank[number] = all(
            space.take(ids[begin : min(begin + _PIECE_SIZE, int(ends[number]))], mode="clip").all() for begin in pieces
        )
    return is_blank


def _places(ids: NDArray[np.integer], separator: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield where a separator begins, overlapping ones too, block after block."""
    size = len(separator)
    for start in range(0, len(ids) - size + 1, _PIECE_SIZE):
        piece = ids[start : start + _PIECE_SIZE + size - 1]
        count = len(piece) - size + 1
        is_here = piece[:count] == separator[0]
        for k in range(1, size):
            is_here &= piece[k : k + count] == separator[k]
        yield np.flatnonzero(is_here) + start
        let_go(ids)


def _apart(places: NDArray[np.intp], free: int, size: int) -> NDArray[np.intp]:
    """Return the places from `free` on that remain when each takes `size` characters, the first come first."""
    places = places[np.searchsorted(places, free) :]
    if not (np.diff(places) < size).any():
        return places
    kept = []
    for place in places.tolist():
        if place >= free:
            kept.append(place)
            free = place + size
    return np.array(kept, dtype=np.intp)
