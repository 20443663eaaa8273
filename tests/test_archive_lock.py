"""One process at a time trains into a checkpoint, and a lock never outlives its process."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.archive import Lock, lock, released_on_failure, sweep_temporaries
from charrnn.errors import CheckpointError, InUseError

fcntl = pytest.importorskip("fcntl", reason="this system has no fcntl")

RUN = Path("run.npz")
FILE = Path(".run.npz.charrnn.lock")
HOLDS = """
import sys, time
from pathlib import Path
from charrnn.archive import Lock
held = Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_lock_is_refused_and_names_the_process() -> None:
    held = Lock(RUN)
    with pytest.raises(InUseError, match=rf"'run\.npz' is in use by process {os.getpid()}; wait until it has ended"):
        Lock(RUN)
    held.release()
    Lock(RUN).release()


def test_a_lock_that_is_let_go_leaves_no_file() -> None:
    held = Lock(RUN)
    assert FILE.stat().st_mode & 0o111 == 0  # it is no program
    held.release()
    held.release()  # twice is once
    assert not list(Path().iterdir())


def test_a_lock_that_nobody_keeps_is_let_go() -> None:
    Lock(RUN)
    Lock(RUN)
    assert not list(Path().iterdir())


@pytest.mark.parametrize("is_held", [True, False])
def test_a_block_that_fails_lets_go_and_one_that_ends_well_does_not(is_held: bool) -> None:
    held = Lock(RUN) if is_held else None
    with released_on_failure(held):
        assert FILE.exists() == is_held
    assert FILE.exists() == is_held
    with pytest.raises(KeyboardInterrupt), released_on_failure(held):
        raise KeyboardInterrupt
    assert not FILE.exists()


def test_two_names_of_one_file_are_one_lock() -> None:
    Path("alias.npz").symlink_to(RUN)
    held = Lock(RUN)
    with pytest.raises(InUseError, match=r"'alias\.npz' is in use"):
        Lock(Path("alias.npz"))
    with pytest.raises(InUseError):
        Lock(RUN.absolute())
    held.release()


def test_files_beside_one_another_are_two_locks() -> None:
    first, second = Lock(RUN), Lock(Path("other.npz"))
    first.release()
    second.release()


def test_a_lock_dies_with_its_process_and_its_file_is_taken_over_or_swept() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(RUN)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InUseError, match=f"process {process.pid};"):
            Lock(RUN)
        assert sweep_temporaries(".") == []
        process.kill()
    assert FILE.exists()
    held = Lock(RUN)
    assert sweep_temporaries(".") == []
    held.release()
    FILE.write_text("123")
    assert sweep_temporaries(".") == [FILE]
    assert not FILE.exists()


def test_a_file_that_goes_while_its_lock_is_awaited_is_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    real = lock._lock
    removed: list[bool] = []

    def lock_after_the_holder_has_left(descriptor: int) -> None:
        if not removed:
            FILE.unlink()
            removed.append(True)
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(lock, "_lock", lock_after_the_holder_has_left)
        held = Lock(RUN)
    with pytest.raises(InUseError):
        Lock(RUN)
    held.release()


def test_a_file_system_without_locks_is_trained_on_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(lock._NO_LOCKS[0], "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    Lock(RUN).release()


@pytest.mark.parametrize(
    ("error", "words"),
    [(PermissionError("as Windows says it"), "in use by"), (OSError(errno.EIO, "Input/output error"), "cannot save")],
)
def test_a_lock_that_cannot_be_had_is_one_sentence(monkeypatch: pytest.MonkeyPatch, error: OSError, words: str) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(fcntl, "flock", fails)
    with pytest.raises(CheckpointError, match=words):
        Lock(RUN)


def test_the_folder_is_made_and_a_place_where_there_can_be_none_is_refused() -> None:
    Lock(Path("a/b/run.npz")).release()
    Path("file").touch()
    Path("folder.npz").mkdir()
    for place, words in (
        ("file/run.npz", "'file' is a file, not a folder"),
        ("folder.npz", "it is a directory"),
        (f"{'x' * 300}.npz", "File name too long"),
        ("a\0b.npz", "null"),
    ):
        with pytest.raises(CheckpointError, match=words) as caught:
            Lock(Path(place))
        assert str(caught.value).startswith("cannot save ")
        assert str(caught.value).isprintable()
