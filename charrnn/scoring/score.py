"""What a model makes of a text: the nats it loses on each character.

A text is read as one stream, its state carried from the first character to the last. It begins as a line does: the
network takes in a line feed before it, so that the first character too is predicted from something. A model whose
vocabulary has no line feed has nothing to predict the first character from; it then costs ln V, as a blind guess would.

Characters the model never saw have no id and cannot be read; `UNSEEN_NATS` says what each one costs.

How work on a long text says how far it is: whoever waits for it passes in what follows its pieces.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import DivergedError
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.text.corpus import CODE_SPACE, describe_joins
from charrnn.text.passage import Passage
from charrnn.text.vocabulary import Vocabulary

Piece = TypeVar("Piece")


class Track(Protocol):
    """Follows one task; may do anything but change the pieces."""

    def __call__(
        self, task: str, pieces: Iterable[Piece], total: int, size: Callable[[Any], int] = len, /
    ) -> Iterator[Piece]:
        """Yield the pieces of a task while they are worked on.

        Parameters
        ----------
        task : what is being done, for a person: ``the model reads``
        pieces : the work, or its results as they come
        total : characters in all
        size : how many of them a piece stands for
        """


def untracked(
    task: str,  # noqa: ARG001 - nobody waits
    pieces: Iterable[Piece],
    total: int,  # noqa: ARG001
    size: Callable[[Any], int] = len,  # noqa: ARG001
    /,
) -> Iterator[Piece]:
    """Yield the pieces and say nothing."""
    return iter(pieces)


Ids = NDArray[np.integer]

# A character unseen in training costs a uniform guess among all of Unicode's code points, 20.09 bits.
UNSEEN_NATS = math.log(CODE_SPACE)
CHUNK_LENGTH = 32  # characters of each stream at once
MAX_STREAMS = 16  # lines read side by side
READING = "the model reads"


def beginning(vocabulary: Vocabulary, separator: str = "") -> Ids:
    """Return what stands before a text that is scored: the id of a line feed, or nothing where there is none.

    Before an item it is the last character of the separator, from which items are learned.
    """
    return vocabulary.encode(separator[-1:] or ("\n" if "\n" in vocabulary.characters else ""))


@dataclass(frozen=True)
class ScoredLine:
    """A line of a text, and what it costs."""

    number: int
    """Its place in the text, from 1."""
    passage: Passage
    """The line as it was scored: with a line feed if the model knows one, else without."""
    nats: float
    """A character, the mean over all of them."""


def as_items(passage: Passage, separator: Ids) -> Passage:
    """Return a text as a model reads it: as its items, joined, if there is a separator; else as it is, with notes.

    Raises
    ------
    TextError
        If there are no items.
    """
    if separator.size:
        return passage.as_items(separator.astype(np.intp))
    joins = describe_joins(passage.ids, passage.file_ends, passage.characters)
    return replace(passage, notes=(*passage.notes, *joins))


class Scorer:
    """Reads texts with a trained model.

    Parameters
    ----------
    model, params : the trained network; parameters are only read
    vocabulary : its characters
    separator : what ends an item, where the model learned those
    """

    def __init__(self, model: CharRNN, params: Parameters, vocabulary: Vocabulary, separator: str = "") -> None:
        self.model = model
        self.params = params
        self._beginning = beginning(vocabulary, separator)
        self._separator = vocabulary.encode(separator)
        # The id of a line feed, or nothing where the model did not learn it: of items, it may only end the file.
        self._line_feed = beginning(vocabulary) if "\n" in (separator or "\n") else vocabulary.encode("")

    def mean(self, passage: Passage, track: Track = untracked) -> float:
        """Return the nats a character of a whole text, unseen ones included; `track` follows the reading.

        A model of items reads each separately, from a fresh state to the separator that ends it.
        """
        if self._separator.size:
            if passage.item_starts is None:
                passage = passage.as_items(self._separator.astype(np.intp))
            total = float(self.lines([item.known for item in passage.items()], track).sum())
        else:
            known = passage.known
            total = sum(float(nats.sum()) for nats in track(READING, self.text(known), len(known)))
        return (total + passage.num_unseen * UNSEEN_NATS) / len(passage.ids)

    def rank_lines(self, passage: Passage, track: Track = untracked) -> list[ScoredLine]:
        """Score each line of a text separately; the most surprising by the mean of its characters comes first.

        `track` follows the reading. Every line ends with a line feed if the model learned one, whether the text has it
        there or not; else none does. Blank lines are left out: how likely they are would bury the others.
        """
        numbered = [
            (number, self._with_line_end(line))
            for number, line in enumerate(passage.lines(), start=1)
            if line.text().strip()
        ]
        scored = []
        sums = self.lines([line.known for _, line in numbered], track)
        for (number, line), nats in zip(numbered, sums, strict=True):
            total = float(nats) + line.num_unseen * UNSEEN_NATS
            scored.append(ScoredLine(number, line, total / len(line.ids)))
        return sorted(scored, key=lambda line: -line.nats)

    def text(self, ids: Ids) -> Iterator[NDArray[np.float64]]:
        """Yield the nats of each character of a text (N,), piece after piece, so that a long text needs little memory.

        Raises
        ------
        DivergedError
            If one is not a number, as it can be where the weights are huge.
        """
        yield self._guessed(len(ids))
        stream = np.concatenate([self._beginning.astype(ids.dtype), ids])
        for losses in self._read(stream[:, None]):
            yield losses[:, 0]

    def lines(self, lines: Sequence[Ids], track: Track = untracked) -> NDArray[np.float64]:
        """Return the nats of each line (L,), summed over its characters; each is read for itself, from a fresh state.

        Lines of similar length are read side by side; what is short is filled up, and the filling not counted.

        Raises
        ------
        DivergedError
            If one is not a number.
        """
        lead = len(self._beginning)
        lengths = np.array([len(line) for line in lines], dtype=np.intp)
        sums = np.array([self._guessed(length).sum() for length in lengths])
        for group in track(READING, _groups(lengths), int(lengths.sum()), lambda group: int(lengths[group].sum())):
            streams = np.zeros((len(group), lead + lengths[group[0]]), dtype=np.intp)
            for stream, place in zip(streams, group, strict=True):
                stream[: lead + lengths[place]] = np.concatenate([self._beginning, lines[place]])
            done = 1 - lead  # characters that were guessed
            for losses in self._read(streams.T):
                counted = np.arange(done, done + len(losses))[:, None] < lengths[group]
                sums[group] += np.where(counted, losses, 0).sum(axis=0)
                done += len(losses)
        return sums

    def _with_line_end(self, line: Passage) -> Passage:
        """Return a line with a line feed, or without one where the model does not know it."""
        line_feed = line.characters.find("\n")
        ids = line.ids[:-1] if line.ids[-1] == line_feed else line.ids
        if self._line_feed.size:
            ids = np.append(ids, self._line_feed.astype(ids.dtype))
        return replace(line, ids=ids)

    def _guessed(self, length: int) -> NDArray[np.float64]:
        """Return what the first character of a text costs where nothing stands before it: one entry or none."""
        return np.full(min(length, 1 - len(self._beginning)), math.log(self.model.vocab_size))

    def _read(self, streams: Ids) -> Iterator[NDArray[np.float64]]:
        """Yield the losses (T, B) on streams (N, B) after their first character, a chunk after another."""
        B, dtype = streams.shape[1], self.params.vector.dtype
        session, state = self.model.session(self.params, B), self.model.zero_state(B, dtype)
        for start in range(0, len(streams) - 1, CHUNK_LENGTH):
            window = streams[start : start + CHUNK_LENGTH + 1].astype(np.intp)
            with np.errstate(over="ignore", invalid="ignore"):  # huge weights: the error below says so
                losses, state = session.losses(window[:-1], window[1:], state)
            if not np.isfinite(losses).all():
                raise DivergedError("the model's scores are not finite: its weights are too large to read a text with")
            yield losses.astype(np.float64)


def _groups(lengths: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield places of lines to be read together, the longest of a group first and none under half of it."""
    order = np.argsort(-lengths, kind="stable")
    while order.size:
        size = np.count_nonzero(2 * lengths[order[:MAX_STREAMS]] >= lengths[order[0]])
        yield order[:size]
        order = order[size:]
