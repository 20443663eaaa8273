"""What the cells of a model do at each character of a text, and which simple properties of the text they follow.

What a cell does *at* a character is its state once the character has been read. What is guessed *for* a character comes
from the characters before it.

A probe is a number for each character, which a model can know once it has read that character. `near_newline` is the
exception, since it looks ahead: a cell that follows it has learned to predict line ends. How closely a cell follows a
probe is Pearson's correlation of the two, between −1 and 1.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.scoring.reading import Reader
from charrnn.text.streams import NO_TARGET

Floats = NDArray[np.float64]

GUESSES = 5
ONE = 127  # an activation of 1, as it is stored
OPEN = 255  # a gate that is wide open
NEAR = 8  # characters before a line's end that are near it
_OPENING, _CLOSING = frozenset("“«„"), frozenset("”»")
_BLOCK_NUMBERS = 1 << 22  # numbers turned into floats at once


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Recording:
    """What C cells, those of the lowest layer first, did at each of N characters."""

    activations: NDArray[np.int8]  # (C, N): hidden states, in 127ths
    gates: Mapping[str, NDArray[np.uint8]]  # (C, N) by a gate's letter: how open it was, in 255ths
    surprise: NDArray[np.float32]  # (N,): nats lost on each character
    guesses: NDArray[np.intp]  # (N, 5), or (N, V) if V < 5: the likeliest ids for each place, best first
    guess_probs: NDArray[np.float32]  # of each guess


def record(
    model: CharRNN,
    params: Parameters,
    ids: NDArray[np.integer],
    beginning: NDArray[np.integer],
    starts: Sequence[int] = (0,),
) -> Recording:
    """Read a text (N,), or each of its items, and record what the cells do.

    `beginning`, at most one id, is read before each; if it is empty, the first character is a blind guess. `starts`
    says where the text or its items begin.
    """
    N, V, C = len(ids), model.vocab_size, sum(model.hidden_sizes)
    guesses = np.tile(np.arange(min(GUESSES, V)), (N, 1))  # blind, as they stay where nothing comes before
    recording = Recording(
        activations=np.empty((C, N), np.int8),
        gates={letter: np.empty((C, N), np.uint8) for letter in model.cells[0].gate_names},
        surprise=np.full(N, math.log(V), np.float32),
        guesses=guesses,
        guess_probs=np.full(guesses.shape, 1 / V, np.float32),
    )
    reader = Reader(model, params)
    for start, stop in pairwise((*starts, N)):
        place = start - len(beginning)  # of the chunk's first input
        # The last character is read too, for what the cells do at it; what comes after it is not predicted.
        text = np.concatenate([beginning, ids[start:stop], [NO_TARGET]]).astype(np.intp)
        for chunk in reader.read([text]):
            T = len(chunk.losses)
            own = slice(max(start - place, 0), T)  # inputs that are characters of the text
            at = slice(place + own.start, place + T)
            recording.activations[:, at] = np.rint(chunk.hidden()[own, 0] * ONE).T
            for letter, openness in chunk.gates().items():
                recording.gates[letter][:, at] = np.rint(openness[own, 0] * OPEN).T
            after = slice(place + 1, min(place + T + 1, stop))  # what the inputs predict
            count = after.stop - after.start
            recording.surprise[after] = chunk.losses[:count, 0]
            best, probs = chunk.guesses(GUESSES)
            recording.guesses[after], recording.guess_probs[after] = best[:count, 0], probs[:count, 0]
            place += T
    return recording


def inside_quotes(text: str) -> Floats:
    """Between double quotation marks, straight, curly or angled: 1 from the opening one on. A blank line ends them."""
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
    """1 where the character just read is a capital."""
    return _where(text, str.isupper).astype(np.float64)


def inside_word(text: str) -> Floats:
    """1 where the character just read is a letter, so that the word may continue."""
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
    """Return Pearson's correlation of each cell (C, N) with a probe (N,): (C,); 0 if either is constant."""
    C, N = activations.shape
    if (probe == probe[0]).all():  # else a rounded mean would leave something
        return np.zeros(C)
    centred, block, result = probe - probe.mean(), max(1, _BLOCK_NUMBERS // N), np.zeros(C)
    for start in range(0, C, block):
        rows = activations[start : start + block].astype(np.float64)
        rows -= rows.mean(axis=1, keepdims=True)
        scale = np.sqrt(np.square(rows).sum(axis=1) * np.square(centred).sum())
        np.divide(rows @ centred, scale, out=result[start : start + block], where=scale > 0)
    return result


def _where(text: str, has: Callable[[str], bool]) -> NDArray[np.bool_]:
    """Return which characters have a property."""
    return np.fromiter(map(has, text), dtype=np.bool_, count=len(text))
