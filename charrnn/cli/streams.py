"""The standard streams as they were found: some may be closed, some in an encoding with few characters.

The number of a stream that was closed (``charrnn ... >&-``) is free, and the next file to be opened would get it: what
is meant for stderr could be written into a checkpoint.
"""

import os
import sys
from io import TextIOWrapper

_STDOUT, _STDERR = 1, 2


def open_closed_streams() -> None:
    """Open the null device where a stream is closed, in such a way that writing to stdout fails."""
    for number in (0, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_WRONLY if number == _STDERR else os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(_STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(_STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def escape_what_has_no_encoding() -> None:
    """Let stdout and stderr write what their encoding lacks as a backslash escape, not as an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
