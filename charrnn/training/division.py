"""A text divided into what is trained on and what is held out, as one running text or as many items."""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.cache import scratch
from charrnn.errors import TextError, counted
from charrnn.text import cells
from charrnn.text.batches import Streams, fit
from charrnn.text.corpus import describe_joins, split
from charrnn.text.documents import Documents, fit_items
from charrnn.text.items import Items, find_items, has_separator
from charrnn.text.permutation import Permutation
from charrnn.text.remembered import ItemCounts
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import LINE_END, TrainConfig, separator_option
from charrnn.training.randomness import random_stream

_PLACE = partial(scratch, cells.IN_MEMORY)  # for the places of very many items
_MOST_COMPARED = 4_000_000  # items: of more, repetitions are looked for only where they are to be dropped

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


def divide(
    ids: NDArray[np.integer], vocabulary: Vocabulary, config: TrainConfig, file_ends: Sequence[int] = ()
) -> Division:
    """Divide a text in a part to train on and one to validate with.

    Of a running text the last is held out. Of items it is a choice by `rng_seed`, a pure function of it and of the
    number of items: a list is often sorted, and its end is no fair sample of it.

    Parameters
    ----------
    ids : (N,) the text
    vocabulary : its characters
    config : what is held out, and what parts items
    file_ends : where each of its files ends; by default it is one

    Raises
    ------
    TextError
        If the text does not have the separator.
    """
    if not config.separator:
        return Division(*split(ids, config.val_fraction), tuple(describe_joins(ids, file_ends, vocabulary.characters)))
    items, blank = _find(ids, vocabulary, config.separator, file_ends)
    what = "blank line" if config.separator == LINE_END else "blank item"
    notes = [f"left out {counted(blank, what)}"] if blank else []
    if config.unique:
        is_repeat = items.repeats()
        if repeated := int(is_repeat.sum()):
            items = items.choose(~is_repeat)
            notes.append(f"left out {counted(repeated, 'item')} equal to an earlier one")
    count = min(math.ceil(len(items) * config.val_fraction), max(len(items) - 1, 0))
    drawn = Permutation(len(items), random_stream(config.rng_seed, "held out"))

    def is_held_out(numbers: NDArray[np.intp]) -> NDArray[np.bool]:
        return drawn(numbers) < count

    if not config.unique and len(items) <= _MOST_COMPARED:
        pieces = [is_held_out(np.arange(piece.start, piece.stop)) for piece in items.pieces()]
        notes += _describe_repeats(items, np.concatenate(pieces)) if pieces else []
    return Division(*items.part(is_held_out, _PLACE), tuple(notes))


def _describe_repeats(items: Items, is_held_out: NDArray[np.bool]) -> list[str]:
    """Say how many items are equal to an earlier one, and how many that are held out are trained on too."""
    # Hashes, and a last bit that says whether the item is held out: of equal items those that are not come first.
    keys = items.hashes()
    keys <<= np.uint64(1)
    keys |= is_held_out
    keys.sort()
    is_repeat = keys[1:] >> 1 == keys[:-1] >> 1
    repeated = int(is_repeat.sum())
    if not repeated:
        return []
    is_repeat = np.concatenate([[False], is_repeat])
    is_first = ~is_repeat & np.append(is_repeat[1:], False)  # of two or more that are equal
    are_equal = keys[is_first | is_repeat]
    own_group = np.cumsum(is_first[is_first | is_repeat]) - 1
    seen = int(np.count_nonzero(are_equal & ~keys[is_first][own_group] & 1))  # held out, and the first is not
    leak = f", and {seen:,} of the {int(is_held_out.sum()):,} held out are trained on too" if seen else ""
    return [f"{repeated:,} of {len(keys):,} items repeat an earlier one{leak}; --unique leaves repetitions out"]


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


def joined_starts(part: Part) -> NDArray[np.intp] | None:
    """Return where each item begins in what `running` returns; None for a running text."""
    return part.joined_starts() + len(part.separator) if isinstance(part, Items) else None


def _find(
    ids: NDArray[np.integer], vocabulary: Vocabulary, separator: str, file_ends: Sequence[int]
) -> tuple[Items, int]:
    if not vocabulary.unknown(separator):
        encoded = vocabulary.encode(separator)
        items, blank = find_items(ids, encoded, _PLACE, characters=vocabulary.characters, file_ends=file_ends)
        if len(items) != 1 or has_separator(ids, encoded):
            return items, blank
    hint = "; for a line end give a real one, $'\\n' in most shells" if "\\" in separator else ""
    raise TextError(
        f"the text never has the separator {separator!r} ({separator_option(separator)[0]}), so it is a single item; "
        f"leave the option out{hint}"
    )
