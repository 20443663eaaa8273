"""Text in the width of a terminal: lines cut between words, and texts side by side."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TextIO

_GAP = "  "
_JOINER, _AS_EMOJI = "\u200d", "\ufe0f"
_CAN_BE_EMOJI = ("So", "Sm", "Nd", "Po")
_SKINS = frozenset(map(chr, range(0x1F3FB, 0x1F400)))  # colours of the emoji before them
# Format characters that are seen: the soft hyphen, and Arabic, Syriac and Kaithi signs that enclose a number.
_VISIBLE_FORMATS = frozenset(
    "\u00ad\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
NARROWEST = 22  # characters of a column: below that, texts are read better one after the other


def column_width(columns: int, width: int) -> int:
    """Return how wide each of so many columns is on a terminal of a width."""
    return (width - len(_GAP) * (columns - 1)) // columns


def side_by_side(texts: Sequence[str], width: int) -> Iterator[str]:
    """Yield the lines of texts in columns that fill a terminal's width; the texts must be harmless and without tabs."""
    size = column_width(len(texts), width)
    for row in zip_longest(*(list(wrap(text, size)) for text in texts), fillvalue=""):
        yield _GAP.join(padded(line, size) for line in row).rstrip()


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
    """Return how many of a line's first characters fit, at least one, and never a letter without its marks."""
    total = 0
    for count, own in enumerate(_widths(line)):
        total += own
        if total > width and own and count:
            return count
    return len(line)


def cells(text: str) -> int:
    """Return how many cells of a terminal a line takes."""
    return len(text) if text.isascii() else sum(_widths(text))


def padded(text: str, width: int) -> str:
    """Return a text with spaces after it, so that it takes so many cells of a terminal."""
    return text + " " * (width - cells(text))


def _widths(text: str) -> list[int]:
    """Return by how many cells of a terminal each character widens its line.

    Wide are Chinese, Japanese and Korean characters and emoji (Unicode Standard Annex #11). Marks above, below or
    around a letter take no cell, and neither do invisible format characters; vowel signs that stand beside their letter
    (category Mc) take one, as in most terminals. An emoji sequence is as wide as one emoji.
    """
    widths: list[int] = []
    base = -1  # the last character that took a cell
    for place, c in enumerate(text):
        own = _own_width(c)
        if base >= 0 and widths[base] == 2 and ((text[place - 1] == _JOINER and own == 2) or c in _SKINS):
            own = 0
        elif c == _AS_EMOJI and base == place - 1 >= 0 and unicodedata.category(text[base]) in _CAN_BE_EMOJI:
            widths[base] = 2
        widths.append(own)
        base = place if own else base
    return widths


def _own_width(c: str) -> int:
    if c.isascii():
        return 1
    if unicodedata.category(c) in ("Mn", "Me", "Cf") and c not in _VISIBLE_FORMATS:
        return 0
    if "\u1160" <= c <= "\u11ff" or "\ud7b0" <= c <= "\ud7ff":  # the vowel or the end of a Korean syllable
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1
