"""Batches for training: B streams that read a text side by side, T characters at a time.

These are the batches of one running text; those of separate items are in `charrnn.text.items`. Each stream continues
where its last chunk ended, so the state of the network is carried from chunk to chunk. The batches are pure functions
of a `Cursor`, so a saved cursor resumes a run exactly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import TextError
from charrnn.text.storage import release_pages

# Bytes that all streams together read of a memory map before they release what they have read.
_MOST_MAPPED = 32 << 20

NO_TARGET = -1  # where there is nothing to predict


class Cursor(NamedTuple):
    """Where the next chunk begins."""

    epoch: int  # passes over the text that are complete
    position: int  # transitions that each stream has read in this epoch; of items, all characters predicted


class Chunk(NamedTuple):
    """What one training step reads, in all B streams or some of them."""

    inputs: NDArray[np.intp]  # (T, B)
    targets: NDArray[np.intp]  # (T, B): for each input the character after it, or `NO_TARGET`
    is_first: bool  # whether the streams begin here, so that the state must be zero
    characters: int  # how many targets all streams have
    share: float = 1.0  # the fraction of all streams that have any
    cursor: Cursor = Cursor(0, 0)  # where it begins
    length: int = 0  # steps that were asked for


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Streams:
    """B parallel streams over a text.

    A transition is one character and the next, so N characters have N-1 of them, and each stream has
    n = ceil((N-1) / B). The starts are spread evenly: the first stream begins at the first character and the
    last ends at the last one. Together they cover every transition; where B does not divide N-1, neighbours
    overlap a little.
    """

    ids: NDArray[np.integer]  # (N,): the text; it may be a memory map, and is never copied whole
    batch_size: int  # B
    seq_length: int  # T: steps in a chunk, unless another length is asked for
    before: int = 0  # characters of the text before `ids`, which are read elsewhere (see `cut`)
    after: int = 0  # characters of the text after `ids`

    def __post_init__(self) -> None:
        if self._characters < 2 or self.batch_size < 1 or self.seq_length < 1:
            raise ValueError("streams need at least two characters, one stream and one step")

    @cached_property
    def length(self) -> int:
        """Transitions in each stream: n."""
        return -(-(self._characters - 1) // self.batch_size)

    @property
    def part(self) -> NDArray[np.integer]:
        """What is read: the ids."""
        return self.ids

    @property
    def chunks_per_epoch(self) -> int:
        """Chunks that take every stream to its end."""
        return -(-self.length // self.seq_length)

    @property
    def characters_per_chunk(self) -> int:
        """Targets in a chunk of the usual length."""
        return self.batch_size * self.seq_length

    def chunks_in(self, epochs: float) -> int:
        """Return how many chunks some epochs have; the number may be a fraction."""
        whole, part = divmod(epochs, 1)
        return int(whole) * self.chunks_per_epoch + math.ceil(part * self.length / self.seq_length)

    def chunk(self, cursor: Cursor, length: int | None = None, own: range | None = None) -> Chunk:
        """Return the chunk at a cursor, in new arrays of `seq_length` steps, or `length`; of some streams, if `own`."""
        if not 0 <= cursor.position < self.length:
            raise IndexError(f"position {cursor.position} is not in a stream of {self.length} transitions")
        length = length or self.seq_length
        end = min(cursor.position + length, self.length)
        steps = np.arange(cursor.position, end + 1)  # one more than T: the last is only a target
        starts = (self._starts if own is None else self._starts[own.start : own.stop]) - self.before
        # asarray: a memory map's own array type ends here
        window = np.asarray(self.ids[steps[:, None] + starts], dtype=np.intp)
        size = len(starts) * self.ids.itemsize
        if end * size // _MOST_MAPPED > cursor.position * size // _MOST_MAPPED:
            release_pages(self.ids)
        characters = (end - cursor.position) * self.batch_size
        return Chunk(window[:-1], window[1:], cursor.position == 0, characters=characters, cursor=cursor, length=length)

    def advance(self, cursor: Cursor, length: int | None = None) -> Cursor:
        """Return the cursor of the chunk after this one, which took `seq_length` steps, or `length`."""
        position = cursor.position + (length or self.seq_length)
        return Cursor(cursor.epoch, position) if position < self.length else Cursor(cursor.epoch + 1, 0)

    def cut(self, own: range) -> tuple[tuple[NDArray[np.integer]], Callable[[NDArray[np.integer]], "Streams"]]:
        """Return the part of the text that some streams read, and what makes batches of it elsewhere."""
        first, end = int(self._starts[own.start]), int(self._starts[own.stop - 1]) + self.length + 1
        after = self._characters - end
        return (self.ids[first:end],), partial(
            Streams, batch_size=self.batch_size, seq_length=self.seq_length, before=first, after=after
        )

    @property
    def _characters(self) -> int:
        return self.before + len(self.ids) + self.after

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        # Spread over 0 ... N-1-n. No gap is wider than a stream: (N-1-n) / (B-1) <= n because N-1 <= B n,
        # and two neighbours rounded down are never further apart than that, rounded up.
        last = self._characters - 1 - self.length
        return np.arange(self.batch_size) * last // max(self.batch_size - 1, 1)


def fit(num_characters: int, batch_size: int, seq_length: int) -> tuple[int, int, tuple[str, ...]]:
    """Shrink the batch and the sequences to what a short text can fill.

    Long sequences are worth more than many: streams are given up until each has `seq_length` transitions of its own; if
    the one that is left is still too short, the sequence is cut to it. Returns both sizes, and a sentence for each that
    had to shrink.
    """
    if num_characters < 2:
        raise TextError(
            f"training needs at least two characters, and {num_characters} are left to train on: "
            "give a longer text or a smaller --val-fraction"
        )
    transitions = num_characters - 1
    streams = min(batch_size, max(transitions // seq_length, 1))
    steps = min(seq_length, transitions)
    size = f"the text has only {num_characters:,} characters"
    notes = []
    if streams < batch_size:
        notes.append(f"batch size {streams} instead of {batch_size}: {size}")
    if steps < seq_length:
        notes.append(f"sequence length {steps} instead of {seq_length}: {size}")
    return streams, steps, tuple(notes)
