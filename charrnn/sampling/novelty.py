"""Texts that do not repeat what the model was trained on.

`Known` is an index of the training text: which characters follow each run of N of them. `NovelTexts` does not let a
text draw one of those, so that no run of more than N characters of the training text comes about.

A run of ids a₀ … aₙ₋₁ is found by its hash Σ (aₖ + 1) Pᵏ modulo 2⁶⁴, which is also known one character later from the
hash before. Equal runs have equal hashes, so none is missed; that two different runs have the same hash, and a
character is not drawn for no reason, is as good as impossible.
"""

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, TextError
from charrnn.machine import available_memory, format_bytes
from charrnn.sampling.filters import Floats, NoBlankItems
from charrnn.text.items import Items
from charrnn.text.storage import PIECE_SIZE, release_pages
from charrnn.text.vocabulary import Vocabulary

_BASE = 0x9E3779B97F4A7C15  # P: odd, so that it has an inverse modulo 2⁶⁴
_INVERSE = pow(_BASE, -1, 1 << 64)
_MASK = (1 << 64) - 1
_MOST_BITS = 26
_BYTES = 50  # for each character while the index is built


class Known:
    """An index of a training text.

    Parameters
    ----------
    training : what the model was trained on, (M,) ids or items
    vocabulary : its characters
    longest : the most characters in a row that a text may share with it, at least 1

    Raises
    ------
    TextError
        If there is not enough memory for the index.
    """

    def __init__(self, training: NDArray[np.integer] | Items, vocabulary: Vocabulary, longest: int) -> None:
        items = frozenset[str]()
        if isinstance(training, Items):
            ids = training.joined()
            text = vocabulary.decode(ids)
            places = zip(training.joined_starts().tolist(), training.lengths.tolist(), strict=True)
            items = frozenset(text[start : start + length] for start, length in places)
        else:
            ids = training
        free = available_memory()
        if free is not None and _BYTES * len(ids) > free:
            raise TextError(f"an index of the training text needs {format_bytes(_BYTES * len(ids))} of memory")
        self.vocabulary, self.longest = vocabulary, longest
        self.items = items
        """The items that no text may be; empty for a running text."""
        hashes, after = run_hashes(ids[:-1], longest), ids[longest:]  # a character follows each of these runs
        order = np.lexsort((after, hashes))
        hashes, after = hashes[order], after[order]
        is_new_run = np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)]
        is_new = is_new_run.copy()
        is_new[1:] |= after[1:] != after[:-1]
        self._next = after[is_new].astype(np.intp)  # what follows each run, once, in the order of the runs' hashes
        # One more at the end, which nothing follows: a search may end there.
        self._hashes = np.append(hashes[is_new_run], np.uint64(_MASK))
        self._starts = np.append(np.flatnonzero(is_new_run[is_new]), [len(self._next)] * 2)
        # Most runs of a text are not in the index; a look at the first bits of the hash is enough to know that.
        bits = min(max(len(hashes).bit_length() + 3, 8), _MOST_BITS)
        self._shift, seen = 64 - bits, np.zeros(1 << bits, np.uint8)
        seen[self._hashes >> np.uint64(self._shift)] = 1
        self._seen = seen.tobytes()

    def following(self, runs: list[int]) -> list[tuple[int, NDArray[np.intp]]]:
        """Return the ids that follow some runs, known by their hashes: (number, ids) of each run that has any."""
        wanted = [number for number, run in enumerate(runs) if self._seen[run >> self._shift]]
        if not wanted:
            return []
        hashes = np.array([runs[number] for number in wanted], np.uint64)
        places = self._hashes.searchsorted(hashes)
        is_known = self._hashes[places] == hashes
        return [
            (number, self._next[self._starts[place] : self._starts[place + 1]])
            for number, place, is_here in zip(wanted, places.tolist(), is_known.tolist(), strict=True)
            if is_here
        ]


def run_hashes(ids: NDArray[np.integer], length: int) -> NDArray[np.uint64]:
    """Return the hash of each run of `length` ids: (N − length + 1,)."""
    count = max(len(ids) - length + 1, 0)
    hashes = np.empty(count, np.uint64)
    size = min(PIECE_SIZE, count)
    powers = np.cumprod(np.full(size + length, np.uint64(_BASE)))
    inverses = np.cumprod(np.full(size, np.uint64(_INVERSE)))
    for begin in range(0, count, PIECE_SIZE):
        # A running sum gives the hashes of all runs in a piece at once.
        values = ids[begin : begin + size + length - 1].astype(np.uint64) + np.uint64(1)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values * powers[: len(values)])])
        found = len(values) - length + 1
        hashes[begin : begin + found] = (sums[length:] - sums[:found]) * inverses[:found]
        release_pages(ids)
    return hashes


class NovelTexts:
    """A shaper that bans the characters with which a text would repeat its training text.

    Parameters
    ----------
    shaper : what shapes the rest of the distribution
    known : the training text
    texts : what each stream begins with, in known characters
    separator : what ends an item; empty for running text
    """

    def __init__(self, shaper: NoBlankItems, known: Known, texts: list[str], separator: str) -> None:
        self._shaper, self._known, self._separator = shaper, known, separator
        self._texts = [""] * len(texts)
        # Of each stream the last ids + 1, 0 for no id, and their hash.
        self._recent = [deque([0] * known.longest, known.longest) for _ in texts]
        self._hashes = [0] * len(texts)
        self._highest = pow(_BASE, known.longest - 1, 1 << 64)
        for place in range(max(map(len, texts))):
            self._add(known.vocabulary.encode("".join(text[place] for text in texts)))

    def weigh(self, logits: NDArray[np.floating]) -> Floats:
        """Return the weights of scores (B, V), same shape; raise `ConfigError` if no character is left."""
        banned = self._known.following(self._hashes)
        if self._known.items:
            banned += self._endings()
        if not banned:
            return self._shaper.weigh(logits)
        scores = logits.astype(np.float64)
        for stream, ids in banned:
            scores[stream][ids] = -np.inf
        with np.errstate(invalid="ignore"):
            probs = self._shaper.weigh(scores)
        if any(math.isnan(probs[stream, 0]) for stream, _ in banned):
            message = "{} {longest}: every character that could come next is copied; give a larger number"
            raise ConfigError(message, "novel", longest=self._known.longest)
        return probs

    def take(self, ids: NDArray[np.intp]) -> None:
        """Note which character each stream has drawn, (B,)."""
        self._shaper.take(ids)
        self._add(ids)

    def _add(self, ids: NDArray[np.intp]) -> None:
        for stream, number in enumerate(ids.tolist()):
            recent = self._recent[stream]
            kept = (self._hashes[stream] - recent[0]) * _INVERSE
            self._hashes[stream] = (kept + (number + 1) * self._highest) & _MASK
            recent.append(number + 1)
        if self._known.items:
            characters = self._known.vocabulary.characters
            self._texts = [text + characters[number] for text, number in zip(self._texts, ids.tolist(), strict=True)]

    def _endings(self) -> list[tuple[int, NDArray[np.intp]]]:
        """Return the streams whose item would end and be one of the training text, and what would end it."""
        begun, end = self._separator[:-1], self._known.vocabulary.encode(self._separator[-1])
        return [
            (stream, end)
            for stream, text in enumerate(self._texts)
            if text.endswith(begun) and text.removesuffix(begun) in self._known.items
        ]
