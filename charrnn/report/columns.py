"""Text in the width of a terminal: lines cut between words, and texts side by side."""

import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest

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


def folded(line: str) -> str:
    """Return a line for stderr: where that is a terminal, cut between words to fit."""
    return "\n".join(wrap(line, shutil.get_terminal_size().columns)) if sys.stderr.isatty() else line


def wrap(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text, those that are too long cut at a space where there is one."""
    for line in text.split("\n"):
        while cells(line) > width:
            cut = _fitting(line, width)
            space = line.rfind(" ", 1, cut + 1)
            yield line[: space if space > 0 else cut]
            line = line[space + 1 if space > 0 else cut :]  # noqa: PLW2901 - what is left of it
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
