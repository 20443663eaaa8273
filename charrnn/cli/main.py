"""The ``charrnn`` command: its subcommands, and how an error becomes a line on stderr and an exit code.

`run` prepares the process (signals, threads, standard streams), runs the command, and leaves with its exit code.
"""

import errno
import os
import sys
import traceback
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

import click

from charrnn.cli.help import Group
from charrnn.cli.mpi import exit_code_of, launched_rank
from charrnn.cli.signals import exit_code, ignore_signals, stop_on_signals
from charrnn.config import flag
from charrnn.environment import use_one_thread
from charrnn.errors import SHORTAGES, CharRNNError, shortened
from charrnn.version import __version__

if TYPE_CHECKING:
    from charrnn.training.trainer import Team

_HOW_TO_REPORT = "please report it, with the output of `charrnn --version` and of the same command with CHARRNN_DEBUG=1"
# The module of each command in `charrnn.cli`, its name there if it is another, and its line in the help.
_COMMANDS = {
    "train": ("train", "Train a model on a text."),
    "sample": ("sample", "Write text with a trained model."),
    "score": ("tools", "Measure how well a model predicts a text."),
    "view": ("tools", "Write a page that shows what the cells look at."),
    "export": ("tools", "Write a model as a file that works without this program."),
    "plot": ("tools", "Draw the curves of one run, or of several."),
    "list": ("tools.list_models", "List the models here."),
    "info": ("tools", "Show a checkpoint's details."),
    "gradcheck": ("tools", "Check every gradient numerically and against plain equations."),
    "cache": ("tools", "List or clear cached texts."),
    "completion": ("completion", "Print the line that sets up completion in a shell."),
    "help": ("help.help_command", "Show the help of a command."),
}
_HELP = """\
Train a recurrent network on a text, character by character, and generate more like it.

It is written in NumPy, with every gradient derived by hand.
"""


@click.group(
    cls=Group,
    commands=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "CHARRNN"},
    epilog="Start with `charrnn train`, then `charrnn sample --seed The -n 200`.",
    help=_HELP,
)
@click.version_option(__version__, "--version", message="charrnn %(version)s")
def charrnn() -> None:
    """Train a recurrent network on a text, and generate more like it."""


def run() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        stop_on_signals()
        rank = launched_rank(sys.argv[1:])
        use_one_thread(always=rank is not None)
        open_closed_streams()
        escape_unencodable()
        code = invoke() if rank is None else exit_code_of(rank, invoke, _failed)
        ignore_signals()
        sys.stdout.flush()
    except OSError as error:
        code = _failed(error)
    except KeyboardInterrupt:  # a signal after the command has ended
        code = exit_code()
    sys.exit(code)


def invoke(team: "Team | None" = None) -> int:
    """Run the command line, say what went wrong, and return the exit code."""
    if "_CHARRNN_COMPLETE" in os.environ:
        from charrnn.cli.completion import answer_shells

        answer_shells()
    try:
        code = charrnn(standalone_mode=False, prog_name="charrnn", obj=team)
    except (click.Abort, KeyboardInterrupt):
        return exit_code()
    except SystemExit:
        if "_CHARRNN_COMPLETE" in os.environ:
            raise  # the answer to a shell that completes a line
        return 0  # Click exits this way when the reader of a pipe has left
    except Exception as error:  # noqa: BLE001 - a bug is reported in one line too
        return _failed(error)
    return code if isinstance(code, int) else 0  # a command that exits early returns its exit code


def _failed(error: Exception) -> int:
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in SHORTAGES:
        return _fail(f"{cause.strerror}: {SHORTAGES[cause.errno]}", 1)
    match error:
        case CharRNNError() | click.ClickException():
            return _fail(_one_line(error), error.exit_code)
        case MemoryError():
            return _fail("not enough memory; try a smaller --hidden-size, --batch-size or --seq-length", 1)
        case OSError():
            return _output_failed(error)
    return _fail(f"a bug in charrnn: {type(error).__name__}: {error}; {_HOW_TO_REPORT}", 1)


def _one_line(error: CharRNNError | click.ClickException) -> str:
    """Return an error's message; for a usage error, with a pointer to the help."""
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    if isinstance(error, CharRNNError):
        return f"{error.worded(flag)}{notes}"
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context else "charrnn"
    return f"{_brief(error.format_message()).removesuffix('.')}{notes} (see `{where} --help`)"


def _brief(message: str) -> str:
    """Shorten the words of a message that are far too long for a line: Click quotes them whole."""
    return " ".join(map(shortened, message.split(" ")))


def _fail(message: str, code: int) -> int:
    from charrnn.report.terminal import say

    if os.environ.get("CHARRNN_DEBUG"):
        say(traceback.format_exc())
    say(message.replace("\n", " "), alarm="charrnn:")
    return code


def _output_failed(error: OSError) -> int:
    """Exit quietly if the reader of a pipe has left; report anything else, such as a full disk."""
    if error.filename is not None:  # a stream has no file name
        return _fail(f"cannot use {os.fspath(error.filename)!a}: {error.strerror or error}", 1)
    # Without this, Python would report the unwritten buffer at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL):
        return 0
    reason = "stdout is closed" if error.errno == errno.EBADF else error.strerror or error
    return _fail(f"cannot write the output: {reason}", 1)


_STDOUT, _STDERR = 1, 2


def open_closed_streams() -> None:
    """Open the null device in place of each closed stream, in a mode in which writing to stdout fails.

    After ``charrnn ... >&-`` the number of the stream is free. The next file opened would get it, and text meant for
    stderr could end up in a checkpoint.
    """
    for number in (0, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            # The system gives out the lowest free number, which is this one.
            os.open(os.devnull, os.O_WRONLY if number == _STDERR else os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(_STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the process ends
    if sys.stderr is None:
        sys.stderr = open(_STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def escape_unencodable() -> None:
    """Let stdout and stderr write characters that their encoding lacks as backslash escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
