"""How much of a sample is copied word for word from the text its model was trained on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.text.storage import release_pages

Ids = NDArray[np.integer]
GRAM_LENGTH = 8
BLOCK_LENGTH = 1 << 20  # characters of the training text compared at once


@dataclass(frozen=True)
class Copying:
    """What a sample shares with a training text."""

    run_start: int  # where in the sample the longest copied run begins; the first if tied
    run_length: int  # its length in characters
    novel_share: float | None  # of the 8-grams of the sample, those that are new; None if it is shorter


def find_copying(sample: Ids, training: Ids) -> Copying:
    """Compare a sample (n,) with a training text (N,), both as ids of one vocabulary.

    This takes about `GRAM_LENGTH` sorts, and then a time that grows with the longest copy. A long text is compared in
    blocks that overlap by the length of the sample.
    """
    start = length = 0
    is_shared = np.zeros(len(sample), dtype=bool)  # where 8-grams begin that the training text has
    step = max(BLOCK_LENGTH, len(sample))
    for begin in range(0, len(training), step):
        block = training[begin : begin + step + len(sample)]
        for reached, starts in enumerate(_shared_grams(sample, block), start=1):
            start, length = max((start, length), (int(starts[0]), reached), key=lambda run: (run[1], -run[0]))
            if reached == GRAM_LENGTH:
                is_shared[starts] = True
        release_pages(training)
    places = len(sample) - GRAM_LENGTH + 1
    return Copying(start, length, 1 - int(is_shared.sum()) / places if places > 0 else None)


def _shared_grams(sample: Ids, training: Ids) -> Iterator[NDArray[np.intp]]:
    """Yield where in the sample the grams of 1, 2, 3, … characters begin that the training text has too, in order.

    A gram of one character more begins with one that is shared already, so only the places that are left grow, on both
    sides; a gram is known by the number of its beginning and its last character. Ends where nothing is shared.
    """
    V = 1 + max(int(sample.max(initial=0)), int(training.max(initial=0)))
    starts, places = np.arange(len(sample)), np.arange(len(training))
    grams, training_grams = np.zeros_like(starts), np.zeros_like(places)
    length = 0
    while True:
        starts, grams = _grow(sample, starts, grams, length, V)
        places, training_grams = _grow(training, places, training_grams, length, V)
        if not (starts.size and places.size):
            return
        keys, grams = np.unique(grams, return_inverse=True)
        numbers = np.searchsorted(keys, training_grams)
        is_found = keys.take(numbers, mode="clip") == training_grams
        places, training_grams = places[is_found], numbers[is_found]
        is_shared = np.zeros(len(keys), dtype=bool)
        is_shared[training_grams] = True
        starts, grams = starts[is_shared[grams]], grams[is_shared[grams]]
        if not starts.size:
            return
        length += 1
        yield starts


def _grow(
    ids: Ids, starts: NDArray[np.intp], grams: NDArray[np.intp], length: int, V: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Make each gram one character longer, and drop the one that ends the text."""
    has_next = starts < len(ids) - length
    starts, grams = starts[has_next], grams[has_next]
    return starts, grams * V + ids[starts + length]
