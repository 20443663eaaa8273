"""Ctrl-C and SIGTERM while training: a signal only raises a flag, and the loop saves; a second one stops at once.

Everywhere else they are an exception, so that what is half written is swept away. But one that comes while modules are
being loaded would be lost now and then, with a traceback, as it may meet a callback of Python's that lets none out. So
it ends the program at once there, where nothing is begun; and wherever else it may be lost, it is remembered, and
counts as soon as training could begin.
"""

import os
import signal
from types import FrameType, TracebackType
from typing import Self

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class _Early:
    """What came before there was an `Interruption`."""

    signal: int | None = None


def interrupt_early() -> None:
    """Let signals be an exception, as Python does with Ctrl-C, or the end where modules are being loaded."""
    _Early.signal = None
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # a parent such as nohup asked not to be disturbed
            signal.signal(number, _interrupt)


def exit_code_of_exception() -> int:
    """Return what a shell calls the death by the signal that was an exception."""
    return 128 + (_Early.signal or signal.SIGINT)


def ignore_late() -> None:
    """Ignore signals on the way out, which is short: one would only be told as a traceback."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _Early.signal = number
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(128 + number)  # what a shell calls the death by it
        frame = frame.f_back
    raise KeyboardInterrupt


class Interruption:
    """While it is entered, is_requested says whether a signal came, or one before was lost."""

    def __init__(self) -> None:
        self.signal = _Early.signal

    @property
    def exit_code(self) -> int:
        """What a shell calls the death by this signal: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + (self.signal or 0)

    def is_requested(self) -> bool:
        """Whether to finish the step, save and stop."""
        return self.signal is not None

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:  # a parent such as nohup asked not to be disturbed
                signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature is Python's
        earlier, self.signal = self.signal, number
        if earlier is not None:
            raise KeyboardInterrupt
