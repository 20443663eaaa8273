"""Yardsticks: what simple methods reach on the text that a model is judged by.

Each learns from the same training text as the model and then meets the same characters:

uniform
    one chance in V for each; it learns nothing
unigram
    how frequent each character is (order 1 of the n-grams)
n-gram
    interpolated Witten-Bell (see `charrnn.scoring.ngram`), of whatever order up to 6 comes out best on this very text;
    of items each separately, as the model reads them
gzip, xz
    by how many bytes the compressed training text grows when the text follows it: DEFLATE at level 9 and LZMA2 at
    preset 6, without the few bytes of gzip's and xz's own headers. Unlike the others they go on learning as they read.

Of a training text beyond `MOST_LEARNED` characters the n-grams learn the last ones, and their names say so.

A character unseen in training costs them all the same, `charrnn.scoring.score.UNSEEN_NATS`, and none of them sees it.
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

from charrnn.scoring.ngram import NGrams
from charrnn.scoring.score import UNSEEN_NATS, beginning
from charrnn.scoring.tracking import Track, untracked
from charrnn.text.items import reach_within_items
from charrnn.text.passage import Passage
from charrnn.text.vocabulary import Vocabulary

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
