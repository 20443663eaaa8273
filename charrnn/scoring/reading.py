"""Read a text with a trained model: the nats it loses on each character, and what its cells do meanwhile.

`Reader` reads texts side by side, each from a zero state. The held-out figure, ``score`` and ``view`` all use it.
`Scorer` turns its nats into figures for a text, or for each line.

What stands before a text
-------------------------
A text begins like a line: the network reads a line feed first, so that the first character too is predicted from
something (`beginning`). If the vocabulary has no line feed, the first character costs ln V, a blind guess. Items are
read one by one, each from the last character of the separator to the end of the separator after it.

Characters the model never saw have no id and are not read; each costs `UNSEEN_NATS`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import DivergedError
from charrnn.nn.model import CharRNN, Session
from charrnn.nn.output import cross_entropy
from charrnn.nn.parameters import Array, Parameters
from charrnn.text.corpus import CODE_SPACE
from charrnn.text.passage import Passage
from charrnn.text.streams import NO_TARGET
from charrnn.text.vocabulary import Vocabulary

Ids = NDArray[np.integer]
Floats = NDArray[np.float64]
Piece = TypeVar("Piece")

CHUNK_LENGTH = 50  # characters of each text read at once
MAX_STREAMS = 16  # texts read side by side
# A character unseen in training costs a uniform guess among all of Unicode's code points, 20.09 bits.
UNSEEN_NATS = math.log(CODE_SPACE)
READING = "the model reads"  # the task, for a progress display


class Track(Protocol):
    """Follows one task, for example to show its progress; it must not change the pieces."""

    def __call__(
        self, task: str, pieces: Iterable[Piece], total: int, size: Callable[[Any], int] = len, /
    ) -> Iterator[Piece]:
        """Yield the pieces of a task; `total` is its characters, and `size` how many a piece stands for."""


def untracked(
    _task: str, pieces: Iterable[Piece], _total: int, _size: Callable[[Any], int] = len, /
) -> Iterator[Piece]:
    """Yield the pieces and show nothing."""
    return iter(pieces)


class ReadChunk(NamedTuple):
    """T characters of B texts, just read. Only `losses` survives the next chunk."""

    losses: Array  # (T, B): nats lost on the character after each input; 0 beyond the end of a text
    probs: Array  # (T, B, V): what was expected after each input
    session: Session

    def hidden(self) -> Array:
        """Return the hidden states of all layers after each input, lowest first: (T, B, C)."""
        layers = range(len(self.session.model.cells))
        return np.concatenate([self.session.hidden(k) for k in layers], axis=-1)

    def gates(self) -> Mapping[str, Array]:
        """Return how open each gate of all layers was at each input, by its letter: (T, B, C)."""
        layers = [self.session.gates(k) for k in range(len(self.session.model.cells))]
        return {letter: np.concatenate([gates[letter] for gates in layers], axis=-1) for letter in layers[0]}

    def guesses(self, most: int) -> tuple[NDArray[np.intp], Array]:
        """Return the likeliest ids after each input, best first, and their probabilities: (T, B, most) each."""
        best = np.argsort(-self.probs, axis=-1, kind="stable")[..., :most]
        return best, np.take_along_axis(self.probs, best, axis=-1)


class Reader:
    """Reads texts with a model. The first id of each text is only read; every later one is predicted.

    If it may not diverge, losses that are not finite raise `DivergedError`; huge weights make them.
    """

    def __init__(self, model: CharRNN, params: Parameters, *, may_diverge: bool = False) -> None:
        self.model, self.params, self._may_diverge = model, params, may_diverge
        self._sessions: dict[int, Session] = {}  # by B; only the latest, since each may be large

    def read(self, texts: Sequence[Ids]) -> Iterator[ReadChunk]:
        """Read B texts side by side, (N,) ids each, from a zero state, and yield a chunk at a time.

        Their lengths may differ, and `NO_TARGET` stands for a character that is not predicted.
        """
        B, steps = len(texts), max(map(len, texts)) - 1
        session, state = self._session(B), self.model.zero_state(B, self.params.vector.dtype)
        for first in range(0, steps, CHUNK_LENGTH):
            window = _window(texts, first, min(first + CHUNK_LENGTH, steps) + 1)
            inputs, targets = np.maximum(window[:-1], 0), window[1:]  # beyond the end any input will do
            with np.errstate(over="ignore", invalid="ignore"):  # huge weights: reported below
                logits, state = session.logits(inputs, state)
                losses = cross_entropy(logits, targets)  # turns the logits into probabilities
            if not self._may_diverge and not np.isfinite(losses).all():
                raise DivergedError("the model's scores are not finite: its weights are too large to read a text with")
            yield ReadChunk(losses, logits, session)

    def sums(self, texts: Sequence[Ids], track: Track = untracked) -> Floats:
        """Return the nats of each of many texts, summed over its characters: (len(texts),).

        Texts of similar length are read side by side.
        """
        steps = np.array([max(len(text) - 1, 0) for text in texts], dtype=np.intp)
        sums = np.zeros(len(texts))
        for group in track(READING, _groups(steps), int(steps.sum()), lambda group: int(steps[group].sum())):
            for chunk in self.read([texts[number] for number in group]):
                sums[group] += chunk.losses.sum(axis=0, dtype=np.float64)
        return sums

    def _session(self, B: int) -> Session:
        if B not in self._sessions:
            self._sessions = {B: self.model.session(self.params, B)}
        return self._sessions[B]


def _window(texts: Sequence[Ids], first: int, stop: int) -> NDArray[np.intp]:
    """Return some places of all texts side by side, (stop − first, B), with `NO_TARGET` beyond the end of each."""
    window = np.full((stop - first, len(texts)), NO_TARGET, dtype=np.intp)
    for column, text in zip(window.T, texts, strict=True):
        piece = text[first:stop]
        column[: len(piece)] = piece
    return window


def _groups(steps: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield which texts to read together: the longest first, and none less than half as long."""
    order = np.argsort(-steps, kind="stable")
    while order.size:
        size = np.count_nonzero(2 * steps[order[:MAX_STREAMS]] >= steps[order[0]])
        yield order[:size]
        order = order[size:]


def beginning(vocabulary: Vocabulary, separator: str = "") -> Ids:
    """Return the id that is read before a text: a line feed, or before an item the separator's last character.

    It is empty if the vocabulary has no line feed.
    """
    return vocabulary.encode(separator[-1:] or ("\n" if "\n" in vocabulary.characters else ""))


@dataclass(frozen=True)
class ScoredLine:
    """A line of a text and its score."""

    number: int  # its place in the text, from 1
    passage: Passage  # the line as it was scored: with a line feed if the model knows one, else without
    nats: float  # per character, the mean over all of them


class Scorer:
    """Scores texts with a trained model, in nats per character; `separator` ends an item of a model of items."""

    def __init__(self, model: CharRNN, params: Parameters, vocabulary: Vocabulary, separator: str = "") -> None:
        self._reader = Reader(model, params)
        self._blind = math.log(model.vocab_size)  # what a character costs that is predicted from nothing
        self._beginning = beginning(vocabulary, separator)
        # What a line is scored with at its end. A model of items may know the line feed only as the end of a file.
        self._line_feed = beginning(vocabulary) if "\n" in (separator or "\n") else vocabulary.encode("")

    def mean(self, passage: Passage, track: Track = untracked) -> float:
        """Return the nats per character of a whole text, or of its items (see `Passage.as_items`).

        Unseen characters are included, and so are separators.
        """
        known, starts = passage.known, passage.known_starts
        if starts is None:
            total = sum(float(nats.sum()) for nats in track(READING, self.text(known), len(known)))
        else:
            total = float(self.lines(np.split(known, starts)[1:], track).sum())
        return (total + passage.num_unseen * UNSEEN_NATS) / len(passage.ids)

    def rank_lines(self, passage: Passage, track: Track = untracked) -> list[ScoredLine]:
        """Score each line of a text separately and sort them, the most surprising (by nats per character) first.

        Every line is scored with a line feed at its end if the model knows one, and without one otherwise. Blank lines
        are left out: they are so likely that they would bury the others.
        """
        numbered = [
            (number, self._with_line_end(line))
            for number, line in enumerate(passage.lines(), start=1)
            if line.text().strip()
        ]
        sums = self.lines([line.known for _, line in numbered], track)
        scored = [
            ScoredLine(number, line, (float(nats) + line.num_unseen * UNSEEN_NATS) / len(line.ids))
            for (number, line), nats in zip(numbered, sums, strict=True)
        ]
        return sorted(scored, key=lambda line: -line.nats)

    def text(self, ids: Ids) -> Iterator[Floats]:
        """Yield the nats of each character of a text (N,), in pieces, so that a long text needs little memory."""
        if not self._beginning.size:
            yield np.full(min(len(ids), 1), self._blind)
        for chunk in self._reader.read([self._after_beginning(ids)]):
            yield chunk.losses[:, 0].astype(np.float64)

    def lines(self, lines: Sequence[Ids], track: Track = untracked) -> Floats:
        """Return the nats of each line (L,), summed over its characters."""
        sums = self._reader.sums([self._after_beginning(line) for line in lines], track)
        if not self._beginning.size:
            sums += self._blind * np.array([len(line) > 0 for line in lines], dtype=bool)
        return sums

    def _after_beginning(self, ids: Ids) -> Ids:
        return np.concatenate([self._beginning.astype(ids.dtype), ids])

    def _with_line_end(self, line: Passage) -> Passage:
        """Return a line with a line feed, or without one if the model does not know it."""
        line_feed = line.characters.find("\n")
        ids = line.ids[:-1] if line.ids[-1] == line_feed else line.ids
        if self._line_feed.size:
            ids = np.append(ids, self._line_feed.astype(ids.dtype))
        return replace(line, ids=ids)
