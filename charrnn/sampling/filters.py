"""What may be drawn: pure functions from scores to distributions, and a draw from each. All in float64.

They work along the last axis, so that many streams are one call, and apply in this order: what is banned is out,
temperature, top-k, top-p, min-p. Each of the last three looks at what those before it have left, made to sum to 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.errors import ConfigError

Floats = NDArray[np.float64]


class Shaper(Protocol):
    """What turns scores into the distributions that are drawn from."""

    def apply(self, logits: NDArray[np.floating]) -> Floats:
        """Return probabilities for scores (..., V), same shape; the scores are only read."""


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

    temperature: float = 1.0  # see `soften`
    top_k: int = 0  # see `keep_top_k`; 0 keeps all
    top_p: float = 1.0  # see `keep_top_p`; 1 keeps all
    min_p: float = 0.0  # see `keep_min_p`; 0 keeps all
    banned: tuple[int, ...] = ()  # ids that are never drawn

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(f"--temperature must be 0 or more, not {self.temperature}")
        if self.top_k < 0:
            raise ConfigError(f"--top-k must be 0 (all) or more, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"--top-p must be above 0 and at most 1, not {self.top_p}")
        if not 0 <= self.min_p <= 1:
            raise ConfigError(f"--min-p must be from 0 (all) to 1, not {self.min_p}")

    def apply(self, logits: NDArray[np.floating]) -> Floats:
        """Return the probabilities of scores (..., V) after every filter, same shape."""
        probs = soften(ban(logits, self._banned) if self.banned else logits, self.temperature)
        for keep in self._keeps:
            probs = keep(probs)
        return probs

    @cached_property
    def _keeps(self) -> tuple[Callable[[Floats], Floats], ...]:
        """The filters that keep less than all, in their order."""
        keeps: list[Callable[[Floats], Floats]] = []
        if self.top_k:
            keeps.append(partial(keep_top_k, k=self.top_k))
        if self.top_p < 1:
            keeps.append(partial(keep_top_p, p=self.top_p))
        if self.min_p:
            keeps.append(partial(keep_min_p, p=self.min_p))
        return tuple(keeps)

    @cached_property
    def _banned(self) -> NDArray[np.intp]:
        return np.array(self.banned, dtype=np.intp)


@dataclass(frozen=True)
class SideBySide:
    """One filter after another, each for an equal share of the streams."""

    filters: tuple[Filters, ...]

    def apply(self, logits: NDArray[np.floating]) -> Floats:
        """Return the probabilities of scores (B, V): the first B/n rows by the first of the n filters, and so on."""
        shares = np.split(logits, len(self.filters))
        return np.concatenate([own.apply(share) for own, share in zip(self.filters, shares, strict=True)])


def ban(logits: NDArray[np.floating], ids: NDArray[np.intp]) -> Floats:
    """Scores with those of some ids at −infinity, so that the others share all the probability."""
    scores = logits.astype(np.float64)
    scores[..., ids] = -np.inf
    return scores


def soften(logits: NDArray[np.floating], temperature: float) -> Floats:
    """Softmax of ``logits / temperature``: below 1 bolder, above 1 wilder, 0 all on the best (the first if tied)."""
    scores: Floats = logits.astype(np.float64)
    scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
    if temperature == 0:
        scores = np.where(np.arange(scores.shape[-1]) == scores.argmax(axis=-1)[..., None], 0.0, -np.inf)
    # A tiny temperature sends all but the best to −infinity, whose exponential is 0, as it should be.
    elif temperature != 1:
        with np.errstate(over="ignore"):
            scores /= temperature
    np.exp(scores, out=scores)
    scores /= np.add.reduce(scores, axis=-1, keepdims=True)
    return scores


def keep_top_k(probs: Floats, k: int) -> Floats:
    """Only the k most probable (of equals the first), made to sum to 1 again."""
    order = np.argsort(-probs, axis=-1, kind="stable")
    return _keep(probs, order, np.arange(probs.shape[-1]) < k)


def keep_top_p(probs: Floats, p: float) -> Floats:
    """Only the most probable that together reach p, at least one, made to sum to 1 again.

    Holtzman et al., "The curious case of neural text degeneration", 2020.
    """
    order = np.argsort(-probs, axis=-1, kind="stable")
    # One is still needed as long as those before it do not reach p.
    total = np.cumsum(np.take_along_axis(probs, order, axis=-1), axis=-1)
    is_needed = np.concatenate([np.ones_like(total[..., :1], dtype=bool), total[..., :-1] < p], axis=-1)
    return _keep(probs, order, is_needed)


def keep_min_p(probs: Floats, p: float) -> Floats:
    """Only those at least p times as probable as the most probable one, made to sum to 1 again.

    Nguyen et al., "Turning up the heat: min-p sampling for creative and coherent LLM outputs", 2024.
    """
    kept = np.where(probs >= p * probs.max(axis=-1, keepdims=True), probs, 0.0)
    kept /= kept.sum(axis=-1, keepdims=True)
    return kept


def draw(probs: Floats, uniform: ArrayLike) -> NDArray[np.intp]:
    """Draw one index from each distribution, by the inverse of its cumulative distribution.

    Parameters
    ----------
    probs : (..., V)
    uniform : (...), random numbers, 0 ≤ u < 1

    Returns
    -------
    (...) integers: the index whose share of the cumulative distribution holds u; never one of probability 0, whatever
    the rounding.
    """
    cumulative = np.add.accumulate(probs, axis=-1)
    total = cumulative[..., -1:]
    # Beyond the total there are only impossible ones, so rounding must not bring the point up to it.
    point = np.minimum(np.asarray(uniform)[..., None] * total, np.nextafter(total, 0))
    drawn: NDArray[np.intp] = (cumulative > point).argmax(axis=-1)
    return drawn


def _keep(probs: Floats, order: NDArray[np.intp], is_kept: NDArray[np.bool_]) -> Floats:
    """Keep the entries of `order` where `is_kept` (both along the last axis), and make them sum to 1 again."""
    kept: Floats = np.zeros_like(probs)
    values = np.where(is_kept, np.take_along_axis(probs, order, axis=-1), 0.0)
    np.put_along_axis(kept, order, values, axis=-1)
    kept /= kept.sum(axis=-1, keepdims=True)
    return kept
