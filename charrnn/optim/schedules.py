"""Learning-rate schedules: pure functions of how far the run is, so that resuming needs nothing."""

import math


def constant(progress: float) -> float:  # noqa: ARG001 - a schedule is a function of the progress, even this one
    """Full rate from start to end."""
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine, from 1 at progress 0 to 0 at progress 1 (Loshchilov & Hutter, 2017)."""
    return 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))


SCHEDULES = {"constant": constant, "cosine": cosine}


def learning_rate(base: float, schedule: str, *, step: int, progress: float, warmup_steps: int) -> float:
    """Learning rate of one update.

    Parameters
    ----------
    base : the rate the schedule scales
    schedule : ``"constant"`` or ``"cosine"``
    step : updates already made; the first `warmup_steps` of them climb from ``base / warmup_steps`` in a straight line
    progress : share of the whole run already done, 0 to 1

    Examples
    --------
    >>> [learning_rate(0.1, "cosine", step=s, progress=s / 4, warmup_steps=0) for s in (0, 2, 4)]
    [0.1, 0.05, 0.0]
    """
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return base * warmup * SCHEDULES[schedule](progress)
