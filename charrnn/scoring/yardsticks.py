"""Yardsticks: what simple methods reach on the text that a model is judged by.

Each learns from the same training text as the model and then meets the same characters:

uniform
    one chance in V for each; it learns nothing
unigram
    how frequent each character is (order 1 of the n-grams)
n-gram
    interpolated Witten-Bell, of the order up to 6 that comes out best on this text; items are read separately, as the
    model reads them
gzip, xz
    by how many bytes the compressed training text grows when the text follows it: DEFLATE at level 9 and LZMA2 at
    preset 6, without the few bytes of gzip's and xz's own headers. Unlike the others they go on learning as they read.

Of a training text beyond `MOST_LEARNED` characters the n-grams learn the last ones, and their names say so.

A character unseen in training costs them all the same, `charrnn.scoring.score.UNSEEN_NATS`, and none of them sees it.

Interpolated Witten-Bell n-grams of characters, the yardstick that is hard to beat.

With c(h w) the times that w followed the context h in the training text, and T(h) the number of distinct characters
that ever did, order k mixes its own counts with order k−1, which knows a context h' shorter by its oldest character::

    P_k(w | h) = (c(h w) + T(h) · P_{k−1}(w | h')) / (c(h) + T(h)),    P_0(w) = 1 / V

A context that the training text never continues leaves the lower order's word as it is. The method is C of I. Witten
and T. Bell, "The Zero-Frequency Problem" (1991), in the interpolated form of S. Chen and J. Goodman, "An Empirical
Study of Smoothing Techniques for Language Modeling" (1998).

Where a text is made of items, each of them for itself, no context reaches from one into another.

A gram of order k is the number of its context, itself a gram of order k−1, and the character after it. The distinct
grams of each order are numbered anew, 0, 1, …, so that ``context · V + character`` stays far below 2⁶³ whatever V is.
"""

import lzma
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.scoring.score import UNSEEN_NATS, Track, beginning, untracked
from charrnn.text.items import reach_within_items
from charrnn.text.passage import Passage
from charrnn.text.vocabulary import Vocabulary

Counts = NDArray[np.int32]  # of grams, and their numbers: no more than the characters of a text in memory
BLOCK_LENGTH = 1 << 16  # characters scored at once
_UNSEEN = -1  # the number of every gram that the training text does not have


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class _Order:
    """The grams of one order; each array is read-only by habit."""

    keys: NDArray[np.int64]
    """(G,) ``context · V + character`` of each distinct gram, rising."""
    counts: Counts
    """(G,) c(h w)."""
    totals: Counts
    """(C,) c(h) of each context."""
    types: Counts
    """(C,) T(h)."""

    @classmethod
    def count(cls, contexts: Counts, characters: Counts, num_contexts: int, vocab_size: int) -> tuple[Self, Counts]:
        """Count grams (N,) given as contexts and characters; return also each one's number (N,)."""
        of_grams = _keys(contexts, characters, vocab_size)
        # As `np.unique` does it, which would take half as much memory again.
        order = of_grams.argsort()
        of_grams = of_grams[order]
        is_first = np.diff(of_grams, prepend=-1) > 0
        grams = np.empty_like(contexts)
        grams[order] = np.cumsum(is_first, dtype=np.int32) - 1
        del order
        keys = of_grams[is_first]
        counts, totals = np.bincount(grams), np.bincount(contexts, minlength=num_contexts)
        types = np.bincount(keys // vocab_size, minlength=num_contexts)
        return cls(keys, *(numbers.astype(np.int32) for numbers in (counts, totals, types))), grams

    def find(self, contexts: Counts, characters: Counts, vocab_size: int) -> Counts:
        """Return the number of each gram (M,), or -1 where the training text does not have it."""
        wanted = _keys(contexts, characters, vocab_size)
        grams = np.searchsorted(self.keys, wanted)
        # An unseen context makes a key below 0, where there is none.
        return np.where(self.keys.take(grams, mode="clip") == wanted, grams, _UNSEEN).astype(np.int32)

    def mix(self, contexts: Counts, grams: Counts, lower: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return P_k from P_{k−1}, both (M,)."""
        is_known = contexts != _UNSEEN
        totals, types = (np.where(is_known, values[contexts], 0) for values in (self.totals, self.types))
        counts = np.where(grams != _UNSEEN, self.counts[grams], 0)
        # Where nothing is known, 0 counts and 1 type for them make it the lower order's probability.
        types = np.where(totals > 0, types, 1)
        mixed: NDArray[np.float64] = (counts + types * lower) / (totals + types)
        return mixed


def _keys(contexts: Counts, characters: Counts, vocab_size: int) -> NDArray[np.int64]:
    keys: NDArray[np.int64] = np.multiply(contexts, vocab_size, dtype=np.int64)
    return np.add(keys, characters, out=keys)


class NGrams:
    """The counts of a training text, for every order from 1 up.

    Parameters
    ----------
    training : (N,) ids, N ≥ 1
    vocab_size : V; every id is below it
    max_order : the longest gram, at least 1; order 1 knows no context. A shorter text ends it at its own length.
    reach : (N,) how many characters before each may be its context; by default all that there are
    track : follows the counting
    """

    def __init__(
        self,
        training: NDArray[np.integer],
        vocab_size: int,
        max_order: int,
        reach: NDArray[np.integer] | None = None,
        track: Track = untracked,
    ) -> None:
        self.vocab_size = vocab_size
        characters = training.astype(np.int32)
        contexts, num_contexts = np.zeros_like(characters), 1  # order 1 has one context, the empty one
        orders: list[_Order] = []
        N, longest = len(training), min(max_order, len(training))
        for length in track("counting n-grams", range(longest), longest * N, lambda _: N):
            counted = slice(None) if reach is None else np.flatnonzero(reach >= length)
            if not characters[counted].size:
                break
            order, own = _Order.count(contexts[counted], characters[counted], num_contexts, vocab_size)
            grams = np.full(len(characters), _UNSEEN, np.int32)
            grams[counted] = own
            orders.append(order)
            # The gram that ends at one character is the context of the next.
            contexts, characters, num_contexts = grams[:-1], characters[1:], len(order.keys)
            reach = None if reach is None else reach[1:]
        self._orders = tuple(orders)

    @property
    def max_order(self) -> int:
        """The longest gram that is counted."""
        return len(self._orders)

    def probabilities(
        self, ids: NDArray[np.integer], first: int = 0, reach: NDArray[np.integer] | None = None
    ) -> NDArray[np.float64]:
        """Return what each order expected of the characters of a text.

        Parameters
        ----------
        ids : (M,) the text
        first : place of the first character asked for; those before it are context only
        reach : (M,) how many characters before each may be its context; by default all that there are

        Returns
        -------
        (max_order, M − first) array, fresh: a row for each order, 1 first
        """
        characters = ids.astype(np.int32)
        contexts = np.zeros_like(characters)
        probs = np.full(len(characters), 1 / self.vocab_size)
        rows = []
        for length, order in enumerate(self._orders):
            if reach is not None:
                contexts = np.where(reach >= length, contexts, _UNSEEN)
            grams = order.find(contexts, characters, self.vocab_size)
            probs = order.mix(contexts, grams, probs)
            rows.append(probs[first:])
            # A text's first characters have no context so long: theirs is never found.
            contexts = np.concatenate([np.full(1, _UNSEEN, np.int32), grams[:-1]])[: len(characters)]
        return np.stack(rows)

    def blocks(
        self, ids: NDArray[np.integer], first: int = 0, reach: NDArray[np.integer] | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the same as `probabilities` in pieces, so that a long text needs little memory."""
        for start in range(first, len(ids), BLOCK_LENGTH):
            begin = max(start - self.max_order + 1, 0)
            piece = slice(begin, start + BLOCK_LENGTH)
            yield self.probabilities(ids[piece], start - begin, None if reach is None else reach[piece])


Ids = NDArray[np.integer]
Whole = TypeVar("Whole", bytes, Ids)
MAX_ORDER = 6
MOST_LEARNED = 2_000_000  # characters: their grams take 200 MB while random ones of 57 symbols are counted
# LZMA's window at preset 6: of what lies further back, neither compressor remembers anything.
WINDOW = 8 << 20
_PIECE = 1 << 20  # ids or bytes packed at once


@dataclass(frozen=True)
class Figure:
    """What one method makes of a text."""

    name: str
    nats: float
    """A character, the mean."""


@dataclass(frozen=True)
class Comparison:
    """A model and its yardsticks on the same characters."""

    characters: int
    """How many were scored, unseen ones included."""
    unseen: int
    """How many of them were unseen in training."""
    model: Figure
    yardsticks: tuple[Figure, ...]
    """The best first."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Slice:
    """The characters that are scored, and what may be learned before."""

    training: Ids | None
    """(N,) the training text; None where it is not at hand."""
    before: Ids
    """What stands directly before the slice and is not scored: at most a few characters."""
    ids: Ids
    """(M,) the characters that the model knows."""
    unseen: int = 0
    """How many others there are."""
    training_starts: NDArray[np.intp] | None = None
    """(K,) where each item begins in the training text, if that is made of items."""
    starts: NDArray[np.intp] | None = None
    """(L,) where each item begins in `ids`, if they are made of items."""

    @classmethod
    def from_passage(
        cls,
        passage: Passage,
        vocabulary: Vocabulary,
        training: Ids | None,
        separator: str = "",
        training_starts: NDArray[np.intp] | None = None,
    ) -> Self:
        """Return a whole text as it is scored: after a line feed or a separator, as the model reads it."""
        before = vocabulary.encode(separator) if separator else beginning(vocabulary)
        known = passage.known
        starts = None
        if passage.item_starts is not None:
            starts = passage.item_starts
            if len(known) < len(passage.ids):  # unseen characters are not read
                starts = np.searchsorted(np.flatnonzero(passage.ids < passage.vocab_size), starts)
        return cls(training, before, known, passage.num_unseen, training_starts, starts)

    @property
    def characters(self) -> int:
        """All that are scored."""
        return len(self.ids) + self.unseen


def compare(model: Figure, text: Slice, vocabulary: Vocabulary, track: Track = untracked) -> Comparison:
    """Set a model's figure beside its yardsticks; without a training text, beside those that need none.

    Parameters
    ----------
    model : its figure on the same characters
    text : of at least one character
    vocabulary : of all the ids
    track : follows what takes long
    """
    sums = _sums(text, vocabulary, track)
    charge = text.unseen * UNSEEN_NATS
    figures = [Figure(name, (total + charge) / text.characters) for name, total in sums.items()]
    best_first = sorted(figures, key=lambda figure: figure.nats)
    return Comparison(text.characters, text.unseen, model, tuple(best_first))


def _sums(text: Slice, vocabulary: Vocabulary, track: Track) -> dict[str, float]:
    """Nats of each yardstick, summed over the known characters of the slice."""
    V = len(vocabulary)
    sums = {f"uniform over {V:,} symbols": len(text.ids) * math.log(V)}
    if text.training is not None:
        sums |= _ngram_sums(text.training, text, V, track)
    suffix = ", the text alone" if text.training is None else ""
    return sums | {name + suffix: nats for name, nats in _packed_sums(text, vocabulary, track).items()}


def _ngram_sums(training: Ids, text: Slice, V: int, track: Track) -> dict[str, float]:
    ids = np.concatenate([text.before, text.ids])
    of_all = f", of the last {MOST_LEARNED:,}" if len(training) > MOST_LEARNED else ""
    reaches: list[NDArray[np.intp] | None] = [None, None]
    if text.starts is not None and text.training_starts is not None:
        # What was cut off may have left the end of an item, which is then the first of them.
        starts = text.training_starts - max(len(training) - MOST_LEARNED, 0)
        reaches[0] = reach_within_items(starts[starts >= 0], min(len(training), MOST_LEARNED))
        reaches[1] = reach_within_items(text.starts + len(text.before), len(ids))
    training = training[-MOST_LEARNED:]
    ngrams = NGrams(training, V, MAX_ORDER, reaches[0], track)
    losses = np.zeros(ngrams.max_order)
    blocks = ngrams.blocks(ids, len(text.before), reaches[1])
    for probs in track("n-grams read", blocks, len(text.ids), lambda probs: probs.shape[1]):
        losses -= np.log(probs).sum(axis=1)
    best = int(losses.argmin())
    sums = {f"unigram{of_all}": float(losses[0])}
    return sums | {f"{best + 1}-gram, Witten-Bell{of_all}": float(losses[best])} if best else sums


def _packed_sums(text: Slice, vocabulary: Vocabulary, track: Track) -> dict[str, float]:
    training = text.ids[:0] if text.training is None else text.training[-WINDOW:]
    learned = np.concatenate([training, text.before])
    earlier = b"".join(_encoded(_cut(learned), vocabulary))[-WINDOW:]
    sums = {}
    for name, start in (("gzip", _gzip), ("xz", _xz)):
        task = f"{name} packs what was learned"
        before = _packed_size(start(), track(task, _cut(earlier), len(earlier)))
        again = track(task, _cut(earlier), len(earlier))  # a compressor cannot be copied
        new = _encoded(track(f"{name} packs the text", _cut(text.ids), len(text.ids)), vocabulary)
        growth = _packed_size(start(), again, new) - before
        sums[name] = 8 * growth * math.log(2)
    return sums


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _gzip() -> _Compressor:
    return zlib.compressobj(9, wbits=-zlib.MAX_WBITS)


def _xz() -> _Compressor:
    return lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}])


def _packed_size(compressor: _Compressor, *texts: Iterable[bytes]) -> int:
    return sum(len(compressor.compress(piece)) for piece in chain(*texts)) + len(compressor.flush())


def _cut(whole: Whole) -> Iterator[Whole]:
    for start in range(0, len(whole), _PIECE):
        yield whole[start : start + _PIECE]


def _encoded(pieces: Iterable[Ids], vocabulary: Vocabulary) -> Iterator[bytes]:
    """Yield the text of ids in UTF-8, piece after piece."""
    return (vocabulary.decode(ids).encode() for ids in pieces)
