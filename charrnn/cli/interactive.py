"""``charrnn sample --interactive``: a person and the model take turns."""

import contextlib
import importlib
import signal
import sys
from collections.abc import Callable, Iterator

import click

from charrnn.cli.signals import Interruption
from charrnn.config import flag
from charrnn.errors import TextError, UnknownCharacterError, UnreadableTextError
from charrnn.report.samples import describe_fitting
from charrnn.report.terminal import TextWriter, say
from charrnn.sampling.writing import Turns
from charrnn.text.sources import BYTE_ORDER_MARK
from charrnn.text.vocabulary import Fitted

_HINT = r"Type a line. End it with \ to have it completed. Enter continues. Ctrl-D quits."
_PROMPT = "> "
_UNFINISHED = "\\"


def converse(
    turns: Turns,
    seed: str,
    fit: Callable[[str], Fitted],
    output: TextWriter,
    written: list[str],
    *,
    echo: bool,
    quiet: bool,
) -> None:
    """Read lines and write turns until the lines end; on a terminal there is a prompt, and Ctrl-C ends a turn.

    With a seed, the model has the first turn. What it writes is appended to `written`. `echo` shows the seed, and the
    beginning of a line that the model completes. `quiet` hides the notes on what `fit` replaced.
    """
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if is_terminal and not quiet:
        say(_HINT)
    with output as writer:
        if seed:
            turns.read(seed)
            writer.write(seed * echo)
            _turn(turns, writer, written, is_terminal=is_terminal)
        for line in _lines(writer, is_terminal=is_terminal):
            try:
                fitted = fit(line.removesuffix(_UNFINISHED))
            except UnknownCharacterError as error:
                say(error.worded(flag))
                continue
            for note in () if quiet else describe_fitting(fitted):
                say(note)
            if fitted.text:
                writer.end_line()
            is_finished = not line.endswith(_UNFINISHED)
            turns.read_line(fitted.text, is_finished=is_finished)
            writer.write(fitted.text * (echo and not is_finished))
            _turn(turns, writer, written, is_terminal=is_terminal)


def _turn(turns: Turns, writer: TextWriter, written: list[str], *, is_terminal: bool) -> None:
    with Interruption() as interruption, contextlib.closing(turns.write()) as pieces:
        for piece in pieces:
            writer.write(piece)
            written.append(piece)
            if interruption.is_requested():
                break
    if not turns.is_within_line:
        writer.end_line()  # an item has ended, perhaps with a separator that is not shown
    if interruption.is_requested() and not (is_terminal and interruption.signal == signal.SIGINT):
        click.get_current_context().exit(interruption.exit_code)


def _lines(writer: TextWriter, *, is_terminal: bool) -> Iterator[str]:
    """Yield the lines the person types, without line ends."""
    try:
        if not is_terminal:
            for number, line in enumerate(_stdin()):
                # Some programs write a byte order mark first.
                yield (line if number else line.removeprefix(BYTE_ORDER_MARK)).removesuffix("\n")
            return
        with contextlib.suppress(ImportError):
            importlib.import_module("readline")  # gives `input` editing and a history
        while True:
            writer.end_line()
            yield input(_PROMPT)
    except UnicodeError as error:
        reason = error.reason if isinstance(error, UnicodeDecodeError) else error
        raise TextError(f"stdin is not valid {sys.stdin.encoding.lower()}: {reason}") from error
    except (EOFError, KeyboardInterrupt) as error:
        writer.write("\n")  # the terminal shows none for the key
        if isinstance(error, KeyboardInterrupt):
            raise


def _stdin() -> Iterator[str]:
    try:
        yield from sys.stdin
    except OSError as error:  # for example, it is only open for writing
        raise UnreadableTextError(f"stdin cannot be read ({error.strerror or error})") from error
