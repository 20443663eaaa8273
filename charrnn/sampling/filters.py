"""What may be drawn: pure functions from scores to distributions, and a draw from each. All in float64.

They work along the last axis, so that many streams are one call, and apply in this order: temperature, top-k, top-p.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.errors import ConfigError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Filters:
    """How to shape the model's distribution before drawing from it.

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """

    temperature: float = 1.0  # see `soften`
    top_k: int = 0  # see `keep_top_k`; 0 keeps all
    top_p: float = 1.0  # see `keep_top_p`; 1 keeps all

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(f"--temperature must be 0 or more, not {self.temperature}")
        if self.top_k < 0:
            raise ConfigError(f"--top-k must be 0 (all) or more, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"--top-p must be above 0 and at most 1, not {self.top_p}")

    def apply(self, logits: NDArray[np.floating]) -> Floats:
        """Return the probabilities of scores (..., V) after every filter, same shape."""
        probs = soften(logits, self.temperature)
        if self.top_k:
            probs = keep_top_k(probs, self.top_k)
        if self.top_p < 1:
            probs = keep_top_p(probs, self.top_p)
        return probs


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
