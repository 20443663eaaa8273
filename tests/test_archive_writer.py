"""A save leaves the complete old file or the complete new one, whatever fails on the way."""

import errno
import gc
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.archive import read_arrays, write_arrays
from charrnn.errors import CheckpointError
from charrnn.files import sweep_temporaries

fcntl = pytest.importorskip("fcntl", reason="this system has no fcntl")
resource = pytest.importorskip("resource", reason="this system has no resource")

OLD: dict[str, NDArray[Any]] = {"W": np.zeros((3, 2), np.float32)}
NEW: dict[str, NDArray[Any]] = {"W": np.ones((3, 2), np.float32), "meta": np.frombuffer(b"{}", np.uint8)}
OPEN = Path("/proc/self/fd")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_arrays(tmp_path / "run.npz", OLD)
    return tmp_path / "run.npz"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_equal_arrays_give_equal_bytes(tmp_path: Path, path: Path) -> None:
    write_arrays(path, NEW)
    write_arrays(tmp_path / "again.npz", {name: array.copy() for name, array in NEW.items()})
    assert path.read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_fortran_order_is_written_as_c_order(path: Path) -> None:
    array = np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3))
    write_arrays(path, {"W": array})
    assert np.array_equal(read_arrays(path)["W"], array)


@pytest.mark.skipif(not OPEN.is_dir(), reason="this system does not list open files")
def test_a_save_leaves_no_file_open(path: Path) -> None:
    before = len(files(OPEN))
    for _ in range(3):
        write_arrays(path, NEW)
    assert len(files(OPEN)) == before


def test_full_disk_leaves_the_old_file(path: Path) -> None:
    old = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 100, 4096, 300_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        try:
            with pytest.raises(CheckpointError, match=r"cannot save .*: File too large; make room"):
                write_arrays(path, {f"W{i}": np.zeros(30_000) for i in range(5)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == old
        assert files(path.parent) == ["run.npz"]


def test_file_keeps_its_old_bytes_until_the_new_ones_are_on_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[os.stat_result] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor))
        if len(synced) == 1:
            assert read_arrays(path).keys() == OLD.keys()

    monkeypatch.setattr(os, "fsync", fsync)
    write_arrays(path, NEW)
    assert [status.st_ino for status in synced] == [path.stat().st_ino, path.parent.stat().st_ino]
    assert synced[0].st_size == path.stat().st_size


def test_bytes_that_the_disk_spoiled_never_replace_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = path.read_bytes()

    def spoil(descriptor: int) -> None:
        os.pwrite(descriptor, b"?", 180)

    monkeypatch.setattr(os, "fsync", spoil)
    with pytest.raises(CheckpointError, match="does not match its checksum"):
        write_arrays(path, NEW)
    assert path.read_bytes() == old
    assert files(path.parent) == ["run.npz"]


def test_folder_that_cannot_be_synced_is_no_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    write_arrays(path, NEW)
    assert read_arrays(path).keys() == NEW.keys()


REFUSED: dict[str, dict[str, NDArray[Any]]] = {
    "objects": {"W": np.array([print])},
    "int32": {"W": np.zeros(1, np.int32)},
    "big-endian": {"W": np.zeros(1, ">f4")},
    "three dimensions": {"W": np.zeros((1, 1, 1), np.float32)},
    "not a number": {"W": np.array([np.nan], np.float32)},
    "a name like a path": {"../W": np.zeros(1, np.float32)},
    "a name cut at NUL": {"W.npy\0": np.zeros(1, np.float32)},
    "no arrays": {},
    "too many arrays": {f"W{i}": np.zeros(1, np.float32) for i in range(1025)},
}


@pytest.mark.parametrize("arrays", REFUSED.values(), ids=REFUSED)
def test_what_could_not_be_read_again_is_not_saved(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    old = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"cannot save '.*run\.npz': ") as caught:
        write_arrays(path, arrays)
    assert "pickle" not in str(caught.value)
    assert path.read_bytes() == old
    assert files(path.parent) == ["run.npz"]


def test_array_of_the_wrong_kind_is_named_before_anything_is_written(path: Path) -> None:
    with pytest.raises(CheckpointError, match="'W' with 3 dimensions of float32"):
        write_arrays(path, REFUSED["three dimensions"])


def test_archive_beyond_the_zip_format_is_not_saved(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 200)
    with pytest.raises(CheckpointError, match="cannot save"):
        write_arrays(path, {"W": np.zeros(300, np.float32)})
    assert read_arrays(path).keys() == OLD.keys()


def test_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    before = files(tmp_path)
    for place in (tmp_path, tmp_path / "pipe", tmp_path / "loop", tmp_path / "none" / "x.npz", "a\0b", "/"):
        with pytest.raises(CheckpointError, match="cannot save") as caught:
            write_arrays(place, NEW)
        assert str(caught.value).isprintable()
    assert files(tmp_path) == before


def test_link_keeps_pointing_at_the_file_that_is_replaced(path: Path) -> None:
    link = path.with_name("latest.npz")
    link.symlink_to(path.name)
    write_arrays(link, NEW)
    assert link.is_symlink()
    assert read_arrays(path).keys() == NEW.keys()


def test_replaced_file_keeps_its_mode_and_a_new_one_follows_the_umask(path: Path) -> None:
    path.chmod(0o604)
    write_arrays(path, NEW)
    old_umask = os.umask(0o027)
    try:
        write_arrays(path.with_name("new.npz"), NEW)
    finally:
        os.umask(old_umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert stat.S_IMODE(path.with_name("new.npz").stat().st_mode) == 0o640


# Saves into the folder given, and stops for ever in the middle.
STOPS_IN_A_SAVE = """
import os, sys, time, numpy as np
from charrnn.archive import write_arrays
def stop(descriptor):
    print("stopped", flush=True)
    time.sleep(60)
os.fsync = stop
write_arrays(sys.argv[1] + "/run.npz", {"W": np.ones(3)})
"""


def test_sweep_removes_what_a_killed_save_left_and_nothing_else(path: Path) -> None:
    old = path.read_bytes()
    path.with_name(".notes.tmp").touch()
    command = [sys.executable, "-c", STOPS_IN_A_SAVE, str(path.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        assert sweep_temporaries(path.parent) == []
        temporaries = [name for name in files(path.parent) if name.startswith(".run.npz")]
        assert len(temporaries) == 1
        process.kill()
    assert path.read_bytes() == old
    assert sweep_temporaries(path.parent) == [path.with_name(temporaries[0])]
    assert files(path.parent) == [".notes.tmp", "run.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_a_save_outlives_a_sweep_between_the_making_of_its_file_and_its_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    swept: list[bool] = []

    def sweep_first(file: Any, operation: int) -> None:
        if not swept:
            swept.append(True)  # what the sweep itself locks is not swept
            assert len(sweep_temporaries(path.parent)) == 1
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    write_arrays(path, {"W": np.ones(3)})
    assert swept
    assert read_arrays(path)["W"].tolist() == [1, 1, 1]
    assert files(path.parent) == ["run.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.ENOLCK])
def test_a_save_needs_no_lock_and_takes_another_file_for_one_that_a_sweep_holds(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    tried: list[str] = []

    def refuse_once(file: Any, _: int) -> None:
        tried.append(file.name)
        if len(tried) == 1:
            if number == errno.EWOULDBLOCK:
                Path(file.name).unlink()  # as the sweep does next
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse_once)
    write_arrays(path, {"W": np.ones(3)})
    assert len(set(tried)) == (2 if number == errno.EWOULDBLOCK else 1)
    assert read_arrays(path)["W"].tolist() == [1, 1, 1]
    assert files(path.parent) == ["run.npz"]


@pytest.mark.parametrize("is_between", [False, True])
def test_ctrl_c_in_a_save_is_ctrl_c_wherever_it_comes(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], is_between: bool
) -> None:
    old, real = path.read_bytes(), zipfile.ZipFile.open
    made: list[Any] = []

    def interrupt(*arguments: Any, **_: Any) -> None:
        if is_between:  # the making of a member and the block that closes it
            made.append(real(*arguments))
        raise KeyboardInterrupt

    owner, name = (zipfile.ZipFile, "open") if is_between else (np.lib.format, "write_array_header_1_0")
    monkeypatch.setattr(owner, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_arrays(path, {"W": np.ones(3)})
    made.clear()
    gc.collect()
    assert path.read_bytes() == old
    assert files(path.parent) == ["run.npz"]
    assert capfd.readouterr().err == ""


def test_sweep_of_a_missing_folder_finds_nothing(tmp_path: Path) -> None:
    assert sweep_temporaries(tmp_path / "none") == []


def test_target_that_is_open_elsewhere_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refusals = Path.replace, 2

    def refuse_twice(self: Path, target: Path) -> Path:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self, target)

    monkeypatch.setattr("charrnn.files._PATIENCE", (0.0,) * 3)  # as on Windows, and without waiting
    monkeypatch.setattr(Path, "replace", refuse_twice)
    write_arrays(path, NEW)
    assert refusals < 0
    assert read_arrays(path).keys() == NEW.keys()
    refusals = 9
    with pytest.raises(CheckpointError, match="Permission denied"):
        write_arrays(path, OLD)
    assert files(path.parent) == ["run.npz"]
    assert read_arrays(path).keys() == NEW.keys()


def test_too_many_open_files_are_not_told_as_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("charrnn.archive.replacing", refuse)
    with pytest.raises(CheckpointError, match=r"Too many open files; .*ulimit -n"):
        write_arrays("full.npz", {"a": np.zeros(1)})
