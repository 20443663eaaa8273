"""What happens in a run, for whoever watches it: a terminal, a notebook or a test. Losses are nats a character."""

from dataclasses import dataclass
from pathlib import Path

from charrnn.training.trainer import StepReport


@dataclass(frozen=True)
class Sampled:
    """A piece of text the network wrote."""

    step: int
    text: str


@dataclass(frozen=True)
class Evaluated:
    """The held-out figure."""

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
    """A checkpoint could not be written; the run goes on and will try again."""

    step: int
    reason: str


@dataclass(frozen=True)
class RolledBack:
    """Training diverged; the run stands at its last good step again, and goes on at half the rate."""

    step: int  # of the good state
    reason: str
    learning_rate: float  # from here on, before any schedule


@dataclass(frozen=True)
class LossRose:
    """The loss of a step is several times that of the run's start; the run goes on, and says so once."""

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
