"""A model's insides while it reads a text, character by character.

The text is read as `charrnn.scoring.score` reads one: a single stream, a line feed before its first character, the
state carried to its end; or where it is made of items, each of them so. What a unit does *at* a character is its state
once that character has been read; what is guessed *for* a character comes from the characters before it.

Simple properties of a text that a unit may follow, and how closely each unit does.

A probe says something of every character, and of what a model can know once it has read it; but for the last one,
which looks ahead: a unit that follows it has learned to see a line's end coming. A unit follows a probe as far as the
two go up and down together, which Pearson's correlation measures, between −1 and 1.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import DivergedError
from charrnn.nn.model import CharRNN, State
from charrnn.nn.output import log_softmax
from charrnn.nn.parameters import Array, Parameters

CHUNK_LENGTH = 64  # characters read at once
GUESSES = 5
ONE = 127  # an activation of 1, as it is stored
OPEN = 255  # a gate that is wide open


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Recording:
    """What C units, those of the lowest layer first, did at each of N characters."""

    activations: NDArray[np.int8]
    """(C, N): hidden states, in 127ths."""
    gates: Mapping[str, NDArray[np.uint8]]
    """(C, N) by a gate's letter: how open it was, in 255ths. A vanilla cell has none."""
    surprise: NDArray[np.float32]
    """(N,): nats lost on each character."""
    guesses: NDArray[np.intp]
    """(N, 5), or as many as there are characters: the likeliest ids for each place, the best first."""
    guess_probs: NDArray[np.float32]
    """The probability of each of those."""


def record(
    model: CharRNN,
    params: Parameters,
    ids: NDArray[np.integer],
    beginning: NDArray[np.integer],
    starts: Sequence[int] = (0,),
) -> Recording:
    """Read a text and keep what happens.

    Parameters
    ----------
    model, params : the trained network; parameters are only read
    ids : (N,) the text, N ≥ 1
    beginning : what is read before it, one id or none; with none, the first character is a blind guess
    starts : where the text, or an item of it, begins: 0 first, then ever greater

    Raises
    ------
    DivergedError
        If a score is not a number, as it can be where the weights are huge.
    """
    N, V = len(ids), model.vocab_size
    C = sum(model.hidden_sizes)
    activations, gates = (
        np.empty((C, N), np.int8),
        {name: np.empty((C, N), np.uint8) for name in model.cells[0].gate_names},
    )
    surprise, guesses = np.empty(N, np.float32), np.empty((N, min(GUESSES, V)), np.intp)
    guess_probs = np.empty(guesses.shape, np.float32)
    reader, layers = _Reader(model, params), range(len(model.cells))
    blind = np.full((1, V), -math.log(V))  # log-probabilities of the next character
    for start, places in _pieces(starts, N):
        if places.start == start:
            reader.forget()
            expected = reader.read(beginning.astype(np.intp)) if len(beginning) else blind
        chunk = ids[places].astype(np.intp)
        scores = reader.read(chunk)
        log_probs, expected = np.concatenate([expected, scores[:-1]]), scores[-1:]
        activations[:, places] = np.rint(_side_by_side([reader.session.hidden(k) for k in layers]) * ONE).T
        for name, openness in gates.items():
            openness[:, places] = np.rint(_side_by_side([reader.session.gates(k)[name] for k in layers]) * OPEN).T
        surprise[places] = -log_probs[np.arange(len(chunk)), chunk]
        guesses[places] = np.argsort(-log_probs, axis=1, kind="stable")[:, :GUESSES]
        guess_probs[places] = np.exp(np.take_along_axis(log_probs, guesses[places], axis=1))
    return Recording(activations, gates, surprise, guesses, guess_probs)


def _pieces(starts: Sequence[int], end: int) -> Iterator[tuple[int, slice]]:
    """Yield where an item begins, and the places of a piece of it that is read at once; for all pieces of all items."""
    for start, stop in pairwise((*starts, end)):
        for place in range(start, stop, CHUNK_LENGTH):
            yield start, slice(place, min(place + CHUNK_LENGTH, stop))


class _Reader:
    """Reads a text in chunks, its state carried from one to the next."""

    def __init__(self, model: CharRNN, params: Parameters) -> None:
        self.session, self._zero = model.session(params, 1), model.zero_state(1, params.vector.dtype)
        self.forget()

    def forget(self) -> None:
        """Begin anew, with an empty state."""
        self._state: State = self._zero

    def read(self, ids: NDArray[np.intp]) -> Array:
        """Take in a chunk (T,); return the log-probabilities (T, V) of what follows each character, in float64."""
        with np.errstate(over="ignore", invalid="ignore"):  # huge weights: the error below says so
            logits, self._state = self.session.logits(ids[:, None], self._state)
            log_probs = log_softmax(logits[:, 0].astype(np.float64))
        if not np.isfinite(log_probs).all():
            raise DivergedError("the model's scores are not finite: its weights are too large to read a text with")
        return log_probs


def _side_by_side(layers: Sequence[Array]) -> Array:
    """Join what each layer did in one stream, (T, 1, H) each, to (T, C)."""
    return np.concatenate([layer[:, 0] for layer in layers], axis=1)


Floats = NDArray[np.float64]
NEAR = 8  # characters before a line's end that are near it
_OPENING, _CLOSING = frozenset("“«„"), frozenset("”»")
_BLOCK_NUMBERS = 1 << 22  # numbers turned into floats at once


def inside_quotes(text: str) -> Floats:
    """Between double quotation marks, straight, curled or angled: 1 from the opening one on. A blank line ends them."""
    inside, previous, states = False, "", []
    for character in text:
        if character == '"':
            inside = not inside
        elif character in _OPENING or character in _CLOSING:
            # “ closes what „ has opened
            inside = character in _OPENING and not (character == "“" and inside)
        elif character == previous == "\n":
            inside = False
        states.append(inside)
        previous = character
    return np.array(states, dtype=np.float64)


def position_in_line(text: str) -> Floats:
    """Characters since the line began: 0 on the line feed before it."""
    places = np.arange(len(text))
    line_feeds = _where(text, "\n".__eq__)
    starts = np.maximum.accumulate(np.where(line_feeds, places, -1))
    positions: Floats = (places - starts).astype(np.float64)
    return positions


def after_capital(text: str) -> Floats:
    """1 where the character that was just read is a capital."""
    return _where(text, str.isupper).astype(np.float64)


def inside_word(text: str) -> Floats:
    """1 where the character that was just read is a letter, so that the word may go on."""
    return _where(text, str.isalpha).astype(np.float64)


def near_newline(text: str) -> Floats:
    """1 where one of the next eight characters ends the line."""
    places = np.arange(len(text))
    ends = np.where(_where(text, "\n".__eq__), places, 2 * len(text) + NEAR)
    following = np.minimum.accumulate(np.append(ends[1:], 2 * len(text) + NEAR)[::-1])[::-1]
    near: Floats = (following - places <= NEAR).astype(np.float64)
    return near


PROBES: Mapping[str, Callable[[str], Floats]] = MappingProxyType(
    {
        "inside quotes": inside_quotes,
        "position in line": position_in_line,
        "after a capital": after_capital,
        "inside a word": inside_word,
        "near a newline": near_newline,
    }
)


def correlations(activations: NDArray[np.int8], probe: Floats) -> Floats:
    """Return Pearson's correlation of each unit with a probe: (C,); 0 where either never changes.

    Parameters
    ----------
    activations : (C, N), N ≥ 1, in any unit
    probe : (N,)
    """
    C, N = activations.shape
    if (probe == probe[0]).all():  # the mean may be off by a rounding, and would let something through
        return np.zeros(C)
    centred, block, result = probe - probe.mean(), max(1, _BLOCK_NUMBERS // N), np.zeros(C)
    for start in range(0, C, block):
        rows = activations[start : start + block].astype(np.float64)
        rows -= rows.mean(axis=1, keepdims=True)
        scale = np.sqrt(np.square(rows).sum(axis=1) * np.square(centred).sum())
        np.divide(rows @ centred, scale, out=result[start : start + block], where=scale > 0)
    return result


def _where(text: str, has: Callable[[str], bool]) -> NDArray[np.bool_]:
    """Say of each character whether it has a property."""
    return np.fromiter(map(has, text), dtype=np.bool_, count=len(text))
