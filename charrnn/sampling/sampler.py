"""The sampler: an endless iterator of characters, in one stream or in many.

Where a text that grows character by character ends.

What a model writes at a moment of its training, to be looked at: a stretch of running text, or a few items.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import UnknownCharacterError
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Parameters
from charrnn.sampling.filters import Filters, NoBlankItems, Shaper, draw
from charrnn.text.vocabulary import Vocabulary

DEFAULT_FILTERS = Filters()
Mark = tuple[State, NDArray[np.floating]]  # the memory of a text, and the scores (B, V) of what may follow it


class Uniform(Protocol):
    """Where random numbers come from: a `numpy.random.Generator`, or one for each stream."""

    def random(self, size: int, /) -> NDArray[np.float64]:
        """Return that many numbers, 0 ≤ u < 1."""


class OwnGenerators:
    """A generator for each stream: what one writes does not depend on how many others there are.

    Parameters
    ----------
    generators : as many as there are streams
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = generators

    def random(self, size: int, /) -> NDArray[np.float64]:
        """Return one number of each."""
        return np.fromiter((generator.random() for generator in self._generators), np.float64, size)


def sample(
    model: CharRNN,
    params: Parameters,
    seed: NDArray[np.intp],
    rng: Uniform,
    filters: Shaper = DEFAULT_FILTERS,
) -> Iterator[int]:
    """Yield the ids of characters that follow the seed, without end.

    Parameters
    ----------
    model, params : the trained network; parameters are read when the first id is asked for
    seed : (n,) ids, n ≥ 1, all of which the state takes in before the first draw
    rng : one uniform number is drawn for each character, whatever the filters
    filters : what shapes the distribution before each draw

    Examples
    --------
    >>> import charrnn, itertools, numpy as np
    >>> model = charrnn.CharRNN(26, "gru", (8,))
    >>> rng = np.random.default_rng(0)
    >>> ids = charrnn.sample(model, model.initialize(rng), np.array([0, 1, 2]), rng)
    >>> len(list(itertools.islice(ids, 100)))
    100

    """
    for ids in sample_streams(model, params, seed[:, None], rng, filters):
        yield int(ids[0])


def sample_streams(
    model: CharRNN,
    params: Parameters,
    seeds: NDArray[np.intp],
    rng: Uniform,
    filters: Shaper = DEFAULT_FILTERS,
) -> Iterator[NDArray[np.intp]]:
    """Yield the next ids (B,) of B streams that go on side by side from seeds (n, B); else as `sample`."""
    streams = Streams(model, params, seeds.shape[1])
    streams.read(seeds)
    yield from streams.write(rng, filters)


class Streams:
    """B texts that grow side by side, and the network's memory of each.

    Parameters
    ----------
    model, params : the trained network; the parameters are read here
    B : how many
    """

    def __init__(self, model: CharRNN, params: Parameters, B: int) -> None:
        dtype = params.vector.dtype
        self._session = model.session(params, B)
        self._state = model.zero_state(B, dtype)
        self.logits = np.empty((B, model.vocab_size), dtype)
        """(B, V): the scores of what may follow the last character read; the next one read overwrites them."""

    def read(self, ids: NDArray[np.intp]) -> None:
        """Take in the next characters of every stream, (n, B)."""
        for row in ids:
            self._step(row)

    def mark(self) -> Mark:
        """Return what `rewind` needs to come back to this place."""
        return self._state, self.logits.copy()

    def rewind(self, mark: Mark) -> None:
        """Forget what was read since `mark`."""
        self._state, self.logits[...] = mark

    def write(self, rng: Uniform, filters: Shaper = DEFAULT_FILTERS) -> Iterator[NDArray[np.intp]]:
        """Yield the next ids (B,), without end.

        Those yielded last are not read yet: until the next are asked for, `logits` are what they were drawn from.
        """
        while True:
            ids = draw(filters.apply(self.logits), rng.random(len(self.logits)))
            yield ids
            self._step(ids)

    def _step(self, ids: NDArray[np.intp]) -> None:
        """Take in one character of every stream, (B,)."""
        logits, self._state = self._session.logits(ids[None], self._state)
        self.logits = logits[0]


def line_start(vocabulary: Vocabulary, rng: np.random.Generator, separator: str = "") -> str:
    """Return what to begin from where no seed text is given.

    That is the last character of a separator, from which items are learned (see `charrnn.text.items`). Of a running
    text it is a line end, or any character of a text without lines.
    """
    characters = vocabulary.characters
    if separator:
        return separator[-1]
    return "\n" if "\n" in characters else characters[rng.integers(len(characters))]


def encode_seed(vocabulary: Vocabulary, text: str) -> NDArray[np.intp]:
    """Return the ids of a seed text.

    Raises
    ------
    UnknownCharacterError
        If it has characters the model never saw; where it is a number, the error asks whether a random seed was meant.
    """
    try:
        return vocabulary.encode(text)
    except UnknownCharacterError as error:
        hint = "--unknown nearest writes what comes nearest instead"
        if text.strip().removeprefix("-").isdigit():
            hint = f"--seed is text; for random numbers use --rng-seed {text}"
        raise UnknownCharacterError(f"{error} ({hint})") from error


class Reason(StrEnum):
    """Why a text ended."""

    LENGTH = "length"
    LINES = "lines"
    STOP = "stop"
    ITEM = "item"


@dataclass(frozen=True)
class Bounds:
    """What ends a text; the first that is reached does."""

    length: int | None = None  # characters; None for no such bound
    lines: int = 0  # line feeds, the last of them included; 0 for no such bound
    stops: tuple[str, ...] = ()  # it ends before the first of these; none is empty
    separator: str = ""  # likewise: what ends an item; empty for no such bound


class Ending:
    """Watches one text grow.

    A character is settled once no stop text can begin at it any more. So the settled characters are always a beginning
    of those that were taken, and none of them ever has to be taken back.

    Parameters
    ----------
    bounds : where it ends
    before : what the item had before the first character that is taken, such as a seed. The separator may begin in it.
    """

    def __init__(self, bounds: Bounds, before: str = "") -> None:
        self._bounds = bounds
        self._separators = (bounds.separator,) if bounds.separator else ()
        self._length = self._lines = 0
        self._before = _beginning_in(before, self._separators)  # may be the beginning of a separator
        self._held = ""  # taken, and may be the beginning of a stop text or go on in the beginning of a separator
        self.reason: Reason | None = Reason.LENGTH if bounds.length == 0 else None
        """Why it has ended, or None while it grows."""
        self.overlap = 0
        """How many characters of the separator that ended it stood before the first that was taken."""

    def take(self, character: str) -> str:
        """Take the next character, and return what is settled by it: nothing any more once the text has ended."""
        if self.reason:
            return ""
        self._length += 1
        if self._length == self._bounds.length:
            self.reason = Reason.LENGTH
        if character == "\n":
            self._lines += 1
            if self._lines == self._bounds.lines:
                self.reason = Reason.LINES
        return self._unless_stopped(character) if self._bounds.stops or self._separators else character

    def _unless_stopped(self, character: str) -> str:
        text = self._held + character
        whole = self._before + text  # the separator is looked for in all of it, other stop texts in what was taken
        found = [stop for stop in self._bounds.stops if text.endswith(stop)]
        found += [separator for separator in self._separators if whole.endswith(separator)]
        if found:
            longest = max(found, key=len)
            self.reason = Reason.ITEM if longest in self._separators else Reason.STOP
            self.overlap = max(len(longest) - len(text), 0)
            return text[: max(len(text) - len(longest), 0)]
        if self.reason:
            return text
        separator = _beginning_in(whole, self._separators)
        held = max(len(_beginning_in(text, self._bounds.stops)), min(len(separator), len(text)))
        self._held = text[len(text) - held :]
        self._before = separator[: max(len(separator) - held, 0)]
        return text[: len(text) - held]


def _beginning_in(text: str, stops: tuple[str, ...]) -> str:
    """Return the longest end of a text that one of some stop texts begins with."""
    longest = max(map(len, stops), default=0)
    ends = (text[start:] for start in range(max(len(text) - longest, 0), len(text)))
    return next((end for end in ends if any(stop.startswith(end) for stop in stops)), "")


def excerpt(
    model: CharRNN,
    params: Parameters,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    characters: int,
    separator: str = "",
    filters: Shaper = DEFAULT_FILTERS,
) -> str:
    """Write so many characters from a line start.

    With a separator it is items that are written, each from its beginning, until they have so many together: one that
    has no end by then is left out, but for a single one, so that there is always something to see.
    """
    seed = vocabulary.encode(line_start(vocabulary, rng, separator))
    if not separator:
        return vocabulary.decode(list(islice(sample(model, params, seed, rng, filters), characters)))
    items: list[str] = []
    left = characters
    while left > 0:
        item, is_whole = _item(model, params, vocabulary, seed, rng, left, separator, filters)
        if is_whole or not items:
            items.append(item)
        left = left - len(item) - len(separator) if is_whole else 0
    return separator.join(items)


def _item(
    model: CharRNN,
    params: Parameters,
    vocabulary: Vocabulary,
    seed: NDArray[np.intp],
    rng: np.random.Generator,
    most: int,
    separator: str,
    filters: Shaper,
) -> tuple[str, bool]:
    """Write one item of at most so many characters, and say whether it has come to its end."""
    shaper = NoBlankItems(filters, vocabulary.characters, separator, [""])
    item, ending, drawn = "", Ending(Bounds(most, separator=separator)), sample(model, params, seed, rng, shaper)
    while not ending.reason:
        number = next(drawn)
        shaper.take([number])
        item += ending.take(vocabulary.characters[number])
    return item, ending.reason is Reason.ITEM
