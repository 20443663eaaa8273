"""Write an archive so that the file is, at every instant, the complete old one or the complete new one.

The arrays go to a temporary file in the same folder, which is flushed to the disk, read back, and only then
moved over the target; the folder is flushed last. A process that is killed leaves at most a temporary,
which the next start sweeps away. (T. Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014, on
why each step.)
"""

import errno
import os
import secrets
import stat
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.archive.lock import LOCK_SUFFIX, remove_if_abandoned
from charrnn.archive.reader import DTYPES, NAME, RefusedError, reason, size_limit, stream_arrays
from charrnn.errors import CheckpointError, remedy, shortened

if sys.platform != "win32":
    import fcntl

_SUFFIX = ".charrnn.tmp"
# Seconds to wait before each new try where another program, such as a virus scanner, has the file open.
_PATIENCE = (0.05, 0.1, 0.2, 0.4, 0.8) if sys.platform == "win32" else ()


Members = Iterator[tuple[str, NDArray[Any]]]


def _read_all(members: Members) -> None:
    """Read every array back, and keep none."""
    for _ in members:
        pass


def write_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    check: Callable[[Members], object] = _read_all,
) -> None:
    """Write named arrays as one ``.npz`` file, whole or not at all.

    Equal arrays in equal order give equal bytes. A symbolic link keeps pointing where it points; a file
    that is replaced keeps its permissions. When this returns, the file survives a power loss wherever the
    file system honours ``fsync``; when it raises, no temporary file is left.

    Parameters
    ----------
    path
        The file to write or replace. Its folder must exist.
    arrays
        Read, not changed. At least one; dtypes float16, float32, float64, int64, uint32 and uint8; at most
        two dimensions; finite. Names are words joined by ``.``, ``-`` and ``/``, such as
        ``params/cells.0.W_hh``.
    check
        Given the names and arrays as they are read back, one after another, all of which it must take. By a
        `RefusedError` it keeps the file from its place.

    Raises
    ------
    CheckpointError
        If the file cannot be written, or ``read_arrays`` would refuse an array.
    ConfigError
        If ``CHARRNN_MAX_CHECKPOINT_BYTES`` is not a number.
    """
    shown = ascii(os.fspath(path))
    limit = size_limit()
    try:
        _check_arrays(arrays)
        # Nothing takes the old file's place that could not be read again.
        with replacing(Path(os.path.realpath(path)), lambda stream: check(stream_arrays(stream, limit))) as stream:
            _write_zip(stream, arrays)
    except RefusedError as refusal:
        raise CheckpointError(f"cannot save {shown}: what was to be saved {refusal}") from refusal
    except (OSError, ValueError, RuntimeError, zipfile.LargeZipFile, MemoryError) as error:
        raise CheckpointError(f"cannot save {shown}: {reason(error)}; {remedy(error)}") from error


def sweep_temporaries(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove the temporaries and lock files that processes left when they were killed.

    Both are locked for as long as they are needed and the lock dies with its process; so a living run or
    save is never disturbed, whether in this process, under a recycled process number, or in another
    container.

    Returns
    -------
    list of Path
        What was removed, sorted.
    """
    removed = []
    for path in sorted(path for suffix in (_SUFFIX, LOCK_SUFFIX) for path in Path(folder).glob(f".*{suffix}")):
        with suppress(OSError):  # still in use, or not ours to remove
            remove_if_abandoned(path)
            removed.append(path)
    return removed


def _check_arrays(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse, before anything is written, what the reader would not read."""
    for name, array in arrays.items():
        if not NAME.fullmatch(name):
            raise RefusedError(f"has an array with the name {shortened(name)!a}, which no checkpoint may have")
        if array.dtype.str not in DTYPES or array.ndim > 2:
            raise RefusedError(
                f"has {shortened(name)!a} with {array.ndim} dimensions of {array.dtype}, which no checkpoint may have"
            )


@contextmanager
def replacing(
    target: Path, check: Callable[[BufferedIOBase], object] = lambda _: None, *, buffering: int = -1
) -> Iterator[Any]:
    """Give a new file to write, which takes the target's place, whole, where the block ends without an error.

    Parameters
    ----------
    target : a path without links, in a folder that exists
    check : asked about what was written and flushed; nothing it refuses, by an error, takes the target's place
    buffering : of the new file, as `open` takes it
    """
    old_mode = _mode(target)
    temporary, stream = _open_temporary(target, buffering)
    try:
        with stream:
            if old_mode is not None:
                temporary.chmod(old_mode)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            check(stream)
        _move(temporary, target)
        _sync_folder(target.parent)
    finally:
        with suppress(OSError):  # gone already after a success; after a failure, the first error is the one to tell
            temporary.unlink()


def _open_temporary(target: Path, buffering: int) -> tuple[Path, Any]:
    """Make a file beside the target, locked; another where a sweep took it for abandoned before it was locked."""
    while True:
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_SUFFIX}")
        stream: Any = None
        try:
            stream = temporary.open("x+b", buffering)  # a new file: 0666 less the umask
            if _lock(stream) and temporary.exists():
                return temporary, stream
            stream.close()
        except KeyboardInterrupt:  # a signal, before the caller could know of the file
            temporary.unlink(missing_ok=True)
            if stream:
                stream.close()
            raise


def _mode(target: Path) -> int | None:
    """Permissions of the file that is to be replaced, or None if there is none yet."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it exists and is not a regular file")
    return stat.S_IMODE(status.st_mode)


def _write_zip(stream: BufferedIOBase, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays as uncompressed members; a `ZipInfo` of its own date makes the bytes reproducible."""
    archive = zipfile.ZipFile(stream, "w", allowZip64=False)  # in a `with` it would be closed after Ctrl-C too
    try:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                c_ordered = np.asarray(array, order="C")
                np.lib.format.write_array(member, c_ordered, version=(1, 0), allow_pickle=False)
        archive.close()
    finally:
        # After an error nothing more is written, also not when it is collected: that would hide the error, or print.
        archive.fp = None


def _move(temporary: Path, target: Path) -> None:
    """Move into the target's place, with patience where nobody may replace what somebody has open."""
    for seconds in _PATIENCE:
        with suppress(PermissionError):
            temporary.replace(target)
            return
        time.sleep(seconds)
    temporary.replace(target)


def _lock(stream: BufferedIOBase) -> bool:
    """Mark a temporary as being written, until it is closed or its process dies; a sweep may have been quicker."""
    if sys.platform != "win32":  # Windows by itself refuses to remove a file that is open
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: there the sweep leaves everything alone
            pass
    return True


def _sync_folder(folder: Path) -> None:
    """Make the move itself survive a power loss."""
    if sys.platform == "win32":  # a folder cannot be opened there, and NTFS journals the move
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.EINVAL):  # some file systems sync files but know no folders
            raise
    finally:
        os.close(descriptor)
