"""The ``charrnn`` command: the group, and the one place that turns errors into a line on stderr and an exit code.

The standard streams as they were found: some may be closed, some in an encoding with few characters.

The number of a stream that was closed (``charrnn ... >&-``) is free, and the next file to be opened would get it: what
is meant for stderr could be written into a checkpoint.
"""

import errno
import os
import sys
import traceback
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

import click

from charrnn.cli.cache import cache
from charrnn.cli.export import export
from charrnn.cli.gradcheck import gradcheck
from charrnn.cli.help import Group
from charrnn.cli.info import info
from charrnn.cli.mpi import exit_code_of, launched_rank
from charrnn.cli.plot import plot
from charrnn.cli.sample import sample
from charrnn.cli.score import score
from charrnn.cli.signals import exit_code_of_exception, ignore_late, interrupt_early
from charrnn.cli.train import train
from charrnn.cli.view import view
from charrnn.environment import use_one_thread
from charrnn.errors import CharRNNError, shortened
from charrnn.version import __version__

if TYPE_CHECKING:
    from charrnn.training.workers import Team


_STDOUT, _STDERR = 1, 2


def open_closed_streams() -> None:
    """Open the null device where a stream is closed, in such a way that writing to stdout fails."""
    for number in (0, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_WRONLY if number == _STDERR else os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(_STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(_STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def escape_what_has_no_encoding() -> None:
    """Let stdout and stderr write what their encoding lacks as a backslash escape, not as an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_HOW_TO_REPORT = "please report it, with `charrnn --version` and what CHARRNN_DEBUG=1 shows in the same place"
# What the system has too little of for this program, whichever file or process asked for it.
_SHORTAGES = {
    errno.EMFILE: "the limit of this shell is reached; raise it with `ulimit -n 256`",
    errno.ENFILE: "the limit of this machine is reached; close other programs and try again",
}
_EPILOG = "Start with `charrnn train`, then `charrnn sample --seed The -n 200`."


_HELP = """\
Learn a text one character at a time, and write more like it.

A recurrent network in NumPy whose every gradient is derived by hand.
"""


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "CHARRNN"},
    epilog=_EPILOG,
    help=_HELP,
)
@click.version_option(__version__, "--version", message="charrnn %(version)s")
def charrnn() -> None:
    """Learn a text one character at a time, and write more like it."""


charrnn.add_command(train)
charrnn.add_command(sample)
charrnn.add_command(score)
charrnn.add_command(view)
charrnn.add_command(export)
charrnn.add_command(plot)
charrnn.add_command(info)
charrnn.add_command(gradcheck)
charrnn.add_command(cache)


def run() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        interrupt_early()
        rank = launched_rank(sys.argv[1:])
        use_one_thread(always=rank is not None)
        open_closed_streams()
        escape_what_has_no_encoding()
        code = _exit_code() if rank is None else exit_code_of(rank, _exit_code, _failed)
        ignore_late()
        sys.stdout.flush()
    except OSError as error:
        code = _failed(error)
    except KeyboardInterrupt:  # another Ctrl-C, when all is done but this
        code = exit_code_of_exception()
    sys.exit(code)


def _exit_code(team: "Team | None" = None) -> int:
    if "_CHARRNN_COMPLETE" in os.environ:
        from charrnn.cli.completion import answer_shells

        answer_shells()
    try:
        code = charrnn(standalone_mode=False, prog_name="charrnn", obj=team)
    except (click.Abort, KeyboardInterrupt):
        return exit_code_of_exception()
    except SystemExit:
        if "_CHARRNN_COMPLETE" in os.environ:
            raise  # a shell's completion of a line, with an exit code of its own
        return 0  # else this is Click's way out when the reader of a pipe has left
    except Exception as error:  # noqa: BLE001 - what nobody foresaw is told in one line too
        return _failed(error)
    return code if isinstance(code, int) else 0  # a command that leaves early hands back its exit code


def _failed(error: Exception) -> int:
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in _SHORTAGES:
        return _fail(f"{cause.strerror}: {_SHORTAGES[cause.errno]}", 1)
    match error:
        case CharRNNError() | click.ClickException():
            return _fail(_one_line(error), error.exit_code)
        case MemoryError():
            return _fail("there is not enough memory; try a smaller --hidden-size, --batch-size or --seq-length", 1)
        case OSError():
            return _output_failed(error)
    return _fail(f"a bug in charrnn: {type(error).__name__}: {error}; {_HOW_TO_REPORT}", 1)


def _one_line(error: CharRNNError | click.ClickException) -> str:
    """Word an error as one sentence; where it is one of usage, with where to read more."""
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    if isinstance(error, CharRNNError):
        return f"{error}{notes}"
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context else "charrnn"
    return f"{_brief(error.format_message()).removesuffix('.')}{notes} (see `{where} --help`)"


def _brief(message: str) -> str:
    """Shorten words of the command line that are far too long for a line, as Click quotes them whole."""
    return " ".join(map(shortened, message.split(" ")))


def _fail(message: str, code: int) -> int:
    from charrnn.report.terminal import say

    if os.environ.get("CHARRNN_DEBUG"):
        say(traceback.format_exc())
    say(message.replace("\n", " "), alarm="charrnn:")
    return code


def _output_failed(error: OSError) -> int:
    """End quietly where the reader has left; say anything else, such as a full disk."""
    if error.filename is not None:  # no stream has one
        return _fail(f"cannot use {os.fspath(error.filename)!a}: {error.strerror or error}", 1)
    # What is still buffered has nowhere to go: without this, Python complains at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0
    reason = "stdout is closed" if error.errno == errno.EBADF else error.strerror or error
    return _fail(f"cannot write the output: {reason}", 1)
