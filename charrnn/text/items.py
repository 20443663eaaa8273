"""The items of a text, each a sequence for itself: names, one a line, or poems with a blank line between.

Between two items stands a separator. An item is read from the last character of the separator before it, whether the
text has one there or not, and what is to be guessed is its own characters and then the whole separator, which ends it::

    ormesby ness ⏎        reads   ⏎ o r m e s b y   n e s s
                          guesses o r m e s b y   n e s s ⏎
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from charrnn.text.batches import NO_TARGET
from charrnn.text.cells import Integers, Place
from charrnn.text.mapped import let_go

_PIECE_SIZE = 1 << 20  # ids searched at once, or items looked at


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

    def choose(self, numbers: NDArray[np.intp] | slice) -> Self:
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

    def copied(self) -> Self:
        """Return the items in a text of their own, which has nothing else."""
        spans = self.spans(slice(None))
        return replace(self, ids=self.joined(), starts=(np.cumsum(spans) - spans).astype(self.starts.dtype))

    def has(self, item: NDArray[np.integer]) -> bool:
        """Whether one of the items is this very one, (n,) ids without a separator."""
        starts = self.starts[self.lengths == len(item)].astype(np.intp)
        for place, number in enumerate(item):
            starts = starts[self.ids[starts + place] == number]
        return bool(starts.size)


def find_items(ids: NDArray[np.integer], separator: NDArray[np.intp], place: Place | None = None) -> tuple[Items, int]:
    """Return the items of a text, as ``str.split`` finds them, and how many empty ones were left out.

    After a separator that ends the text there is no item, and no empty one either.

    Parameters
    ----------
    ids : (M,) array
    separator : (S,) ids, at least one
    place : where the places of very many items may go (see `charrnn.text.cells.Cells`)
    """
    kind = np.uint32 if len(ids) < 1 << 32 else np.uint64
    found = Integers(kind, place), Integers(kind, place)
    begin, empty = 0, 0  # where the next item begins

    def add(begin: int, ends: NDArray[np.intp]) -> int:
        """Add the items that end at these places, the first of which begins here; return how many are empty."""
        starts = np.concatenate([[begin], ends[:-1] + len(separator)])
        is_item = ends > starts
        found[0].append(starts[is_item])
        found[1].append((ends - starts)[is_item])
        return int(np.count_nonzero(~is_item))

    for borders in _places(ids, separator):
        ends = _apart(borders, begin, len(separator))
        if len(ends):
            empty += add(begin, ends)
            begin = int(ends[-1]) + len(separator)
    if begin < len(ids):
        add(begin, np.array([len(ids)]))
    return Items(ids, separator, found[0].finish(), found[1].finish()), empty


def reach_within_items(ids: NDArray[np.integer], separator: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how far back each character of a text can look within its item: (M,).

    The first character of an item sees one, the last of the separator before it, if that is there.
    """
    items, _ = find_items(ids, separator)
    places = np.arange(len(ids))
    if not len(items):
        return places
    own = np.searchsorted(items.starts, places, side="right") - 1
    return np.where(own < 0, places, np.minimum(places - items.starts.take(own, mode="clip") + 1, places))


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
