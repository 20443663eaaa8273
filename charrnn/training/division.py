"""A text divided into what is trained on and what is held out, as one running text or as many items."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.cache import scratch
from charrnn.errors import TextError, counted
from charrnn.text import cells
from charrnn.text.batches import Streams, fit
from charrnn.text.corpus import split
from charrnn.text.documents import Documents, fit_items
from charrnn.text.items import Items, find_items
from charrnn.text.permutation import Permutation
from charrnn.text.remembered import ItemCounts
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import LINE_END, TrainConfig, separator_option
from charrnn.training.randomness import random_stream

_PLACE = partial(scratch, cells.IN_MEMORY)  # for the places of very many items

Part = NDArray[np.integer] | Items
Batches = Streams | Documents


class Division(NamedTuple):
    """The two parts of a text, and what was left out of both."""

    training: Part
    held_out: Part
    """May be empty."""
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> ItemCounts | None:
        """What a checkpoint remembers of items; None for a running text."""
        training, held_out = self.training, self.held_out
        if not (isinstance(training, Items) and isinstance(held_out, Items)):
            return None
        return ItemCounts(
            len(training), training.characters, len(held_out), held_out.characters, longest=training.longest
        )


def divide(ids: NDArray[np.integer], vocabulary: Vocabulary, config: TrainConfig) -> Division:
    """Divide a text in a part to train on and one to validate with.

    Of a running text the last is held out. Of items it is a choice by `rng_seed`, a pure function of it and of the
    number of items: a list is often sorted, and its end is no fair sample of it.

    Raises
    ------
    TextError
        If the text does not have the separator.
    """
    if not config.separator:
        return Division(*split(ids, config.val_fraction))
    items, empty = _find(ids, vocabulary, config.separator)
    held_out = min(math.ceil(len(items) * config.val_fraction), max(len(items) - 1, 0))
    drawn = Permutation(len(items), random_stream(config.rng_seed, "held out"))
    parts = items.part(lambda numbers: drawn(numbers) < held_out, _PLACE)
    what = "blank line" if config.separator == LINE_END else "empty item"
    notes = (f"left out {counted(empty, what)}",) if empty else ()
    return Division(*parts, notes)


def fit_part(part: Part, config: TrainConfig) -> tuple[int, int, tuple[str, ...]]:
    """Shrink the batch and the sequences to what a part can fill; see `charrnn.text.batches.fit`.

    Raises
    ------
    TextError
        If there is nothing to learn in it.
    """
    if isinstance(part, Items):
        batch_size, notes = fit_items(part, config.batch_size)
        return batch_size, config.seq_length, notes
    return fit(len(part), config.batch_size, config.seq_length)


def batches_of(part: Part, config: TrainConfig) -> Batches:
    """Return the batches that a part is read in."""
    if isinstance(part, Items):
        shuffle = partial(random_stream, config.rng_seed, "items")
        return Documents(part, config.batch_size, config.seq_length, shuffle)
    return Streams(part, config.batch_size, config.seq_length)


def running(part: Part) -> NDArray[np.integer]:
    """Return a part as one text; items stand as a file would have them, after a separator and each with its own."""
    if not isinstance(part, Items):
        return part
    return np.concatenate([part.separator.astype(part.ids.dtype), part.joined()])


def can_train(part: Part) -> bool:
    """Whether there is anything in a part to guess."""
    return len(part) > (0 if isinstance(part, Items) else 1)


def characters_in(part: Part) -> int:
    """Count the characters of a part; of items, with the separator that ends each."""
    return part.characters if isinstance(part, Items) else len(part)


def _find(ids: NDArray[np.integer], vocabulary: Vocabulary, separator: str) -> tuple[Items, int]:
    missing = vocabulary.unknown(separator)
    items, empty = (None, 0) if missing else find_items(ids, vocabulary.encode(separator), _PLACE)
    if items is None or (len(items) == 1 and len(items.ids) == items.longest):
        hint = "; for a line end give a real one, $'\\n' in most shells" if "\\" in separator else ""
        raise TextError(
            f"the text never has the separator {separator!r} ({separator_option(separator)[0]}), so it is a single "
            f"item; leave the option out{hint}"
        )
    return items, empty
