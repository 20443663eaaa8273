"""A command that the program prints can be copied and run, whatever the files are called."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from charrnn import checkpoint
from tests.conftest import TEXT, TINY, Charrnn, command

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(not BASH, reason="asks bash how it reads a line")
NAMES = ["-x", 'it\'s "my lamp"', "a\nb\t", "$HOME `ls` !x", "~", "--", "é\x1b[2J", os.fsdecode(b"b\xff")]
RUN = (*TINY, "--steps", "2", "--sample-every", "0", "--eval-every", "1")


def read_by_bash(line: str) -> list[str]:
    """The arguments that a printed command has in bash."""
    assert line.isprintable()
    done = subprocess.run([str(BASH), "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    program, *arguments = os.fsdecode(done.stdout).split("\0")[:-1]
    assert program == "charrnn"
    return arguments


def after(heading: str, text: str) -> str:
    """The command after a heading, in its own line or in the next."""
    return text.partition(heading)[2].strip().splitlines()[0]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_what_to_try_after_training_and_what_made_a_model_can_be_typed(charrnn: Charrnn, name: str) -> None:
    text, model = f"{name}.txt", f"{name}.npz"
    Path(text).write_text(TEXT)
    trained = charrnn("train", *RUN, "--checkpoint", model, "--", text)
    assert trained.code == 0
    assert charrnn(*read_by_bash(after("now try:", trained.err))).code == 0
    saved = Path(model).read_bytes()
    for log in (True, False):  # what was typed, and what the settings are
        if not log:
            Path(f"{name}.log.jsonl").unlink()
        said = charrnn("info", "--", model).out.decode()
        arguments = read_by_bash(after("\ncommand ", said))
        Path(model).unlink()
        again = () if log else ("--checkpoint", model)
        assert charrnn("train", "--overwrite", *again, *arguments[1:]).code == 0
        assert Path(model).read_bytes() == saved


@pytest.mark.parametrize("name", ["-x", os.fsdecode(b"my\xff lamp")], ids=ascii)
def test_what_to_do_where_a_text_has_moved_can_be_typed(charrnn: Charrnn, name: str) -> None:
    model = f"{name}.npz"
    Path("old.txt").write_text(TEXT)
    assert charrnn("train", "old.txt", *RUN, "--checkpoint", model).code == 0
    Path("old.txt").rename("new.txt")
    refused = charrnn("train", "--resume", "--checkpoint", model, "--steps", "3")
    assert refused.code == 2
    arguments = read_by_bash(after("say where it is now:", refused.err))
    arguments[arguments.index("TEXT")] = "new.txt"
    assert charrnn(*arguments, "--steps", "4").code == 0
    assert charrnn("train", "--resume", "--checkpoint", model, "--steps", "5").code == 0  # it is known from now on
    assert checkpoint.load(Path(model)).progress.step == 5


def test_how_to_go_on_after_an_interruption_can_be_typed(charrnn: Charrnn) -> None:
    model = "-x.npz"
    run = (*TINY, "--steps", "1000000", "--sample-every", "0", "--checkpoint", model)
    with subprocess.Popen(command(["train", "-", *run]), stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(TEXT.encode())
        process.stdin.close()
        while b"speed" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
    arguments = read_by_bash(after("To resume:", said))
    step = checkpoint.load(Path(model)).progress.step
    assert charrnn(*arguments, "--steps", str(step + 1), stdin=TEXT.encode()).code == 0
    assert checkpoint.load(Path(model)).progress.step == step + 1
    refused = charrnn("train", "--resume", "--checkpoint", model, "--steps", str(step + 2))
    arguments = read_by_bash(after("as a file or with -:", refused.err))
    assert charrnn(*arguments, "--steps", str(step + 2), stdin=TEXT.encode()).code == 0


@pytest.mark.parametrize("letter", ["x", "é", os.fsdecode(b"\xff")], ids=ascii)
def test_a_text_with_a_very_long_name_has_a_checkpoint_all_the_same(charrnn: Charrnn, letter: str) -> None:
    text = letter * (250 // len(os.fsencode(letter))) + ".txt"
    Path(text).write_text(TEXT)
    trained = charrnn("train", *RUN, text)
    assert trained.code == 0
    assert charrnn(*read_by_bash(after("now try:", trained.err))).code == 0
