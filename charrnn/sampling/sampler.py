"""The sampler: an endless iterator of characters, in one stream or in many."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import UnknownCharacterError
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Parameters
from charrnn.sampling.filters import Filters, Shaper, draw
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
