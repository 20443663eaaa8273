"""The help pages: sections, widths, and colour where a terminal wants it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.cli import main
from charrnn.cli.help import Command
from tests.conftest import TINY, Charrnn

COMMANDS = list(main.charrnn.commands)
every_command = pytest.mark.parametrize("command", COMMANDS)


@every_command
def test_every_command_shows_its_options_in_the_program_s_own_way(command: str) -> None:
    shown = main.charrnn.commands[command]
    assert isinstance(shown, Command)
    names = [name for section in shown.sections.values() for name in section]
    assert set(names) <= {param.name for param in shown.params}
    assert len(names) == len(set(names))


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("columns", [30, 80, 200])
def test_the_help_fits_the_terminal(
    charrnn: Charrnn, command: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = charrnn(*command.split(), "--help").out.decode().splitlines()
    own = [line for line in lines if len(line.split()) > 1]  # a word that is too long has a line of its own
    assert max(map(len, own)) <= max(min(columns, 80), 44)  # the longest option and its metavar


def test_each_option_stands_in_one_section(charrnn: Charrnn) -> None:
    page = charrnn("sample", "--help").out.decode()
    headings = re.findall(r"^(\S.*):$", page, re.MULTILINE)
    assert headings == [*main.charrnn.commands["sample"].sections, "Other options"]  # type: ignore[attr-defined]
    for option in ("--min-p P", "--json", "--help"):
        assert len(re.findall(rf"^ .*{option} ", page, re.MULTILINE)) == 1


def test_the_commands_come_in_the_order_of_use(charrnn: Charrnn) -> None:
    page = charrnn("--help").out.decode().split("Commands:\n")[1]
    assert re.findall(r"^  (\w+)  ", page, re.MULTILINE)[: len(COMMANDS)] == COMMANDS
    assert COMMANDS[:2] == ["train", "sample"]
    assert "..." not in page


def test_no_arguments_at_all_show_the_help(charrnn: Charrnn) -> None:
    assert charrnn() == charrnn("--help")
    assert charrnn().code == 0


def test_a_file_gets_no_colour(charrnn: Charrnn) -> None:
    assert b"\x1b" not in charrnn("sample", "--help").out
    assert "\x1b" not in charrnn("sample", "--no-such-option").err


@pytest.mark.parametrize(
    ("arguments", "guess"), [(["smaple"], "sample"), (["train", "--minuts", "3"], "--minutes"), (["trian"], "train")]
)
def test_a_mistyped_word_gets_a_suggestion(charrnn: Charrnn, arguments: list[str], guess: str) -> None:
    outcome = charrnn(*arguments)
    assert outcome.code == 2
    assert re.search(rf"Did you mean .*'{guess}'", outcome.err)


# Prints the help of the program and of each command, and then runs one.
_ALL_HELP = """
import sys
from charrnn.cli.main import charrnn
for words in [["--help"], *([name, "--help"] for name in charrnn.commands), sys.argv[1:]]:
    try:
        charrnn(words, prog_name="charrnn")
    except SystemExit:
        pass
"""


def test_the_help_and_the_program_are_the_same_without_docstrings_and_assertions(text_file: Path) -> None:
    run = ("train", str(text_file), *TINY, "--steps", "2", "-q", "--overwrite", "--checkpoint", "lamp.npz")
    found = []
    for options in ((), ("-OO",)):
        done = subprocess.run([sys.executable, *options, "-c", _ALL_HELP, *run], capture_output=True, check=True)
        found.append((done.stdout, Path("lamp.npz").read_bytes()))
        Path("lamp.npz").unlink()
    assert found[0] == found[1]


def test_help_of_a_command_is_what_its_option_prints(charrnn: Charrnn) -> None:
    assert charrnn("help").out == charrnn("--help").out
    for command in ("train", "list", "help"):
        assert charrnn("help", command).out == charrnn(command, "--help").out
    wrong = charrnn("help", "smaple")
    assert wrong.code == 2
    assert wrong.err == "charrnn: No such command 'smaple'. Did you mean 'sample'? (see `charrnn --help`)\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_that_sets_up_completion_goes_to_stdout_alone(charrnn: Charrnn, shell: str) -> None:
    outcome = charrnn("completion", shell)
    assert outcome.code == 0
    (line,) = outcome.out.decode().splitlines()
    assert f"_CHARRNN_COMPLETE={shell}_source charrnn" in line
    assert outcome.err.startswith("add this line to ~/.")
    assert not list(Path().iterdir())


def test_another_shell_is_refused(charrnn: Charrnn) -> None:
    outcome = charrnn("completion", "csh")
    assert outcome.code == 2
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in outcome.err
