"""Text for a terminal: control characters are shown, never sent.

A model trained on a hostile text can write escape sequences (CWE-150). On a terminal they appear in a readable form;
pipes and files get the exact text.
"""

import contextlib
import sys
import unicodedata
from types import TracebackType
from typing import Self

from charrnn.report.colour import alarming, bold, faint
from charrnn.report.columns import folded

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
