"""An archive is read back as it was written, a save leaves the old file or the new one, and one process holds it."""

import errno
import gc
import os
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from charrnn.archive import read_arrays, write_arrays
from charrnn.errors import CheckpointError, ConfigError, InUseError
from charrnn.files import Lock, released_on_failure, sweep_temporaries
from tests.faults.amount import trials

fcntl = pytest.importorskip("fcntl", reason="this system has no fcntl")
resource = pytest.importorskip("resource", reason="this system has no resource")

Arrays = dict[str, NDArray[Any]]
DTYPES = ["<f2", "<f4", "<f8", "<i8", "<u4", "|u1"]
OLD: Arrays = {"params/W_xh": np.zeros((3, 2), np.float32)}
NEW: Arrays = {"W": np.ones((3, 2), np.float32), "meta": np.frombuffer(b"{}", np.uint8)}
RUN = Path("run.npz")
LOCK = Path(".run.npz.charrnn.lock")
OPEN = Path("/proc/self/fd")


def same(ours: Arrays, theirs: Arrays) -> bool:
    return list(ours) == list(theirs) and all(
        (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        for a, b in zip(ours.values(), theirs.values(), strict=True)
    )


def refusal(path: str | Path, **options: Any) -> str:
    """The sentence with which a file is refused; it must be one printable line."""
    with pytest.raises(CheckpointError) as caught:
        read_arrays(path, **options)
    sentence = str(caught.value)
    assert sentence.isascii()
    assert sentence.isprintable()
    assert "pickle=" not in sentence
    return sentence


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@pytest.fixture
def path() -> Path:
    write_arrays(RUN, OLD)
    return RUN.absolute()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- reading ---


@st.composite
def some_arrays(draw: st.DrawFn) -> Arrays:
    shapes = st.lists(st.integers(0, 5), max_size=2).map(tuple)
    finite = {"allow_nan": False, "allow_infinity": False}
    array = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes, elements=finite))
    names = st.from_regex(r"[a-z]\w{0,3}(/[a-zA-Z_0-9][\w.-]{0,5}){0,2}", fullmatch=True, alphabet="aZ_09./-")
    return draw(st.dictionaries(names, array, min_size=1, max_size=5))


@settings(max_examples=trials(50, 10_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays=some_arrays())
def test_reading_returns_what_was_written_and_numpy_agrees(tmp_path: Path, arrays: Arrays) -> None:
    path = tmp_path / "any.npz"
    write_arrays(path, arrays)
    ours = read_arrays(path)
    assert same(ours, arrays)
    assert all(array.flags.writeable and array.flags.c_contiguous for array in ours.values())
    with np.load(path, allow_pickle=False) as theirs:
        assert same({name: theirs[name] for name in theirs.files}, arrays)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_files_that_numpy_writes_are_read(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "theirs.npz", **NEW)
    assert same(read_arrays(tmp_path / "theirs.npz"), NEW)


def test_missing_file_names_its_neighbours(path: Path) -> None:
    assert refusal(path.with_name("r\x1bn.npz")).endswith("/run.npz'?")
    assert refusal(path.with_name("zzz.npz")).endswith("zzz.npz'; in the same folder: 'run.npz'")
    assert refusal(path.with_name("zzz")).endswith("zzz'; `charrnn list` shows the models here")


def test_one_array_is_read_alone(path: Path) -> None:
    write_arrays(path, NEW)
    for name, array in NEW.items():
        assert same(read_arrays(path, only=name), {name: array})
    assert read_arrays(path, only="nothing") == {}


def test_size_limit_names_the_variable_that_raises_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "CHARRNN_MAX_CHECKPOINT_BYTES" in refusal(path, max_bytes=path.stat().st_size - 1)
    assert same(read_arrays(path, max_bytes=path.stat().st_size), OLD)
    monkeypatch.setenv("CHARRNN_MAX_CHECKPOINT_BYTES", "100")
    refusal(path)
    monkeypatch.setenv("CHARRNN_MAX_CHECKPOINT_BYTES", "many")
    with pytest.raises(ConfigError, match="whole number of bytes"):
        read_arrays(path)


def test_file_replaced_while_it_is_read_is_the_old_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_arrays("new.npz", NEW)
    real = os.fstat

    def replace_and_look(descriptor: int) -> os.stat_result:
        Path("new.npz").replace(path)
        return real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", replace_and_look)
        assert same(read_arrays(path), OLD)
    assert same(read_arrays(path), NEW)


def test_a_file_that_shrinks_while_it_is_read_is_called_cut_short(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_arrays(path, {"a": np.ones(3), "b": np.ones(100_000)})
    real = zlib.crc32

    def shrink(*given: Any) -> int:
        os.truncate(path, 1000)
        return real(*given)

    monkeypatch.setattr(zlib, "crc32", shrink)
    assert "cut short" in refusal(path)


# --- saving ---


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


# Locks a checkpoint, saves it, and stops for ever in the middle.
STOPS_IN_A_SAVE = """
import os, sys, time, numpy as np
from pathlib import Path
from charrnn.archive import write_arrays
from charrnn.files import Lock
def stop(descriptor):
    print("stopped", flush=True)
    time.sleep(60)
os.fsync = stop
held = Lock(Path("run.npz"))
write_arrays("run.npz", {"W": np.ones(3)})
"""


def test_what_a_killed_process_left_is_swept_away_and_its_lock_is_free(path: Path) -> None:
    old = path.read_bytes()
    path.with_name(".notes.tmp").touch()
    with subprocess.Popen([sys.executable, "-c", STOPS_IN_A_SAVE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        with pytest.raises(InUseError, match=f"process {process.pid};"):
            Lock(RUN)
        assert sweep_temporaries(".") == []
        (temporary,) = [name for name in files(path.parent) if name.endswith("charrnn.tmp")]
        process.kill()
    assert path.read_bytes() == old
    held = Lock(RUN)  # takes over the file of the lock
    assert sweep_temporaries(".") == [Path(temporary)]
    held.release()
    LOCK.write_text("123")
    assert sweep_temporaries(".") == [LOCK]
    assert files(path.parent) == [".notes.tmp", "run.npz"]
    assert sweep_temporaries("none") == []


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


@pytest.mark.parametrize(
    "moment", ["while the file is locked", "in a member", "between the making of a member and its end"]
)
def test_ctrl_c_in_a_save_is_ctrl_c_wherever_it_comes(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], moment: str
) -> None:
    old, real = path.read_bytes(), zipfile.ZipFile.open
    made: list[Any] = []

    def interrupt(*arguments: Any, **_: Any) -> None:
        if "between" in moment:
            made.append(real(*arguments))
        raise KeyboardInterrupt

    owners = {"flock": fcntl, "write_array_header_1_0": np.lib.format, "open": zipfile.ZipFile}
    name = "flock" if "locked" in moment else "open" if "between" in moment else "write_array_header_1_0"
    monkeypatch.setattr(owners[name], name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_arrays(path, {"W": np.ones(3)})
    made.clear()
    gc.collect()
    assert path.read_bytes() == old
    assert files(path.parent) == ["run.npz"]
    assert capfd.readouterr().err == ""


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

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CheckpointError, match=r"Too many open files; .*ulimit -n"):
        write_arrays("full.npz", {"a": np.zeros(1)})


# --- one process at a time ---


def test_a_second_lock_is_refused_and_names_the_process() -> None:
    held = Lock(RUN)
    with pytest.raises(InUseError, match=rf"'run\.npz' is in use by process {os.getpid()}; wait until it has ended"):
        Lock(RUN)
    Lock(Path("other.npz")).release()
    held.release()
    Lock(RUN).release()


def test_a_lock_that_is_let_go_leaves_no_file() -> None:
    held = Lock(RUN)
    assert LOCK.stat().st_mode & 0o111 == 0  # it is no program
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
        assert LOCK.exists() == is_held
    assert LOCK.exists() == is_held
    with pytest.raises(KeyboardInterrupt), released_on_failure(held):
        raise KeyboardInterrupt
    assert not LOCK.exists()


def test_two_names_of_one_file_are_one_lock() -> None:
    Path("alias.npz").symlink_to(RUN)
    held = Lock(RUN)
    with pytest.raises(InUseError, match=r"'alias\.npz' is in use"):
        Lock(Path("alias.npz"))
    with pytest.raises(InUseError):
        Lock(RUN.absolute())
    held.release()


def test_a_file_that_goes_while_its_lock_is_awaited_is_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock
    removed: list[bool] = []

    def lock_after_the_holder_has_left(descriptor: int, operation: int) -> None:
        if not removed:
            LOCK.unlink()
            removed.append(True)
        real(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", lock_after_the_holder_has_left)
        held = Lock(RUN)
    assert removed
    with pytest.raises(InUseError):
        Lock(RUN)
    held.release()


def test_a_file_system_without_locks_is_trained_on_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    Lock(RUN).release()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError("as Windows says it"), "in use by"),
        (OSError(errno.EIO, "Input/output error"), "cannot save"),
    ],
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
