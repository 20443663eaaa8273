"""Batches of items: each a sequence for itself, in an order that is new in every epoch.

B items of similar lengths are read side by side from a zero state, T characters at a time, and what is shorter than the
longest is filled up with places that do not count. Nothing passes from one batch to the next.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import TextError
from charrnn.text.batches import NO_TARGET, Chunk, Cursor
from charrnn.text.items import Items
from charrnn.text.mapped import let_go
from charrnn.text.orders import ByLength, Order, Shuffled


class _Epoch(NamedTuple):
    """How the items of one epoch follow each other."""

    number: int
    order: Order
    ends: NDArray[np.intp]
    """Characters that are guessed when each batch is over."""


class Documents:
    """Batches of items, as pure functions of a cursor, whose `position` counts the characters guessed in its epoch.

    Parameters
    ----------
    items : at least one
    batch_size : B
    seq_length : T: most steps in a chunk, where no other length is asked for
    shuffle : random stream of an epoch, by which its items are shuffled; without it they come by their lengths

    Attributes
    ----------
    chunks_per_epoch : chunks that take every item of the first epoch to its end; later ones have about so many, as
        their order decides which items come together

    Raises
    ------
    ValueError
        If there are no items, or no streams, or no steps.
    """

    def __init__(
        self,
        items: Items,
        batch_size: int,
        seq_length: int,
        shuffle: Callable[[int], np.random.Generator] | None = None,
    ) -> None:
        if min(len(items), batch_size, seq_length) < 1:
            raise ValueError("documents need at least one item, one stream and one step")
        self.items, self.batch_size, self.seq_length, self._shuffle = items, batch_size, seq_length, shuffle
        self._epoch, self.chunks_per_epoch = self._arrange(0)

    @property
    def part(self) -> Items:
        """What is read: the items."""
        return self.items

    @property
    def length(self) -> int:
        """Characters that are guessed in an epoch."""
        return self.items.characters

    @property
    def characters_per_chunk(self) -> float:
        """Targets in a chunk, on average."""
        return self.length / self.chunks_per_epoch

    def chunks_in(self, epochs: float) -> int:
        """Return about how many chunks so many epochs have, or part of one."""
        return math.ceil(epochs * self.chunks_per_epoch)

    def chunk(self, cursor: Cursor, length: int | None = None, own: range | None = None) -> Chunk:
        """Return the chunk at a cursor, in arrays of its own: at most `seq_length` steps, or `length`.

        Parameters
        ----------
        own : which streams to read, by default all

        Raises
        ------
        IndexError
            If the cursor is outside the epoch.
        """
        numbers, offset, _ = self._place(cursor)
        length = length or self.seq_length
        stop = self._stop(numbers, offset, length)
        spans = self.items.spans(numbers)
        own = range(self.batch_size) if own is None else own
        mine = numbers[own.start : own.stop]  # none, where the epoch's last batch ends before this stream
        window = np.full((stop - offset + 1, len(own)), NO_TARGET, dtype=np.intp)
        window[:, : len(mine)] = self.items.window(mine, offset, stop + 1)
        for array in (self.items.ids, self.items.starts):
            let_go(array)  # each item may have brought two megabytes of a map with it
        return Chunk(
            np.maximum(window[:-1], 0),  # what does not count is read as any character
            window[1:],
            is_first=offset == 0,
            characters=_guessed(spans, stop) - _guessed(spans, offset),
            share=int(np.count_nonzero(spans > offset)) / self.batch_size,
            cursor=cursor,
            length=length,
        )

    def advance(self, cursor: Cursor, length: int | None = None) -> Cursor:
        """Return the cursor of the chunk after this one, for which `length` was asked for."""
        numbers, offset, first = self._place(cursor)
        position = first + _guessed(self.items.spans(numbers), self._stop(numbers, offset, length))
        return Cursor(cursor.epoch, position) if position < self.length else Cursor(cursor.epoch + 1, 0)

    def cut(self, _own: range) -> tuple[tuple[NDArray[np.integer], ...], Callable[..., "Documents"]]:
        """Return what all items are, any of which may come to any stream, and what makes batches of them elsewhere."""
        make = partial(_over, self.items.separator, self.batch_size, self.seq_length, self._shuffle)
        return (self.items.ids, self.items.starts, self.items.lengths), make

    def _place(self, cursor: Cursor) -> tuple[NDArray[np.intp], int, int]:
        """Return the items of the batch at a cursor, how far they are read, and the position at which it began."""
        if not 0 <= cursor.position < self.length:
            raise IndexError(f"position {cursor.position} is not in an epoch of {self.length} characters")
        if cursor.epoch != self._epoch.number:
            self._epoch, _ = self._arrange(cursor.epoch)
        ends = self._epoch.ends
        batch = int(np.searchsorted(ends, cursor.position, side="right"))
        first = int(ends[batch - 1]) if batch else 0
        numbers = self._epoch.order.batch(batch)
        spans = self.items.spans(numbers)
        steps = range(int(spans.max()))
        return numbers, bisect_right(steps, cursor.position - first, key=lambda step: _guessed(spans, step)) - 1, first

    def _stop(self, numbers: NDArray[np.intp], offset: int, length: int | None) -> int:
        """Return where the chunk ends: what is left is cut evenly, so that no chunk is a crumb."""
        left = int(self.items.spans(numbers).max()) - offset
        chunks = -(-left // (length or self.seq_length))
        return offset + -(-left // chunks)

    def _arrange(self, epoch: int) -> tuple[_Epoch, int]:
        """Return an epoch, and how many chunks it has."""
        items, B = self.items, self.batch_size
        order: Order = Shuffled(items, B, self._shuffle(epoch)) if self._shuffle else ByLength(items, B)
        sizes, chunks = [], 0
        for numbers in order.batches():
            spans = items.spans(numbers)
            sizes.append(spans.sum(axis=1))
            chunks += int((-(-spans.max(axis=1) // self.seq_length)).sum())
        return _Epoch(epoch, order, np.cumsum(np.concatenate(sizes))), chunks


def _over(
    separator: NDArray[np.intp],
    batch_size: int,
    seq_length: int,
    shuffle: Callable[[int], np.random.Generator] | None,
    *arrays: NDArray[Any],
) -> Documents:
    ids, starts, lengths = arrays
    return Documents(Items(ids, separator, starts, lengths), batch_size, seq_length, shuffle)


def _guessed(spans: NDArray[np.intp], steps: int) -> int:
    """Count the characters that are guessed in the first steps of a batch."""
    return int(np.minimum(spans, steps).sum())


def fit_items(items: Items, batch_size: int) -> tuple[int, tuple[str, ...]]:
    """Shrink the batch to the items there are.

    Returns
    -------
    batch_size, notes
        The one that fits, and a sentence if it had to shrink.

    Raises
    ------
    TextError
        If there is no item.
    """
    if not len(items):
        raise TextError("the text has no items: nothing stands between its separators")
    if len(items) < batch_size:
        count = len(items)
        return count, (f"batch size {count} instead of {batch_size}: so few items are there to train on",)
    return batch_size, ()
