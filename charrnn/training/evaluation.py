"""The held-out figure: nats per character on text the model did not train on."""

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


class Evaluator:
    """Scores a fixed text with any parameters. Every transition counts exactly once.

    A running text is cut into up to 16 streams of at least 500 characters, which are read side by side. Each starts
    from a zero state and keeps its state to its end. So does each item, to the end of its separator.

    Parameters
    ----------
    model : the network
    part : (N,) array of at least 2 ids; only the first `MOST_CHARACTERS` are scored. Or items; if they have more
        characters than that, every second, third, ... is scored
    total : returns the nats of all parts, if other processes score them; by default they are all scored here

    Attributes
    ----------
    scored : the part of the text, or the items, that is scored

    Examples
    --------
    >>> import charrnn, math
    >>> trained = charrnn.load(charrnn.PRETRAINED)
    >>> _, held_out = charrnn.split(charrnn.read_corpus(["harbour-clerk.txt"]).ids, 0.1)
    >>> nats = charrnn.Evaluator(trained.model, held_out).loss(trained.params)
    >>> round(nats / math.log(2), 2)  # bits per character
    1.8

    """

    def __init__(self, model: CharRNN, part: Ids | Items, total: Callable[[Parameters], float] | None = None) -> None:
        self.model = model
        self.scored: Ids | Items
        if isinstance(part, Items):
            self.scored = part.choose(slice(None, None, -(-part.characters // MOST_CHARACTERS)))
            self._texts = _item_texts(self.scored)
        else:
            self.scored = part[:MOST_CHARACTERS]
            self._texts = _streams(np.asarray(self.scored))
        self.transitions = sum(len(text) - 1 for text in self._texts)
        self._total = total or EvaluationShard(model, self._texts).total

    def loss(self, params: Parameters) -> float:
        """Return the mean nats per character; the parameters are only read."""
        return self._total(params) / self.transitions

    def part(self, index: int, count: int) -> EvaluationShard | None:
        """Return what process `index` of `count` scores, if anything."""
        own = share(len(self._texts), index, count)
        return EvaluationShard(self.model, self._texts[own.start : own.stop]) if own else None

    def beginning(self, characters: int) -> "Evaluator":
        """Return an evaluator of the first `characters` of the text, or of the first items, at least one."""
        if not isinstance(self.scored, Items):
            return Evaluator(self.model, self.scored[:characters])
        enough = int(np.searchsorted(np.cumsum(self.scored.spans(slice(None))), characters))
        return Evaluator(self.model, self.scored.choose(slice(enough + 1)))


def _streams(ids: Ids) -> list[Ids]:
    """Cut a text into equal streams, and what is left over; each begins with the last id of the one before."""
    count = max(1, min(MAX_STREAMS, (len(ids) - 1) // MIN_STREAM_LENGTH))
    length = (len(ids) - 1) // count
    streams = [ids[k * length : (k + 1) * length + 1] for k in range(count)]
    return [*streams, ids[count * length :]] if (len(ids) - 1) % count else streams


def _item_texts(items: Items) -> list[Ids]:
    """Return each item after the last character of the separator before it."""
    joined = items.joined()
    text = np.concatenate([items.separator[-1:].astype(joined.dtype), joined])
    return [text[start : stop + 1] for start, stop in pairwise([*items.joined_starts().tolist(), len(joined)])]


def evaluator_for(
    model: CharRNN, part: Ids | Items, total: Callable[[Parameters], float] | None = None
) -> Evaluator | None:
    """Return an evaluator of a held-out part, or None if it is empty."""
    return Evaluator(model, part, total) if len(part) else None
