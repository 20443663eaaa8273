"""A text to learn: found, read, checked, numbered and split.

Numbers for characters, given as they come, in as few bytes as they need.

What a checkpoint remembers of the text that its model learned.
"""

import codecs
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config import ERRORS, FORMS, MOST_SYMBOLS
from charrnn.errors import ConfigError, TextError, counted, shortened
from charrnn.machine import available_memory, format_bytes
from charrnn.text.sources import NOBODY, PACKED, STDIN, Source, TextDecoder, Watcher, find_sources, read_blocks
from charrnn.text.storage import Cells, Place
from charrnn.text.vocabulary import UNKNOWN, Vocabulary, code_points, from_code_points, list_characters, unknown_symbol

CODE_SPACE = 0x110000  # Unicode's code points, assigned or not


class Numbering:
    """A text's ids, grown block by block.

    An id takes one byte while there are at most 256 distinct characters, then two, then four.

    Parameters
    ----------
    characters
        Distinct characters that have the ids 0, 1, ... before any text comes.
    place
        Where a long text's ids may go instead of into memory (see `charrnn.text.storage.Cells`).
    is_counting
        Whether to count how often each character comes.
    """

    def __init__(self, characters: str = "", *, place: Place | None = None, is_counting: bool = False) -> None:
        self._table = np.full(CODE_SPACE, -1, dtype=np.int32)  # code point -> id
        self._points = np.empty(0, dtype=np.uint32)  # id -> code point
        self._dtype = np.dtype(np.uint8)
        self.cells = Cells(place)
        self._is_counting = is_counting
        self._counts = np.zeros(0, dtype=np.int64)
        self._admit(code_points(characters))

    def __len__(self) -> int:
        return len(self.cells) // self._dtype.itemsize

    def append(self, points: NDArray[np.unsignedinteger]) -> None:
        """Add a block of the text, as code points in whatever type; characters not met before get the next ids."""
        if points.dtype == np.uint8 and self._dtype == np.uint8:
            data = self._bytes_for(points.tobytes())
        else:
            ids = self._table[points]
            if ids.size and ids.min() < 0:
                self._admit(np.unique(points[ids < 0]))
                ids = self._table[points]
            data = ids.astype(self._dtype).tobytes()
        if self._is_counting:
            counts = np.bincount(np.frombuffer(data, dtype=self._dtype), minlength=len(self._points))
            counts[: len(self._counts)] += self._counts
            self._counts = counts
        self.cells.append(data)

    def _bytes_for(self, block: bytes) -> bytes:
        """Return the ids of a block whose characters are bytes, as those of ASCII are: faster than by the table."""
        if new := block.translate(None, delete=self._known_bytes):
            self._admit(np.unique(np.frombuffer(new, dtype=np.uint8)))
        if self._dtype == np.uint8:
            return block.translate(self._byte_table)
        return self._table[np.frombuffer(block, dtype=np.uint8)].astype(self._dtype).tobytes()

    def renumber(self, advance: Callable[[int], object] = lambda _: None) -> int:
        """Give the characters their ids anew, in code-point order; return the CRC-32 of all ids.

        Parameters
        ----------
        advance : told how many bytes have been renumbered so far
        """
        order = np.argsort(self._points)
        rank = np.empty(len(order), dtype=self._dtype)
        rank[order] = np.arange(len(order))
        return self._replace(rank, self._points[order], advance)

    def cap(self, most: int, keep: str = "") -> tuple[int, int]:
        """Keep the most frequent characters, of equals the first, and make of all others one unknown symbol.

        The characters of `keep` come before all others, however rare they are.

        The unknown symbol is U+FFFD, which is none of those that are kept and the same where the text has it already.
        Nothing happens where there are no more characters than that.

        Returns
        -------
        How many distinct characters were given up, and how many of the text they were.
        """
        points, counts = self._points, self._counts
        others = np.flatnonzero(points != ord(UNKNOWN))
        if len(others) <= most:
            return 0, 0
        is_optional = ~np.isin(points[others], code_points(keep))
        ranked = others[np.lexsort((points[others], -counts[others], is_optional))]
        kept, rare = ranked[:most], ranked[most:]
        characters = np.append(points[kept], np.uint32(ord(UNKNOWN)))
        ids = np.full(len(points), most, dtype=np.intp)  # the unknown symbol's, the last
        ids[kept] = np.arange(most)
        self._replace(ids, characters)
        return len(rare), int(counts[rare].sum())

    def forget(self, known: int, unknown: int) -> None:
        """Make of every id from `known` on the one id `unknown`."""
        ids = np.arange(len(self._points))
        ids[known:] = unknown
        self._replace(ids, self._points[:known])

    @property
    def characters(self) -> str:
        """The distinct characters, in the order of their ids."""
        return from_code_points(self._points)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """What holds an id."""
        return self._dtype

    @property
    def ids(self) -> NDArray[np.unsignedinteger]:
        """The text's ids, read-only; nothing can be appended while they are in use."""
        ids = np.frombuffer(self.cells.view(), dtype=self._dtype)
        ids.flags.writeable = False
        return ids

    def _admit(self, new: NDArray[np.unsignedinteger]) -> None:
        count = len(self._points)
        self._points = np.concatenate([self._points, new.astype(np.uint32)])
        self._table[new] = np.arange(count, len(self._points))
        first = self._table[:256]
        self._known_bytes = np.flatnonzero(first >= 0).astype(np.uint8).tobytes()
        self._byte_table = first.astype(np.uint8).tobytes()
        needed = _smallest(len(self._points))
        if needed != self._dtype:
            self._rewrite(np.arange(len(self._points)), needed)

    def _replace(
        self,
        ids: NDArray[np.integer],
        points: NDArray[np.uint32],
        advance: Callable[[int], object] = lambda _: None,
    ) -> int:
        """Write ``ids[i]`` for every id i; the characters of the new ids are `points`. Return the CRC-32."""
        self._points = points
        self._table[:] = -1
        self._table[points] = np.arange(len(points))
        return self._rewrite(ids, _smallest(len(points)), advance)

    def _rewrite(
        self,
        ids: NDArray[np.integer],
        dtype: np.dtype[np.unsignedinteger],
        advance: Callable[[int], object] = lambda _: None,
    ) -> int:
        old, new, done = self._dtype, ids.astype(dtype), 0

        def change(data: bytes) -> bytes:
            nonlocal done
            done += len(data)
            advance(done)
            return new[np.frombuffer(data, dtype=old)].tobytes()

        self._dtype = dtype
        return self.cells.change(old.itemsize, dtype.itemsize, change)


def _smallest(count: int) -> "np.dtype[np.unsignedinteger]":
    """Return the smallest type that holds the ids of so many characters."""
    return np.min_scalar_type(max(count - 1, 0))


_MARKED = ("utf-16", "utf-32")  # encodings in which a text is full of NULs
_MOST_NAMED = 5
_SAME_SYMBOL = "the text has U+FFFD itself; with --max-vocab that is the unknown symbol, which is never written"
_FIRST_BYTES = 8192  # of a file in a folder, in which a NUL says that it is no text


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Corpus:
    """A text as ids, and where it came from."""

    name: str
    """What to call it: the first source without folder and suffixes; ``stdin`` for ``-``."""
    sources: tuple[str, ...]
    """The names it was read from, as they were given."""
    ids: NDArray[np.unsignedinteger]
    """(N,), read-only, in the smallest of uint8, uint16 and uint32 that holds V-1; of a long text a memory map."""
    vocabulary: Vocabulary
    """Its V characters."""
    sha256: str
    """Of the bytes that were read, one source after the other, unpacked and not yet decoded."""
    notes: tuple[str, ...]
    """What was changed in reading, a sentence each."""
    file_ends: tuple[int, ...] = ()
    """Where each source ends in the ids, rising; empty ones are not counted."""


def read_corpus(
    names: Sequence[str],
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    normalize: str = "none",
    max_vocab: int = 0,
    separator: str = "",
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Read texts, one after the other, as one corpus in memory (`charrnn.cache` has the way for long ones).

    A byte-order mark is dropped, CRLF and CR are read as LF, and a ``.gz`` or ``.xz`` file is unpacked. The text
    passes through in blocks, so that reading takes little more memory than the ids.

    Parameters
    ----------
    names
        Of files, bundled texts and folders (see `charrnn.text.sources`), or ``-`` for stdin, at most once.
    encoding, errors, normalize
        Of all of them, as `charrnn.text.sources.TextDecoder` has it.
    max_vocab
        How many characters to keep, the most frequent; the others become one unknown symbol, U+FFFD. 0 keeps all.
    separator
        What stands between two items, where the text is made of items. Characters that belong to no item are then left
        out (see `charrnn.text.items`), and `max_vocab` keeps those of the separator however rare they are.
    vocabulary
        The characters of a model that goes on learning; by default the text's own. Where it has an unknown symbol, as
        `max_vocab` says, that stands for all that it has not.

    Raises
    ------
    ConfigError
        If `max_vocab` leaves no room for the characters of `separator`.
    TextError
        If a text is missing, damaged or not in its encoding, or if there are fewer than two characters in
        all, or characters that are not in the vocabulary given.
    UnreadableTextError
        If a text is there and cannot be read.

    Examples
    --------
    >>> import charrnn
    >>> corpus = charrnn.read_corpus(["harbour-clerk.txt"])
    >>> len(corpus.ids), len(corpus.vocabulary)
    (139309, 61)

    """
    check_reading(errors, normalize, 0 if vocabulary else max_vocab)
    check_cap(max_vocab, separator)
    sources, left_out = find_sources(names)
    check_memory_for(sources)
    numbering = Numbering(vocabulary.characters if vocabulary else "", is_counting=bool(max_vocab and not vocabulary))
    sha256, notes, file_ends = number(sources, numbering, encoding, errors, normalize, separator)
    own, capped, _ = settle(numbering, called(sources), max_vocab, separator, vocabulary)
    notes = [*left_out, *notes, *capped]
    return Corpus(
        corpus_name(names[0]), tuple(names), numbering.ids, vocabulary or own, sha256, tuple(notes), file_ends
    )


def check_reading(errors: str, normalize: str, max_vocab: int) -> None:
    """Refuse ways to read a text that there are not.

    Raises
    ------
    ConfigError
        If one of them is unknown, or out of range.
    """
    for name, value, choices in (("errors", errors, ERRORS), ("normalize", normalize, FORMS)):
        if value not in choices:
            raise ConfigError(f"--{name} is one of {', '.join(choices)}, not {shortened(str(value))!r}")
    if not 0 <= max_vocab <= MOST_SYMBOLS:
        raise ConfigError(f"--max-vocab must be 1 to {MOST_SYMBOLS:,}")


def number(
    sources: Sequence[Source],
    numbering: Numbering,
    encoding: str,
    errors: str,
    normalize: str,
    separator: str = "",
    watcher: Watcher = NOBODY,
) -> tuple[str, list[str], tuple[int, ...]]:
    """Read texts, one after the other, into a numbering; the errors are those of `read_corpus`.

    Returns
    -------
    sha256, notes, file_ends
        As `Corpus` has them.
    """
    digest = hashlib.sha256()
    notes: list[str] = []
    done, total = 0, sum(source.size for source in sources)
    binary, file_ends = 0, [0]

    def advance(size: int) -> None:
        nonlocal done
        done += size
        watcher.advance("reading", done, total)

    for source in sources:
        decoder = TextDecoder(source.name, encoding, errors, normalize, separator)
        blocks = read_blocks(source, advance)
        first = next(blocks)
        if source.is_in_folder and _is_binary(first, encoding):
            binary += 1
            blocks.close()
            continue
        for block in chain([first], blocks if first else ()):
            digest.update(block)
            numbering.append(_decode(block, decoder, blocks, source))
        if len(numbering) > file_ends[-1]:
            file_ends.append(len(numbering))
        notes += decoder.notes()
    if binary:
        notes.append(f"left out {counted(binary, 'file')} with NULs, which no text has")
    return digest.hexdigest(), notes, tuple(file_ends[1:])


def describe_joins(ids: NDArray[np.integer], file_ends: Sequence[int], characters: str) -> list[str]:
    """Say how many files of a running text go on in the last line of the file before; nothing where none does.

    Parameters
    ----------
    ids, file_ends : of the text, as `Corpus` has them
    characters : the character of each id
    """
    line_feed = characters.find("\n")
    unended = sum(int(ids[end - 1] != line_feed) for end in file_ends[:-1])
    if not unended:
        return []
    return [f"{counted(unended, 'file')} without a line end at the end: the next begins in the same line"]


def text_identity(sha256: str, file_ends: Sequence[int], *, of_items: bool) -> str:
    """Return what tells a text from others: the SHA-256 of its bytes.

    Where it is made of items and of several files, the places where files end are in it too, as items end there.
    """
    if not of_items or len(file_ends) < 2:
        return sha256
    return hashlib.sha256(f"{sha256} {file_ends}".encode()).hexdigest()


def _decode(block: bytes, decoder: TextDecoder, rest: Iterable[bytes], source: Source) -> NDArray[np.unsignedinteger]:
    """Decode a block; where that fails in a packed file, see first whether the file is damaged."""
    try:
        return decoder.decode(block)
    except TextError:
        if source.path and source.path.suffix in PACKED:
            for _ in rest:  # raises where the file is damaged
                pass
        raise


def settle(
    numbering: Numbering,
    label: str,
    max_vocab: int = 0,
    separator: str = "",
    vocabulary: Vocabulary | None = None,
    watcher: Watcher = NOBODY,
) -> tuple[Vocabulary, list[str], int]:
    """Give a text that is read its last ids: in code-point order, or those of a vocabulary that was there before.

    Returns
    -------
    vocabulary, notes, checksum
        The text's, or the one given; what became of rare characters; the CRC-32 of the ids.

    Raises
    ------
    TextError
        If the text is too short, or has characters that are not in the vocabulary given.
    """
    if len(numbering) == 0 and separator:
        raise TextError(f"{label} has no items: nothing but white space stands between its separators")
    if len(numbering) == 0:
        raise TextError(f"{label} is empty: give a text of at least two characters")
    if len(numbering) == 1:
        raise TextError(f"{label} has only one character: give a text of at least two")

    def advance(done: int) -> None:
        watcher.advance("numbering", done, len(numbering.cells))

    if vocabulary is None:
        notes = [_SAME_SYMBOL] if max_vocab and UNKNOWN in numbering.characters else []
        gone, places = numbering.cap(max_vocab, separator) if max_vocab else (0, 0)
        notes += [_describe_cap(gone, places, len(numbering))] if gone else []
        checksum = numbering.renumber(advance)
        return Vocabulary(numbering.characters), notes, checksum
    new = "".join(sorted(numbering.characters[len(vocabulary) :]))
    notes = []
    unknown = unknown_symbol(vocabulary, max_vocab)
    if new and unknown is not None:
        numbering.forget(len(vocabulary), unknown)
        notes = [
            f"characters that the model does not know ({len(new):,} distinct) are read as its unknown symbol, U+FFFD"
        ]
    elif new:
        raise TextError(
            f"{label} has characters the model never saw ({len(new)} in all): {list_characters(new)}",
            "; take them out, or start a new model from its weights with --init-from",
        )
    return vocabulary, notes, numbering.renumber(advance)


def check_cap(max_vocab: int, separator: str) -> None:
    """Refuse a bound on the vocabulary that would lose characters which must stay; the errors are `read_corpus`'s."""
    wanted = set(separator)
    if max_vocab and UNKNOWN in wanted:
        raise ConfigError("--separator has U+FFFD, which --max-vocab makes of every rare character; give another")
    if 0 < max_vocab < len(wanted):
        raise ConfigError(
            f"--max-vocab {max_vocab} leaves no room for the {len(wanted)} characters of --separator; "
            f"give {len(wanted)} or more"
        )


def check_memory_for(sources: Iterable[Source], advice: str = "give a part of it") -> None:
    """Refuse a file that is larger than the memory: its ids take about as many bytes as its characters.

    Parameters
    ----------
    advice : how the sentence ends

    Raises
    ------
    TextError
        Naming the first such file.
    """
    free = available_memory()
    for source in sources:
        if free is not None and source.size > free:
            raise TextError(
                f"{source.name} has {format_bytes(source.size)}, and {format_bytes(free)} of memory are free; {advice}"
            )


def called(sources: Sequence[Source]) -> str:
    """Return what a message calls several sources."""
    names = [source.name for source in sources[:_MOST_NAMED]]
    more = len(sources) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def split(ids: NDArray[np.integer], val_fraction: float) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Cut a text into a first part to train on and a last part to validate with; both are views.

    No character is in both, so the first one predicted in the validation part is its second. A validation
    part of a single character could predict nothing: then all of the text is for training.

    Raises
    ------
    ConfigError
        If the fraction is not at least 0 and below 1.

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> training, held_out = charrnn.split(np.arange(10), 0.2)
    >>> training, held_out
    (array([0, 1, 2, 3, 4, 5, 6, 7]), array([8, 9]))

    """
    if not 0 <= val_fraction < 1:
        raise ConfigError(f"the validation fraction must be at least 0 and below 1, not {val_fraction}")
    held_out = math.ceil(len(ids) * val_fraction)
    cut = len(ids) - (held_out if held_out > 1 else 0)
    return ids[:cut], ids[cut:]


def corpus_name(source: str) -> str:
    """Return what to call a corpus whose first source has this name."""
    if source == STDIN:
        return "stdin"
    path = Path(source)
    if path.is_dir():
        return path.resolve().name or "text"
    return Path(path.stem if path.suffix in PACKED else path.name).stem


def _is_binary(block: bytes, encoding: str) -> bool:
    return b"\0" in block[:_FIRST_BYTES] and not codecs.lookup(encoding).name.startswith(_MARKED)


def _describe_cap(gone: int, places: int, length: int) -> str:
    return (
        f"{gone:,} rare characters, {places:,} of the text's {length:,} ({places / length:.2%}), "
        "became one unknown symbol, U+FFFD"
    )


@dataclass(frozen=True)
class ItemCounts:
    """How many items a text had, where each was learned for itself; characters are those that were guessed."""

    training: int
    training_characters: int
    held_out: int
    held_out_characters: int
    longest: int  # characters of the longest item trained on, without its separator


@dataclass(frozen=True)
class CorpusInfo:
    """The text a model was trained on, as far as a checkpoint remembers it."""

    name: str
    sources: tuple[str, ...]
    encoding: str
    sha256: str
    characters: int
    errors: str = "strict"
    normalize: str = "none"
    items: ItemCounts | None = None  # None: one running text
    max_vocab: int = 0  # 0: no bound

    @property
    def decoding(self) -> dict[str, Any]:
        """How its bytes were read, as `charrnn.text.corpus.read_corpus` takes it."""
        return {name: getattr(self, name) for name in ("encoding", "errors", "normalize", "max_vocab")}
