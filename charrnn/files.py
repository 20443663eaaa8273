"""Files that are complete or absent, and in use by one process at a time.

`replacing` writes to a temporary file in the same folder, flushes it to the disk, checks it, moves it over the target,
and flushes the folder last. (T. Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014, on why each step.)

A `Lock` is an advisory one (``flock``) on a small hidden file next to the checkpoint, not on the checkpoint, which each
save replaces by another file. It ends with its process. A lock file or a temporary that a killed process left is not
locked, so the next run takes it over or sweeps it away.
"""

import errno
import os
import secrets
import stat
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from charrnn.errors import CheckpointError, InUseError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TEMPORARY, _LOCK = ".charrnn.tmp", ".charrnn.lock"  # what the names of such files end in
# Seconds to wait before each new try where another program, such as a virus scanner, has the file open.
_PATIENCE = (0.05, 0.1, 0.2, 0.4, 0.8) if sys.platform == "win32" else ()
_FAR = 1 << 30  # a byte that is never written: on Windows what is locked cannot be read by others
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # a file system without them, such as some over a network


def reason(error: BaseException) -> str:
    """Describe an error of the system; never empty, although ``strerror`` and the message may be."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def open_without_waiting(path: str, flags: int) -> int:
    """Open a file as `open` does, without waiting for a pipe's other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has neither the flag nor the wait


class Lock:
    """Holds a checkpoint for this process until `release` or the end of the process.

    Parameters
    ----------
    path : of the checkpoint, which need not exist; its folder is made if it does not

    Raises
    ------
    InUseError
        If another process holds it.
    CheckpointError
        If the lock's file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        shown = ascii(os.fspath(path))
        try:
            target = Path(os.path.realpath(path))  # two names of one file are one file
            place = target.with_name(f".{target.name}{_LOCK}")
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, "it is a directory")
            if target.parent.is_file():
                raise NotADirectoryError(errno.ENOTDIR, f"{os.fspath(path.parent)!a} is a file, not a folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _take(place)
        except BlockingIOError:
            raise InUseError(
                "{name} is in use by {holder}; wait until it has ended, or save elsewhere with {}",
                "checkpoint",
                name=shown,
                holder=_holder(place),
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a name that no file system can hold
            raise CheckpointError(f"cannot save {shown}: {reason(error)}; choose another place") from error
        # Also where nobody calls `release`: the lock must not outlive the run that it is for.
        self.release = weakref.finalize(self, _let_go, descriptor, place)


@contextmanager
def released_on_failure(lock: Lock | None) -> Iterator[None]:
    """Release a lock if the block raises: a caller that keeps the error keeps the block's frame, and so the lock."""
    try:
        yield
    except BaseException:
        if lock:
            lock.release()
        raise


def sweep_temporaries(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove the temporaries and lock files that killed processes left, and return their paths, sorted.

    Both are locked for as long as they are needed. So a living run or save is never disturbed, whether in this process,
    under a recycled process number, or in another container.
    """
    removed = []
    for path in sorted(path for suffix in (_TEMPORARY, _LOCK) for path in Path(folder).glob(f".*{suffix}")):
        with suppress(OSError):  # still in use, or not ours to remove
            _remove_if_abandoned(path)
            removed.append(path)
    return removed


@contextmanager
def replacing(
    target: Path, check: Callable[[BufferedIOBase], object] = lambda _: None, *, buffering: int = -1
) -> Iterator[Any]:
    """Give a new file to write, which replaces the target if the block, and `check` of what was written, raise nothing.

    The target is a path without links, in a folder that exists. A file that is replaced keeps its permissions.
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


def _remove_if_abandoned(place: Path) -> None:
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


def _mode(target: Path) -> int | None:
    """Permissions of the file that is to be replaced, or None if there is none yet."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it exists and is not a regular file")
    return stat.S_IMODE(status.st_mode)


def _open_temporary(target: Path, buffering: int) -> tuple[Path, Any]:
    """Make a locked file next to the target; another if a sweep removed it before it was locked."""
    while True:
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_TEMPORARY}")
        stream: Any = None
        try:
            stream = temporary.open("x+b", buffering)  # a new file: 0666 less the umask
            if _is_locked(stream) and temporary.exists():
                return temporary, stream
            stream.close()
        except KeyboardInterrupt:  # a signal, before the caller could know of the file
            temporary.unlink(missing_ok=True)
            if stream:
                stream.close()
            raise


def _is_locked(stream: BufferedIOBase) -> bool:
    """Lock a temporary until it is closed or its process ends; False if a sweep was quicker."""
    if sys.platform != "win32":  # Windows by itself refuses to remove a file that is open
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: there the sweep leaves everything alone
            pass
    return True


def _move(temporary: Path, target: Path) -> None:
    for seconds in _PATIENCE:
        with suppress(PermissionError):
            temporary.replace(target)
            return
        time.sleep(seconds)
    temporary.replace(target)


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
