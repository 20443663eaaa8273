"""The ``charrnn`` command: the group, and the one place that turns errors into a line on stderr and an exit code."""

import os
import sys
from typing import NoReturn

import click

from charrnn.cli.gradcheck import gradcheck
from charrnn.cli.sample import sample
from charrnn.cli.train import train
from charrnn.errors import CharRNNError
from charrnn.kernels import prepare
from charrnn.version import __version__

_EPILOG = "Start with `charrnn train`, then `charrnn sample --seed The -n 200`."


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "CHARRNN"}, epilog=_EPILOG)
@click.version_option(__version__, "--version", message="charrnn %(version)s")
def charrnn() -> None:
    """Learn a text one character at a time, and write more like it.

    A recurrent network in NumPy whose every gradient is derived by hand.
    """


charrnn.add_command(train)
charrnn.add_command(sample)
charrnn.add_command(gradcheck)


def run() -> NoReturn:
    """Run the command line and leave with its exit code."""
    prepare()
    code = _exit_code()
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _output_failed(error)
    sys.exit(code)


def _exit_code() -> int:
    try:
        charrnn(standalone_mode=False, prog_name="charrnn")
    except CharRNNError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        return _fail(_one_line(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except OSError as error:
        return _output_failed(error)
    return 0


def _one_line(error: click.ClickException) -> str:
    """Word a usage error as one sentence, with where to read more."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context else "charrnn"
    return f"{error.format_message()} (see `{where} --help`)"


def _fail(message: str, code: int) -> int:
    from charrnn.report.terminal import visible

    print(f"charrnn: {visible(message)}".replace("\n", " "), file=sys.stderr)  # noqa: T201
    return code


def _output_failed(error: OSError) -> int:
    """End quietly where the reader has left; say anything else, such as a full disk."""
    if isinstance(error, BrokenPipeError):
        # What is still buffered has nowhere to go: without this, Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return _fail(f"cannot write the output: {error.strerror or error}", 1)
