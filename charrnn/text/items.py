"""The items of a text, each a sequence for itself: names, one a line, or poems with a blank line between.

Between two items stands a separator. An item is read from the last character of the separator before it, whether the
text has one there or not, and what is to be guessed is its own characters and then the whole separator, which ends it::

    ormesby ness ⏎        reads   ⏎ o r m e s b y   n e s s
                          guesses o r m e s b y   n e s s ⏎
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from charrnn.text.batches import NO_TARGET

_PIECE_SIZE = 1 << 20  # ids searched at once


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Items:
    """N items of a text, none of them empty; the text itself is never copied whole.

    Attributes
    ----------
    ids : (M,) array, the whole text; it may be a memory map
    separator : (S,) ids of what stands between two items
    starts, lengths : (N,) integers: where each item begins in the text, and its characters without the separator
    """

    ids: NDArray[np.integer]
    separator: NDArray[np.intp]
    starts: NDArray[np.intp]
    lengths: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def spans(self) -> NDArray[np.intp]:
        """(N,) characters that are to be guessed in each item: its own, and the separator's."""
        return self.lengths + len(self.separator)

    @cached_property
    def characters(self) -> int:
        """All that are to be guessed."""
        return int(self.spans.sum())

    @property
    def longest(self) -> int:
        """Characters of the longest item, without the separator; 0 where there is none."""
        return int(self.lengths.max(initial=0))

    def choose(self, numbers: NDArray[np.intp] | slice) -> Self:
        """Return some of the items."""
        return replace(self, starts=self.starts[numbers], lengths=self.lengths[numbers])

    def window(self, numbers: NDArray[np.intp], start: int, stop: int) -> NDArray[np.intp]:
        """Return a stretch of some items side by side: (stop − start, len(numbers)), fresh.

        Place 0 of an item is the separator's last character, which it begins from. What comes after an item's end is
        `NO_TARGET`.
        """
        places, lengths = np.arange(start, stop)[:, None], self.lengths[numbers]
        is_within = (places > 0) & (places <= lengths)
        text = self.ids[np.where(is_within, self.starts[numbers] + places - 1, self.starts[numbers])]
        after = places - lengths - 1
        ends = np.where(after < len(self.separator), self.separator.take(after, mode="clip"), NO_TARGET)
        ends = np.where(places == 0, self.separator[-1], ends)
        return np.where(is_within, np.asarray(text, dtype=np.intp), ends)

    def joined(self) -> NDArray[np.integer]:
        """Return all items, each followed by its separator, as one text: fresh."""
        numbers = np.repeat(np.arange(len(self)), self.spans)
        places = np.arange(self.characters) - np.repeat(np.cumsum(self.spans) - self.spans, self.spans)
        after = places - self.lengths[numbers]
        own = self.ids[self.starts[numbers] + np.minimum(places, self.lengths[numbers] - 1)]
        return np.where(after < 0, own, self.separator.take(after, mode="clip")).astype(self.ids.dtype)

    def has(self, item: NDArray[np.integer]) -> bool:
        """Whether one of the items is this very one, (n,) ids without a separator."""
        starts = self.starts[self.lengths == len(item)]
        for place, number in enumerate(item):
            starts = starts[self.ids[starts + place] == number]
        return bool(starts.size)


def find_items(ids: NDArray[np.integer], separator: NDArray[np.intp]) -> tuple[Items, int]:
    """Return the items of a text, as ``str.split`` finds them, and how many empty ones were left out.

    After a separator that ends the text there is no item, and no empty one either.

    Parameters
    ----------
    ids : (M,) array
    separator : (S,) ids, at least one
    """
    borders = np.concatenate([np.empty(0, dtype=np.intp), *_places(ids, separator)])
    size = len(separator)
    if size > 1:
        borders = _apart(borders, size)
    starts = np.concatenate([[0], borders + size]).astype(np.intp)
    lengths = np.concatenate([borders, [len(ids)]]).astype(np.intp) - starts
    is_item = lengths > 0
    empty = np.count_nonzero(~is_item) - (lengths[-1] == 0)
    return Items(ids, separator, starts[is_item], lengths[is_item]), int(empty)


def reach_within_items(ids: NDArray[np.integer], separator: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how far back each character of a text can look within its item: (M,).

    The first character of an item sees one, the last of the separator before it, if that is there.
    """
    items, _ = find_items(ids, separator)
    places = np.arange(len(ids))
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


def _apart(places: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Return the places that remain when each takes `size` characters, the first come first."""
    if not (np.diff(places) < size).any():
        return places
    kept, free = [], 0
    for place in places.tolist():
        if place >= free:
            kept.append(place)
            free = place + size
    return np.array(kept, dtype=np.intp)
