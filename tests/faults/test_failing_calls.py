"""F4: every call to the disk fails in turn, in every way, once or from then on; the old file or the new one is left."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.archive import write_arrays
from charrnn.errors import CheckpointError
from charrnn.files import sweep_temporaries
from tests.faults.conftest import Tried
from tests.faults.disk import watch

OLD: dict[str, NDArray[Any]] = {"W": np.zeros((3, 2), np.float32)}
# More than one buffer of `io`, so that there are several writes.
NEW: dict[str, NDArray[Any]] = {"W": np.ones((100, 90), np.float32), "meta": np.frombuffer(b"{}", np.uint8)}
FAILURES: dict[str, BaseException] = {
    **{name: OSError(getattr(errno, name), os.strerror(getattr(errno, name))) for name in ("ENOSPC", "EIO", "EACCES")},
    "EINTR": InterruptedError(errno.EINTR, "Interrupted system call"),
    "no errno": OSError(),
    "out of memory": MemoryError(),
    "Ctrl-C": KeyboardInterrupt(),
}
# Without these a save has other ways to say that it failed, or has already succeeded.
REACHED = {"create", "write", "read", "fsync", "close", "chmod", "replace", "open", "unlink"}


class Failing:
    """Fails at the nth call to the disk, or at every call from then on."""

    def __init__(self, nth: int, failure: BaseException, *, persists: bool) -> None:
        self.nth, self.failure, self.persists = nth, failure, persists
        self.calls: list[str] = []
        self.failed: list[str] = []

    def __call__(self, name: str, _args: tuple[Any, ...]) -> None:
        self.calls.append(name)
        # Python itself repeats an interrupted read or write (PEP 475), for as long as it is interrupted.
        repeats = self.failure is FAILURES["EINTR"] and name in ("read", "write")
        if len(self.calls) == self.nth or (self.persists and len(self.calls) > self.nth and not repeats):
            self.failed.append(name)
            raise self.failure


def save(path: Path, failing: Failing) -> str | None:
    """Save while the disk fails; return the sentence of the error, or None where the save is said to be done."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        watch(monkeypatch, failing)
        try:
            write_arrays(path, NEW)
        except CheckpointError as error:
            return str(error)
        except KeyboardInterrupt:
            return "stopped"
    return None


@pytest.mark.parametrize("persists", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("failure", FAILURES)
def test_whichever_call_fails_the_old_file_or_the_new_one_is_left(
    tmp_path: Path, failure: str, persists: bool, tried: Tried
) -> None:
    write_arrays(tmp_path / "new.npz", NEW)
    new = (tmp_path / "new.npz").read_bytes()
    path = tmp_path / "run" / "run.npz"
    path.parent.mkdir()
    reached: set[str] = set()
    for nth in range(1, 100):
        write_arrays(path, OLD)
        old = path.read_bytes()
        failing = Failing(nth, FAILURES[failure], persists=persists)
        sentence = save(path, failing)
        reached |= set(failing.failed)
        here = f"call {nth} of {failing.calls}"
        assert path.read_bytes() in (old, new), here
        if sentence is None:
            assert path.read_bytes() == new, here
        else:
            assert sentence.isprintable(), here
            assert sentence, here
        if failing.failed.count("unlink") == 0:
            assert [file.name for file in path.parent.iterdir()] == ["run.npz"], here
        else:  # what cannot be removed now is removed at the next start
            sweep_temporaries(path.parent)
            assert [file.name for file in path.parent.iterdir()] == ["run.npz"], here
        if not failing.failed:
            break
    assert not failing.failed, "no clean pass"
    assert sentence is None
    assert reached >= REACHED
    tried("F4", failing_calls=nth - 1)
