"""One process at a time may train into a checkpoint.

The lock is an advisory one (``flock``) on a small hidden file beside the checkpoint, not on the checkpoint itself,
which every save replaces by another file. It dies with its process, however that ends; a file that a killed process
left is no lock, and the next run takes it over or sweeps it away. Its content, the number of the process that holds
it, is for messages alone.
"""

import errno
import os
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from charrnn.archive.reader import reason
from charrnn.errors import CheckpointError, InUseError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_SUFFIX = ".charrnn.lock"
_FAR = 1 << 30  # a byte that is never written: on Windows what is locked cannot be read by others
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # a file system without them, such as some over a network


class Lock:
    """Holds a checkpoint for this process, from its making until `release` or its end.

    Parameters
    ----------
    path : of the checkpoint, which need not exist; its folder is made if it does not

    Raises
    ------
    InUseError
        If another process holds it.
    CheckpointError
        If there can be no such file.
    """

    def __init__(self, path: Path) -> None:
        shown = ascii(os.fspath(path))
        try:
            target = Path(os.path.realpath(path))  # two names of one file are one file
            place = target.with_name(f".{target.name}{LOCK_SUFFIX}")
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, "it is a directory")
            if target.parent.is_file():
                raise NotADirectoryError(errno.ENOTDIR, f"{os.fspath(path.parent)!a} is a file, not a folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _take(place)
        except BlockingIOError:
            raise InUseError(
                f"{shown} is in use by {_holder(place)}; wait until it has ended, or save elsewhere with --checkpoint"
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a name that no file system can hold
            raise CheckpointError(f"cannot save {shown}: {reason(error)}; choose another place") from error
        # Also where nobody calls `release`: the lock must not outlive the run that it is for.
        self.release = weakref.finalize(self, _let_go, descriptor, place)


@contextmanager
def released_on_failure(lock: Lock | None) -> Iterator[None]:
    """Release a lock where the block ends by an error: who keeps that keeps the block's frame, and the lock with it."""
    try:
        yield
    except BaseException:
        if lock:
            lock.release()
        raise


def remove_if_abandoned(place: Path) -> None:
    """Remove a file that a process locks for as long as it needs it.

    Raises
    ------
    OSError
        If a living process holds its lock, or it is not ours to remove.
    """
    if sys.platform == "win32":  # an open file cannot be removed there
        place.unlink()
        return
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        place.unlink()
    finally:
        os.close(descriptor)


def _take(place: Path) -> int:
    """Open and lock the file; return its descriptor."""
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
            # Except on Windows, its holder may have removed it meanwhile: then this lock is on a file that is gone.
            is_there = sys.platform == "win32" or (
                place.exists() and os.path.samestat(place.stat(), os.fstat(descriptor))
            )
        except BaseException:
            os.close(descriptor)
            raise
        if is_there:
            with suppress(OSError):  # a full disk: the number is only for messages
                os.ftruncate(descriptor, 0)
                os.write(descriptor, b"%d" % os.getpid())
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Lock an open file without waiting; a BlockingIOError says that another process has done so."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except PermissionError as error:  # how Windows says it
        raise BlockingIOError from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _holder(place: Path) -> str:
    with suppress(OSError, ValueError):
        return f"process {int(place.read_text(encoding='ascii')[:20])}"
    return "another process"


def _let_go(descriptor: int, place: Path) -> None:
    if sys.platform == "win32":
        os.close(descriptor)
    # Elsewhere removed while it is still locked, so that no other process's lock can go with it.
    with suppress(OSError):
        place.unlink()
    if sys.platform != "win32":
        os.close(descriptor)
