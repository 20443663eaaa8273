"""What a person reads before a run on a long text: how far it is prepared, and how much memory the run will take."""

import time
from types import TracebackType
from typing import Any, Self

from charrnn.machine import format_bytes
from charrnn.report.progress import open_bar
from charrnn.report.terminal import say
from charrnn.report.units import duration

_SECONDS_UNSHOWN = 1.0  # of each part of the work
_SECONDS_BETWEEN_LINES = 10.0  # where stderr is no terminal


class Preparation:
    """What is heard before a run: how far a long text is read, with the time left, and what cannot wait.

    A context manager that puts the terminal right again. A part that is over in a second is not shown.

    Parameters
    ----------
    is_quiet : show nothing
    """

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._part = ""
        self._bar: Any = None
        self._began = self._line_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def advance(self, what: str, done: int, total: int) -> None:
        """Show how far a part of the work is, in bytes; the total is 0 where nobody knows it."""
        if self._is_quiet:
            return
        if what != self._part:
            self._end()
            self._part, self._began = what, time.monotonic()
            self._line_at = self._began + _SECONDS_UNSHOWN - _SECONDS_BETWEEN_LINES
        seconds = time.monotonic() - self._began
        if self._bar is None and seconds >= _SECONDS_UNSHOWN:
            self._bar = open_bar(what, done, total, "B")
        if self._bar is None:
            return
        self._bar.update(done - self._bar.n)
        if self._bar.disable and time.monotonic() - self._line_at >= _SECONDS_BETWEEN_LINES:
            self._line_at = time.monotonic()
            left = f", {done / total:.0%}, {duration(seconds * (total - done) / done)} left" if total and done else ""
            say(f"{what} the text: {format_bytes(done)}{left}" if done else what)

    def say(self, sentence: str) -> None:
        """Write a line."""
        if not self._is_quiet:
            self._end()
            say(sentence)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
