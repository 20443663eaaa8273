"""What happens in a run. Losses are in nats per character."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Beginning:
    """What there is to say of a run before its first event, as plain values."""

    step: int
    is_fresh: bool
    checkpoint: Path | None
    corpus: Mapping[str, Any]
    model: Mapping[str, Any]
    config: Mapping[str, Any]
    total_steps: int | None
    rollbacks: int  # how often the run has gone back so far
    saved_rollbacks: int  # the same in the checkpoint it resumes from; with another learning rate they count anew


@dataclass(frozen=True)
class StepReport:
    """What one step did. Losses are in nats per character.

    Examples
    --------
    >>> import charrnn
    >>> run = charrnn.train("abc" * 200, steps=2, hidden_sizes=(8,), seq_length=10, val_fraction=0)
    >>> for event in run:
    ...     if isinstance(event, charrnn.StepReport):
    ...         print(f"step {event.step}, epoch {event.epoch:.2f}: {event.characters} characters")
    step 1, epoch 0.26: 160 characters
    step 2, epoch 0.53: 160 characters

    """

    step: int  # updates made so far, this one included
    epoch: float  # passes over the training text so far
    characters: int  # trained in this step
    loss: float  # before the update
    smoothed_loss: float
    grad_norm: float  # before clipping
    learning_rate: float


@dataclass(frozen=True)
class Sampled:
    """A piece of text the network wrote."""

    step: int
    text: str


@dataclass(frozen=True)
class Evaluated:
    """The held-out figure.

    Examples
    --------
    >>> import charrnn
    >>> run = charrnn.train(["weather-court.txt"], steps=2, hidden_sizes=(8,))
    >>> evaluations = [event for event in run if isinstance(event, charrnn.Evaluated)]
    >>> evaluations[-1].step, evaluations[-1].is_best
    (2, True)

    """

    step: int
    loss: float
    is_best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint is safely on the disk."""

    step: int
    path: Path


@dataclass(frozen=True)
class SaveFailed:
    """A checkpoint could not be written; the run continues and will try again."""

    step: int
    reason: str


@dataclass(frozen=True)
class RolledBack:
    """Training diverged; the run is back at its last good step, and continues at half the rate."""

    step: int  # of the good state
    reason: str
    learning_rate: float  # from here on, before any schedule


@dataclass(frozen=True)
class LossRose:
    """The loss of a step is over three times that of blind guessing. Yielded once in a run."""

    step: int
    loss: float


@dataclass(frozen=True)
class OutOfPatience:
    """The last evaluations found no new best, as many in a row as the run has patience for."""

    step: int
    best_step: int
    best_loss: float


@dataclass(frozen=True)
class Stopped:
    """The run is over and saved, because it was done or because it was asked to stop."""

    step: int
    interrupted: bool


Event = StepReport | Sampled | Evaluated | Saved | SaveFailed | LossRose | RolledBack | OutOfPatience | Stopped
