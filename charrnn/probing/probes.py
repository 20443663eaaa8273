"""Simple properties of a text that a unit may follow, and how closely each unit does.

A probe says something of every character, and of what a model can know once it has read it; but for the last one,
which looks ahead: a unit that follows it has learned to see a line's end coming. A unit follows a probe as far as the
two go up and down together, which Pearson's correlation measures, between −1 and 1.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

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
