"""``charrnn sample --interactive``: a person and the model write by turns."""

import contextlib
import importlib
import signal
import sys
from collections.abc import Callable, Iterator

import click

from charrnn.cli.signals import Interruption
from charrnn.errors import TextError, UnknownCharacterError, UnreadableTextError
from charrnn.report.samples import describe_fitting
from charrnn.report.terminal import TextWriter, say
from charrnn.sampling.writing import Turns
from charrnn.text.sources import BYTE_ORDER_MARK
from charrnn.text.vocabulary import Fitted

_HINT = r"Type a line: the model writes the next. \ at its end: it finishes yours. Enter: it goes on. Ctrl-D: the end."
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
    """Read lines and write turns until the lines end.

    On a terminal there is a prompt, and Ctrl-C ends a turn; elsewhere lines are read and turns written, no more.

    Parameters
    ----------
    turns : the running text
    seed : known characters it begins with; the model then has the first turn
    fit : makes a line readable for the model, or raises `UnknownCharacterError`
    output : what writes the turns
    written : what the model writes is appended here
    echo : whether to show the seed, and again the beginning of a line that the model finishes
    quiet : whether to say nothing of what `fit` replaced
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
                say(str(error))
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
        writer.end_line()  # an item has ended, perhaps by a separator that is not shown
    if interruption.is_requested() and not (is_terminal and interruption.signal == signal.SIGINT):
        click.get_current_context().exit(interruption.exit_code)


def _lines(writer: TextWriter, *, is_terminal: bool) -> Iterator[str]:
    """Yield what the person types, without line ends."""
    try:
        if not is_terminal:
            for number, line in enumerate(_stdin()):
                # Some programs put a mark of the encoding before the first.
                yield (line if number else line.removeprefix(BYTE_ORDER_MARK)).removesuffix("\n")
            return
        with contextlib.suppress(ImportError):
            importlib.import_module("readline")  # gives `input` editing and a history
        while True:
            writer.end_line()
            yield input(_PROMPT)
    except UnicodeError as error:
        reason = error.reason if isinstance(error, UnicodeDecodeError) else error
        raise TextError(f"what came on stdin is not {sys.stdin.encoding.lower()}: {reason}") from error
    except (EOFError, KeyboardInterrupt) as error:
        writer.write("\n")  # the terminal's own echo of the key has none
        if isinstance(error, KeyboardInterrupt):
            raise


def _stdin() -> Iterator[str]:
    try:
        yield from sys.stdin
    except OSError as error:  # it is open for writing only, say
        raise UnreadableTextError(f"stdin cannot be read ({error.strerror or error})") from error
