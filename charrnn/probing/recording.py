"""A model's insides while it reads a text, character by character.

The text is read as `charrnn.scoring.score` reads one: a single stream, a line feed before its first character, the
state carried to its end; or where it is made of items, each of them so. What a unit does *at* a character is its state
once that character has been read; what is guessed *for* a character comes from the characters before it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import DivergedError
from charrnn.nn.loss import log_softmax
from charrnn.nn.model import CharRNN, State
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
