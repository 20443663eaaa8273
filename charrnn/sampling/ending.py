"""Where a text that grows character by character ends."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a text ended."""

    LENGTH = "length"
    LINES = "lines"
    STOP = "stop"
    ITEM = "item"


@dataclass(frozen=True)
class Bounds:
    """What ends a text; the first that is reached does."""

    length: int | None = None  # characters; None for no such bound
    lines: int = 0  # line feeds, the last of them included; 0 for no such bound
    stops: tuple[str, ...] = ()  # it ends before the first of these; none is empty
    separator: str = ""  # likewise: what ends an item; empty for no such bound


class Ending:
    """Watches one text grow.

    A character is settled once no stop text can begin at it any more. So the settled characters are always a beginning
    of those that were taken, and none of them ever has to be taken back.

    Parameters
    ----------
    bounds : where it ends
    """

    def __init__(self, bounds: Bounds) -> None:
        self._most_characters, self._most_lines, self._separator = bounds.length, bounds.lines, bounds.separator
        self._stops = bounds.stops + (bounds.separator,) * bool(bounds.separator)
        self._length = self._lines = 0
        self._held = ""  # may be the beginning of a stop text
        self.reason: Reason | None = Reason.LENGTH if bounds.length == 0 else None
        """Why it has ended, or None while it grows."""

    def take(self, character: str) -> str:
        """Take the next character, and return what is settled by it: nothing any more once the text has ended."""
        if self.reason:
            return ""
        self._length += 1
        if self._length == self._most_characters:
            self.reason = Reason.LENGTH
        if character == "\n":
            self._lines += 1
            if self._lines == self._most_lines:
                self.reason = Reason.LINES
        return self._unless_stopped(character) if self._stops else character

    def _unless_stopped(self, character: str) -> str:
        text = self._held + character
        found = [stop for stop in self._stops if text.endswith(stop)]
        if found:
            longest = max(found, key=len)
            self.reason = Reason.ITEM if longest == self._separator else Reason.STOP
            return text.removesuffix(longest)
        self._held = "" if self.reason else self._beginning_of_stop(text)
        return text.removesuffix(self._held)

    def _beginning_of_stop(self, text: str) -> str:
        """Return the longest end of a text that a stop text begins with."""
        ends = (text[start:] for start in range(len(text)))
        return next((end for end in ends if any(stop.startswith(end) for stop in self._stops)), "")
