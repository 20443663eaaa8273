"""A text of items, each learned separately: names, one a line, or poems with a blank line between.

Where an item begins and ends
-----------------------------
A text is one or more files, or a string, which counts as one file. Line ends are LF by now.

- An item begins at the beginning of a file, or directly after a separator.
- It ends at the next separator, or at the end of its file. Separators are found from the left and do not overlap, as in
  ``str.split``. No separator reaches from one file into the next.
- The last line end of a file belongs to no item, unless it is part of a separator: ``a⏎⏎b⏎`` and ``a⏎⏎b`` have the same
  two items.
- An item that is empty or only white space is left out and counted as blank. White space after the last separator of a
  file is not counted.
- Equal items count separately, unless repetitions are dropped (`Items.repeats`).

`ItemCleaner` drops the characters that belong to no item while a text is read, before they are numbered: the vocabulary
is that of the items and the separator. The borders of items are then found once, by `find_items`, and kept as numbers.
They are never searched for in items that were joined again: where an item meets the separator after it, a new
separator may have come about.

How an item is read
-------------------
The model reads an item from the last character of the separator on, whether or not the text has one before it. It
predicts the item's characters and then the whole separator, which ends it::

    ormesby ness ⏎        reads    ⏎ o r m e s b y   n e s s
                          predicts o r m e s b y   n e s s ⏎

In which order
--------------
B items of similar lengths are read side by side from a zero state, T characters at a time (`Documents`). Shorter items
are padded with places that do not count. Nothing passes from one batch to the next. The order is new in every epoch. It
takes little memory even for many millions of items: a `Permutation` is computed, not stored, and only the places where
the batches end are kept.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import TextError
from charrnn.text.storage import GrowingArray, Place, release_pages
from charrnn.text.streams import NO_TARGET, Chunk, Cursor

_PIECE_SIZE = 1 << 20  # ids searched at once, or items looked at
_ITEMS_HASHED = 1 << 17  # at most so many at once
_HASH_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2⁶⁴
_ROUNDS = 6  # of the Feistel network
# Batches that are sorted by length together. With random items in a batch the longest is far above the average, and
# much work would be spent on padding; within a pool chance still decides which items come together.
_POOL = 32
_POOLS_AT_ONCE = 64  # drawn at once, which is quicker


class ItemCleaner:
    """Drops the characters of a file that belong to no item, a block at a time; without a separator, none.

    These are the white space of blank items and the file's last line end. What it returns has the same items and the
    same separators.
    """

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self._kept_back = max(len(separator) - 1, 1)  # characters that may begin a separator, or be the last line end
        self._rest = ""  # read, but neither part of an item yet nor dropped
        self._space: list[str] = []  # white space that an item may begin with
        self._is_in_item = False

    def clean(self, text: str, *, final: bool) -> str:
        """Return what a block completes."""
        if not self._separator:
            return text
        pieces = (self._rest + text).split(self._separator)
        rest = pieces[-1]
        found: list[str] = []
        if len(pieces) > 1:
            self._add(pieces[0], found)
            whole = ["" if item.isspace() else item for item in pieces[1:-1]]
            found.append(self._separator.join(["", *whole, ""]))
            self._space, self._is_in_item = [], False
        if final:
            self._add(rest.removesuffix("\n"), found)
        else:
            self._add(rest[: -self._kept_back], found)
            self._rest = rest[-self._kept_back :]
        return "".join(found)

    def _add(self, piece: str, found: list[str]) -> None:
        """Add a piece of an item to what was found, as soon as the item is known not to be blank."""
        if self._is_in_item or (piece and not piece.isspace()):
            found += [*self._space, piece]
            self._space, self._is_in_item = [], True
        else:
            self._space.append(piece)


def clean_items(text: str, separator: str) -> str:
    """Return a whole file's text without the characters that belong to no item."""
    return ItemCleaner(separator).clean(text, final=True)


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Items:
    """N items of a text, none of them empty; the text is never copied as a whole. Arrays may be memory maps."""

    ids: NDArray[np.integer]  # (M,) the whole text
    separator: NDArray[np.intp]  # (S,)
    starts: NDArray[np.unsignedinteger]  # (N,) where each item begins in the text
    lengths: NDArray[np.unsignedinteger]  # (N,) its characters, without the separator

    def __len__(self) -> int:
        return len(self.starts)

    def spans(self, numbers: NDArray[np.intp] | slice) -> NDArray[np.intp]:
        """Return how many characters are predicted in some items: their own and the separator's."""
        return self.lengths[numbers].astype(np.intp) + len(self.separator)

    @cached_property
    def characters(self) -> int:
        """How many characters are predicted in all."""
        return sum(int(self.spans(piece).sum()) for piece in self.pieces())

    @cached_property
    def longest(self) -> int:
        """Characters of the longest item, without the separator; 0 if there are no items."""
        return max((int(self.lengths[piece].max()) for piece in self.pieces()), default=0)

    def pieces(self) -> Iterator[slice]:
        """Yield slices of all items, and release the pages of a map after each."""
        for start in range(0, len(self), _PIECE_SIZE):
            yield slice(start, min(start + _PIECE_SIZE, len(self)))
            release_pages(self.starts)
            release_pages(self.lengths)

    def choose(self, numbers: NDArray[np.intp] | NDArray[np.bool] | slice) -> Self:
        """Return some of the items."""
        return replace(self, starts=self.starts[numbers], lengths=self.lengths[numbers])

    def part(
        self, is_second: Callable[[NDArray[np.intp]], NDArray[np.bool]], place: Place | None = None
    ) -> tuple[Self, Self]:
        """Divide the items in two; `is_second` returns which of some numbers belong to the second part."""
        kind = np.min_scalar_type(self.longest)  # lengths are read at random, so they stay in memory
        parts = [(GrowingArray(self.starts.dtype, place), GrowingArray(kind)) for _ in range(2)]
        for piece in self.pieces():
            second = is_second(np.arange(piece.start, piece.stop))
            for (starts, lengths), chosen in zip(parts, (~second, second), strict=True):
                starts.append(self.starts[piece][chosen])
                lengths.append(self.lengths[piece][chosen])
        first, last = (replace(self, starts=starts.finish(), lengths=lengths.finish()) for starts, lengths in parts)
        return first, last

    def window(self, numbers: NDArray[np.intp], start: int, stop: int) -> NDArray[np.intp]:
        """Return a stretch of some items side by side, copied: (stop − start, len(numbers)).

        Place 0 of an item is the separator's last character, from which the item is read. After an item's end comes
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
        """Return all items, each followed by the separator, as one new text."""
        starts, lengths = (array.astype(np.intp) for array in (self.starts, self.lengths))
        spans = lengths + len(self.separator)
        places = np.arange(self.characters) - np.repeat(self.joined_starts(), spans)
        after = places - np.repeat(lengths, spans)
        own = self.ids[np.repeat(starts, spans) + np.minimum(places, np.repeat(lengths, spans) - 1)]
        joined: NDArray[np.integer] = np.where(after < 0, own, self.separator.take(after, mode="clip"))
        return joined.astype(self.ids.dtype)

    def joined_starts(self) -> NDArray[np.intp]:
        """Return where each item begins in what `joined` returns: (N,)."""
        spans = self.spans(slice(None))
        starts: NDArray[np.intp] = np.cumsum(spans) - spans
        return starts

    def repeats(self) -> NDArray[np.bool]:
        """Return which items are equal to an earlier one: (N,).

        They are compared by hashes of 64 bits, which takes about 32 bytes an item; `starts` must rise.
        """
        is_repeat = np.ones(len(self), dtype=bool)
        _, first = np.unique(self.hashes(), return_index=True)  # of equals, the first
        is_repeat[first] = False
        return is_repeat

    def hashes(self) -> NDArray[np.uint64]:
        """Return a hash of each item's characters: (N,)."""
        size = min(_PIECE_SIZE, len(self.ids))
        powers = np.cumprod(np.full(size, np.uint64(_HASH_BASE)))  # P, P², …, modulo 2⁶⁴
        inverses = np.cumprod(np.full(size, np.uint64(pow(_HASH_BASE, -1, 1 << 64))))
        found = np.empty(len(self), dtype=np.uint64)
        number = 0
        while number < len(self):
            near = slice(number, number + _ITEMS_HASHED)
            begin = int(self.starts[number])
            stops = self.starts[near].astype(np.intp) - begin + self.lengths[near].astype(np.intp)
            count = int(np.searchsorted(stops, _PIECE_SIZE, side="right"))
            if not count:  # longer than a piece, so only compared with others of that length
                item = np.ascontiguousarray(self.ids[begin : begin + int(stops[0])])
                found[number] = int.from_bytes(sha256(item.data).digest()[:8])
                release_pages(self.ids)
                number += 1
                continue
            # The hash of an item is Σ (id + 1) Pᵏ. A running sum gives those of all items in a piece at once.
            block = self.ids[begin : begin + int(stops[count - 1])].astype(np.uint64) + np.uint64(1)
            sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(block * powers[: len(block)])])
            places = stops[:count] - self.lengths[number : number + count]
            found[number : number + count] = (sums[stops[:count]] - sums[places]) * inverses[places]
            number += count
            release_pages(self.ids)
        return found

    def has(self, item: NDArray[np.integer]) -> bool:
        """Whether one of the items is equal to this one, (n,) ids without a separator."""
        starts = self.starts[self.lengths == len(item)].astype(np.intp)
        for place, number in enumerate(item):
            starts = starts[self.ids[starts + place] == number]
        return bool(starts.size)


def find_items(
    ids: NDArray[np.integer], separator: NDArray[np.intp], place: Place | None = None, *, file_ends: Sequence[int] = ()
) -> tuple[Items, int]:
    """Return the items of a text that `ItemCleaner` has cleaned, and how many empty ones were left out.

    `file_ends` says where each file ends, rising; by default the text is one file. The starts and lengths of very many
    items go to `place`.
    """
    kind = np.uint32 if len(ids) < 1 << 32 else np.uint64
    found = GrowingArray(kind, place), GrowingArray(kind, place)
    empty = 0

    def add(begin: int, ends: NDArray[np.intp]) -> None:
        """Add the items that end at these places, the first of which begins here."""
        nonlocal empty
        starts = np.concatenate([[begin], ends[:-1] + len(separator)])
        is_item = ends > starts
        found[0].append(starts[is_item])
        found[1].append((ends - starts)[is_item])
        empty += int(np.count_nonzero(~is_item))

    for begin, file_end in pairwise((0, *(file_ends or (len(ids),)))):
        free = begin  # where the next item begins
        for borders in _places(ids[begin:file_end], separator):
            ends = _apart(borders + begin, free, len(separator))
            if len(ends):
                add(free, ends)
                free = int(ends[-1]) + len(separator)
        if free < file_end:
            add(free, np.array([file_end]))
    return Items(ids, separator, found[0].finish(), found[1].finish()), empty


def has_separator(ids: NDArray[np.integer], separator: NDArray[np.intp]) -> bool:
    """Whether a text has a separator anywhere."""
    return any(len(places) for places in _places(ids, separator))


def reach_within_items(starts: NDArray[np.integer], length: int) -> NDArray[np.intp]:
    """Return how far back each character of a text of joined items can look within its item: (length,).

    The first character of an item sees one, the last of the separator before it, if that is there.
    """
    places = np.arange(length)
    if not len(starts):
        return places
    own = np.searchsorted(starts, places, side="right") - 1
    return np.where(own < 0, places, np.minimum(places - starts.take(own, mode="clip") + 1, places))


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
        release_pages(ids)


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


class Permutation:
    """A random permutation of 0 ... N-1 that is computed, not stored.

    It is a Feistel network: the two halves of a number take turns in being changed by the other, mixed with a key. That
    is a bijection on all numbers of that many bits, whatever the mixing. A number that leaves 0 ... N-1 is mapped again
    until it comes back. Mixing: the first half of SplitMix64's.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._size = size
        # Of at least three bits: halves of one can hardly be mixed.
        self._half = np.uint64(max(((size - 1).bit_length() + 1) // 2, 3))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        self._keys = rng.integers(1 << 64, size=_ROUNDS, dtype=np.uint64, endpoint=False)

    def __call__(self, numbers: NDArray[np.integer]) -> NDArray[np.intp]:
        """Return the images of some numbers, in a new array of the same shape."""
        images = self._once(numbers.astype(np.uint64))
        while (outside := images >= self._size).any():
            images[outside] = self._once(images[outside])
        return images.astype(np.intp)

    def _once(self, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = numbers >> self._half, numbers & self._mask
        for key in self._keys:
            mixed = (right + key) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(29)
            mixed *= np.uint64(0x94D049BB133111EB)
            left, right = right, left ^ (mixed >> np.uint64(40) & self._mask)
        return left << self._half | right


class Shuffled:
    """How the items of one epoch follow each other: at random, but with similar lengths together.

    Those that fill no batch come last.
    """

    def __init__(self, items: Items, batch_size: int, rng: np.random.Generator) -> None:
        self._items, self._batch_size = items, batch_size
        self._permutation = Permutation(len(items), rng)
        self._whole = len(items) // batch_size  # batches
        self._pool: tuple[int, NDArray[np.intp]] = (-1, np.empty(0, np.intp))

    def batch(self, number: int) -> NDArray[np.intp]:
        """Return the items of a batch: B of them, or fewer in the last batch."""
        if number == self._whole:
            return self._rest()
        pool = number // _POOL
        if self._pool[0] != pool:
            self._pool = pool, next(self._pools(pool, 1))
        numbers: NDArray[np.intp] = self._pool[1][number % _POOL]
        return numbers

    def batches(self) -> Iterator[NDArray[np.intp]]:
        """Yield the items of all batches, a pool of batches at a time: (batches, B)."""
        for first in range(0, -(-self._whole // _POOL), _POOLS_AT_ONCE):
            yield from self._pools(first, _POOLS_AT_ONCE)
        if len(rest := self._rest()):
            yield rest[None]

    def _pools(self, first: int, count: int) -> Iterator[NDArray[np.intp]]:
        """Yield the batches of some pools, each of items of similar lengths: (batches, B)."""
        B, end = self._batch_size, min((first + count) * _POOL, self._whole)
        drawn = self._permutation(np.arange(first * _POOL * B, end * B))
        for start in range(0, len(drawn), _POOL * B):
            numbers = drawn[start : start + _POOL * B]
            alike = np.argsort(self._items.lengths[numbers], kind="stable")
            # The batches in the order in which their first items were drawn, so not by length.
            turns = np.argsort(alike.reshape(-1, B).min(axis=1))
            yield numbers[alike].reshape(-1, B)[turns]

    def _rest(self) -> NDArray[np.intp]:
        return self._permutation(np.arange(self._whole * self._batch_size, len(self._items)))


class _Epoch(NamedTuple):
    number: int
    order: Shuffled
    ends: NDArray[np.intp]  # characters predicted up to the end of each batch


class Documents:
    """Batches of items, as pure functions of a cursor; its `position` counts the characters predicted in the epoch.

    `shuffle` returns the random stream that shuffles an epoch. The methods are those of `charrnn.text.streams.Streams`.
    """

    def __init__(
        self, items: Items, batch_size: int, seq_length: int, shuffle: Callable[[int], np.random.Generator]
    ) -> None:
        if min(len(items), batch_size, seq_length) < 1:
            raise ValueError("documents need at least one item, one stream and one step")
        self.items, self.batch_size, self.seq_length, self._shuffle = items, batch_size, seq_length, shuffle
        self._epoch, self.chunks_per_epoch = self._arrange(0)
        """Chunks in the first epoch; later ones, in which other items come together, have about as many."""

    @property
    def part(self) -> Items:
        """What is read: the items."""
        return self.items

    @property
    def length(self) -> int:
        """Characters predicted in an epoch."""
        return self.items.characters

    @property
    def characters_per_chunk(self) -> float:
        """Targets in a chunk, on average."""
        return self.length / self.chunks_per_epoch

    def chunks_in(self, epochs: float) -> int:
        """Return about how many chunks some epochs have; the number may be a fraction."""
        return math.ceil(epochs * self.chunks_per_epoch)

    def chunk(self, cursor: Cursor, length: int | None = None, own: range | None = None) -> Chunk:
        """Return the chunk at a cursor, in new arrays of at most `seq_length` steps, or `length`."""
        numbers, offset, _ = self._place(cursor)
        length = length or self.seq_length
        stop = self._stop(numbers, offset, length)
        spans = self.items.spans(numbers)
        own = range(self.batch_size) if own is None else own
        mine = numbers[own.start : own.stop]  # empty if the epoch's last batch has fewer streams
        window = np.full((stop - offset + 1, len(own)), NO_TARGET, dtype=np.intp)
        window[:, : len(mine)] = self.items.window(mine, offset, stop + 1)
        for array in (self.items.ids, self.items.starts):
            release_pages(array)  # each item may have loaded two megabytes of a map
        return Chunk(
            np.maximum(window[:-1], 0),  # padding is read as any character
            window[1:],
            is_first=offset == 0,
            characters=_predicted(spans, stop) - _predicted(spans, offset),
            share=int(np.count_nonzero(spans > offset)) / self.batch_size,
            cursor=cursor,
            length=length,
        )

    def advance(self, cursor: Cursor, length: int | None = None) -> Cursor:
        """Return the cursor of the chunk after this one, for which `length` was asked for."""
        numbers, offset, first = self._place(cursor)
        position = first + _predicted(self.items.spans(numbers), self._stop(numbers, offset, length))
        return Cursor(cursor.epoch, position) if position < self.length else Cursor(cursor.epoch + 1, 0)

    def cut(self, _own: range) -> tuple[tuple[NDArray[np.integer], ...], Callable[..., "Documents"]]:
        """Return the arrays of all items, which any stream may read, and a function that makes batches of them."""
        make = partial(_make, self.items.separator, self.batch_size, self.seq_length, self._shuffle)
        return (self.items.ids, self.items.starts, self.items.lengths), make

    def _place(self, cursor: Cursor) -> tuple[NDArray[np.intp], int, int]:
        """Return the items of the batch at a cursor, how far they are read, and the position where the batch began."""
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
        offset = bisect_right(steps, cursor.position - first, key=lambda step: _predicted(spans, step)) - 1
        return numbers, offset, first

    def _stop(self, numbers: NDArray[np.intp], offset: int, length: int | None) -> int:
        """Return where the chunk ends; what is left is cut evenly, so that no chunk is very short."""
        left = int(self.items.spans(numbers).max()) - offset
        chunks = -(-left // (length or self.seq_length))
        return offset + -(-left // chunks)

    def _arrange(self, epoch: int) -> tuple[_Epoch, int]:
        """Return an epoch and the number of its chunks."""
        items, B = self.items, self.batch_size
        order = Shuffled(items, B, self._shuffle(epoch))
        sizes, chunks = [], 0
        for numbers in order.batches():
            spans = items.spans(numbers)
            sizes.append(spans.sum(axis=1))
            chunks += int((-(-spans.max(axis=1) // self.seq_length)).sum())
        return _Epoch(epoch, order, np.cumsum(np.concatenate(sizes))), chunks


def _make(
    separator: NDArray[np.intp],
    batch_size: int,
    seq_length: int,
    shuffle: Callable[[int], np.random.Generator],
    *arrays: NDArray[Any],
) -> Documents:
    ids, starts, lengths = arrays
    return Documents(Items(ids, separator, starts, lengths), batch_size, seq_length, shuffle)


def _predicted(spans: NDArray[np.intp], steps: int) -> int:
    """Count the characters predicted in the first steps of a batch."""
    return int(np.minimum(spans, steps).sum())


def fit_items(items: Items, batch_size: int) -> tuple[int, tuple[str, ...]]:
    """Shrink the batch if there are fewer items; return the size that fits, and a sentence if it had to shrink."""
    if not len(items):
        raise TextError("the text has no items: there is nothing between its separators")
    if len(items) < batch_size:
        count = len(items)
        return count, (f"batch size {count} instead of {batch_size}: there are too few items",)
    return batch_size, ()
