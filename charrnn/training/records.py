"""A run's events as records: plain values that a log, or a program that reads one, can hold.

Each record has ``event``, ``time`` (UTC) and ``step``; losses are nats a character. They are

- ``start`` and ``resume``: the command, the text, the model and the whole configuration
- ``progress``: one step's ``loss``, ``smoothed_loss``, ``learning_rate``, ``grad_norm``, and the speed since the last
- ``sample``, ``evaluation``, ``save``, ``save_failed``, ``rollback``, ``out_of_patience`` and so on: what the events
  of `charrnn.training.events` have
- ``end``, or ``failure`` with a reason
"""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from charrnn.training.events import Event, RolledBack, StepReport, Stopped
from charrnn.training.setup import PreparedRun
from charrnn.version import __version__

LOG_FORMAT = 1
_NAMES = {
    "StepReport": "progress",
    "Sampled": "sample",
    "Evaluated": "evaluation",
    "Saved": "save",
    "RolledBack": "rollback",
    "Stopped": "end",
}
_DOUBLING = 7  # two to the power of this: records from one power of two to the next

Record = dict[str, Any]


def is_recorded(step: int) -> bool:
    """Whether a step's figures are recorded: all of the first 256, and of each doubling after those 128.

    Where a run's loss falls fast it is seen in detail, the records of the longest run stay a few thousand, and as a
    pure function of the step it is the same in a run that was stopped and went on.
    """
    return step % (1 << max(0, step.bit_length() - 1 - _DOUBLING)) == 0


class Recorder:
    """Turns the events of one run into records.

    Parameters
    ----------
    prepared : the run
    command : what the user typed to start it

    Attributes
    ----------
    beginning : the record of how the run starts, or goes on
    """

    def __init__(self, prepared: PreparedRun, command: str) -> None:
        self.beginning = _beginning(prepared, command)
        self._last: StepReport | None = None
        self._recorded = 0  # the last step that was
        self._characters, self._seconds = 0, 0.0  # trained since the last record of progress
        self._heard = time.perf_counter()

    def records(self, event: Event) -> Sequence[Record]:
        """Return what is to be recorded of an event: nothing, one record, or two."""
        now = time.perf_counter()
        since, self._heard = now - self._heard, now
        if isinstance(event, StepReport):
            self._characters += event.characters
            self._seconds += since
            self._last = event
            return (self._progress(event),) if is_recorded(event.step) else ()
        record = stamp(_name(event), event.step) | _plain(asdict(event))
        # Where a run stops, or leaves its way, the last step that it made is worth a line.
        is_last = isinstance(event, Stopped | RolledBack)
        if is_last and self._last and self._last.step != self._recorded:
            return self._progress(self._last), record
        return (record,)

    def failure(self, error: BaseException) -> Record:
        """Return the record of a run that ended by an error."""
        step = self._last.step if self._last else self.beginning["step"]
        return stamp("failure", step) | {"reason": str(error) or type(error).__name__}

    def _progress(self, report: StepReport) -> Record:
        speed = round(self._characters / self._seconds, 1) if self._seconds else None
        self._characters, self._seconds, self._recorded = 0, 0.0, report.step
        return stamp("progress", report.step) | _plain(asdict(report)) | {"characters_per_second": speed}


def _beginning(prepared: PreparedRun, command: str) -> Record:
    run, trainer = prepared.run, prepared.run.trainer
    text = {"symbols": len(trainer.vocabulary), "held_out": prepared.validation_characters}
    return {
        **stamp("start" if run.is_fresh else "resume", trainer.step),
        "charrnn": __version__,
        "log_format": LOG_FORMAT,
        "command": command,
        "checkpoint": str(run.path),
        "corpus": asdict(run.corpus) | text,
        "model": asdict(trainer.model) | {"parameters": trainer.params.vector.size},
        "config": run.config.to_json(),
        "total_steps": run.total_steps,
        "rollbacks": trainer.rollbacks,
    }


def _name(event: Event) -> str:
    """Return what a record calls an event: ``SaveFailed`` is ``save_failed``, but for the most common ones."""
    kind = type(event).__name__
    return _NAMES.get(kind) or re.sub("(?<!^)(?=[A-Z])", "_", kind).lower()


def stamp(event: str, step: int) -> Record:
    """Return what every record begins with."""
    return {"event": event, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "step": step}


def _plain(values: Record) -> Record:
    """Replace what JSON does not have: paths by their names, and numbers that are not finite by null."""
    return {name: _plain_value(value) for name, value in values.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
