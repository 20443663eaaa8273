"""A short text, a tiny model of it, and two ways to run the command: as a process, and in this one."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from charrnn.cli import main
from charrnn.training.start import train
from tests.faults.amount import trials

if TYPE_CHECKING:
    from tests.forking import Forks

# New examples each time at a desk; the same ones in CI, where a red run must be one that can be run again. No deadline:
# a slow machine is no mistake.
settings.register_profile("charrnn", deadline=None, derandomize="CI" in os.environ, max_examples=trials(60, 10_000))
settings.load_profile("charrnn")
# What these assert is told as a test's own assertions are.
pytest.register_assert_rewrite("tests.mistakes", "tests.faults.cases")

# Begun in the background of a script or with `nohup`, a process ignores these, and so do those that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

REPOSITORY = Path(__file__).resolve().parent.parent
TEXT = 6 * (
    "the lamp went round, and the sea went round the lamp.\na clerk counted the ships and wrote none of them down.\n"
)
# As command line arguments: a network so small that a step takes less than a millisecond.
TINY = ("--hidden-size", "8", "--batch-size", "2", "--seq-length", "10", "--warmup-steps", "0")
unix = pytest.mark.skipif(sys.platform == "win32", reason="needs the signals, pipes and links of Unix")


# With `pytest -n`, one worker has all tests of these files: each starts processes that together fill the machine.
WHOLE_MACHINE = {"test_mpi.py", "test_parallel.py", "test_reproducibility.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what one worker must do alone, or had better do: one browser and one set of shells are enough."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if item.path.name in WHOLE_MACHINE:
            item.add_marker(pytest.mark.xdist_group("whole machine"))
        elif "browser" in fixtures:
            item.add_marker(pytest.mark.xdist_group("browser"))
        elif item.path.name == "test_completion.py":
            item.add_marker(pytest.mark.xdist_group("shells"))


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: bytes
    err: str

    @property
    def error_lines(self) -> list[str]:
        return self.err.splitlines()


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "lamp.txt"
    path.write_text(TEXT, newline="")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> Path:
    """A checkpoint of a finished run, with its best model beside it. Copy it before changing it."""
    path = tmp_path_factory.mktemp("trained") / "lamp.npz"
    changes: dict[str, Any] = {"hidden_sizes": (16,), "batch_size": 4, "seq_length": 20, "steps": 60, "eval_every": 20}
    changes |= {"warmup_steps": 10, "dropout": 0.0, "weight_drop": 0.0}  # it learns little enough in 60 steps
    changes |= {"average": 0, "schedule": "cosine"}  # and most at the end
    for _ in train([str(text_file)], checkpoint=path, **changes).events():
        pass
    return path


@pytest.fixture(scope="session")
def forks() -> Iterator["Forks"]:
    """The command as a process, without the third of a second that it takes to start."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    from tests.forking import Forks

    with Forks() as running:
        yield running


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in an empty folder of its own, where it may write and finds no file by accident."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHARRNN_CACHE", f"{tmp_path}-cache")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "charrnn", *arguments]


def run_process(*arguments: str, stdin: bytes = b"") -> Outcome:
    """Run the command as a process in the current folder."""
    done = subprocess.run(command(arguments), input=stdin, capture_output=True, check=False, timeout=60)
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


Charrnn = Callable[..., Outcome]


@pytest.fixture
def charrnn(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Charrnn:
    """Run the command in this process: all that `run_process` does, but for the start and the end of Python."""

    def run(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["charrnn", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        code = main.invoke()
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return Outcome(code, captured.out, captured.err.decode())

    return run


def contents(folder: Path) -> dict[str, bytes | str]:
    """What stands in a folder and those in it: the bytes of files, the targets of links, the kind of all else."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = str(path.readlink())
        else:
            found[str(path)] = path.read_bytes() if path.is_file() else "no file"
    return found


def bytes_in(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by name, with what it holds."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
