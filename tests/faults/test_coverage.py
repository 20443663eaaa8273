"""F24: the tests of the reader, the writer and the checkpoint take every branch of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

MODULES = ("charrnn.archive", "charrnn.checkpoint", "charrnn.files")
TESTS = (*("test_archive.py", "test_archive_refusals.py", "test_checkpoint.py", "faults/test_failing_calls.py"),)


@pytest.mark.slow
def test_every_branch_of_reader_and_writer_is_taken(tmp_path: Path) -> None:
    pytest.importorskip("pytest_cov", reason="pytest-cov counts the branches")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{name}" for name in TESTS)]
    command += [*(f"--cov={module}" for module in MODULES), "--cov-branch", "--cov-report=term-missing:skip-covered"]
    environment = {"COVERAGE_FILE": str(tmp_path / "coverage"), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*command, "--cov-fail-under=100"],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
