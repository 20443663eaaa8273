"""The ``charrnn`` command: the group, and the one place that turns errors into a line on stderr and an exit code."""

import os
import sys
from typing import NoReturn

import click

from charrnn.blas import use_one_thread
from charrnn.cli.gradcheck import gradcheck
from charrnn.cli.help import Group
from charrnn.cli.sample import sample
from charrnn.cli.score import score
from charrnn.cli.train import train
from charrnn.errors import CharRNNError
from charrnn.version import __version__

_EPILOG = "Start with `charrnn train`, then `charrnn sample --seed The -n 200`."


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "CHARRNN"},
    epilog=_EPILOG,
)
@click.version_option(__version__, "--version", message="charrnn %(version)s")
def charrnn() -> None:
    """Learn a text one character at a time, and write more like it.

    A recurrent network in NumPy whose every gradient is derived by hand.
    """


charrnn.add_command(train)
charrnn.add_command(sample)
charrnn.add_command(score)
charrnn.add_command(gradcheck)


def run() -> NoReturn:
    """Run the command line and leave with its exit code."""
    use_one_thread()
    code = _exit_code()
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _output_failed(error)
    sys.exit(code)


def _exit_code() -> int:
    try:
        code = charrnn(standalone_mode=False, prog_name="charrnn")
    except (CharRNNError, click.ClickException) as error:
        return _fail(_one_line(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except MemoryError:
        return _fail("there is not enough memory; try a smaller --hidden-size, --batch-size or --seq-length", 1)
    except SystemExit:
        if "_CHARRNN_COMPLETE" in os.environ:
            raise  # a shell's completion of a line, with an exit code of its own
        return 0  # else this is Click's way out when the reader of a pipe has left
    except OSError as error:
        return _output_failed(error)
    return code if isinstance(code, int) else 0  # a command that leaves early hands back its exit code


def _one_line(error: CharRNNError | click.ClickException) -> str:
    """Word an error as one sentence; where it is one of usage, with where to read more."""
    if isinstance(error, CharRNNError):
        return str(error)
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context else "charrnn"
    return f"{error.format_message()} (see `{where} --help`)"


def _fail(message: str, code: int) -> int:
    from charrnn.report.colour import alarming
    from charrnn.report.terminal import visible

    print(alarming("charrnn:", sys.stderr), visible(message).replace("\n", " "), file=sys.stderr)  # noqa: T201
    return code


def _output_failed(error: OSError) -> int:
    """End quietly where the reader has left; say anything else, such as a full disk."""
    if isinstance(error, BrokenPipeError):
        # What is still buffered has nowhere to go: without this, Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return _fail(f"cannot write the output: {error.strerror or error}", 1)
