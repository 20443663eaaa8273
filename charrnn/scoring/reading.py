"""Read a text with a trained model: the nats it loses on each character, and what its cells do meanwhile.

`Reader` reads texts side by side, each from a zero state. The held-out figure, ``score`` and ``view`` all use it.
`Scorer` turns its nats into figures for a text, or for each line.

What stands before a text
-------------------------
A text begins like a line: the network reads a line feed first, so that the first character too is predicted from
something (`beginning`). If the vocabulary has no line feed, the first character costs ln V, a blind guess. Items are
read one by one, each from the last character of the separator to the end of the separator after it.

Characters the model never saw have no id and are not read; each costs `UNSEEN_NATS`.

How a long text is read
-----------------------
A long text is cut into stretches, which are read side by side, each after the `WARM_UP` characters before it. By then
the zero state it began from is usually forgotten. To see that it is, the end of each stretch is read in the next one
too. If the two readings differ, the text is read again as one stream.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, DivergedError
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
# Of a long text. 32 stretches are read about 4 times as fast as one stream, and more are not read faster.
MAX_STRETCHES = 32
MIN_STRETCH = 5000  # characters
# The model that comes with the program is within 0.001 nats a character after 500 and within 0.00001 after 1,000.
WARM_UP = 1000  # characters
MOST_DIFFERENCE = 0.0005  # nats a character, between two readings of the same characters
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

    def total(self, ids: Ids, track: Track = untracked) -> float:
        """Return the nats of a running text (N,), summed over its characters; a long one is read in stretches."""
        steps = len(ids) - 1
        S = min(MAX_STRETCHES, steps // MIN_STRETCH)
        total = self._total_of_stretches(ids, S, track) if S > 1 else None
        if total is not None:
            return total
        chunks = track(READING, self.read([ids]), steps, lambda chunk: len(chunk.losses))
        return sum(float(chunk.losses.sum(dtype=np.float64)) for chunk in chunks)

    def _total_of_stretches(self, ids: Ids, S: int, track: Track) -> float | None:
        """Return what `total` does, from S stretches, or None if two readings of the same characters differ."""
        length = _round_up((len(ids) - 1 - WARM_UP) / S)
        stop = WARM_UP + length
        # A chunk longer, to compare; the last stretch ends with the text.
        stretches = [ids[start : start + stop + CHUNK_LENGTH + 1] for start in range(0, S * length, length)]
        total, steps = 0.0, stop + CHUNK_LENGTH
        chunks = track(READING, self.read(stretches), S * steps, lambda chunk: chunk.losses.size)
        for start, chunk in zip(range(0, steps, CHUNK_LENGTH), chunks, strict=True):
            losses = chunk.losses
            if start == WARM_UP:
                first = losses[:, 1:]
            if start < stop:  # while the others are warmed up, only the first counts
                total += float(losses[:, : 1 if start < WARM_UP else S].sum(dtype=np.float64))
        last = losses[:, :-1]
        differences = np.abs(last - first).mean(axis=0)  # one for each overlap
        return total if differences.max() < MOST_DIFFERENCE else None

    def _session(self, B: int) -> Session:
        if B not in self._sessions:
            self._sessions = {B: self.model.session(self.params, B)}
        return self._sessions[B]


def _round_up(characters: float) -> int:
    """Return a number of characters that is a whole number of chunks."""
    return math.ceil(characters / CHUNK_LENGTH) * CHUNK_LENGTH


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
        self._beginning = beginning(vocabulary, separator)
        # What a line is scored with at its end. A model of items may know the line feed only as the end of a file.
        self._line_feed = beginning(vocabulary) if "\n" in (separator or "\n") else vocabulary.encode("")

    def mean(self, passage: Passage, track: Track = untracked) -> float:
        """Return the nats per character of a whole text, or of its items (see `Passage.as_items`).

        Unseen characters are included, and so are separators.
        """
        known, starts = passage.known, passage.known_starts
        if starts is None:
            total = self._reader.total(self._after_beginning(known), track) + self._blind_start(known)
        else:
            total = float(self.lines(np.split(known, starts)[1:], track).sum())
        return (total + passage.num_unseen * UNSEEN_NATS) / len(passage.ids)

    def mean_of_windows(self, passage: Passage, size: int, track: Track = untracked) -> float:
        """Return the nats per character of a running text, read in windows of `size` characters.

        nanoGPT estimates its loss so. Each window is read from a zero state and predicted from the character before it,
        the last one of the window before. What remains at the end of the text is left out, since a shorter window has
        less context than the others. Unseen characters are included.

        Raises
        ------
        ConfigError
            If the text is shorter than one window and the character before it.
        """
        known = passage.known
        starts = range(0, len(known) - size, size)
        if not starts:
            message = "{} {size} needs a text of more than {size} characters that the model knows; this one has {count}"
            raise ConfigError(message, "windows", size=size, count=len(known))
        windows = [known[start : start + size + 1] for start in starts]
        mean = float(self._reader.sums(windows, track).sum()) / (len(windows) * size)
        return (mean * len(known) + passage.num_unseen * UNSEEN_NATS) / len(passage.ids)

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

    def lines(self, lines: Sequence[Ids], track: Track = untracked) -> Floats:
        """Return the nats of each line (L,), summed over its characters."""
        sums = self._reader.sums([self._after_beginning(line) for line in lines], track)
        sums += [self._blind_start(line) for line in lines]
        return sums

    def _blind_start(self, ids: Ids) -> float:
        """Return the nats of a first character that is predicted from nothing, if there is one."""
        return 0.0 if self._beginning.size or not len(ids) else math.log(self._reader.model.vocab_size)

    def _after_beginning(self, ids: Ids) -> Ids:
        return np.concatenate([self._beginning.astype(ids.dtype), ids])

    def _with_line_end(self, line: Passage) -> Passage:
        """Return a line with a line feed, or without one if the model does not know it."""
        line_feed = line.characters.find("\n")
        ids = line.ids[:-1] if line.ids[-1] == line_feed else line.ids
        if self._line_feed.size:
            ids = np.append(ids, self._line_feed.astype(ids.dtype))
        return replace(line, ids=ids)
