"""``charrnn sample --interactive``: a person and the model take turns."""

import contextlib
import importlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from charrnn.cli.signals import Interruption
from charrnn.config import flag
from charrnn.errors import CharRNNError, TextError, UnknownCharacterError, UnreadableTextError, counted, shown
from charrnn.report.samples import describe_fitting
from charrnn.report.terminal import TextWriter, say
from charrnn.sampling.writing import Turns
from charrnn.text.sources import BYTE_ORDER_MARK
from charrnn.text.vocabulary import Fitted

_HINT = "Type a line. End it with \\ to have it completed. Enter continues.\n/help lists commands. Ctrl-D quits."
_COMMAND = "/"
_HELP = """\
/temp 0.5    lower is safer, higher more varied
/seed 7      draw what follows from this random seed
/reset       forget what was written, and begin a new text
/save FILE   write the text so far to a file (overwritten)
/help        show this list
//           at the start of a line stands for a / of the text"""
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
            typed = line.removeprefix(_COMMAND)
            if typed != line and not typed.startswith(_COMMAND):
                writer.end_line()
                say(_obey(typed, turns))
                continue
            try:
                fitted = fit(typed.removesuffix(_UNFINISHED))
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


def _obey(command: str, turns: Turns) -> str:
    """Follow a command that was typed, and return what to say about it."""
    name, _, value = command.partition(" ")
    value = value.strip()
    answer = f"there is no command /{shown(name)}; /help lists them"
    try:
        match name:
            case "help":
                answer = _HELP
            case "temp":
                turns.warm(float(value))
                answer = f"temperature {float(value):g}"
            case "seed":
                turns.seed(int(value))
                answer = f"random seed {int(value)}"
            case "reset":
                turns.reset()
                answer = "a new text"
            case "save":
                answer = _save(Path(value), turns.text)
    except CharRNNError as error:
        answer = error.worded(str)
    except ValueError:
        answer = f"/{name} takes a number, 0 or more"
    return answer


def _save(path: Path, text: str) -> str:
    if not path.name:
        return "/save takes the name of a file"
    from charrnn.report.pages import write_file

    write_file(path, text.encode())
    return f"wrote {shown(str(path))} ({counted(len(text), 'character')})"


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
