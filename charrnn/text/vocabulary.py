"""Characters to ids and back.

A character is one Unicode code point. The ids follow code-point order, so the same set of characters always gives the
same `Vocabulary`. `tokenize` cuts ids into rows of one length. Characters that a model does not know are replaced by
the nearest known ones (`nearest`) or left out (`leave_out`). `normalize` brings a text into Unicode's composed form,
NFC, in which a letter and its accent are one character where possible; `Normalizer` does so block by block.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.errors import UnknownCharacterError

MOST_LISTED = 10
UNKNOWN = "\ufffd"  # Unicode's replacement character; here it stands for rare characters (--max-vocab)
# Unicode's last two planes, for private use: no text has these code points.
_FIRST_STAND_IN, _STAND_INS = 0xF0000, 0x20000


def code_points(text: str) -> NDArray[np.uint32]:
    """Return the code point of each character, lone surrogates included: (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def from_code_points(points: NDArray[np.uint32]) -> str:
    """Return the text whose characters have these code points: the inverse of `code_points`."""
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def list_characters(characters: str) -> str:
    r"""Name the first few characters in a form safe to print: ``'é' (U+00E9), '\x1b' (U+001B) ...``."""
    listed = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in characters[:MOST_LISTED])
    return f"{listed} ..." if len(characters) > MOST_LISTED else listed


@dataclass(frozen=True)
class Vocabulary:
    """The distinct characters a model knows; the id of each is its place among them.

    Parameters
    ----------
    characters
        At least one character, in strictly increasing code-point order, none a surrogate.

    Raises
    ------
    ValueError
        If `characters` is anything else.

    Examples
    --------
    >>> import charrnn
    >>> vocabulary = charrnn.Vocabulary.from_text("hello")
    >>> vocabulary.characters, len(vocabulary)
    ('ehlo', 4)
    >>> vocabulary.encode("hole")
    array([1, 3, 2, 0])
    >>> vocabulary.decode([1, 0, 2, 2, 3])
    'hello'
    >>> vocabulary.tokenize("hellohello", 5)
    array([[1, 0, 2, 2, 3],
           [1, 0, 2, 2, 3]])

    """

    characters: str

    def __post_init__(self) -> None:
        points = code_points(self.characters)
        if not points.size:
            raise ValueError("a vocabulary needs at least one character")
        if (points[1:] <= points[:-1]).any():
            raise ValueError("the characters of a vocabulary must be distinct and in code-point order")
        if ((points >= 0xD800) & (points <= 0xDFFF)).any():
            raise ValueError("a surrogate is half a character and cannot be in a vocabulary")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Make the vocabulary of the characters of a text."""
        return cls("".join(sorted(set(text))))

    @classmethod
    def of_integers(cls, vocab_size: int) -> Self:
        """Make a vocabulary for data that is not text: private-use characters stand for the integers 0…V−1.

        A checkpoint and a sampler need a vocabulary, whatever the model was trained on.

        Raises
        ------
        ValueError
            If V is not 1 to 131,072.
        """
        if not 1 <= vocab_size <= _STAND_INS:
            raise ValueError(f"integers 0…V−1 need a V of 1 to {_STAND_INS:,}, not {vocab_size:,}")
        return cls("".join(map(chr, range(_FIRST_STAND_IN, _FIRST_STAND_IN + vocab_size))))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> NDArray[np.intp]:
        """Return the id of each character: (len(text),).

        Raises
        ------
        UnknownCharacterError
            If a character is not in the vocabulary.
        """
        known, wanted = code_points(self.characters), code_points(text)
        ids = np.searchsorted(known, wanted)
        # a character that is absent lands beside its neighbours, or past the end
        if (known.take(ids, mode="clip") != wanted).any():
            unknown = self.unknown(text)
            raise UnknownCharacterError(
                f"characters the model never saw ({len(unknown)} in all): {list_characters(unknown)}; "
                "leave them out, or train a model on a text that has them"
            )
        return ids

    def tokenize(self, text: str, seq_length: int, *, stride: int | None = None) -> NDArray[np.integer]:
        """Return the ids of a text as rows of fixed length, (n, T): `charrnn.tokenize` of `encode`.

        Raises
        ------
        UnknownCharacterError
            If a character is not in the vocabulary.
        """
        return tokenize(self.encode(text), seq_length, stride=stride)

    def decode(self, ids: ArrayLike) -> str:
        """Return the text that the ids, a 1-D array of integers, stand for.

        Raises
        ------
        IndexError
            If an id is not in 0 ... V-1.
        """
        ids = np.asarray(ids, dtype=np.intp)
        if (ids < 0).any():
            raise IndexError("an id cannot be negative")  # NumPy would count it from the end
        return from_code_points(code_points(self.characters)[ids])

    def unknown(self, text: str) -> str:
        """Return the distinct characters of a text that are not in the vocabulary, in code-point order."""
        return from_code_points(np.setdiff1d(code_points(text), code_points(self.characters)))


def tokenize(ids: ArrayLike, seq_length: int, *, stride: int | None = None) -> NDArray[np.integer]:
    """Cut a sequence into rows of fixed length, (n, T).

    Inputs and targets are cut separately: the targets of ``tokenize(ids[:-1], T)`` are ``tokenize(ids[1:], T)``. Ids at
    the end that fill no row are left out. (`charrnn.train` needs no rows: its streams use every character, and
    carry the network's state from one chunk to the next.)

    Parameters
    ----------
    ids : (N,) integers; `charrnn.Vocabulary.tokenize` takes a text
    seq_length : T
    stride : how far apart two rows begin; by default T, so that rows do not overlap

    Returns
    -------
    ``(N − T) // stride + 1`` rows, copied; 0 if N < T

    Raises
    ------
    ValueError
        If `ids` has not one dimension, or `seq_length` or `stride` is below 1.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.tokenize([1, 2, 3, 4, 5, 6, 7], 3)
    array([[1, 2, 3],
           [4, 5, 6]])
    >>> charrnn.tokenize([1, 2, 3, 4, 5], 3, stride=1)
    array([[1, 2, 3],
           [2, 3, 4],
           [3, 4, 5]])

    """
    sequence, step = np.asarray(ids), seq_length if stride is None else stride
    if sequence.ndim != 1 or seq_length < 1 or step < 1:
        raise ValueError(
            f"tokenize cuts one sequence (N,) into rows of at least 1 by a stride of at least 1, not an array of shape "
            f"{sequence.shape} by {seq_length} and {step}"
        )
    if len(sequence) < seq_length:
        return np.empty((0, seq_length), sequence.dtype)
    rows: NDArray[np.integer] = np.lib.stride_tricks.sliding_window_view(sequence, seq_length)[::step].copy()
    return rows


def unknown_symbol(vocabulary: Vocabulary, max_vocab: int) -> int | None:
    """Return the id of the symbol that stands for all rare characters; None if there is no such symbol.

    Parameters
    ----------
    max_vocab : how many characters were kept, or 0 for all
    """
    return vocabulary.characters.index(UNKNOWN) if max_vocab and UNKNOWN in vocabulary.characters else None


# Signs that can replace each other; the first of a row that the model knows is taken.
_KIN = ("'’‘‛′ʼ`´‹›‚", '"”“‟″„«»', "-–—―‐‑‒−", "…⋯", "·•∙*")
# fmt: off
_SPELT = {
    "…": "...", "—": "--", "«": '"', "»": '"', "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe",
    "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "þ": "th", "Þ": "Th",
    "ı": "i", "\t": " ",
}
# fmt: on
_MOST_STEPS = 3


@dataclass(frozen=True)
class Fitted:
    """A text in the characters of a model, and what was replaced."""

    text: str
    replaced: dict[str, str]  # what was replaced, in order of appearance, and by what; an empty text if it was left out


def leave_out(text: str, vocabulary: Vocabulary) -> Fitted:
    """Leave out the characters that are not in the vocabulary."""
    return _fit(text, frozenset(vocabulary.characters), lambda _: "")


def nearest(text: str, vocabulary: Vocabulary) -> Fitted:
    """Replace each character that is not in the vocabulary by the nearest one that is.

    The nearest is reached by the fewest of these steps, on a tie by the first in this order: the same character
    composed or decomposed (é as one code point or two), its compatible form (NFKC: ligatures, full-width letters,
    no-break space), another quote or dash, the other case, the letter without its accents, several letters for one
    (ß, æ). An accent that is a code point of its own stays with its letter. A character with no near one is left out.
    """
    known = frozenset(vocabulary.characters)
    return _fit(text, known, lambda unit: _reach(unit, known))


def _fit(text: str, known: frozenset[str], near: Callable[[str], str]) -> Fitted:
    replaced: dict[str, str] = {}
    units = [text] if known.issuperset(text) else list(_units(text))
    for unit in units:
        if unit not in replaced and not known.issuperset(unit):
            replaced[unit] = near(unit)
    return Fitted("".join(replaced.get(unit, unit) for unit in units), replaced)


def _units(text: str) -> Iterator[str]:
    """Yield each character with the accents that follow it."""
    unit = ""
    for c in text:
        if unit and not unicodedata.combining(c):
            yield unit
            unit = ""
        unit += c
    if unit:
        yield unit


def _reach(unit: str, known: frozenset[str]) -> str:
    """Return the first known text reached from an unknown one; else the known characters of it."""
    reached, fresh = {unit}, [unit]
    for _ in range(_MOST_STEPS):
        fresh = list(dict.fromkeys(text for old in fresh for text in _steps(old) if text not in reached))
        for text in fresh:
            if text and known.issuperset(text):
                return text
        reached.update(fresh)
    return "".join(c for c in unit if c in known)


def _steps(text: str) -> Iterable[str]:
    yield from (unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC"))
    for row in _KIN:
        if len(text) == 1 and text in row:  # "" is in every text
            yield from row
    yield from (cased for cased in (text.lower(), text.upper()) if len(cased) == len(text))
    yield "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    yield "".join(_SPELT.get(c, c) for c in text)


# A text may be cut before any of these, since they never combine with what precedes: ASCII, kana, Han, Hangul.
_JOINS_NOTHING = re.compile(r"[\x00-\x7f\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]")


def as_read(text: str, form: str) -> str:
    """Return a typed text as `charrnn.text.sources.TextDecoder` would read it: with line ends as LF, normalized."""
    return normalize(text.replace("\r\n", "\n").replace("\r", "\n"), form)


def unescaped(text: str, vocabulary: Vocabulary) -> str:
    r"""Return a typed text with ``\n`` and ``\t`` as a line end and a tab, unless the vocabulary has a backslash."""
    return text if "\\" in vocabulary.characters else text.replace(r"\n", "\n").replace(r"\t", "\t")


def normalize(text: str, form: str) -> str:
    """Return a whole text in a form, ``none`` or ``nfc``."""
    return unicodedata.normalize("NFC", text) if form == "nfc" else text


class Normalizer:
    """Normalizes a text block by block, as `normalize` does the whole.

    A mark at the beginning of a block may belong to the letter at the end of the one before. (Unicode Standard Annex
    #15, "Unicode normalization forms", section 13 on concatenation.)

    Parameters
    ----------
    form : ``none`` or ``nfc``
    """

    def __init__(self, form: str) -> None:
        self._form = form
        self._kept = ""  # the end of the last block, which may combine with the next

    def normalize(self, text: str, *, final: bool) -> str:
        """Return what a block completes."""
        if self._form == "none":
            return text
        text = self._kept + text
        cut = len(text) if final else next((i for i in reversed(range(len(text))) if _JOINS_NOTHING.match(text, i)), 0)
        self._kept = text[cut:]
        return normalize(text[:cut], self._form)
