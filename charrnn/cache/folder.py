"""Where the cache is, what is in it, and how it is emptied."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from charrnn.archive import sweep_temporaries
from charrnn.cache.entry import SUFFIX, Description, open_entry
from charrnn.errors import CacheError, shown
from charrnn.machine import format_bytes

VARIABLE = "CHARRNN_CACHE"


@dataclass(frozen=True)
class Kept:
    """A file of the cache as `charrnn cache` shows it."""

    path: Path
    size: int
    """Bytes."""
    used: float
    """When it was last built or asked for, in seconds since 1970."""
    description: Description | None
    """None where it is damaged, or was made by another version."""


def cache_folder() -> Path:
    """Return the folder: ``CHARRNN_CACHE``, or ``charrnn`` in the folder that the system has for such files.

    Raises
    ------
    CacheError
        If nobody says where that is.
    """
    if own := os.environ.get(VARIABLE):
        return Path(own).absolute()
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    given = os.environ.get(variable, "")
    try:
        return Path(given, "charrnn") if Path(given).is_absolute() else Path.home() / ".cache" / "charrnn"
    except RuntimeError as error:
        raise CacheError(f"there is no home folder for a cache: name one in {VARIABLE}") from error


def make_room(folder: Path, size: int) -> None:
    """Make the folder, and see that so many bytes are free there.

    Raises
    ------
    CacheError
        If they are not.
    OSError
        If there can be no such folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise CacheError(f"{shown(str(folder))} has {format_bytes(free)} free")


def open_nameless(folder: Path) -> FileIO:
    """Open a file that nobody else can find, and that is gone when nobody maps it any more."""
    nameless: Any = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - whoever asks for it closes it
    return nameless  # type: ignore[no-any-return]


def scratch(size: int) -> FileIO | None:
    """Open a file for so many bytes that nobody else needs; None where there is no room for it."""
    try:
        make_room(cache_folder(), size)
        return open_nameless(cache_folder())
    except (OSError, CacheError):
        return None


def entries() -> list[Kept]:
    """List what is in the cache, the last used first."""
    found = []
    for path in cache_folder().glob(f"*{SUFFIX}"):
        with suppress(OSError):  # gone since
            status = path.stat()
            entry = open_entry(path)
            found.append(Kept(path, status.st_size, status.st_mtime, entry.description if entry else None))
    return sorted(found, key=lambda kept: (-kept.used, kept.path.name))


def named(kept: Iterable[Kept], names: Iterable[str]) -> list[Kept]:
    """Return those of a name: a corpus's, or one of the names or files that it was read from.

    Raises
    ------
    CacheError
        If a name means none.
    """
    kept, chosen = list(kept), []
    for name in names:
        meant = [entry for entry in kept if name in _names(entry) or str(Path(name).resolve()) in _names(entry)]
        if not meant:
            raise CacheError(f"the cache has no text {name!a}; `charrnn cache` lists what it has")
        chosen += meant
    return list({entry.path: entry for entry in chosen}.values())


def remove(kept: Iterable[Kept]) -> None:
    """Remove files of the cache, and what killed processes have left there.

    A run that goes on with one keeps it until it ends, wherever a file in use can be removed.

    Raises
    ------
    CacheError
        If one cannot be removed.
    """
    for entry in kept:
        try:
            entry.path.unlink(missing_ok=True)
        except OSError as error:
            raise CacheError(f"cannot remove {str(entry.path)!a}: {error.strerror or error}") from error
    sweep_temporaries(cache_folder())


def _names(kept: Kept) -> Iterator[str]:
    yield kept.path.name
    if kept.description:
        yield kept.description.name
        yield from kept.description.given
        yield from (path for path, *_ in kept.description.files)
