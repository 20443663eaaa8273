"""Figures as a person reads them."""

import math

from charrnn.training.config import TrainConfig


def bits(nats: float) -> float:
    """Return an amount of information in bits."""
    return nats / math.log(2)


def describe_loss(nats: float) -> str:
    """Write a loss in both units: ``1.386 nats/char = 2.000 bits/char``."""
    return f"{nats:.3f} nats/char = {bits(nats):.3f} bits/char"


def duration(seconds: float) -> str:
    """Write a span of time: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe_batch(config: TrainConfig) -> str:
    """Say what one update learns from: ``batch 16 × seq 50``, or so many of those."""
    chunks = f"{config.accumulate} × " if config.accumulate > 1 else ""
    return f"{chunks}batch {config.batch_size} × seq {config.seq_length}"


def describe_ranks(ranks: int, streams: int, workers: int) -> list[str]:
    """Say in a line how several ranks divide the streams; of one there is nothing to say."""
    fewest, most = streams // ranks, -(-streams // ranks)
    each = f"{fewest} to {most}" if fewest < most else str(most)
    processes = f"{workers} process{'es' * (workers > 1)}"
    return [f"ranks  {ranks:,}, of {each} streams and {processes} each"] if ranks > 1 else []
