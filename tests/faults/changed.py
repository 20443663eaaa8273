"""The program with one place of its source changed, and which tests see that.

A copy of the tree is changed, never the tree itself. Tests run in processes that are forked from one that has loaded
all but the program, so that a change costs little more than the tests it takes to see it.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_COPIED = ("charrnn", "tests", "corpora", "checkpoints", "pyproject.toml", "README.md")
TIMED_OUT = -1


def copy_of_the_tree(place: Path) -> Path:
    """Copy what the tests need."""
    for name in _COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    return place


def run_tests(tree: Path, tests: Sequence[str], log: Path, seconds: float) -> int:
    """Run tests of a copy of the tree; return pytest's exit code, 0 if all are green, or `TIMED_OUT`.

    What this process has loaded of the program and its tests is loaded anew.
    """
    child = os.fork()
    if child == 0:
        os.setsid()  # so that what the tests start ends with them
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        for name in [name for name in sys.modules if name.split(".")[0] in ("tests", "charrnn")]:
            del sys.modules[name]
        sys.dont_write_bytecode = True
        import pytest

        os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    return _wait(child, seconds)


def _wait(child: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TIMED_OUT
