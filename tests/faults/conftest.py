"""What was tried is counted, and the counts are shown where somebody asks for them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.amount import IS_RELEASE

Tried = Callable[..., None]
Counts = dict[str, dict[str, float]]
_TRIED = pytest.StashKey[Counts]()


class _Skipped(pytest.Module):
    """A module of tests that only Linux can run."""

    def collect(self) -> list[pytest.Item]:
        pytest.skip("kills processes, fills disks and limits memory as only Linux does", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return None if sys.platform == "linux" else _Skipped.from_parent(parent, path=module_path)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TRIED] = {}


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Tried:
    """Note for the table in README.md what a fault test has done: ``tried("F7", truncations=5213)``.

    Counts of one fault are added up; of those that begin with "most" the greatest is kept.
    """

    def note(fault: str, **counts: float) -> None:
        so_far = request.config.stash[_TRIED].setdefault(fault, {})
        for name, value in counts.items():
            before = so_far.get(name, 0)
            so_far[name] = max(before, value) if name.startswith("most") else before + value

    return note


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if IS_RELEASE:
        terminalreporter.section("what was tried")
        for fault, counts in config.stash[_TRIED].items():
            figures = ", ".join(f"{round(value, 1):,} {name.replace('_', ' ')}" for name, value in counts.items())
            terminalreporter.write_line(f"{fault}: {figures}")
