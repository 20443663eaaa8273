"""F6: limits that the system itself sets: a full disk, a file size, a folder that may not be written, /dev/full.

How an archive is saved below a limit of file size is in tests/test_archive_writer.py; here it is the program that is
run.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charrnn import checkpoint
from tests.conftest import TEXT, TINY, command
from tests.faults.conftest import Tried

NOBODY = 65534
# Root may write anywhere, so it becomes somebody else: in the same process, once all is loaded that others cannot read.
AS_NOBODY = f"""
import os, sys
from charrnn.cli import main
arguments, sys.argv[1:] = sys.argv[1:], [*sys.argv[1:-1], "warm.npz"]
assert main.invoke() == 0
os.chdir(arguments[-1].rpartition("/")[0])
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
sys.argv[1:] = arguments
main.run()
"""
TRAIN = ("train", "lamp.txt", *TINY, "--steps", "60", "--save-every", "10", "--eval-every", "0", "--sample-every", "0")
FULL = Path("/dev/full")


def run(
    *arguments: str,
    folder: Path,
    limit: Callable[[], None] | None = None,
    as_nobody: bool = False,
    out: Path | None = None,
) -> tuple[int, list[str]]:
    """Run the program in a folder; return its exit code and the lines of its stderr that tell of something wrong."""
    program = [sys.executable, "-c", AS_NOBODY, *arguments] if as_nobody else command(arguments)
    with (out or Path(os.devnull)).open("wb") as stdout:
        done = subprocess.run(
            program,
            cwd=folder,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
            preexec_fn=limit,
        )
    return done.returncode, done.stderr.splitlines()


def is_one_line(lines: list[str]) -> bool:
    return len(lines) == 1 and lines[0].startswith("charrnn: ") and lines[0].isprintable()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lamp.txt").write_text(TEXT, newline="")
    return tmp_path


def test_a_run_below_a_limit_of_file_size_says_so_in_one_line_and_keeps_the_old_file(
    folder: Path, tried: Tried
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    assert run(*TRAIN, "-q", "--checkpoint", "run.npz", folder=folder) == (0, [])
    before = (folder / "run.npz").read_bytes()
    code, lines = run(*TRAIN, "-q", "--checkpoint", "run.npz", "--overwrite", folder=folder, limit=limit)
    assert code == 1
    assert is_one_line(lines), lines
    assert "run.npz" in lines[0]
    assert (folder / "run.npz").read_bytes() == before
    assert not list(folder.glob(".*.tmp"))
    tried("F6", limits=1)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of one megabyte, where this user may have one."""
    place = Path(tempfile.mkdtemp())
    mount = shutil.which("mount")
    if not (mount and os.geteuid() == 0):
        pytest.skip("only root may mount a disk")
    if subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "none", place], check=False, capture_output=True
    ).returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)  # noqa: S607 - beside mount
    place.rmdir()


def test_a_training_on_a_disk_that_fills_up_goes_on_and_saves_when_there_is_room(
    small_disk: Path, tried: Tried
) -> None:
    (small_disk / "lamp.txt").write_text(TEXT, newline="")
    assert run(*TRAIN, "-q", "--checkpoint", "run.npz", folder=small_disk) == (0, [])
    before = (small_disk / "run.npz").read_bytes()
    stat = os.statvfs(small_disk)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(stat.f_bavail * stat.f_frsize))
    # Nothing can be saved, the end neither: that is the error, and the old file is what it was.
    code, lines = run("train", "--resume", "--checkpoint", "run.npz", "--steps", "90", "-q", folder=small_disk)
    assert code == 1
    assert lines
    assert all(line.startswith(("warning: ", "charrnn: ")) for line in lines), lines
    assert "charrnn: cannot save" in lines[-1]
    assert (small_disk / "run.npz").read_bytes() == before
    filler.unlink()
    assert run("train", "--resume", "--checkpoint", "run.npz", "--steps", "90", "-q", folder=small_disk) == (0, [])
    assert checkpoint.load(small_disk / "run.npz").progress.step == 90
    assert not list(small_disk.glob(".*.tmp"))
    tried("F6", limits=1)


def test_a_folder_that_may_not_be_written_is_told_before_the_first_step(folder: Path, tried: Tried) -> None:
    locked = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others, and here somebody else is needed
    (locked / "lamp.txt").write_text(TEXT, newline="")
    locked.chmod(0o555)
    try:
        options = (*TRAIN, "-q", "--checkpoint", f"{locked}/run.npz")
        code, lines = run(*options, folder=folder, as_nobody=os.geteuid() == 0)
        assert code == 1
        assert is_one_line(lines), lines
        assert "Permission denied" in lines[0]
        assert [path.name for path in locked.iterdir()] == ["lamp.txt"]
    finally:
        locked.chmod(0o755)
        shutil.rmtree(locked)
    tried("F6", limits=1)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_output_that_is_full_is_one_line_and_a_full_log_does_not_end_the_training(
    folder: Path, trained: Path, tried: Tried
) -> None:
    code, lines = run("sample", str(trained), "-q", "-n", "20", folder=folder, out=FULL)
    assert code == 1
    assert is_one_line(lines), lines
    with FULL.open("wb") as full:
        options = [*TRAIN, "--checkpoint", "run.npz"]
        assert subprocess.run(command(options), cwd=folder, stderr=full, check=False, timeout=60).returncode == 0
    assert checkpoint.load(folder / "run.npz").progress.step == 60
    tried("F6", limits=1)
