"""A text for a trained model to read. It may have characters that the model never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import TextError, counted
from charrnn.text.corpus import (
    Decoding,
    Numbering,
    check_memory_for,
    describe_joins,
    describe_sources,
    number,
    text_identity,
)
from charrnn.text.items import clean_items, find_items
from charrnn.text.sources import find_sources
from charrnn.text.vocabulary import Vocabulary, code_points, from_code_points, unknown_symbol


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Passage:
    """A text as ids; those of unseen characters follow the vocabulary's."""

    ids: NDArray[np.integer]  # (N,), read-only; from V on those of characters the model never saw
    characters: str  # the character of each id: the vocabulary's V, then the unseen ones
    vocab_size: int  # V
    notes: tuple[str, ...]  # what was changed in reading, a sentence each
    sha256: str = ""  # of the bytes that were read; empty if the text did not come from a file
    unknown: int | None = None  # the id of the model's symbol for rare characters, which it reads unseen ones as
    file_ends: tuple[int, ...] = ()  # where each file ends, rising; by default the text is one file
    item_starts: NDArray[np.intp] | None = None  # (K,) where each item begins, if there are (see `as_items`)

    @property
    def known(self) -> NDArray[np.integer]:
        """The ids that the model reads: unseen characters are left out, or read as its unknown symbol if it has one."""
        is_known = self.ids < self.vocab_size
        if self.unknown is None:
            return self.ids[is_known]
        return np.where(is_known, self.ids, self.ids.dtype.type(self.unknown))

    @property
    def unseen(self) -> str:
        """The distinct characters that the model never saw."""
        beyond = np.unique(self.ids[self.ids >= self.vocab_size])
        return "".join(self.characters[number] for number in beyond)

    @property
    def num_unseen(self) -> int:
        """How many characters of the text the model cannot read, since it has no symbol for them."""
        return 0 if self.unknown is not None else int(np.count_nonzero(self.ids >= self.vocab_size))

    @property
    def num_unknown(self) -> int:
        """How many characters of the text the model reads as its unknown symbol."""
        return 0 if self.unknown is None else int(np.count_nonzero(self.ids >= self.vocab_size))

    def lines(self) -> Iterator[Self]:
        """Yield each line with the line feed that ends it; the last of a file may have none."""
        line_feed = self.characters.find("\n")
        ends = np.union1d(np.flatnonzero(self.ids == line_feed) + 1, self.file_ends).astype(np.intp)  # no id is -1
        for ids in np.split(self.ids, ends):
            if ids.size:
                yield replace(self, ids=ids, notes=(), file_ends=(), item_starts=None)

    @property
    def known_starts(self) -> NDArray[np.intp] | None:
        """Where each item begins in `known`; None for a running text."""
        if self.item_starts is None or self.unknown is not None:
            return self.item_starts
        return np.searchsorted(np.flatnonzero(self.ids < self.vocab_size), self.item_starts)

    def as_items(self, separator: NDArray[np.intp]) -> Self:
        """Return the items of the text joined, each followed by the separator (S,); a running text if that is empty.

        Raises `TextError` if there are no items.
        """
        if not separator.size:
            joins = describe_joins(self.ids, self.file_ends, self.characters)
            return replace(self, notes=(*self.notes, *joins))
        between = from_code_points(code_points(self.characters)[separator])
        numbering, file_ends = Numbering(self.characters), []
        for ids in np.split(self.ids, self.file_ends):
            numbering.append(code_points(clean_items(replace(self, ids=ids).text(), between)))
            file_ends.append(len(numbering))
        items, blank = find_items(numbering.ids, separator, file_ends=file_ends)
        if not len(items):
            raise TextError("there is nothing to read: the text has no items, only separators")
        left_out = f"; left out {counted(blank, 'blank one')}" if blank else ""
        note = f"read as {counted(len(items), 'item')}, each separately{left_out}"
        starts = items.joined_starts()
        sha256 = text_identity(self.sha256, self.file_ends, of_items=True)
        notes = (*self.notes, note)
        return replace(self, ids=items.joined(), item_starts=starts, file_ends=(), sha256=sha256, notes=notes)

    def of_pieces(self, pieces: Sequence[Self]) -> Self:
        """Return some pieces of the text, one after the other."""
        return replace(self, ids=np.concatenate([self.ids[:0], *(piece.ids for piece in pieces)]))

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
    strip_gutenberg: bool = False,
) -> Passage:
    """Read texts as `charrnn.text.corpus.read_corpus` does, whatever characters they have.

    `max_vocab` is the bound on the vocabulary that the model was trained with, or 0.
    """
    sources, left_out = find_sources(names)
    check_memory_for(sources)
    numbering = Numbering(vocabulary.characters)
    found = number(sources, numbering, Decoding(encoding, errors, normalize, strip_gutenberg=strip_gutenberg))
    unknown = unknown_symbol(vocabulary, max_vocab)
    if len(numbering) == 0:
        raise TextError(f"{describe_sources(sources)} is empty: give a text of at least one character")
    notes, size = (*left_out, *found.notes), len(vocabulary)
    return Passage(numbering.ids, numbering.characters, size, notes, found.sha256, unknown, found.file_ends)
