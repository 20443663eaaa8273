"""Ctrl-C ends the program quietly from its first line on, while the commands and what they need are being imported."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Is sent Ctrl-C when it begins to import the module that its first argument names.
PROGRAM = """
import os, signal, sys
wanted = sys.argv.pop(1)
class Interrupted:
    def find_spec(name, path, target=None):
        if name == wanted:
            sys.meta_path.remove(Interrupted)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupted)
from charrnn.__main__ import run
run()
"""


def interrupted(module: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", PROGRAM, module, *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("module", ["charrnn.cli.main", "click"])
def test_interrupted_while_its_commands_are_imported_it_leaves_quietly_with_130(module: str) -> None:
    done = interrupted(module, "--help")
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize("module", ["numpy", "charrnn.training.run"])
def test_interrupted_while_a_command_loads_what_it_needs_it_leaves_quietly_with_130(
    module: str, text_file: Path
) -> None:
    done = interrupted(module, "train", str(text_file), "--steps", "3")
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"")
    assert not list(Path().iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no nohup")
def test_a_parent_that_asked_not_to_be_disturbed_is_heard() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a child is born with what is ignored
    try:
        done = interrupted("click", "--version")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"charrnn ")


def test_the_beginning_imports_nothing_that_takes_long() -> None:
    code = "import sys; before = set(sys.modules); import charrnn.__main__; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert not {"numpy", "click", "tqdm", "typing", "charrnn.cli.main"} & set(done.stdout.split())


def test_the_list_of_commands_loads_none_of_them() -> None:
    code = (
        "import sys\nfrom charrnn.__main__ import run\nsys.argv = ['charrnn', '--help']\n"
        "try:\n    run()\nfinally:\n    sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    loaded = {name for name in done.stderr.split() if name.startswith("charrnn")}
    assert len(loaded) <= 15
    assert not loaded & {"charrnn.cli.train", "charrnn.cli.options", "charrnn.cli.completion"}
