"""A text for a trained model to read, which may have characters that the model never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import TextError
from charrnn.text.corpus import number
from charrnn.text.items import find_items
from charrnn.text.numbering import Numbering
from charrnn.text.reading import called
from charrnn.text.vocabulary import Vocabulary, code_points, from_code_points


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Passage:
    """A text as ids, those of unseen characters following on the vocabulary's."""

    ids: NDArray[np.unsignedinteger]
    """(N,), read-only: below V the vocabulary's, from V on those of characters the model never saw."""
    characters: str
    """The character of each id: the vocabulary's V, then the unseen ones."""
    vocab_size: int
    """V."""
    notes: tuple[str, ...]
    """What was changed in reading, a sentence each."""

    @property
    def known(self) -> NDArray[np.unsignedinteger]:
        """The ids of the characters that the model knows, in their order."""
        return self.ids[self.ids < self.vocab_size]

    @property
    def unseen(self) -> str:
        """The distinct characters that the model never saw."""
        return self.characters[self.vocab_size :]

    @property
    def num_unseen(self) -> int:
        """How many of the text's characters those are."""
        return int(np.count_nonzero(self.ids >= self.vocab_size))

    def lines(self) -> Iterator[Self]:
        """Yield each line with the line feed that ends it; the last may have none."""
        line_feed = self.characters.find("\n")
        ends = np.flatnonzero(self.ids == line_feed) + 1 if line_feed >= 0 else np.empty(0, dtype=np.intp)
        for ids in np.split(self.ids, ends):
            if ids.size:  # after a last line feed there is no line
                yield replace(self, ids=ids, notes=())

    def items(self, separator: NDArray[np.intp]) -> list[Self]:
        """Return its items, each with the separator (S,) that ends it, and no empty ones."""
        items, _ = find_items(self.ids, separator)
        end = separator.astype(self.ids.dtype)
        parts = zip(items.starts.tolist(), items.lengths.tolist(), strict=True)
        return [
            replace(self, ids=np.concatenate([self.ids[start : start + length], end]), notes=())
            for start, length in parts
        ]

    def text(self) -> str:
        """Return the text itself."""
        return from_code_points(code_points(self.characters)[self.ids])


def read_passage(
    names: Sequence[str],
    vocabulary: Vocabulary,
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    normalize: str = "none",
) -> Passage:
    """Read texts, one after the other, as `charrnn.text.corpus.read_corpus` does, whatever characters they have.

    Raises
    ------
    TextError
        If a text is missing, damaged or not in its encoding, or if there is not one character in all.
    UnreadableTextError
        If a text is there and cannot be read.
    """
    numbering = Numbering(vocabulary.characters)
    _, notes = number(names, numbering, encoding, errors, normalize)
    if len(numbering) == 0:
        raise TextError(f"{', '.join(map(called, names))} is empty: give a text of at least one character")
    return Passage(numbering.ids, numbering.characters, len(vocabulary), notes)
