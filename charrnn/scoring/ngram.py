"""Interpolated Witten-Bell n-grams of characters, the yardstick that is hard to beat.

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

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from charrnn.scoring.tracking import Track, untracked

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
