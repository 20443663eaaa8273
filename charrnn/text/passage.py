"""A text for a trained model to read, which may have characters that the model never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import TextError
from charrnn.text.corpus import called, check_memory_for, number
from charrnn.text.finding import find_sources
from charrnn.text.items import find_items
from charrnn.text.numbering import Numbering
from charrnn.text.vocabulary import Vocabulary, code_points, from_code_points, unknown_symbol


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Passage:
    """A text as ids, those of unseen characters following on the vocabulary's."""

    ids: NDArray[np.integer]
    """(N,), read-only: below V the vocabulary's, from V on those of characters the model never saw."""
    characters: str
    """The character of each id: the vocabulary's V, then the unseen ones."""
    vocab_size: int
    """V."""
    notes: tuple[str, ...]
    """What was changed in reading, a sentence each."""
    sha256: str = ""
    """Of the bytes that were read; none where it is no text that was read."""
    unknown: int | None = None
    """The id of the model's symbol for all that it did not keep, which then stands for what it never saw."""

    @property
    def known(self) -> NDArray[np.integer]:
        """The ids that the model reads, in order: of what it knows, and of its symbol for all else if it has one."""
        is_known = self.ids < self.vocab_size
        if self.unknown is None:
            return self.ids[is_known]
        return np.where(is_known, self.ids, self.ids.dtype.type(self.unknown))

    @property
    def unseen(self) -> str:
        """The distinct characters that the model never saw."""
        return self.characters[self.vocab_size :]

    @property
    def num_unseen(self) -> int:
        """How many of the text's characters those are that the model cannot read, as it has no symbol for them."""
        return self._beyond if self.unknown is None else 0

    @property
    def num_unknown(self) -> int:
        """How many of the text's characters it reads as its symbol for all else, though they are others."""
        return 0 if self.unknown is None else self._beyond

    @property
    def _beyond(self) -> int:
        return int(np.count_nonzero(self.ids >= self.vocab_size))

    def lines(self) -> Iterator[Self]:
        """Yield each line with the line feed that ends it; the last may have none."""
        line_feed = self.characters.find("\n")
        for ids in np.split(self.ids, np.flatnonzero(self.ids == line_feed) + 1):  # no id is -1
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
    max_vocab: int = 0,
) -> Passage:
    """Read texts, one after the other, as `charrnn.text.corpus.read_corpus` does, whatever characters they have.

    Parameters
    ----------
    max_vocab : how many characters the vocabulary's own text was capped to, if it was

    Raises
    ------
    TextError
        If a text is missing, damaged or not in its encoding, or if there is not one character in all.
    UnreadableTextError
        If a text is there and cannot be read.
    """
    sources, left_out = find_sources(names)
    check_memory_for(sources)
    numbering = Numbering(vocabulary.characters)
    sha256, notes = number(sources, numbering, encoding, errors, normalize)
    unknown = unknown_symbol(vocabulary, max_vocab)
    if len(numbering) == 0:
        raise TextError(f"{called(sources)} is empty: give a text of at least one character")
    return Passage(numbering.ids, numbering.characters, len(vocabulary), (*left_out, *notes), sha256, unknown)
