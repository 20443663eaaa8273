"""A shell completes commands, options, checkpoints and texts, and what it inserts is one argument: the file's name."""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charrnn import bundled

pexpect = pytest.importorskip("pexpect", reason="pexpect drives the shells")
if not hasattr(pexpect, "spawn"):
    pytest.skip("this system has no pseudo-terminals", allow_module_level=True)

# How each shell is started without the settings of the person at this machine, and told to complete.
SHELLS = {
    "bash": (
        ["--norc", "--noprofile"],
        """
        PS1='@READY@ '
        bind 'set bell-style none'
        bind 'set enable-bracketed-paste off'
        bind 'set completion-query-items 0'
        eval "$(_CHARRNN_COMPLETE=bash_source charrnn)"
        """,
    ),
    "zsh": (
        ["-f"],
        """
        PS1='@READY@ '
        unsetopt beep zle_bracketed_paste prompt_cr prompt_sp
        autoload -U compinit && compinit -u -D
        eval "$(_CHARRNN_COMPLETE=zsh_source charrnn)"
        """,
    ),
    "fish": (
        ["--no-config"],
        """
        function fish_prompt; echo -n '@READY@ '; end
        _CHARRNN_COMPLETE=fish_source charrnn | source
        """,
    ),
}
# A stand-in for the program: it answers the shell as the program does, and else writes its arguments down.
STAND_IN = """#!/bin/sh
if [ -n "$_CHARRNN_COMPLETE" ]; then exec {python} -m charrnn "$@"; fi
printf '%s\\0' "$@" > "$ARGUMENTS.part"
mv "$ARGUMENTS.part" "$ARGUMENTS"
"""
TAB, CLEAR_LINE = "\t", "\x15"


class Shell:
    """A shell on a pseudo-terminal.

    Parameters
    ----------
    name : bash, zsh or fish
    folder : where the stand-in for the program, and the shell's own settings, may be written
    """

    def __init__(self, name: str, folder: Path) -> None:
        options, setup = SHELLS[name]
        self.name = name
        self.arguments = folder / "arguments"
        program = folder / "charrnn"
        program.write_text(STAND_IN.format(python=shlex.quote(sys.executable)))
        program.chmod(0o755)
        script = folder / "setup"
        script.write_text(setup)
        environment = {
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "ARGUMENTS": str(self.arguments),
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "HISTFILE": "/dev/null",
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "HOME": str(folder),
        }
        self.process: Any = pexpect.spawn(name, options, env=environment, dimensions=(40, 200), timeout=20)
        self.process.sendline(f"source {script}")
        self.process.expect_exact("@READY@ ")

    def complete(self, line: str) -> list[str]:
        """Type a line, which may have tabs in it, and Enter; return the arguments that the program gets."""
        self.arguments.unlink(missing_ok=True)
        self.process.send(line + "\r")
        deadline = 200
        while not self.arguments.exists() and (deadline := deadline - 1):
            self.process.expect([pexpect.TIMEOUT, r".+"], timeout=0.05)  # what is shown must be read
        assert self.arguments.exists(), self.process.before
        return os.fsdecode(self.arguments.read_bytes()).split("\0")[:-1]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    running = Shell(request.param, tmp_path_factory.mktemp(request.param))
    yield running
    running.process.close(force=True)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()


def test_commands_options_checkpoints_and_texts_are_completed(shell: Shell) -> None:
    touch("checkpoints/kafka.npz", "here.npz", "mine.txt", "corpora/poe.txt")
    assert shell.complete("charrnn sam\t --min\t0.5 checkpoints/ka\t") == ["sample", "--min-p", "0.5", "checkpoints/kafka.npz"]
    assert shell.complete("charrnn score her\t po\t min\t") == ["score", "here.npz", "poe.txt", "mine.txt"]
    assert shell.complete("charrnn train harb\t --recipe min\t") == [
        *("train", bundled.DEFAULT_CORPUS, "--recipe", "min-char-rnn"),
    ]


ODD = [
    "odd book.txt",
    "odd $(touch run).txt",
    "odd`touch run`.txt",
    "odd'quote.txt",
    'odd"quote.txt',
    "odd$HOME.txt",
    "odd;touch run;.txt",
    "odd&|<>(){}[]*?!#~.txt",
    "odd\\back.txt",
    "odd,comma.txt",
    "odd:colon=equals@at.txt",
    "oddé中.txt",
]


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_inserted_as_one_argument(shell: Shell, name: str) -> None:
    touch(name)
    assert shell.complete("charrnn score od\t") == ["score", name]
    assert not Path("run").exists()
