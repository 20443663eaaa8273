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
    before : what the item had before the first character that is taken, such as a seed. The separator may begin in it.
    """

    def __init__(self, bounds: Bounds, before: str = "") -> None:
        self._bounds = bounds
        self._separators = (bounds.separator,) if bounds.separator else ()
        self._length = self._lines = 0
        self._before = _beginning_in(before, self._separators)  # may be the beginning of a separator
        self._held = ""  # taken, and may be the beginning of a stop text or go on in the beginning of a separator
        self.reason: Reason | None = Reason.LENGTH if bounds.length == 0 else None
        """Why it has ended, or None while it grows."""
        self.overlap = 0
        """How many characters of the separator that ended it stood before the first that was taken."""

    def take(self, character: str) -> str:
        """Take the next character, and return what is settled by it: nothing any more once the text has ended."""
        if self.reason:
            return ""
        self._length += 1
        if self._length == self._bounds.length:
            self.reason = Reason.LENGTH
        if character == "\n":
            self._lines += 1
            if self._lines == self._bounds.lines:
                self.reason = Reason.LINES
        return self._unless_stopped(character) if self._bounds.stops or self._separators else character

    def _unless_stopped(self, character: str) -> str:
        text = self._held + character
        whole = self._before + text  # the separator is looked for in all of it, other stop texts in what was taken
        found = [stop for stop in self._bounds.stops if text.endswith(stop)]
        found += [separator for separator in self._separators if whole.endswith(separator)]
        if found:
            longest = max(found, key=len)
            self.reason = Reason.ITEM if longest in self._separators else Reason.STOP
            self.overlap = max(len(longest) - len(text), 0)
            return text[: max(len(text) - len(longest), 0)]
        if self.reason:
            return text
        separator = _beginning_in(whole, self._separators)
        held = max(len(_beginning_in(text, self._bounds.stops)), min(len(separator), len(text)))
        self._held = text[len(text) - held :]
        self._before = separator[: max(len(separator) - held, 0)]
        return text[: len(text) - held]


def _beginning_in(text: str, stops: tuple[str, ...]) -> str:
    """Return the longest end of a text that one of some stop texts begins with."""
    longest = max(map(len, stops), default=0)
    ends = (text[start:] for start in range(max(len(text) - longest, 0), len(text)))
    return next((end for end in ends if any(stop.startswith(end) for stop in stops)), "")
