"""Text in the width of a terminal: lines cut between words, and texts side by side."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TextIO

_GAP = "  "
NARROWEST = 22  # characters of a column: below that, texts are read better one after the other


def column_width(columns: int, width: int) -> int:
    """Return how wide each of so many columns is on a terminal of a width."""
    return (width - len(_GAP) * (columns - 1)) // columns


def side_by_side(texts: Sequence[str], width: int) -> Iterator[str]:
    """Yield the lines of texts in columns that fill a terminal's width; the texts must be harmless and without tabs."""
    size = column_width(len(texts), width)
    for row in zip_longest(*(list(wrap(text, size)) for text in texts), fillvalue=""):
        padded = (line + " " * (size - cells(line)) for line in row)
        yield _GAP.join(padded).rstrip()


def folded(line: str, indent: int = 0) -> str:
    """Return a line for stderr: where that is a terminal, cut between words to fit, each rest after an indent."""
    if not sys.stderr.isatty():
        return line
    return "\n".join(wrap(line, terminal_size(sys.stderr).columns, indent, may_cut_words=False))


def terminal_size(stream: TextIO) -> os.terminal_size:
    """Return the size of the terminal that a stream is; of any other stream, what the environment says, or 80 × 24."""
    size = os.get_terminal_size(stream.fileno()) if stream.isatty() else os.terminal_size((0, 0))
    return size if size.columns and size.lines else shutil.get_terminal_size()


def stdout_width() -> int | None:
    """Return how wide the terminal is that stdout is, or None where it is none: a pipe gets its lines whole."""
    return terminal_size(sys.stdout).columns if sys.stdout.isatty() else None


def wrap(text: str, width: int, indent: int = 0, *, may_cut_words: bool = True) -> Iterator[str]:
    """Yield the lines of a text, those that are too long cut at a space where there is one.

    Parameters
    ----------
    indent : spaces before what is left of a line, less than the width
    may_cut_words : whether a word that is longer than a line is cut, or stays whole (a path can then be copied)
    """
    for line in text.split("\n"):
        begin = 0  # of the words
        while cells(line) > width:
            cut = _fitting(line, width)
            space = line.rfind(" ", begin + 1, cut + 1)
            if space < 0 and not may_cut_words and (space := line.find(" ", max(cut, begin + 1))) < 0:
                break
            yield line[: space if space > 0 else cut]
            line = " " * indent + line[space + 1 if space > 0 else cut :]  # noqa: PLW2901 - what is left of it
            begin = indent
        yield line


def _fitting(line: str, width: int) -> int:
    """Return how many of a line's first characters fit, at least one."""
    count = 1
    while cells(line[: count + 1]) <= width:
        count += 1
    return count


def cells(text: str) -> int:
    """Return how many cells of a terminal a line takes."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)
