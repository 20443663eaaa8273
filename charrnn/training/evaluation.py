"""The held-out figure: nats a character on text the model did not train on."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.machine import with_one_thread
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.text.items import Documents, Items
from charrnn.text.streams import Cursor
from charrnn.training.data import share

MAX_STREAMS = 16
MIN_STREAM_LENGTH = 500
CHUNK_LENGTH = 50
MOST_CHARACTERS = 250_000  # of a longer text no more are scored: they take seconds, and tell 0.01 nats apart


class Evaluator:
    """Scores a fixed text with whatever parameters it is given.

    The text is cut into up to 16 streams of at least 500 characters each, which run side by side. Each starts from the
    zero state and carries its state to its end; every transition of the text counts exactly once.

    Parameters
    ----------
    model : the network
    ids : (N,) array of at least 2 ids; what comes after the first `MOST_CHARACTERS` is left alone
    total : adds up the nats of all parts, where others have them; by default they are all scored here

    Attributes
    ----------
    ids : (M,), what is scored

    Examples
    --------
    >>> import charrnn, math
    >>> trained = charrnn.load(charrnn.PRETRAINED)
    >>> _, held_out = charrnn.split(charrnn.read_corpus(["harbour-clerk.txt"]).ids, 0.1)
    >>> nats = charrnn.Evaluator(trained.model, held_out).loss(trained.params)
    >>> round(nats / math.log(2), 2)  # bits a character
    1.8

    """

    def __init__(
        self, model: CharRNN, ids: NDArray[np.integer], total: Callable[[Parameters], float] | None = None
    ) -> None:
        self.model = model
        self.ids = ids[:MOST_CHARACTERS]
        self.transitions = len(self.ids) - 1
        self.streams = max(1, min(MAX_STREAMS, self.transitions // MIN_STREAM_LENGTH))
        self._total = total or Stretches(model, self.ids, self.streams, self.transitions // self.streams).total

    def part(self, index: int, count: int) -> "Stretches | None":
        """Return the streams, if any, that are those of one of `count` who score the text together."""
        length = self.transitions // self.streams
        own = share(self.streams, index, count)
        end = self.transitions if own.stop == self.streams else own.stop * length
        ids = np.asarray(self.ids[own.start * length : end + 1])
        return Stretches(self.model, ids, len(own), length) if own else None

    def beginning(self, characters: int) -> "Evaluator":
        """Return what scores only the first so many characters of the text."""
        return Evaluator(self.model, self.ids[:characters])

    def loss(self, params: Parameters) -> float:
        """Mean nats a character; the parameters are only read."""
        return self._total(params) / self.transitions


class Stretches(NamedTuple):
    """Some of an evaluation's streams."""

    model: CharRNN
    ids: NDArray[np.integer]
    """(N,): the streams' text one after another, and what did not divide evenly."""
    streams: int
    length: int
    """Transitions in each."""

    @with_one_thread
    @np.errstate(over="ignore", invalid="ignore")  # a model that diverged scores NaN or infinity
    def total(self, params: Parameters) -> float:
        """Nats summed over all transitions; the parameters are only read."""
        total = self._sum(params, np.arange(self.streams) * self.length, self.length)
        transitions = len(self.ids) - 1
        if rest := transitions - self.streams * self.length:
            # What does not divide evenly: the last few transitions, fewer than there are streams.
            total += self._sum(params, np.array([transitions - rest]), rest)
        return total

    def _sum(self, params: Parameters, starts: NDArray[np.intp], length: int) -> float:
        """Nats summed over `length` transitions from each start."""
        dtype = params.vector.dtype
        session, state = self.model.session(params, len(starts)), self.model.zero_state(len(starts), dtype)
        total = 0.0
        for first in range(0, length, CHUNK_LENGTH):
            T = min(CHUNK_LENGTH, length - first)
            places = starts + np.arange(first, first + T)[:, None]
            inputs, targets = self.ids[places].astype(np.intp), self.ids[places + 1].astype(np.intp)
            losses, state = session.losses(inputs, targets, state)
            total += float(losses.sum(dtype=np.float64))
        return total


class ItemEvaluator:
    """Scores items with whatever parameters it is given, each from the zero state to its separator, which counts too.

    Items of similar lengths are read side by side.

    Parameters
    ----------
    model : the network
    items : at least one
    total : adds up the nats of all parts, where others have them; by default they are all scored here

    """

    def __init__(self, model: CharRNN, items: Items, total: Callable[[Parameters], float] | None = None) -> None:
        self.model = model
        self._total = total or self.total
        self.items = items
        self.transitions = items.characters
        self._batches = Documents(items, min(MAX_STREAMS, len(items)), CHUNK_LENGTH)

    def beginning(self, characters: int) -> "ItemEvaluator":
        """Return what scores only the first items that have so many characters together, at least one."""
        enough = int(np.searchsorted(np.cumsum(self.items.spans(slice(None))), characters))
        return ItemEvaluator(self.model, self.items.choose(slice(enough + 1)))

    def part(self, index: int, count: int) -> "ItemEvaluator | None":
        """Return the items, if any, that are those of one of `count` who score them together."""
        own = share(len(self.items), index, count)
        return ItemEvaluator(self.model, self.items.choose(slice(own.start, own.stop)).copied()) if own else None

    def loss(self, params: Parameters) -> float:
        """Mean nats a character; the parameters are only read."""
        return self._total(params) / self.transitions

    @with_one_thread
    @np.errstate(over="ignore", invalid="ignore")  # a model that diverged scores NaN or infinity
    def total(self, params: Parameters) -> float:
        """Nats summed over all characters; the parameters are only read."""
        B, dtype, total = self._batches.batch_size, params.vector.dtype, 0.0
        state = zero = self.model.zero_state(B, dtype)
        session, cursor = self.model.session(params, B), Cursor(0, 0)
        while not cursor.epoch:
            chunk = self._batches.chunk(cursor)
            cursor = self._batches.advance(cursor)
            losses, state = session.losses(chunk.inputs, chunk.targets, zero if chunk.is_first else state)
            total += float(losses.sum(dtype=np.float64))
        return total


AnyEvaluator = Evaluator | ItemEvaluator


def evaluator_for(
    model: CharRNN, part: NDArray[np.integer] | Items, total: Callable[[Parameters], float] | None = None
) -> AnyEvaluator | None:
    """Return what scores a held-out part, if there is anything in it.

    Of items that have more than `MOST_CHARACTERS` together, every second, third ... is scored.
    """
    if not len(part):
        return None
    if isinstance(part, Items):
        return ItemEvaluator(model, part.choose(slice(None, None, -(-part.characters // MOST_CHARACTERS))), total)
    return Evaluator(model, part, total)
