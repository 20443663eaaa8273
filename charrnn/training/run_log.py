"""Writes the log of a run while it goes on.

A run that goes on from its checkpoint first cuts off what the log says of steps that were lost since that was saved,
and then appends: so the log of a run in several parts reads as one run. Nothing that happens to a log ends training.
"""

from collections.abc import Callable
from io import FileIO
from types import TracebackType
from typing import Any, Self

from charrnn.errors import LogError, shown
from charrnn.training.events import Event, Stopped
from charrnn.training.json_lines import LineWriter, open_to_append
from charrnn.training.log import length_until, log_path
from charrnn.training.records import Recorder
from charrnn.training.setup import PreparedRun


class RunLog:
    """The log of one run; a context manager.

    The file is first touched at the first event, when a fresh run has been able to save; so a run that cannot begin, or
    that is at its end already, changes nothing.

    Parameters
    ----------
    prepared : the run
    command : what the user typed to start it
    warn : told in a sentence that something could not be written, once for the file and once for the echo
    echo : where each line goes too, such as stdout; None for nowhere
    """

    def __init__(
        self, prepared: PreparedRun, command: str, warn: Callable[[str], None], echo: FileIO | None = None
    ) -> None:
        self.path = log_path(prepared.run.path)
        self._run = prepared.run
        self._saved_rollbacks = prepared.saved_rollbacks
        self._recorder = Recorder(prepared, command)
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
        """Write down what there is to say of an event."""
        if not self._has_begun:
            self._has_begun = True
            if self._run.is_fresh or not isinstance(event, Stopped):  # else there was nothing to do
                self._open()
            self._write(self._recorder.beginning)
        for record in self._recorder.records(event):
            self._write(record)

    def _open(self) -> None:
        tell = self._warner(f"the log {shown(str(self.path))}")
        try:
            kept = 0
            if not self._run.is_fresh:
                kept = length_until(self.path, self._recorder.beginning["step"], self._saved_rollbacks)
            stream = open_to_append(self.path, kept)
        except OSError as error:
            tell(error)
        except LogError as error:
            self._warn(f"{error}; training goes on without one")
        else:
            self._writers.append(LineWriter(stream, tell, can_cut=True))

    def _write(self, record: dict[str, Any]) -> None:
        for writer in self._writers:
            writer.write(record)

    def _warner(self, what: str) -> Callable[[OSError], None]:
        return lambda error: self._warn(f"cannot write {what}: {error.strerror or error}; training goes on")
