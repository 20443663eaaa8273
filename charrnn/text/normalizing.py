"""Unicode's composed form, NFC: a letter and its accent as one character where there is one for both.

A text to learn comes in blocks, and a mark that opens a block may belong to the letter that closed the one before.
(Unicode Standard Annex #15, "Unicode normalization forms", section 13 on concatenation.)
"""

import re
import unicodedata

# Before one of these a text may be cut, for they join nothing: ASCII, kana, Chinese characters, Hangul syllables.
_JOINS_NOTHING = re.compile(r"[\x00-\x7f\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]")


def as_read(text: str, form: str) -> str:
    """Return a typed text as `charrnn.text.reading.TextDecoder` would read it: line ends as LF, then in a form."""
    return normalize(text.replace("\r\n", "\n").replace("\r", "\n"), form)


def normalize(text: str, form: str) -> str:
    """Return a whole text in a form, ``none`` or ``nfc``."""
    return unicodedata.normalize("NFC", text) if form == "nfc" else text


class Normalizer:
    """Brings a text into a form piece by piece, as `normalize` would the whole.

    Parameters
    ----------
    form : ``none`` or ``nfc``
    """

    def __init__(self, form: str) -> None:
        self._form = form
        self._kept = ""  # the end of the last piece, which may yet be joined by what follows

    def normalize(self, text: str, *, final: bool) -> str:
        """Return what a piece completes."""
        if self._form == "none":
            return text
        text = self._kept + text
        cut = len(text) if final else next((i for i in reversed(range(len(text))) if _JOINS_NOTHING.match(text, i)), 0)
        self._kept = text[cut:]
        return normalize(text[:cut], self._form)
