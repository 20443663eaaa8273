"""Whatever happens, one line is said and one exit code is left."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import checkpoint
from tests.conftest import TINY, Charrnn


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
        "please report it, with the output of `charrnn --version` and of the same command with CHARRNN_DEBUG=1\n"
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
        "from charrnn.cli.main import open_closed_streams\n"
        "open_closed_streams()\n"
        "number = os.open(os.devnull, os.O_RDONLY)\n"
        "sys.stderr.write('to nobody')\n"
        "raise SystemExit(number)"
    )
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        words = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", code]
        assert subprocess.run(words, check=False).returncode > 2


def run_by_shell(words: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a shell does that is given such words around it: ``{}`` stands for the command."""
    script = words.replace("{}", '"$@"')
    command = ["/bin/sh", "-c", script, "sh", sys.executable, "-m", "charrnn", *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, check=False, timeout=60)


unix = pytest.mark.skipif(sys.platform == "win32", reason="asks a shell of Unix")


@unix
@pytest.mark.parametrize("encoding", ["ascii", "utf-16", "cp1252:surrogateescape"])
def test_help_and_errors_survive_every_encoding_of_the_streams(encoding: str) -> None:
    shown = run_by_shell("{}", "train", "--help", PYTHONIOENCODING=encoding)
    assert (shown.returncode, shown.stderr) == (0, b"")
    missing = run_by_shell("{}", "train", "漢.txt", PYTHONIOENCODING=encoding)
    assert (missing.returncode, b"a bug" in missing.stderr) == (2, False)


@unix
def test_a_training_and_its_tables_survive_an_encoding_with_few_characters() -> None:
    Path("σ.txt").write_text("σ − σ\n" * 90, encoding="utf-8")
    done = run_by_shell("{}", "train", "σ.txt", *TINY, "--steps", "20", "--yardsticks", PYTHONIOENCODING="cp1252")
    assert (done.returncode, b"a bug" in done.stderr) == (0, False)
    assert b"\\u03c3" in done.stderr


@unix
def test_a_sample_in_a_file_is_exact_utf_8_whatever_the_encoding_of_the_streams() -> None:
    Path("σ.txt").write_text("σ−" * 200, encoding="utf-8")
    run_by_shell("{}", "train", "σ.txt", *TINY, "--steps", "3", "--checkpoint", "m.npz", "--quiet")
    arguments = ("sample", "m.npz", "-n", "40", "--quiet", "--rng-seed", "1")
    texts = [run_by_shell("{}", *arguments, PYTHONIOENCODING=encoding).stdout for encoding in ("utf-8", "cp1252")]
    assert texts[0] == texts[1]
    assert set(texts[0].decode()) <= set("σ−\n")


@unix
@pytest.mark.parametrize(
    ("arguments", "others"),
    [(("sample", "-i"), ""), (("sample", "--seed-file", "-"), ">&-"), (("train", "-"), "")],
)
def test_a_closed_stdin_is_said_to_be_closed(arguments: tuple[str, ...], others: str) -> None:
    done = run_by_shell(f"{{}} <&- {others}", *arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"charrnn: stdin is closed: ")


@unix
def test_lines_cannot_be_read_from_a_stdin_that_is_only_written_to() -> None:
    done = run_by_shell("{} 0> file", "sample", "-i", "--quiet")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"charrnn: stdin cannot be read (")


@unix
def test_output_to_a_closed_stdout_says_so() -> None:
    done = run_by_shell("{} >&-", "--help")
    assert (done.returncode, done.stderr) == (1, b"charrnn: cannot write the output: stdout is closed\n")


@unix
@pytest.mark.parametrize("files", [5, 8])  # too few for the lock of a checkpoint, and for the pipes of a worker
def test_too_few_open_files_are_told_as_such_with_what_to_do(files: int, text_file: Path) -> None:
    size = ("--cell", "lstm", "--hidden-size", "128", "--batch-size", "4", "--seq-length", "20", "--threads", "2")
    done = run_by_shell(f"ulimit -n {files}; {{}}", "train", str(text_file), *size, "--steps", "1", "--quiet")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == (
        b"charrnn: Too many open files: the limit of this shell is reached; raise it with `ulimit -n 256`\n"
    )


def test_a_machine_that_can_open_no_more_files_is_told_as_such(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENFILE, "Too many open files in system", "some/file")

    monkeypatch.setattr(checkpoint, "load", refuse)
    outcome = charrnn("sample", str(trained))
    said = "Too many open files in system: the limit of this machine is reached; close other programs and try again"
    assert (outcome.code, outcome.err) == (1, f"charrnn: {said}\n")
