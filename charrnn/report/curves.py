"""What there is to draw of a run: its losses, learning rate and gradient norm over the steps, read from its log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from charrnn import checkpoint
from charrnn.errors import LogError, shown
from charrnn.run_files import LOG_SUFFIX, log_path
from charrnn.training.log import read_log

_LARGEST = 1e300  # beyond it is nothing that can be drawn, nor NaN
Points = list[tuple[int, float]]  # steps and values, in the order of the steps


@dataclass(frozen=True)
class Curves:
    """One run. Losses are nats a character."""

    name: str
    training: Points = field(default_factory=list)  # the smoothed loss
    held_out: Points = field(default_factory=list)
    learning_rate: Points = field(default_factory=list)
    grad_norm: Points = field(default_factory=list)  # before clipping

    @classmethod
    def of_losses(cls, name: str, losses: Iterable[float]) -> Self:
        """Make those of a training in memory, one loss a step from step 1 on; what cannot be drawn is left out."""
        curves = cls(name)
        for step, loss in enumerate(losses, 1):
            _add(curves.training, step, float(loss))
        return curves

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and loss of the best evaluation."""
        return min(self.held_out, key=lambda point: point[1], default=None)

    def keep_until(self, step: int) -> None:
        """Drop what came after a step: the run went back there."""
        for points in (self.training, self.held_out, self.learning_rate, self.grad_norm):
            while points and points[-1][0] > step:
                points.pop()


def read_runs(paths: Sequence[Path]) -> list[Curves]:
    """Read several as `read_curves` does; where names of files would be the same, they get those of their folders."""
    runs = [read_curves(path) for path in paths]
    names = [run.name for run in runs]
    return [
        replace(run, name=str(path)) if names.count(run.name) > 1 else run
        for run, path in zip(runs, paths, strict=True)
    ]


def read_curves(path: Path) -> Curves:
    """Read the log that `path` is, or that of the checkpoint that it is.

    A checkpoint without a log, as of a program before there were any, knows its evaluations.

    Raises
    ------
    CheckpointError, LogError
        If there is neither, or it cannot be read.
    """
    if path.suffix == ".npz":
        log = log_path(path)
        if log.exists():
            return read_curves(log)
        curves = Curves(path.stem, held_out=list(checkpoint.load(path).progress.history))
    else:
        curves = from_records(read_log(path), path.name.removesuffix(LOG_SUFFIX))
    if not (curves.training or curves.held_out):
        raise LogError(f"{shown(str(path))} tells of no steps and no evaluations: there is nothing to draw")
    return curves


def from_records(records: Sequence[dict[str, Any]], name: str) -> Curves:
    """Follow a run through its records, and back where it went back."""
    curves = Curves(name)
    for record in records:
        step = record["step"]
        match record["event"]:
            case "progress":
                _add(curves.training, step, record.get("smoothed_loss"))
                _add(curves.learning_rate, step, record.get("learning_rate"))
                _add(curves.grad_norm, step, record.get("grad_norm"))
            case "evaluation":
                _add(curves.held_out, step, record.get("loss"))
            case "start" | "resume" | "rollback":
                curves.keep_until(step)
    return curves


def _add(points: Points, step: int, value: object) -> None:
    """Add a point, if it is one: a log is a file that anybody may have written."""
    if not isinstance(value, float | int) or isinstance(value, bool) or not -_LARGEST < value < _LARGEST:
        return
    if not points or step > points[-1][0]:
        points.append((step, float(value)))
