"""Text for a terminal: made harmless, styled, cut to its width, and written to it.

A model trained on a hostile text can write escape sequences (CWE-150). On a terminal they appear in a readable form;
pipes and files get the exact text. Colour is for terminals only, and not where NO_COLOR is set (no-color.org).
"""

import contextlib
import math
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from types import TracebackType
from typing import BinaryIO, Self, TextIO

# ---- harmless text ----

_SAFE = frozenset("\n\t")
# Bidirectional overrides can make a line read as something else; they are not in category Cc.
_BIDI = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


def visible(text: str) -> str:
    """Return the text with control and bidirectional characters escaped, except for line feeds and tabs."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(c)[1:-1] if c not in _SAFE and (unicodedata.category(c) in ("Cc", "Cs") or c in _BIDI) else c
        for c in text
    )


# ---- style ----

BOLD, _FAINT, ALARM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[1m\x1b[31m", "\x1b[0m"


def has_colour(stream: TextIO) -> bool:
    """Whether text on a stream may have colour."""
    if sys.platform == "win32" and "WT_SESSION" not in os.environ:  # a console older than Windows Terminal
        return False
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, stream: TextIO) -> str:
    """Return a harmless text in a style, if the stream may have colour."""
    return f"{style}{text}{_PLAIN}" if has_colour(stream) else text


# ---- width ----

_JOINER, _AS_EMOJI = "\u200d", "\ufe0f"
_CAN_BE_EMOJI = ("So", "Sm", "Nd", "Po")
_SKINS = frozenset(map(chr, range(0x1F3FB, 0x1F400)))  # skin tones of the emoji before them
# Visible format characters: the soft hyphen, and Arabic, Syriac and Kaithi signs that enclose a number.
_VISIBLE_FORMATS = frozenset(
    "\u00ad\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)


def text_width(line: str) -> int:
    """Return how many terminal columns a line takes."""
    return len(line) if line.isascii() else sum(_widths(line))


def pad(text: str, width: int) -> str:
    """Return a text with spaces after it, up to a width in terminal columns."""
    return text + " " * (width - text_width(text))


def _widths(line: str) -> list[int]:
    """Return how many columns each character adds to its line.

    Chinese, Japanese and Korean characters and emoji are wide (Unicode Standard Annex #11). Marks above, below or
    around a letter take no column, nor do invisible format characters; vowel signs next to their letter (category Mc)
    take one, as in most terminals. An emoji sequence is as wide as one emoji.
    """
    widths: list[int] = []
    base = -1  # the last character that took a column
    for place, c in enumerate(line):
        own = _own_width(c)
        if base >= 0 and widths[base] == 2 and ((line[place - 1] == _JOINER and own == 2) or c in _SKINS):
            own = 0
        elif c == _AS_EMOJI and base == place - 1 >= 0 and unicodedata.category(line[base]) in _CAN_BE_EMOJI:
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


# ---- layout ----

_GAP = "  "
NARROWEST = 22  # the narrowest column that is still readable


def terminal_size(stream: TextIO) -> os.terminal_size:
    """Return the size of a stream's terminal; without one, the size in the environment, or 80 × 24."""
    size = os.get_terminal_size(stream.fileno()) if stream.isatty() else os.terminal_size((0, 0))
    return size if size.columns and size.lines else shutil.get_terminal_size()


def stdout_width() -> int | None:
    """Return the width of stdout's terminal, or None without one: a pipe gets whole lines."""
    return terminal_size(sys.stdout).columns if sys.stdout.isatty() else None


def wrap(text: str, width: int, indent: int = 0, *, may_cut_words: bool = True) -> Iterator[str]:
    """Yield the lines of a text, the long ones cut at spaces where possible, and indented after a cut.

    A word longer than a line is cut, unless it may not be (so that a path can be copied).
    """
    for line in text.split("\n"):
        begin = 0  # where the words of the line start
        while text_width(line) > width:
            cut = _fitting(line, width)
            space = line.rfind(" ", begin + 1, cut + 1)
            if space < 0 and not may_cut_words and (space := line.find(" ", max(cut, begin + 1))) < 0:
                break
            yield line[: space if space > 0 else cut]
            line = " " * indent + line[space + 1 if space > 0 else cut :]  # noqa: PLW2901 - the rest of it
            begin = indent
        yield line


def _fitting(line: str, width: int) -> int:
    """Return how many of a line's first characters fit, at least one, without cutting a letter from its marks."""
    total = 0
    for count, own in enumerate(_widths(line)):
        total += own
        if total > width and own and count:
            return count
    return len(line)


def cut(text: str, width: int) -> str:
    """Return a text that fits a width in terminal columns, with ``…`` at its end if it was cut."""
    while text_width(text) > width:
        text = f"{text.removesuffix('…')[:-1]}…"
    return text


def columns(rows: Sequence[Sequence[str]], *, names: int) -> list[str]:
    """Return rows of cells as lines; the first `names` columns are flush left, the others right."""
    widths = [max(map(text_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = list(zip(row, widths, strict=True))
        left, right = [pad(*cell) for cell in cells[:names]], [f"{text:>{width}}" for text, width in cells[names:]]
        lines.append(_GAP.join([*left, *right]))
    return lines


def fold(line: str, indent: int = 0) -> str:
    """Return a line for stderr: on a terminal, cut between words to fit."""
    if not sys.stderr.isatty():
        return line
    return "\n".join(wrap(line, terminal_size(sys.stderr).columns, indent, may_cut_words=False))


def column_width(count: int, width: int) -> int:
    """Return the width of each of `count` columns on a terminal of a width."""
    return (width - len(_GAP) * (count - 1)) // count


def side_by_side(texts: Sequence[str], width: int) -> Iterator[str]:
    """Yield the lines of texts in columns that fill a terminal's width; the texts must be harmless and without tabs."""
    size = column_width(len(texts), width)
    for row in zip_longest(*(list(wrap(text, size)) for text in texts), fillvalue=""):
        yield _GAP.join(pad(line, size) for line in row).rstrip()


# ---- writing ----


def say(line: str, *, alarm: str = "") -> None:
    """Write a line to stderr, harmless and, on a terminal, cut between words to fit; do nothing if stderr is closed.

    `alarm` is a word before the line, in the style of an error.
    """
    with contextlib.suppress(OSError, ValueError):
        whole = fold(f"{alarm} {visible(line)}" if alarm else visible(line))
        if alarm:
            whole = styled(alarm, ALARM, sys.stderr) + whole.removeprefix(alarm)
        sys.stderr.write(f"{whole}\n")
        sys.stderr.flush()


class TextWriter:
    """Writes generated text to stdout, piece by piece: exact UTF-8, but harmless on a terminal unless `raw`.

    With a `file`, writes it there instead.
    """

    def __init__(self, *, raw: bool = False, file: BinaryIO | None = None) -> None:
        self._file = file
        self.is_on_terminal = sys.stdout.isatty() and not file
        self._is_terminal = self.is_on_terminal and not raw
        self._ends_line = True

    def __enter__(self) -> Self:
        sys.stdout.flush()
        return self

    def write(self, text: str) -> None:
        """Write a text and flush, so that each character appears at once."""
        self._send(visible(text) if self._is_terminal else text)
        self._ends_line = text.endswith("\n") if text else self._ends_line

    def heading(self, line: str) -> None:
        """Write a harmless line that stands out on a terminal."""
        self._send(f"{self._styled(line, BOLD)}\n")
        self._ends_line = True

    def aside(self, words: str) -> None:
        """Write a harmless remark within a line."""
        self._send(self._styled(words, _FAINT))

    def end_line(self) -> None:
        """Start a new line, unless one has just started."""
        if not self._ends_line:
            self.write("\n")

    def _styled(self, text: str, style: str) -> str:
        return styled(text, style, sys.stdout) if self.is_on_terminal else text

    def _send(self, text: str) -> None:
        encoding = (sys.stdout.encoding or "utf-8") if self._is_terminal else "utf-8"
        stream = self._file or sys.stdout.buffer
        stream.write(text.encode(encoding, "backslashreplace"))
        stream.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_terminal and not self._ends_line:
            self._send("\n")  # so that the shell's prompt starts a line


# ---- figures ----


def bits(nats: float) -> float:
    """Return an amount of information in bits."""
    return nats / math.log(2)


def describe_loss(nats: float) -> str:
    """Return a loss, given in nats per character, as people read it: ``2.000 bits/char``."""
    return f"{bits(nats):.3f} bits/char"


def duration(seconds: float) -> str:
    """Return a length of time: ``45 s``, ``12 min``, ``3.5 h``, ``12 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
