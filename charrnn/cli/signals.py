"""Ctrl-C, SIGTERM and SIGHUP.

While a model trains, a signal only sets a flag: the training loop finishes its step, saves and stops. A second signal
stops at once, and so does the first one anywhere else. To stop at once is a `KeyboardInterrupt`, so that files half
written are removed on the way out.
"""

import os
import signal
import sys
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Last:
    """The last signal that came, and whether it was to stop the program at once."""

    number: int = signal.SIGINT
    stops: bool = False


def stop_on_signals() -> None:
    """Let every signal stop the program at once, as Python does with Ctrl-C."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # a parent such as nohup asked for that
            signal.signal(number, _stop)
    sys.unraisablehook = _end_if_interrupted


def ignore_signals() -> None:
    """Ignore signals while the program ends, where one would only be shown as a traceback."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def exit_code() -> int:
    """Return the exit code of a program that a signal stopped: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + _Last.number


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature is Python's
    _Last.number, _Last.stops = number, True
    raise KeyboardInterrupt


def stop_if_dropped() -> None:
    """Raise KeyboardInterrupt again if NumPy dropped one: some of its modules catch everything while they load."""
    if _Last.stops:
        raise KeyboardInterrupt


def _end_if_interrupted(unraisable: "UnraisableHookArgs") -> None:
    """End the program if Python had to drop a KeyboardInterrupt, because a callback or a ``__del__`` was running."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        os._exit(exit_code())
    sys.__unraisablehook__(unraisable)


class Interruption:
    """A context in which a signal sets a flag, and a second one raises `KeyboardInterrupt`."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of a program that this signal stopped."""
        return 128 + (self.signal or 0)

    def is_requested(self) -> bool:
        """Whether to finish the step, save and stop."""
        return self.signal is not None

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature is Python's
        is_second, self.signal = self.is_requested(), number
        if is_second:
            _Last.number = number
            raise KeyboardInterrupt
