"""Orders in which items are read, B side by side: which items a batch has, and where in an epoch it ends.

An order of many millions of items takes little memory: the items of a batch are computed where they are asked for, and
only the places where the batches end are kept.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.text.items import Items
from charrnn.text.permutation import Permutation

# Batches among whose items similar lengths are looked for. Of random items the longest is far above the average, and
# much work would be done on places that do not count; here chance still decides which items come together.
_POOL = 32
_POOLS_AT_ONCE = 64


class Order(Protocol):
    """How the items of one epoch follow each other."""

    def batch(self, number: int) -> NDArray[np.intp]:
        """Return the items of a batch, B of them or, of the last, fewer."""

    def batches(self) -> Iterator[NDArray[np.intp]]:
        """Yield the items of all batches: several at a time, (batches, B), or those of the last."""


class ByLength:
    """Items from the shortest to the longest."""

    def __init__(self, items: Items, batch_size: int) -> None:
        self._numbers, self._batch_size = np.argsort(items.lengths, kind="stable"), batch_size

    def batch(self, number: int) -> NDArray[np.intp]:
        """Return the items of a batch."""
        return self._numbers[number * self._batch_size :][: self._batch_size]

    def batches(self) -> Iterator[NDArray[np.intp]]:
        """Yield the items of one batch after another."""
        for number in range(-(-len(self._numbers) // self._batch_size)):
            yield self.batch(number)[None]


class Shuffled:
    """Items in an order by chance, but that those of similar lengths come together; what fills no batch comes last.

    Parameters
    ----------
    rng : decides
    """

    def __init__(self, items: Items, batch_size: int, rng: np.random.Generator) -> None:
        self._items, self._batch_size = items, batch_size
        self._permutation = Permutation(len(items), rng)
        self._whole = len(items) // batch_size  # batches
        self._pool: tuple[int, NDArray[np.intp]] = (-1, np.empty(0, np.intp))

    def batch(self, number: int) -> NDArray[np.intp]:
        """Return the items of a batch."""
        if number == self._whole:
            return self._rest()
        pool = number // _POOL
        if self._pool[0] != pool:
            self._pool = pool, self._pools(pool, 1)
        numbers: NDArray[np.intp] = self._pool[1][number % _POOL]
        return numbers

    def batches(self) -> Iterator[NDArray[np.intp]]:
        """Yield the items of many batches at a time."""
        for pool in range(0, -(-self._whole // _POOL), _POOLS_AT_ONCE):
            yield self._pools(pool, _POOLS_AT_ONCE)
        if len(rest := self._rest()):
            yield rest[None]

    def _pools(self, first: int, count: int) -> NDArray[np.intp]:
        """Return the batches of some pools: (batches, B)."""
        end = min((first + count) * _POOL, self._whole)
        whole = (end // _POOL - first) * _POOL
        parts = [(first * _POOL, whole, _POOL), (first * _POOL + whole, end - first * _POOL - whole, end % _POOL)]
        return np.concatenate([self._sorted(*part) for part in parts if part[1]])

    def _sorted(self, first: int, batches: int, size: int) -> NDArray[np.intp]:
        """Return so many batches from the first on, which are pools of some size; their lengths are alike."""
        B = self._batch_size
        drawn = np.arange(first * B, (first + batches) * B).reshape(-1, size * B)  # places in the permutation
        numbers = self._permutation(drawn)
        alike = np.argsort(self._items.lengths[numbers], axis=1, kind="stable")
        firsts = np.take_along_axis(drawn, alike, axis=1).reshape(-1, size, B).min(axis=2)
        # The batches of a pool in the order of the first that was drawn of each, which their lengths do not decide.
        turns = np.argsort(firsts, axis=1)[:, :, None]
        found = np.take_along_axis(numbers, alike, axis=1).reshape(-1, size, B)
        return np.take_along_axis(found, turns, axis=1).reshape(-1, B)

    def _rest(self) -> NDArray[np.intp]:
        return self._permutation(np.arange(self._whole * self._batch_size, len(self._items)))
