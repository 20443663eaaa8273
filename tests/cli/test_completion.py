"""A shell completes commands, options, checkpoints and texts, and what it inserts is one argument: the file's name."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charrnn import paths
from tests.conftest import REPOSITORY
from tests.forking import Forks

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
# A stand-in for the program: the test answers the shell for it, and what it is called with else is written down.
STAND_IN = """#!/bin/sh
case $_CHARRNN_COMPLETE in
  *_source) exec {python} -m charrnn ;;
  *_complete) written=question ;;
  *) written=arguments ;;
esac
printf '%s\\0' "$@" > {folder}/part
mv {folder}/part {folder}/$written
if [ $written = question ]; then exec cat {folder}/answer; fi
"""


class Shell:
    """A shell on a pseudo-terminal.

    Parameters
    ----------
    name : bash, zsh or fish
    folder : where the stand-in for the program, and the shell's own settings, may be written
    """

    def __init__(self, name: str, folder: Path, forks: Forks) -> None:
        options, setup = SHELLS[name]
        self.name = name
        self.folder = folder
        self.forks = forks
        os.mkfifo(folder / "answer")
        program = folder / "charrnn"
        program.write_text(STAND_IN.format(python=shlex.quote(sys.executable), folder=shlex.quote(str(folder))))
        program.chmod(0o755)
        script = folder / "setup"
        script.write_text(setup)
        environment = {
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
            "HISTFILE": "/dev/null",
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "HOME": str(folder),
            "PYTHONPATH": str(REPOSITORY),
        }
        self.process: Any = pexpect.spawn(name, options, env=environment, dimensions=(40, 200), timeout=20)
        self.process.sendline(f"source {script}")
        self.process.expect_exact("@READY@ ")

    def complete(self, line: str) -> list[str]:
        """Type a line, which may have tabs in it, and Enter; return the arguments that the program gets."""
        self.process.send(line + "\r")
        deadline = 3000
        while (arguments := self._take("arguments")) is None and (deadline := deadline - 1):
            self.process.expect([pexpect.TIMEOUT, r".+"], timeout=0.01)  # what is shown must be read
            if (question := self._take("question")) is not None:
                answer = self.forks.run(*question, environment={"_CHARRNN_COMPLETE": f"{self.name}_complete"}).out
                (self.folder / "answer").write_bytes(answer)
        assert arguments is not None, self.process.before
        return arguments

    def _take(self, name: str) -> list[str] | None:
        """The words that the stand-in has written into a file, which is removed."""
        path = self.folder / name
        if not path.exists():
            return None
        words = os.fsdecode(path.read_bytes()).split("\0")[:-1]
        path.unlink()
        return words


@pytest.fixture(scope="module", params=SHELLS)
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Shell]:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    running = Shell(request.param, tmp_path_factory.mktemp(request.param), forks)
    yield running
    running.process.close(force=True)


@pytest.fixture
def shell(started: Shell) -> Shell:
    """A shell in the empty folder of this test."""
    started.process.sendline(f"cd {shlex.quote(str(Path.cwd()))}; echo @MO''VED@")
    started.process.expect_exact("@MOVED@")
    return started


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()


def test_commands_options_checkpoints_and_texts_are_completed(shell: Shell) -> None:
    touch("checkpoints/kafka.npz", "here.npz", "mine.txt", "corpora/poe.txt")
    typed = "charrnn sam\t --min\t0.5 ka\t"
    assert shell.complete(typed) == ["sample", "--min-p", "0.5", "kafka"]
    assert shell.complete("charrnn sample checkpoints/ka\t") == ["sample", "checkpoints/kafka.npz"]
    assert shell.complete("charrnn help gradc\t") == ["help", "gradcheck"]
    assert shell.complete("charrnn info pre\t") == ["info", "pretrained"]
    assert shell.complete("charrnn score her\t po\t min\t") == ["score", "here", "poe.txt", "mine.txt"]
    assert shell.complete("charrnn train harb\t --recipe min\t") == [
        *("train", paths.DEFAULT_CORPUS, "--recipe", "min-char-rnn"),
    ]


def test_a_name_is_inserted_as_one_argument_and_nothing_in_it_is_run(shell: Shell) -> None:
    odd = [
        "a book.txt",
        "b$(touch run).txt",
        "c`touch run`.txt",
        "d'quote.txt",
        'e"quote.txt',
        "f$HOME.txt",
        "g;touch run;.txt",
        "Hh&|<>(){}[]*?!#~.txt",
        "i\\back.txt",
        "j,comma.txt",
        "k:colon=equals@at.txt",
        "lé中.txt",
    ]
    touch(*odd)
    typed = " ".join(f"{name[0]}\t" for name in odd)
    assert shell.complete(f"charrnn score {typed}") == ["score", *odd]
    assert not Path("run").exists()


def test_a_name_with_a_line_end_or_bytes_that_are_no_text(shell: Shell) -> None:
    odd = ["a\nb.txt", os.fsdecode(b"b\xff.txt")]
    touch(*odd, "c.txt")
    assert shell.complete("charrnn score a\t b\t c\t") == ["score", *odd, "c.txt"]


def test_a_name_that_begins_as_an_option_or_a_home_is_offered_as_a_path(shell: Shell) -> None:
    touch("-x.txt", "~y.npz", "corpora/~z.txt")
    assert shell.complete("charrnn train ./-\t") == ["train", "./-x.txt"]
    assert shell.complete("charrnn sample .\t") == ["sample", "./~y.npz"]
    assert shell.complete("charrnn score corpora/\t") == ["score", "corpora/~z.txt"]
    assert shell.complete("charrnn train -- -x\t") == ["train", "--", "-x.txt"]


def test_the_value_of_an_option_after_its_equals_sign(shell: Shell) -> None:
    touch("checkpoints/part $1.npz", "my files/run:1.toml", "my files/part.npz")
    assert shell.complete("charrnn train --checkpoint=ch\t") == ["train", "--checkpoint=checkpoints/part $1.npz"]
    assert shell.complete("charrnn train --init-from=my\tpa\t") == ["train", "--init-from=my files/part.npz"]
    assert shell.complete("charrnn train --config=my\tr\t") == ["train", "--config=my files/run:1.toml"]
    assert shell.complete("charrnn train --cell=van\t") == ["train", "--cell=vanilla"]


def test_after_an_opening_quote(shell: Shell) -> None:
    touch("my $1 book.txt", "it's.txt", "other\nline.npz")
    assert shell.complete("charrnn score 'my $\t") == ["score", "my $1 book.txt"]
    assert shell.complete('charrnn score "my \t') == ["score", "my $1 book.txt"]
    assert shell.complete("charrnn score \"it'\t") == ["score", "it's.txt"]
    assert shell.complete("charrnn score my\\ \t") == ["score", "my $1 book.txt"]


def test_other_paths_are_completed_by_the_shell(shell: Shell) -> None:
    home = shell.folder
    (home / "x folder").mkdir()
    (home / "x folder" / "my text.txt").touch()
    assert shell.complete("charrnn score ~/x\tmy\t") == ["score", f"{home}/x folder/my text.txt"]
    assert shell.complete("charrnn train --config=~/x\tmy\t")[1].endswith("/x folder/my text.txt")
    assert shell.complete(f"charrnn score {home}/x\tm\t") == ["score", f"{home}/x folder/my text.txt"]


def test_a_part_of_a_name_after_a_colon_or_an_equals_sign(shell: Shell) -> None:
    touch("a:b c.txt", "d=e f.txt")
    assert shell.complete("charrnn score a:b\t") == ["score", "a:b c.txt"]
    assert shell.complete("charrnn score d=\t") == ["score", "d=e f.txt"]


def test_a_line_with_a_file_that_is_missing_is_still_completed(shell: Shell) -> None:
    touch("mine.txt")
    assert shell.complete("charrnn train --config none.toml --seed-file '' mi\t")[-1] == "mine.txt"


def test_a_file_that_the_output_goes_to_is_no_text_of_the_program_s(shell: Shell) -> None:
    touch("here.npz", "her words.log")
    assert shell.complete("charrnn sample > her\\ w\t") == ["sample"]
    assert shell.complete("charrnn sample her\t < here.n\t") == ["sample", "here"]


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_with_an_older_script_is_answered_quietly(forks: Forks, name: str) -> None:
    words = {"_CHARRNN_COMPLETE": f"{name}_complete", "COMP_WORDS": "charrnn sa", "COMP_CWORD": "1"}
    answer = forks.run(environment=words)
    assert (answer.code, answer.out.strip(), answer.err) == (0, b"", "")
