"""Text for a terminal: control characters are shown, never sent.

A model trained on a hostile text can write escape sequences (CWE-150). On a terminal they appear in a readable form;
pipes and files get the exact text.

Colour, sparingly: on a terminal only, and not where NO_COLOR is set (no-color.org) or the terminal is a dumb one.

Text in the width of a terminal: lines cut between words, and texts side by side.

Figures as a person reads them.
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
from typing import Self, TextIO

from charrnn.config import TrainConfig

_BOLD, _FAINT, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"


def has_colour(stream: TextIO) -> bool:
    """Whether what is written to a stream may have colour."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def bold(text: str, stream: TextIO) -> str:
    """Return a harmless text as a heading looks on a stream."""
    return f"{_BOLD}{text}{_PLAIN}" if has_colour(stream) else text


def faint(text: str, stream: TextIO) -> str:
    """Return a harmless text as a remark looks on a stream."""
    return f"{_FAINT}{text}{_PLAIN}" if has_colour(stream) else text


def alarming(text: str, stream: TextIO) -> str:
    """Return a harmless text as an error looks on a stream."""
    return f"{_BOLD}{_RED}{text}{_PLAIN}" if has_colour(stream) else text


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


_SAFE = frozenset("\n\t")
# Bidirectional overrides can make a line read as something else; they are not in category Cc.
_BIDI = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))


def visible(text: str) -> str:
    """Return the text with control and bidirectional characters escaped, line feeds and tabs as they are."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(c)[1:-1] if c not in _SAFE and (unicodedata.category(c) in ("Cc", "Cs") or c in _BIDI) else c
        for c in text
    )


def say(line: str, *, alarm: str = "") -> None:
    """Write a line to stderr, harmless to a terminal and, where it is one, cut between words to fit.

    Where stderr is full or closed, there is nobody to tell.

    Parameters
    ----------
    alarm : a word of our own before it, which looks on a terminal as an error does
    """
    with contextlib.suppress(OSError, ValueError):
        whole = folded(f"{alarm} {visible(line)}" if alarm else visible(line))
        sys.stderr.write(f"{alarming(alarm, sys.stderr)}{whole.removeprefix(alarm)}\n" if alarm else f"{whole}\n")
        sys.stderr.flush()


class TextWriter:
    """Generated text to stdout, piece by piece: made visible on a terminal, exact UTF-8 to a pipe or a file.

    Parameters
    ----------
    raw : whether a terminal, too, is sent the exact text, which it may obey
    """

    def __init__(self, *, raw: bool = False) -> None:
        self._is_raw = raw

    def __enter__(self) -> Self:
        sys.stdout.flush()
        self._is_terminal = sys.stdout.isatty() and not self._is_raw
        self._ends_line = True
        return self

    def write(self, text: str) -> None:
        """Write and flush, so that each character appears as it is drawn."""
        exact = visible(text) if self._is_terminal else text
        sys.stdout.buffer.write(exact.encode(self._encoding(), "backslashreplace"))
        sys.stdout.buffer.flush()
        self._ends_line = text.endswith("\n") if text else self._ends_line

    def heading(self, line: str) -> None:
        """Write a harmless line of our own that stands out on a terminal."""
        sys.stdout.buffer.write(f"{bold(line, sys.stdout)}\n".encode(self._encoding(), "backslashreplace"))
        sys.stdout.buffer.flush()
        self._ends_line = True

    def aside(self, words: str) -> None:
        """Write harmless words of our own within a line, which stand back on a terminal."""
        sys.stdout.buffer.write(faint(words, sys.stdout).encode(self._encoding(), "backslashreplace"))
        sys.stdout.buffer.flush()

    def end_line(self) -> None:
        """Begin a new line, where the last has not ended."""
        if not self._ends_line:
            self.write("\n")

    def _encoding(self) -> str:
        return (sys.stdout.encoding or "utf-8") if self._is_terminal else "utf-8"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_terminal and not self._ends_line:
            sys.stdout.buffer.write(b"\n")  # so that the shell's prompt begins a line
            sys.stdout.buffer.flush()


def bits(nats: float) -> float:
    """Return an amount of information in bits."""
    return nats / math.log(2)


def describe_loss(nats: float) -> str:
    """Write a loss in both units: ``1.386 nats/char = 2.000 bits/char``."""
    return f"{nats:.3f} nats/char = {bits(nats):.3f} bits/char"


def duration(seconds: float) -> str:
    """Write a span of time: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe_batch(config: TrainConfig) -> str:
    """Say what one update learns from: ``batch 16 × seq 50``, or so many of those."""
    chunks = f"{config.accumulate} × " if config.accumulate > 1 else ""
    return f"{chunks}batch {config.batch_size} × seq {config.seq_length}"


def describe_ranks(ranks: int, streams: int, workers: int) -> list[str]:
    """Say in a line how several ranks divide the streams; of one there is nothing to say."""
    fewest, most = streams // ranks, -(-streams // ranks)
    each = f"{fewest} to {most}" if fewest < most else str(most)
    processes = f"{workers} process{'es' * (workers > 1)}"
    return [f"ranks  {ranks:,}, of {each} streams and {processes} each"] if ranks > 1 else []
