"""What may be drawn: pure functions from scores to a distribution, and one draw from it. All in float64.

They apply in this order: temperature, top-k, top-p.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        """Return the probabilities (V,) of scores (V,) after every filter."""
        probs = soften(logits, self.temperature)
        if self.top_k:
            probs = keep_top_k(probs, self.top_k)
        if self.top_p < 1:
            probs = keep_top_p(probs, self.top_p)
        return probs


def soften(logits: NDArray[np.floating], temperature: float) -> Floats:
    """Softmax of ``logits / temperature``: below 1 bolder, above 1 wilder, 0 all on the best (the first if tied)."""
    scores: Floats = logits.astype(np.float64)
    scores -= scores.max()
    if temperature == 0:
        best: Floats = np.zeros_like(scores)
        best[scores.argmax()] = 1
        return best
    # A tiny temperature sends all but the best to −infinity, whose exponential is 0, as it should be.
    with np.errstate(over="ignore", under="ignore"):
        scores /= temperature
        probs: Floats = np.exp(scores)
    probs /= probs.sum()
    return probs


def keep_top_k(probs: Floats, k: int) -> Floats:
    """Only the k most probable (of equals the first), made to sum to 1 again."""
    kept: Floats = np.zeros_like(probs)
    best = np.argsort(-probs, kind="stable")[:k]
    kept[best] = probs[best]
    kept /= kept.sum()
    return kept


def keep_top_p(probs: Floats, p: float) -> Floats:
    """Only the most probable that together reach p, at least one, made to sum to 1 again.

    Holtzman et al., "The curious case of neural text degeneration", 2020.
    """
    order = np.argsort(-probs, kind="stable")
    count = int(np.searchsorted(np.cumsum(probs[order]), p)) + 1
    return keep_top_k(probs, count)


def draw(probs: Floats, uniform: float) -> int:
    """Return the index whose share of the cumulative distribution holds `uniform`, 0 ≤ uniform < 1.

    Never one of probability 0, whatever the rounding.
    """
    cumulative = np.cumsum(probs)
    index = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return min(index, int(np.flatnonzero(probs)[-1]))
