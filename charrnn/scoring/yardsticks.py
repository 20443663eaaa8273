"""Yardsticks: what simple methods reach on the text that a model is judged by.

Each learns from the same training text as the model and then predicts the same characters:

uniform
    a chance of 1 in V for each character; it learns nothing
unigram
    how frequent each character is (order 1 of the n-grams)
n-gram
    interpolated Witten-Bell, of the order up to 6 that scores best on this text; items are read separately, as the
    model reads them
gzip, xz
    by how many bytes the compressed training text grows when the text is appended: DEFLATE at level 9 and LZMA2 at
    preset 6, without the few bytes of gzip's and xz's own headers. Unlike the others they keep learning as they read.

Of a training text longer than `MOST_LEARNED` characters the n-grams learn only the end, and their names say so.

No method reads characters that were unseen in training; each costs `charrnn.scoring.reading.UNSEEN_NATS`.

N-grams
-------
With c(h w) the number of times that w followed the context h in the training text, and T(h) the number of distinct
characters that ever did, order k mixes its own counts with order k−1, whose context h' lacks the oldest character::

    P_k(w | h) = (c(h w) + T(h) · P_{k−1}(w | h')) / (c(h) + T(h)),    P_0(w) = 1 / V

If the training text never continues a context, the lower order's probability is kept. The method is C of I. Witten and
T. Bell, "The Zero-Frequency Problem" (1991), in the interpolated form of S. Chen and J. Goodman, "An Empirical Study of
Smoothing Techniques for Language Modeling" (1998). In a text of items no context reaches from one item into another.

A gram of order k is the number of its context, itself a gram of order k−1, and the character after it. The distinct
grams of each order are numbered 0, 1, …, so that ``context · V + character`` stays far below 2⁶³ for any V.
"""

import lzma
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.scoring.reading import UNSEEN_NATS, Track, beginning, untracked
from charrnn.text.items import reach_within_items
from charrnn.text.passage import Passage
from charrnn.text.vocabulary import Vocabulary

Ids = NDArray[np.integer]
Counts = NDArray[np.int32]  # of grams, and their numbers: no more than the characters of a text in memory
Whole = TypeVar("Whole", bytes, Ids)

MAX_ORDER = 6  # of the n-grams
MOST_LEARNED = 2_000_000  # characters whose grams are counted; for random ones of 57 symbols that takes 200 MB
BLOCK_LENGTH = 1 << 16  # characters that n-grams score at once
WINDOW = 8 << 20  # LZMA's window at preset 6; neither compressor remembers anything further back
_PIECE = 1 << 20  # ids or bytes compressed at once
_COMPRESSORS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.compressobj(9, wbits=-zlib.MAX_WBITS),
    "xz": lambda: lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}]),
}
_UNSEEN = -1  # the number of every gram that the training text does not have


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class _Order:
    """The grams of one order; arrays are never written to."""

    keys: NDArray[np.int64]  # (G,) ``context · V + character`` of each distinct gram, rising
    counts: Counts  # (G,) c(h w)
    totals: Counts  # (C,) c(h) of each context
    types: Counts  # (C,) T(h)

    @classmethod
    def count(cls, contexts: Counts, characters: Counts, num_contexts: int, vocab_size: int) -> tuple[Self, Counts]:
        """Count grams (N,) given as contexts and characters; return also each one's number (N,)."""
        of_grams = _keys(contexts, characters, vocab_size)
        # As `np.unique` does, which would take 50 % more memory.
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
        # An unseen context makes a key below 0, which is never found.
        return np.where(self.keys.take(grams, mode="clip") == wanted, grams, _UNSEEN).astype(np.int32)

    def mix(self, contexts: Counts, grams: Counts, lower: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return P_k from P_{k−1}, both (M,)."""
        is_known = contexts != _UNSEEN
        totals, types = (np.where(is_known, values[contexts], 0) for values in (self.totals, self.types))
        counts = np.where(grams != _UNSEEN, self.counts[grams], 0)
        # If nothing is known, 0 counts and 1 type give the lower order's probability.
        types = np.where(totals > 0, types, 1)
        mixed: NDArray[np.float64] = (counts + types * lower) / (totals + types)
        return mixed


def _keys(contexts: Counts, characters: Counts, vocab_size: int) -> NDArray[np.int64]:
    keys: NDArray[np.int64] = np.multiply(contexts, vocab_size, dtype=np.int64)
    return np.add(keys, characters, out=keys)


class NGrams:
    """The counts of a training text (N,), for every order from 1, which has no context, to `max_order`.

    `reach` (N,) says how many characters before each may be its context; by default all.
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
        """The longest gram that was counted."""
        return len(self._orders)

    def probabilities(
        self, ids: NDArray[np.integer], first: int = 0, reach: NDArray[np.integer] | None = None
    ) -> NDArray[np.float64]:
        """Return the probability that each order gives to each character of a text (M,): (max_order, M − first).

        The characters before place `first` are only context.
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
            # The first characters of a text have no context of this length: it is never found.
            contexts = np.concatenate([np.full(1, _UNSEEN, np.int32), grams[:-1]])[: len(characters)]
        return np.stack(rows)

    def blocks(
        self, ids: NDArray[np.integer], first: int = 0, reach: NDArray[np.integer] | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Yield what `probabilities` returns in pieces, so that a long text needs little memory."""
        for start in range(first, len(ids), BLOCK_LENGTH):
            begin = max(start - self.max_order + 1, 0)
            piece = slice(begin, start + BLOCK_LENGTH)
            yield self.probabilities(ids[piece], start - begin, None if reach is None else reach[piece])


@dataclass(frozen=True)
class Figure:
    """The score of one method."""

    name: str
    nats: float  # per character, the mean


@dataclass(frozen=True)
class Comparison:
    """A model and its yardsticks on the same characters."""

    characters: int  # how many were scored, unseen ones included
    unseen: int  # how many of them were unseen in training
    model: Figure
    yardsticks: tuple[Figure, ...]  # the best first


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Slice:
    """The characters that are scored, and what may be learned from before."""

    training: Ids | None  # (N,) the training text, or None if it is missing
    before: Ids  # a few characters directly before the slice, which are not scored
    ids: Ids  # (M,) the characters that the model knows
    unseen: int = 0  # how many characters it does not know
    training_starts: NDArray[np.intp] | None = None  # (K,) where each item begins in `training`, if there are
    starts: NDArray[np.intp] | None = None  # (L,) where each item begins in `ids`, if they consist of items

    @classmethod
    def from_passage(
        cls,
        passage: Passage,
        vocabulary: Vocabulary,
        training: Ids | None,
        separator: str = "",
        training_starts: NDArray[np.intp] | None = None,
    ) -> Self:
        """Return a whole text to be scored after a line feed or a separator, as the model reads it."""
        before = vocabulary.encode(separator) if separator else beginning(vocabulary)
        return cls(training, before, passage.known, passage.num_unseen, training_starts, passage.known_starts)

    @property
    def characters(self) -> int:
        """How many are scored."""
        return len(self.ids) + self.unseen


def compare(model: Figure, text: Slice, vocabulary: Vocabulary, track: Track = untracked) -> Comparison:
    """Compare a model's figure with the yardsticks; without a training text, only with those that need none."""
    V = len(vocabulary)
    # nats of each, summed over the characters that the model knows
    sums = {f"uniform over {V:,} symbols": len(text.ids) * math.log(V)}
    if text.training is not None:
        sums |= _ngram_sums(text.training, text, V, track)
    suffix = ", the text alone" if text.training is None else ""
    sums |= {name + suffix: nats for name, nats in _packed_sums(text, vocabulary, track).items()}
    charge = text.unseen * UNSEEN_NATS
    figures = [Figure(name, (total + charge) / text.characters) for name, total in sums.items()]
    best_first = sorted(figures, key=lambda figure: figure.nats)
    return Comparison(text.characters, text.unseen, model, tuple(best_first))


def _ngram_sums(training: Ids, text: Slice, V: int, track: Track) -> dict[str, float]:
    ids = np.concatenate([text.before, text.ids])
    of_all = f", of the last {MOST_LEARNED:,}" if len(training) > MOST_LEARNED else ""
    reaches: list[NDArray[np.intp] | None] = [None, None]
    if text.starts is not None and text.training_starts is not None:
        # The training text may now begin within an item, whose rest then counts as the first.
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
    for name, start in _COMPRESSORS.items():
        task = f"{name} compresses the training text"
        before = _packed_size(start(), track(task, _cut(earlier), len(earlier)))
        again = track(task, _cut(earlier), len(earlier))  # a compressor cannot be copied
        new = _encoded(track(f"{name} compresses the text", _cut(text.ids), len(text.ids)), vocabulary)
        growth = _packed_size(start(), again, new) - before
        sums[name] = 8 * growth * math.log(2)
    return sums


def _packed_size(compressor: Any, *texts: Iterable[bytes]) -> int:
    return sum(len(compressor.compress(piece)) for piece in chain(*texts)) + len(compressor.flush())


def _cut(whole: Whole) -> Iterator[Whole]:
    for start in range(0, len(whole), _PIECE):
        yield whole[start : start + _PIECE]


def _encoded(pieces: Iterable[Ids], vocabulary: Vocabulary) -> Iterator[bytes]:
    """Yield the text of ids in UTF-8, piece after piece."""
    return (vocabulary.decode(ids).encode() for ids in pieces)
