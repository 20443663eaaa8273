"""An order by chance of any number of things that is computed where it is asked for, and nowhere kept."""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 6


class Permutation:
    """A bijection of the numbers 0 ... N-1 onto themselves, drawn by chance.

    It is a Feistel network: a number's two halves take turns in being changed by the other, mixed with a key. That is a
    bijection of as many numbers as two halves can name, whatever the mixing. A number that leaves 0 ... N-1 is sent
    round again until it comes back, which the bijection guarantees. Mixing: the first half of SplitMix64's.

    Parameters
    ----------
    size : N
    rng : draws the keys
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._size = size
        # Of at least three bits: halves of one can hardly be mixed.
        self._half = np.uint64(max(((size - 1).bit_length() + 1) // 2, 3))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        self._keys = rng.integers(1 << 64, size=_ROUNDS, dtype=np.uint64, endpoint=False)

    def __call__(self, numbers: NDArray[np.integer]) -> NDArray[np.intp]:
        """Return where each of some numbers goes: fresh, of the same shape."""
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
