"""The log of a run, next to its checkpoint: ``book.log.jsonl`` next to ``book.npz``.

It is a file of JSON objects, one a line. Each has ``event``, ``time`` (UTC) and ``step``; losses are nats a character:

- ``start`` and ``resume``: the command, the text, the model and the whole configuration
- ``progress``: one step's ``loss``, ``smoothed_loss``, ``learning_rate``, ``grad_norm``, and the speed since the last
- ``sample``, ``evaluation``, ``save``, ``save_failed``, ``rollback``, ``out_of_patience`` and so on: what the events
  of `charrnn.training.events` have
- ``end``, or ``failure`` with a reason

A line goes to the system in one write. A process that is killed leaves whole lines and at most a piece of one, which is
cut off before anything is appended. A resumed run first cuts off what the log says of steps after the checkpoint that
it resumes from, so the log of a run in several parts reads as one run. No error of the log ends training.
"""

import errno
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from charrnn.errors import LogError, shown
from charrnn.paths import log_path
from charrnn.training.events import Beginning, Event, RolledBack, Saved, StepReport, Stopped
from charrnn.version import __version__

_LONGEST_LINE = 1 << 24  # bytes: what has no line feed for so long is no such file


Record = dict[str, Any]


class Entry(NamedTuple):
    """One line, and the offset of the next in bytes."""

    value: Record
    end: int


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the lines of a file that are whole; what is not a JSON object is left out."""
    _require_file(path)
    with path.open("rb") as stream:
        end = 0
        while (line := stream.readline(_LONGEST_LINE)).endswith(b"\n"):
            end += len(line)
            with suppress(ValueError, RecursionError):
                value = json.loads(line)
                if isinstance(value, dict):
                    yield Entry(value, end)


def open_to_append(path: Path, kept: int) -> FileIO:
    """Open a file to write after its first `kept` bytes; the rest is removed."""
    _require_file(path)
    stream = FileIO(path, "a")
    stream.truncate(kept)
    return stream


class LineWriter:
    """Writes whole lines to an unbuffered stream, and never raises: `tell` is called with the first failure.

    If a piece of a line can be cut off again, the next line is tried, as there may be room by then; else nothing more
    is written.
    """

    def __init__(self, stream: FileIO, tell: Callable[[OSError], None], *, can_cut: bool) -> None:
        self._stream = stream
        self._tell = tell
        self._can_cut = can_cut
        self._has_failed = False

    def write(self, value: Record) -> None:
        """Write one object."""
        if self._has_failed and not self._can_cut:
            return
        line = json.dumps(value, allow_nan=False).encode() + b"\n"
        written = 0
        try:
            while written < len(line):  # a signal or a disk's end may leave a write half done
                written += self._stream.write(line[written:]) or 0
        except OSError as error:
            if self._can_cut and written:
                with suppress(OSError):
                    self._stream.truncate(self._stream.tell() - written)
            if not self._has_failed:
                self._tell(error)
            self._has_failed = True

    def close(self) -> None:
        """Close the stream."""
        with suppress(OSError):
            self._stream.close()


def _require_file(path: Path) -> None:
    if path.exists() and not path.is_file():  # opening a pipe would wait for its other end
        raise OSError(errno.EINVAL, "it is not a regular file")


_LARGEST_STEP = 1 << 53  # and one more: what a float still counts


def read_log(path: Path) -> list[Record]:
    """Return the records of a log, without damaged lines."""
    return [entry.value for entry in _entries(path)]


def length_until(path: Path, step: int, rollbacks: int) -> int:
    """Length in bytes of what a log says of its run up to the save of a step, after so many rollbacks.

    That is up to the line of the save. If it is missing, as the process was killed right then, or as the checkpoint is
    a copy, the end of the log that is of later steps, or of another number of rollbacks, is left out.
    """
    if not path.exists() or not path.stat().st_size:
        return 0
    entries = _entries(path)
    counts = _rollbacks(entries)
    saved = (step, rollbacks)
    length = _length_until(entries, counts, saved) or _length_until(entries, [None] * len(entries), saved)
    return entries[length - 1].end if length else 0


def _length_until(entries: list[Entry], counts: list[int | None], saved: tuple[int, int]) -> int:
    """Count the lines to keep; `counts` has the rollbacks up to each, None where that is not known."""
    step, rollbacks = saved
    length = len(entries)
    while length and (entries[length - 1].value["step"] > step or counts[length - 1] not in (None, rollbacks)):
        length -= 1
    saves = [place for place in range(length) if entries[place].value["event"] == "save"]
    if saves and _is(entries[saves[-1]], "save", step) and counts[saves[-1]] in (None, rollbacks):
        length = saves[-1] + 1
        while length < len(entries) and _is(entries[length], "sample", step):  # a fresh run saves before it samples
            length += 1
    while length and _is(entries[length - 1], "resume", step):  # of a run that was killed before it made a step
        length -= 1
    return length


def _rollbacks(entries: list[Entry]) -> list[int | None]:
    """Return the number of rollbacks up to each line; None where an older log does not say it."""
    counts: list[int | None] = []
    count: int | None = 0
    for entry in entries:
        if entry.value["event"] in ("start", "resume"):
            told = entry.value.get("rollbacks", None if counts else 0)
            count = told if type(told) is int else None
        elif entry.value["event"] == "rollback" and count is not None:
            count += 1
        counts.append(count)
    return counts


def _entries(path: Path) -> list[Entry]:
    """Return the lines of a log, or raise `LogError` if the file cannot be read or is not one."""
    entries = []
    try:
        for entry in read_entries(path):
            if _is_record(entry.value):
                entries.append(entry)
            elif not entries:
                break  # the first object tells what file this is
    except OSError as error:
        raise LogError(f"the log {shown(str(path))} cannot be read: {error.strerror or error}") from error
    if not entries:
        raise LogError(f"{shown(str(path))} is not the log of a run")
    return entries


def _is_record(value: dict[str, Any]) -> bool:
    step = value.get("step")
    return isinstance(value.get("event"), str) and type(step) is int and 0 <= step < _LARGEST_STEP


def _is(entry: Entry, event: str, step: int) -> bool:
    return (entry.value["event"], entry.value["step"]) == (event, step)


_LOG_FORMAT = 1
_NAMES = {
    "StepReport": "progress",
    "Sampled": "sample",
    "Evaluated": "evaluation",
    "Saved": "save",
    "RolledBack": "rollback",
    "Stopped": "end",
}
_DOUBLING = 7  # two to the power of this: records from one power of two to the next


def is_recorded(step: int) -> bool:
    """Whether a step's figures are recorded: all of the first 256, and 128 of each doubling after those.

    So the beginning, where the loss falls fast, is seen in detail, and the longest run has a few thousand records.
    """
    return step % (1 << max(0, step.bit_length() - 1 - _DOUBLING)) == 0


class Recorder:
    """Turns the events of one run into records; `beginning` is the first."""

    def __init__(self, beginning: Beginning, command: str) -> None:
        values = _plain(vars(beginning))
        event = "start" if values.pop("is_fresh") else "resume"
        del values["saved_rollbacks"]
        about = {"charrnn": __version__, "log_format": _LOG_FORMAT, "command": command}
        self.beginning = stamp(event, values.pop("step")) | about | values
        self._last: StepReport | None = None
        self._recorded = 0  # the last step that was
        self._characters, self._seconds = 0, 0.0  # trained since the last record of progress
        self._heard = time.perf_counter()

    def records(self, event: Event) -> Sequence[Record]:
        """Return the records of an event: none, one, or two."""
        now = time.perf_counter()
        since, self._heard = now - self._heard, now
        if isinstance(event, StepReport):
            self._characters += event.characters
            self._seconds += since
            self._last = event
            return (self._progress(event),) if is_recorded(event.step) else ()
        kind = type(event).__name__
        name = _NAMES.get(kind) or re.sub("(?<!^)(?=[A-Z])", "_", kind).lower()  # SaveFailed: save_failed
        record = stamp(name, event.step) | _plain(asdict(event))
        # The last step before a run stops or goes back is worth a line.
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


class RunLog:
    """The log of one run, a context manager; each line also goes to `echo`.

    The file is opened at the first event, when a fresh run has been able to save. So a run that cannot begin, or that
    is finished already, changes nothing. `warn` is told once for the file, and once for the echo, that a line could not
    be written.
    """

    def __init__(
        self, beginning: Beginning, command: str, warn: Callable[[str], None], echo: FileIO | None = None
    ) -> None:
        self.path = beginning.checkpoint and log_path(beginning.checkpoint)
        self._beginning = beginning
        self._recorder = Recorder(beginning, command)
        self._warn = warn
        self._writers = [LineWriter(echo, self._warner("the events"), can_cut=False)] if echo else []
        self._has_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error and self._has_begun:
            self._write(self._recorder.failure(error))
        for writer in self._writers:
            writer.close()

    def record(self, event: Event) -> None:
        """Write the records of an event."""
        if not self._has_begun:
            self._has_begun = True
            if self._beginning.is_fresh or not isinstance(event, Stopped):  # else there was nothing to do
                self._open()
            self._write(self._recorder.beginning)
        for record in self._recorder.records(event):
            self._write(record)

    def _open(self) -> None:
        if self.path is None:
            return
        tell = self._warner(f"the log {shown(str(self.path))}")
        kept, step = 0, self._beginning.step
        try:
            if not self._beginning.is_fresh:
                kept = length_until(self.path, step, self._beginning.saved_rollbacks)
            stream = open_to_append(self.path, kept)
            saves = [record["step"] for record in read_log(self.path) if record["event"] == "save"] if kept else [step]
        except OSError as error:
            tell(error)
        except LogError as error:
            self._warn(f"{error}; training continues without a log")
        else:
            log = LineWriter(stream, tell, can_cut=True)
            self._writers.append(log)
            if self._beginning.checkpoint and saves[-1:] != [step]:  # killed between the checkpoint and its line
                for record in self._recorder.records(Saved(step, self._beginning.checkpoint)):
                    log.write(record)

    def _write(self, record: Record) -> None:
        for writer in self._writers:
            writer.write(record)

    def _warner(self, what: str) -> Callable[[OSError], None]:
        return lambda error: self._warn(f"cannot write {what}: {error.strerror or error}; training continues")
