"""Filters: from the scores of a network to the distribution that a character is drawn from. All in float64.

Filters work along the last axis, so that one call serves many streams. They apply in this order: banned characters,
temperature, top-k, top-p, min-p. Each of the last three sees what the one before has kept, scaled to sum to 1.
`NoBlankItems` also keeps an item from ending while it is blank, as no blank item is ever trained on. At the end of the
module: the sets of characters that ``--allow`` and ``--ban`` name.
"""

import difflib
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.errors import ConfigError
from charrnn.text.vocabulary import Vocabulary

Floats = NDArray[np.float64]


class Shaper(Protocol):
    """Turns scores into the distribution to draw from."""

    def weigh(self, logits: NDArray[np.floating]) -> Floats:
        """Return the probabilities of scores (..., V), same shape, up to a factor; the scores are only read."""


@dataclass(frozen=True)
class Filters:
    """How to shape the model's distribution before drawing from it.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    A power on the probabilities is a temperature: its square takes (1, 3)/4 to (1, 9)/10.

    >>> import charrnn, numpy as np
    >>> scores = np.log(np.array([1.0, 3.0]))
    >>> charrnn.Filters(temperature=1 / 2).apply(scores)
    array([0.1, 0.9])

    """

    temperature: float = 1.0  # the softmax is that of the scores divided by it: lower is safer, higher more varied
    top_k: int = 0  # see `keep_top_k`; 0 keeps all
    top_p: float = 1.0  # see `keep_top_p`; 1 keeps all
    min_p: float = 0.0  # see `keep_min_p`; 0 keeps all
    banned: tuple[int, ...] = ()  # ids that are never drawn

    def __post_init__(self) -> None:
        for name, is_within, bound in (
            ("temperature", 0 <= self.temperature < math.inf, "0 or more"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("min_p", 0 <= self.min_p <= 1, "from 0 (all) to 1"),
        ):
            if not is_within:
                raise ConfigError("{} must be {bound}, not {value}", name, bound=bound, value=getattr(self, name))

    def apply(self, logits: NDArray[np.floating]) -> Floats:
        """Return the probabilities of scores (..., V) after every filter, same shape."""
        return _normalize(self.weigh(logits))

    def weigh(self, logits: NDArray[np.floating]) -> Floats:
        """Return the same up to a factor, which a draw does not need, and so in less time."""
        weights = _softened(ban(logits, self._banned) if self.banned else logits, self.temperature)
        if self.top_k:
            weights = keep_top_k(weights, self.top_k)
        if self.top_p < 1:
            weights = keep_top_p(_normalize(weights), self.top_p)
        return keep_min_p(weights, self.min_p) if self.min_p else weights

    @cached_property
    def _banned(self) -> NDArray[np.intp]:
        return np.array(self.banned, dtype=np.intp)


@dataclass(frozen=True)
class SideBySide:
    """Several filters, each for an equal number of streams."""

    filters: tuple[Filters, ...]

    def weigh(self, logits: NDArray[np.floating]) -> Floats:
        """Return the weights of scores (B, V): the first B/n rows use the first of n filters, and so on."""
        shares = np.split(logits, len(self.filters))
        return np.concatenate([own.weigh(share) for own, share in zip(self.filters, shares, strict=True)])


def ban(logits: NDArray[np.floating], ids: NDArray[np.intp]) -> Floats:
    """Return the scores with some ids at −infinity, so that the others share all the probability."""
    scores = logits.astype(np.float64)
    scores[..., ids] = -np.inf
    return scores


def _softened(logits: NDArray[np.floating], temperature: float) -> Floats:
    """Return ``exp(logits / temperature)`` up to a factor, 1 for the best; at 0 that one alone (the first if tied)."""
    scores: Floats = logits.astype(np.float64)
    scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
    if temperature == 0:
        scores = np.where(np.arange(scores.shape[-1]) == scores.argmax(axis=-1)[..., None], 0.0, -np.inf)
    # A tiny temperature sends all but the best to −infinity, whose exponential is rightly 0.
    elif temperature != 1:
        with np.errstate(over="ignore"):
            scores /= temperature
    np.exp(scores, out=scores)
    return scores


def _normalize(weights: Floats) -> Floats:
    """Scale weights in place to sum to 1 along the last axis."""
    weights /= np.add.reduce(weights, axis=-1, keepdims=True)
    return weights


def keep_top_k(probs: Floats, k: int) -> Floats:
    """Keep the k most probable (the first if tied), scaled to sum to 1."""
    order = np.argsort(-probs, axis=-1, kind="stable")
    return _keep(probs, order, np.arange(probs.shape[-1]) < k)


def keep_top_p(probs: Floats, p: float) -> Floats:
    """Keep the fewest most probable that reach p in all, scaled to sum to 1.

    Holtzman et al., "The curious case of neural text degeneration", 2020.
    """
    order = np.argsort(-probs, axis=-1, kind="stable")
    # A character is needed if those before it do not reach p.
    total = np.cumsum(np.take_along_axis(probs, order, axis=-1), axis=-1)
    is_needed = np.concatenate([np.ones_like(total[..., :1], dtype=bool), total[..., :-1] < p], axis=-1)
    return _keep(probs, order, is_needed)


def keep_min_p(probs: Floats, p: float) -> Floats:
    """Keep those at least p times as probable as the most probable one, scaled to sum to 1.

    Nguyen et al., "Turning up the heat: min-p sampling for creative and coherent LLM outputs", 2024.
    """
    return _normalize(np.where(probs >= p * probs.max(axis=-1, keepdims=True), probs, 0.0))


def draw(probs: Floats, uniform: ArrayLike) -> NDArray[np.intp]:
    """Draw one index (...) from each distribution or weights (..., V), by random numbers (...), 0 ≤ u < 1.

    It is the index whose share of the cumulative distribution contains u. One of probability 0 is never drawn, despite
    rounding.
    """
    cumulative = np.add.accumulate(probs, axis=-1)
    total = cumulative[..., -1:]
    # Only impossible indices lie beyond the total, so rounding must not bring the point up to it.
    point: float | Floats
    if total.size == 1:  # numbers of Python, which take less time than arrays of one
        most = total.item()
        point = min(np.asarray(uniform).item() * most, math.nextafter(most, 0.0))
    else:
        point = np.minimum(np.asarray(uniform)[..., None] * total, np.nextafter(total, 0))
    drawn: NDArray[np.intp] = (cumulative > point).argmax(axis=-1)
    return drawn


def _keep(probs: Floats, order: NDArray[np.intp], is_kept: NDArray[np.bool_]) -> Floats:
    """Keep the entries of `order` where `is_kept` (both along the last axis), scaled to sum to 1."""
    kept: Floats = np.zeros_like(probs)
    values = np.where(is_kept, np.take_along_axis(probs, order, axis=-1), 0.0)
    np.put_along_axis(kept, order, values, axis=-1)
    return _normalize(kept)


class NoBlankItems:
    """A shaper that never ends an item that is still blank. It keeps track of the characters drawn (see `take`).

    `items` are what the item of each stream begins with. Without a separator nothing is changed.
    """

    def __init__(self, shaper: Shaper, characters: str, separator: str, items: Sequence[str]) -> None:
        self._shaper, self._characters, self._separator = shaper, characters, separator
        self._end = characters.index(separator[-1]) if separator else 0
        # The streams whose item is still blank, and that item. Once an item is not blank, it may end at any time.
        self._blank = {stream: item for stream, item in enumerate(items) if separator and self._is_blank(item)}

    def weigh(self, logits: NDArray[np.floating]) -> Floats:
        """Return the weights of scores (B, V), same shape."""
        ending = [stream for stream, item in self._blank.items() if item.endswith(self._separator[:-1])]
        if not ending:
            return self._shaper.weigh(logits)
        scores = logits.astype(np.float64)
        scores[ending] = ban(scores[ending], np.array([self._end]))
        return self._shaper.weigh(scores)

    def take(self, ids: NDArray[np.intp]) -> None:
        """Note which character each stream has drawn, (B,)."""
        for stream, item in list(self._blank.items()):
            longer = item + self._characters[ids[stream]]
            if self._is_blank(longer):
                self._blank[stream] = longer
            else:
                del self._blank[stream]

    def _is_blank(self, item: str) -> bool:
        """Whether an item is blank, if the separator has begun at its end."""
        return not item[: max(len(item) - len(self._separator) + 1, 0)].strip()


CLASSES: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "letters": str.isalpha,
        "upper": str.isupper,
        "lower": str.islower,
        "digits": str.isdecimal,
        "space": lambda c: c.isspace() and c != "\n",
        "newline": lambda c: c == "\n",
        "punctuation": lambda c: unicodedata.category(c)[0] in "PS",
        "ascii": str.isascii,
    }
)
_NEAR = 0.75  # of `difflib`'s ratio: one letter off in a word of five


def banned_ids(
    vocabulary: Vocabulary, allow: Sequence[str], ban: Sequence[str], never: Sequence[int] = ()
) -> tuple[int, ...]:
    """Return the ids that may not be drawn: of `never`, of a set in `ban`, or of none in `allow` (see `in_set`)."""
    allowed, out = [in_set(words, "allow") for words in allow], [in_set(words, "ban") for words in ban]
    banned = tuple(
        number
        for number, c in enumerate(vocabulary.characters)
        if number in never or (allowed and not any(has(c) for has in allowed)) or any(has(c) for has in out)
    )
    if len(banned) == len(vocabulary):
        raise ConfigError("no character is left to write: check {} and {}", "allow", "ban")
    return banned


def in_set(words: str, field: str) -> Callable[[str], bool]:
    """Return a test whether a character is in a set: comma-separated names from `CLASSES`, or literal characters."""
    names = words.split(",")
    if all(name in CLASSES for name in names):
        return lambda c: any(CLASSES[name](c) for name in names)
    if not words:
        raise ConfigError("{} is empty: give characters or classes ({classes})", field, classes=", ".join(CLASSES))
    wrong = [name for name in names if name not in CLASSES]
    near = [guess for name in wrong for guess in difflib.get_close_matches(name.lower(), CLASSES, 1, _NEAR)]
    if near or len(wrong) < len(names):
        raise ConfigError(
            "{} {words}: unknown class {wrong!r}{guess}. The classes are {classes}. For literal characters, write them "
            "in another order",
            field,
            words=words,
            wrong=wrong[0],
            guess=f" (did you mean {near[0]}?)" if near else "",
            classes=", ".join(CLASSES),
        )
    return lambda c: c in words
