"""Colour, sparingly: on a terminal only, and not where NO_COLOR is set (no-color.org) or the terminal is a dumb one."""

import os
from typing import TextIO

_BOLD, _FAINT, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"


def has_colour(stream: TextIO) -> bool:
    """Whether what is written to a stream may have colour."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def bold(text: str, stream: TextIO) -> str:
    """Return a harmless text as a heading looks on a stream."""
    return f"{_BOLD}{text}{_PLAIN}" if has_colour(stream) else text


def faint(text: str, stream: TextIO) -> str:
    """Return a harmless text as a remark looks on a stream."""
    return f"{_FAINT}{text}{_PLAIN}" if has_colour(stream) else text


def alarming(text: str, stream: TextIO) -> str:
    """Return a harmless text as an error looks on a stream."""
    return f"{_BOLD}{_RED}{text}{_PLAIN}" if has_colour(stream) else text
