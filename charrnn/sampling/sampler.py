"""The sampler: an endless iterator of characters, in one stream or in many side by side."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Parameters
from charrnn.nn.stepper import Stepper
from charrnn.sampling.filters import Filters, NoBlankItems, Shaper, draw
from charrnn.sampling.novelty import NovelTexts

DEFAULT_FILTERS = Filters()
Mark = tuple[State, NDArray[np.floating]]  # the memory of a text, and the scores (B, V) of what may follow it


class Uniform(Protocol):
    """A source of random numbers: a `numpy.random.Generator`, or one for each stream."""

    def random(self, size: int, /) -> NDArray[np.float64]:
        """Return `size` numbers, 0 ≤ u < 1."""


class OwnGenerators:
    """A generator for each stream, so that what one writes does not depend on how many others there are."""

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = generators

    def random(self, size: int, /) -> NDArray[np.float64]:
        """Return a number from each generator."""
        return np.fromiter((generator.random() for generator in self._generators), np.float64, size)


class Generation:
    """B texts that grow side by side, and the network's memory of each."""

    def __init__(self, model: CharRNN, params: Parameters, B: int) -> None:
        self._network = Stepper(model, params, B)
        self.logits = self._network.logits
        """(B, V): the scores of what may follow the last character read; the next character read overwrites them."""

    def read(self, ids: NDArray[np.intp]) -> None:
        """Read the next characters of every text, (n, B)."""
        for row in ids:
            self._network.read(row)

    def write(self, rng: Uniform, shaper: Shaper = DEFAULT_FILTERS) -> Iterator[NDArray[np.intp]]:
        """Draw the next ids (B,) and yield them, without end.

        The ids are read when the next ones are asked for; until then `logits` holds the scores they were drawn from.
        """
        while True:
            ids = draw(shaper.weigh(self.logits), rng.random(len(self.logits)))
            if isinstance(shaper, NoBlankItems | NovelTexts):
                shaper.take(ids)
            yield ids
            self._network.read(ids)

    def mark(self) -> Mark:
        """Return what `rewind` needs to return to this place."""
        return self._network.copy_state(), self.logits.copy()

    def rewind(self, mark: Mark) -> None:
        """Forget what was read since `mark`."""
        state, self.logits[...] = mark
        self._network.rewind(state)


def sample(
    model: CharRNN, params: Parameters, seed: NDArray[np.intp], rng: Uniform, filters: Shaper = DEFAULT_FILTERS
) -> Iterator[int]:
    """Yield the ids of the characters that follow a seed, without end.

    Parameters
    ----------
    model, params : the trained network; parameters are read when the first id is asked for
    seed : (n,) ids, n ≥ 1, all of them read before the first draw
    rng : draws one uniform number for each character, for any filters
    filters : shape the distribution before each draw

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
    model: CharRNN, params: Parameters, seeds: NDArray[np.intp], rng: Uniform, filters: Shaper = DEFAULT_FILTERS
) -> Iterator[NDArray[np.intp]]:
    """Yield the next ids (B,) of B texts that follow seeds (n, B); otherwise like `sample`."""
    texts = Generation(model, params, seeds.shape[1])
    texts.read(seeds)
    yield from texts.write(rng, filters)
