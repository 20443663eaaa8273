"""Whatever happens, one line is said and one exit code is left."""

import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import checkpoint
from tests.conftest import Charrnn


def broken(*_: object, **__: object) -> None:
    raise ZeroDivisionError("what nobody\x1b foresaw")


def test_what_nobody_foresaw_is_one_line_that_says_how_to_report_it(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "load", broken)
    outcome = charrnn("sample", str(trained))
    assert (outcome.code, outcome.out) == (1, b"")
    assert outcome.err == (
        "charrnn: a bug in charrnn: ZeroDivisionError: what nobody\\x1b foresaw; "
        "please report it, with `charrnn --version` and what CHARRNN_DEBUG=1 shows in the same place\n"
    )


def test_a_traceback_is_shown_to_whoever_asks_for_it(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_DEBUG", "1")
    outcome = charrnn("sample", "missing.npz")
    assert outcome.code == 1
    assert outcome.error_lines[0] == "Traceback (most recent call last):"
    assert outcome.error_lines[-1].startswith("charrnn: no such checkpoint: 'missing.npz'")
    monkeypatch.setattr(checkpoint, "load", broken)
    outcome = charrnn("sample", str(trained))
    assert outcome.error_lines[0] == "Traceback (most recent call last):"
    assert "\x1b" not in outcome.err


def test_a_file_that_cannot_be_used_is_named_and_is_not_called_the_output(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "some/file")

    monkeypatch.setattr(checkpoint, "load", refuse)
    outcome = charrnn("sample", str(trained))
    assert (outcome.code, outcome.err) == (1, "charrnn: cannot use 'some/file': Permission denied\n")


def test_a_file_never_takes_the_place_of_a_stream_that_is_closed() -> None:
    code = (
        "import os, sys\n"
        "from charrnn.cli.streams import open_closed_streams\n"
        "open_closed_streams()\n"
        "number = os.open(os.devnull, os.O_RDONLY)\n"
        "sys.stderr.write('to nobody')\n"
        "raise SystemExit(number)"
    )
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        words = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", code]
        assert subprocess.run(words, check=False).returncode > 2
