"""One file of the cache: a text's ids, and behind them what they are.

The ids come first, so that they can be written while the text is read and mapped where they lie. Then a description in
JSON, and 32 bytes that say where it is::

    ids | description | b"charrnn1", CRC-32 of the ids, CRC-32 of the description, its length, zeros
"""

import json
import mmap
import os
import stat
import struct
import zlib
from dataclasses import asdict, dataclass
from io import BufferedReader, FileIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.archive.values import count, parse, typed
from charrnn.text.reading import NOBODY, Watcher
from charrnn.text.vocabulary import Vocabulary

SUFFIX = ".ids"
_END = struct.Struct("<8sLLQ8x")
_MAGIC = b"charrnn1"
_LONGEST_DESCRIPTION = 1 << 27  # bytes: a million characters, or a million files
_DTYPES = ("uint8", "uint16", "uint32")
_BLOCK = 1 << 22  # bytes checked at once

File = tuple[str, int, int, int]


@dataclass(frozen=True)
class Description:
    """What a file of the cache says of its ids."""

    name: str  # the corpus's
    given: tuple[str, ...]  # the names it was read from, as they were given
    request: dict[str, Any]  # all that decides the ids beside the bytes of the text
    files: tuple[File, ...]  # path, size in bytes, times of the last change to its content and to itself (ns)
    sha256: str  # of what was read
    dtype: str
    characters: int
    vocabulary: str
    notes: tuple[str, ...]
    file_ends: tuple[int, ...]  # where each file ends in the ids, rising


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Entry:
    """A file of the cache, open."""

    path: Path
    description: Description
    ids: NDArray[np.unsignedinteger]
    """(N,), a read-only map of the file."""
    checksum: int
    """CRC-32 that the ids should have."""


def append_description(stream: FileIO, description: Description, checksum: int) -> None:
    """Write what the ids are behind them.

    Parameters
    ----------
    stream : the file that holds the ids and nothing else
    checksum : CRC-32 of the ids
    """
    text = json.dumps(asdict(description), sort_keys=True).encode()
    tail = memoryview(text + _END.pack(_MAGIC, checksum, zlib.crc32(text), len(text)))
    stream.seek(0, os.SEEK_END)
    while tail:
        tail = tail[stream.write(tail) :]


def open_entry(path: Path) -> Entry | None:
    """Open a file of the cache; None where there is none, or it is damaged or something else.

    The ids themselves are not looked at (see `is_sound`).
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            return _open(path, stream)
    except (OSError, ValueError):
        return None


def is_sound(entry: Entry, watcher: Watcher = NOBODY) -> bool:
    """Whether all ids are those that were written, and each is a character's."""
    dtype, symbols = np.dtype(entry.description.dtype), len(entry.description.vocabulary)
    left = total = entry.ids.nbytes
    checksum = 0
    try:
        # Read, not mapped: pages that are mapped would count as this process's memory.
        with entry.path.open("rb", buffering=0) as stream:
            while left:
                block = stream.read(min(_BLOCK, left))
                if not block or int(np.frombuffer(block, dtype).max()) >= symbols:
                    return False
                checksum = zlib.crc32(block, checksum)
                left -= len(block)
                watcher.advance("checking", total - left, total)
    except (OSError, ValueError):
        return False
    return checksum == entry.checksum


def _open(path: Path, stream: BufferedReader) -> Entry | None:
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size < _END.size:
        return None
    end = status.st_size - _END.size
    stream.seek(end)
    magic, checksum, text_checksum, length = _END.unpack(stream.read(_END.size))
    if magic != _MAGIC or length > min(_LONGEST_DESCRIPTION, end):
        return None
    stream.seek(end - length)
    text = stream.read(length)
    if zlib.crc32(text) != text_checksum:
        return None
    try:
        description = _interpret(parse(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    dtype = np.dtype(description.dtype)
    if description.characters * dtype.itemsize != end - length:
        return None
    mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    return Entry(path, description, np.frombuffer(mapped, dtype, description.characters), checksum)


def _interpret(values: dict[str, Any]) -> Description:
    """Build a description; any error of its own or Python's means that the file is none of ours."""
    texts = {name: typed(values[name], str) for name in ("name", "sha256", "dtype", "vocabulary")}
    if texts["dtype"] not in _DTYPES:
        raise ValueError("the ids are of another type")
    Vocabulary(texts["vocabulary"])
    files = []
    for path, *numbers in typed(values["files"], list):
        size, changed, touched = map(count, numbers)
        files.append((typed(path, str), size, changed, touched))
    given, notes = (tuple(typed(text, str) for text in typed(values[name], list)) for name in ("given", "notes"))
    request = typed(values["request"], dict)
    characters = count(values["characters"])
    ends = tuple(map(count, typed(values["file_ends"], list)))
    if ends[-1:] != (characters,) or any(end <= begin for begin, end in pairwise((0, *ends))):
        raise ValueError("the files do not end where they can")
    return Description(
        given=given,
        notes=notes,
        files=tuple(files),
        request=request,
        characters=characters,
        file_ends=ends,
        **texts,
    )


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe that somebody put there is not waited for
