"""Characters to ids and back.

A character is one Unicode code point. The ids follow code-point order, so the same set of characters always
gives the same vocabulary, whatever text it came from.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.errors import UnknownCharacterError
from charrnn.text.sequences import tokenize

MOST_LISTED = 10
UNKNOWN = "\ufffd"  # Unicode's own sign for what cannot be shown; here for rare characters, where they are capped
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
        """Make the vocabulary of a text's own characters."""
        return cls("".join(sorted(set(text))))

    @classmethod
    def of_integers(cls, vocab_size: int) -> Self:
        """Make a vocabulary for integers that are no text: private-use characters stand for 0…V−1.

        So a model of any integer sequence has a vocabulary, as a checkpoint and a sampler need one.

        Raises
        ------
        ValueError
            If there are more than 131,072, or none.
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


def unknown_symbol(vocabulary: Vocabulary, max_vocab: int) -> int | None:
    """Return the id of the symbol that stands for all rare characters; None where none were capped.

    Parameters
    ----------
    max_vocab : how many characters were kept, or 0 for all
    """
    return vocabulary.characters.index(UNKNOWN) if max_vocab and UNKNOWN in vocabulary.characters else None
