"""A file of JSON objects, one a line, that is whole up to its last line feed whatever happens to who writes it.

A line goes to the system in one write. A process that is killed leaves whole lines, and at most a piece of one after
them, which is cut off before anything is appended; and so does a disk that is full.
"""

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

_LONGEST_LINE = 1 << 24  # bytes: what has no line feed for so long is no such file


class Entry(NamedTuple):
    """One line."""

    value: dict[str, Any]
    end: int  # offset of what comes after it, in bytes


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the lines of a file that are whole; what is not a JSON object is left out.

    Raises
    ------
    OSError
        If the file cannot be read, or is not a regular one.
    """
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
    """Open a file to write after its first `kept` bytes; what stood behind those goes.

    Raises
    ------
    OSError
        If it cannot be written, or is not a regular file.
    """
    _require_file(path)
    stream = FileIO(path, "a")
    stream.truncate(kept)
    return stream


class LineWriter:
    """Writes whole lines, and never raises: the first failure is told, and those after it are not.

    Parameters
    ----------
    stream : unbuffered
    tell : called once, with what went wrong
    can_cut : whether a piece of a line can be taken back. Then the next line is tried again, as there may be room by
        then; else nothing more is written.
    """

    def __init__(self, stream: FileIO, tell: Callable[[OSError], None], *, can_cut: bool) -> None:
        self._stream = stream
        self._tell = tell
        self._can_cut = can_cut
        self._has_failed = False

    def write(self, value: dict[str, Any]) -> None:
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
