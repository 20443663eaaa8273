"""The held-out figure: nats per character on text the model did not train on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.machine import with_one_thread
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.scoring.reading import MAX_STREAMS, Reader
from charrnn.text.items import Items
from charrnn.training.data import share

Ids = NDArray[np.integer]
Total = Callable[[Parameters], float]

MIN_STREAM_LENGTH = 500
MOST_CHARACTERS = 250_000  # that are scored: they take seconds, and tell 0.01 nats apart


class EvaluationShard(NamedTuple):
    """The texts of an evaluation that one process scores; the first id of each is only read."""

    model: CharRNN
    texts: Sequence[Ids]

    @with_one_thread
    def total(self, params: Parameters) -> float:
        """Nats summed over all transitions, NaN or infinity if the model has diverged."""
        return float(Reader(self.model, params, may_diverge=True).sums(self.texts).sum())


class _Evaluation(ABC):
    """An evaluator of `count` texts, which processes can share; `total` adds up the nats of all parts."""

    def __init__(self, model: CharRNN, count: int, transitions: int, total: Total | None) -> None:
        self.model, self.transitions, self._count = model, transitions, count
        self._total = total or EvaluationShard(model, self._texts(range(count))).total

    def loss(self, params: Parameters) -> float:
        """Return the mean nats per character; the parameters are only read."""
        return self._total(params) / self.transitions

    def part(self, index: int, count: int) -> EvaluationShard | None:
        """Return what process `index` of `count` scores, if anything."""
        own = share(self._count, index, count)
        return EvaluationShard(self.model, self._texts(own)) if own else None

    @abstractmethod
    def _texts(self, own: range) -> list[Ids]:
        """Return some of the texts, each after the id it is predicted from."""


class Evaluator(_Evaluation):
    """Scores a fixed text with any parameters.

    The text is cut into up to 16 streams of at least 500 characters, which are read side by side. Each starts from a
    zero state and keeps its state to its end. Every transition of the text counts exactly once.

    Parameters
    ----------
    model : the network
    ids : (N,) array of at least 2 ids; only the first `MOST_CHARACTERS` are scored
    total : returns the nats of all parts, if other processes score them; by default they are all scored here

    Attributes
    ----------
    ids : (M,), what is scored

    Examples
    --------
    >>> import charrnn, math
    >>> trained = charrnn.load(charrnn.PRETRAINED)
    >>> _, held_out = charrnn.split(charrnn.read_corpus(["harbour-clerk.txt"]).ids, 0.1)
    >>> nats = charrnn.Evaluator(trained.model, held_out).loss(trained.params)
    >>> round(nats / math.log(2), 2)  # bits per character
    1.8

    """

    def __init__(self, model: CharRNN, ids: Ids, total: Total | None = None) -> None:
        self.ids = ids[:MOST_CHARACTERS]
        transitions = len(self.ids) - 1
        self.streams = max(1, min(MAX_STREAMS, transitions // MIN_STREAM_LENGTH))
        super().__init__(model, self.streams, transitions, total)

    def beginning(self, characters: int) -> "Evaluator":
        """Return an evaluator of the first `characters` of the text."""
        return Evaluator(self.model, self.ids[:characters])

    def _texts(self, own: range) -> list[Ids]:
        ids, length = np.asarray(self.ids), (len(self.ids) - 1) // self.streams
        texts = [ids[k * length : (k + 1) * length + 1] for k in own]
        if own.stop == self.streams:
            # The last few transitions, fewer than there are streams: what does not divide evenly.
            texts.append(ids[self.streams * length :])
        return texts


class ItemEvaluator(_Evaluation):
    """Scores items with any parameters, each from a zero state to the end of its separator."""

    def __init__(self, model: CharRNN, items: Items, total: Total | None = None) -> None:
        self.items = items
        super().__init__(model, len(items), items.characters, total)

    def beginning(self, characters: int) -> "ItemEvaluator":
        """Return an evaluator of the first items, at least one, that have `characters` in all."""
        enough = int(np.searchsorted(np.cumsum(self.items.spans(slice(None))), characters))
        return ItemEvaluator(self.model, self.items.choose(slice(enough + 1)))

    def _texts(self, own: range) -> list[Ids]:
        items = self.items.choose(slice(own.start, own.stop))
        joined = items.joined()
        # Each item is predicted from the last character of the separator before it.
        text = np.concatenate([items.separator[-1:].astype(joined.dtype), joined])
        return [text[start : stop + 1] for start, stop in pairwise([*items.joined_starts().tolist(), len(joined)])]


AnyEvaluator = Evaluator | ItemEvaluator


def evaluator_for(model: CharRNN, part: Ids | Items, total: Total | None = None) -> AnyEvaluator | None:
    """Return an evaluator of a held-out part, or None if it is empty.

    If items have more than `MOST_CHARACTERS` in all, every second, third, ... is scored.
    """
    if not len(part):
        return None
    if isinstance(part, Items):
        return ItemEvaluator(model, part.choose(slice(None, None, -(-part.characters // MOST_CHARACTERS))), total)
    return Evaluator(model, part, total)
