"""Learning-rate schedules: pure functions of how far the run is, so that a resumed run needs no memory of them."""

import math

SCHEDULES = ("constant", "step", "cosine")


def cosine(progress: float) -> float:
    """Half a cosine, from 1 at progress 0 to 0 at progress 1 (Loshchilov & Hutter, 2017)."""
    return 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))


def stairs(epoch: float, factor: float, every: float) -> float:
    """Share of the rate after `epoch` passes over the text: `factor` once for every `every` passes.

    As in torch-rnn, ``-lr_decay_every`` and ``-lr_decay_factor``.
    """
    return math.pow(factor, epoch // every)


def learning_rate(
    base: float,
    schedule: str,
    *,
    step: int = 0,
    epoch: float = 0.0,
    progress: float = 0.0,
    warmup_steps: int = 0,
    decay_factor: float = 1.0,
    decay_every: float = 1.0,
) -> float:
    """Learning rate of one update.

    Parameters
    ----------
    base : the rate the schedule scales
    schedule : ``"constant"``, ``"step"`` (see `stairs`) or ``"cosine"``
    step : updates already made; the first `warmup_steps` of them climb from ``base / warmup_steps`` in a straight line
    epoch : passes over the text already made
    progress : share of the whole run already done, 0 to 1
    decay_factor, decay_every : of the ``"step"`` schedule; `decay_every` is in epochs. By default nothing decays

    Examples
    --------
    >>> import charrnn
    >>> [charrnn.learning_rate(0.1, "cosine", progress=step / 4) for step in (0, 2, 4)]
    [0.1, 0.05, 0.0]
    >>> [charrnn.learning_rate(0.1, "step", epoch=e, decay_factor=0.5, decay_every=5) for e in (4.9, 5, 10)]
    [0.1, 0.05, 0.025]
    >>> [charrnn.learning_rate(0.1, "constant", step=step, warmup_steps=2) for step in (0, 1, 2)]
    [0.05, 0.1, 0.1]

    """
    rate = base * min(1.0, (step + 1) / warmup_steps) if warmup_steps else base
    if schedule == "step":
        return rate * stairs(epoch, decay_factor, decay_every)
    return rate * cosine(progress) if schedule == "cosine" else rate
