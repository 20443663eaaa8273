"""A text as ids: found, decoded, numbered and split.

`read_corpus` does all of it in memory; `charrnn.cache.load_corpus` does the same for texts of any length. Both call
`read_sources`. It decodes one source after the other, a block at a time (`charrnn.text.sources`), and gives each new
character the next id (`Numbering`). Once all characters are known, the ids are changed to code-point order, or to those
of a vocabulary that was given.

What a checkpoint keeps of its text is a `CorpusInfo`.
"""

import codecs
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config import ERRORS, FORMS, MOST_SYMBOLS
from charrnn.errors import ConfigError, TextError, counted, shortened
from charrnn.machine import available_memory, format_bytes
from charrnn.text.sources import (
    FIRST_BYTES,
    NOBODY,
    PACKED,
    STDIN,
    Source,
    Text,
    TextDecoder,
    Watcher,
    find_sources,
    name_binary,
    read_texts,
)
from charrnn.text.storage import GrowingArray, Place
from charrnn.text.vocabulary import UNKNOWN, Vocabulary, code_points, from_code_points, list_characters, unknown_symbol

CODE_SPACE = 0x110000  # Unicode's code points, assigned or not
_MARKED = ("utf-16", "utf-32")  # encodings in which any text has NULs
_MOST_NAMED = 5  # sources in a message


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Corpus:
    """A text as ids, and where it came from."""

    name: str  # what to call it: the first source without folder and suffixes; ``stdin`` for ``-``
    sources: tuple[str, ...]  # the names it was read from, as they were given
    ids: NDArray[np.unsignedinteger]  # (N,), read-only, in the smallest unsigned type that holds V-1; a map if long
    vocabulary: Vocabulary  # its V characters
    sha256: str  # of the bytes that were read, one source after the other, unpacked and not yet decoded
    notes: tuple[str, ...]  # what was changed in reading, a sentence each
    file_ends: tuple[int, ...] = ()  # where each source ends in the ids, rising; empty ones are not counted
    licences: tuple[tuple[int, int], ...] = ()  # where Project Gutenberg's licence begins and ends in a running text


@dataclass(frozen=True)
class Decoding:
    """How the bytes of a text become ids (see `read_corpus`)."""

    encoding: str = "utf-8"
    errors: str = "strict"
    normalize: str = "none"
    max_vocab: int = 0
    separator: str = ""
    strip_gutenberg: bool = False
    vocabulary: Vocabulary | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (("errors", self.errors, ERRORS), ("normalize", self.normalize, FORMS)):
            if value not in choices:
                given = {"choices": ", ".join(choices), "value": shortened(str(value))}
                raise ConfigError("{} must be one of {choices}, not {value!r}", name, **given)
        if not self.vocabulary and not 0 <= self.max_vocab <= MOST_SYMBOLS:
            raise ConfigError("{} must be 1 to {most:,}", "max_vocab", most=MOST_SYMBOLS)
        if self.max_vocab and UNKNOWN in self.separator:
            raise ConfigError(
                "{} has U+FFFD, which {} makes of every rare character; give another", "separator", "max_vocab"
            )
        if 0 < self.max_vocab < (fewest := len(set(self.separator))):
            raise ConfigError(
                "{} {most} leaves no room for the {fewest} characters of {}; give {fewest} or more",
                *("max_vocab", "separator"),
                most=self.max_vocab,
                fewest=fewest,
            )


def read_corpus(
    names: Sequence[str],
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    normalize: str = "none",
    max_vocab: int = 0,
    separator: str = "",
    strip_gutenberg: bool = False,
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Read texts, one after the other, as one corpus in memory.

    A byte-order mark is dropped, and CRLF and CR are read as LF. Packed files are unpacked, and books, web pages and
    Word documents become plain text. The text is read in blocks, which takes little more memory than the ids.

    Parameters
    ----------
    names
        Files, bundled texts and folders (see `charrnn.text.sources`), or ``-`` for stdin, at most once.
    encoding
        Any text encoding that Python knows.
    errors
        What to do with bytes that are not in the encoding: ``strict`` refuses them, ``replace`` reads U+FFFD.
    normalize
        The Unicode form of the text, ``none`` or ``nfc``.
    max_vocab
        How many characters to keep, the most frequent; the others become one unknown symbol, U+FFFD. 0 keeps all.
    separator
        What stands between two items, if the text is made of items. Characters that belong to no item are then left
        out (see `charrnn.text.items`). Those of the separator are always in the vocabulary.
    strip_gutenberg
        Whether to leave out the licence of Project Gutenberg.
    vocabulary
        The characters of a model that is trained further; by default the text's own. If it has an unknown symbol, as
        `max_vocab` says, that replaces all characters that are not in it.

    Raises
    ------
    ConfigError
        If `max_vocab` leaves no room for the separator's characters, or a value is unknown.
    TextError
        If a text is missing, damaged or not in its encoding, if there are fewer than two characters in all, or if
        some are not in the vocabulary given.
    UnreadableTextError
        If a text exists but cannot be read, or is a damaged document.

    Examples
    --------
    >>> import charrnn
    >>> corpus = charrnn.read_corpus(["harbour-clerk.txt"])
    >>> len(corpus.ids), len(corpus.vocabulary)
    (139309, 61)

    """
    reading = Decoding(encoding, errors, normalize, max_vocab, separator, strip_gutenberg, vocabulary)
    sources, left_out = find_sources(names)
    check_memory_for(sources)
    numbering = Numbering.for_reading(reading)
    return read_sources(names, sources, left_out, reading, numbering)[0]


def read_sources(
    names: Sequence[str],
    sources: Sequence[Source],
    left_out: Sequence[str],
    reading: Decoding,
    numbering: "Numbering",
    watcher: Watcher = NOBODY,
) -> tuple[Corpus, int]:
    """Read sources into an empty numbering; return the corpus and the CRC-32 of its ids."""
    found = number(sources, numbering, reading, watcher)
    vocabulary, capped, checksum = _settle(numbering, describe_sources(sources), reading, watcher)
    notes = (*left_out, *found.notes, *capped)
    name, ids = corpus_name(names[0]), numbering.ids
    return Corpus(name, tuple(names), ids, vocabulary, found.sha256, notes, found.file_ends, found.licences), checksum


class Numbered(NamedTuple):
    """What `number` found, as in a `Corpus`."""

    sha256: str
    notes: tuple[str, ...]
    file_ends: tuple[int, ...]
    licences: tuple[tuple[int, int], ...]


def number(sources: Sequence[Source], numbering: "Numbering", reading: Decoding, watcher: Watcher = NOBODY) -> Numbered:
    """Decode sources, one after the other, into a numbering."""
    digest = hashlib.sha256()
    notes: list[str] = []
    done, total = 0, sum(source.size for source in sources)
    binary, file_ends = 0, [0]
    licences: list[tuple[int, int]] = []
    characters = licence = 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        watcher.advance("reading", done, total)

    for source, text in _texts(sources, reading, advance):
        first = next(text.blocks)
        kind = name_binary(first)
        if text.is_optional and (kind or _has_nuls(first, text.encoding)):
            binary += 1
            text.blocks.close()
            continue
        if kind:
            raise TextError(f"{text.name} {kind}")
        decoder = TextDecoder(
            *(text.name, text.encoding, reading.errors, reading.normalize, reading.separator),
            strip_gutenberg=reading.strip_gutenberg,
        )
        for block in chain([first], text.blocks if first else ()):
            digest.update(block)
            numbering.append(_decode(block, decoder, text.blocks, source))
        if not reading.separator:
            licences += ((file_ends[-1] + begin, file_ends[-1] + end) for begin, end in decoder.licence.found)
        characters += decoder.licence.characters
        licence += decoder.licence.licence
        if len(numbering) > file_ends[-1]:
            file_ends.append(len(numbering))
        notes += decoder.notes()
    if binary:
        notes.append(f"left out {counted(binary, 'file')} that {'is' if binary == 1 else 'are'} not text")
    if licence or reading.strip_gutenberg:
        amount = f"{licence:,} of {characters:,} characters"
        is_left_out = "were left out: the Project Gutenberg licence"
        notes.append(f"{amount} {is_left_out if reading.strip_gutenberg else 'are the Project Gutenberg licence'}")
    return Numbered(digest.hexdigest(), tuple(notes), tuple(file_ends[1:]), tuple(licences))


def _texts(
    sources: Iterable[Source], reading: Decoding, advance: Callable[[int], object]
) -> Iterator[tuple[Source, Text]]:
    for source in sources:
        for text in read_texts(source, reading.encoding, reading.errors, advance):
            yield source, text


def _has_nuls(block: bytes, encoding: str) -> bool:
    return b"\0" in block[:FIRST_BYTES] and not codecs.lookup(encoding).name.startswith(_MARKED)


def _decode(block: bytes, decoder: TextDecoder, rest: Iterable[bytes], source: Source) -> NDArray[np.unsignedinteger]:
    """Decode a block; if that fails in a packed file, find out first whether the file is damaged."""
    try:
        return decoder.decode(block)
    except TextError:
        if source.is_packed:
            for _ in rest:  # raises if the file is damaged
                pass
        raise


def _settle(
    numbering: "Numbering", label: str, reading: Decoding, watcher: Watcher
) -> tuple[Vocabulary, list[str], int]:
    """Give a text its last ids; return its vocabulary, notes on rare characters, and the CRC-32 of the ids."""
    if len(numbering) == 0 and reading.separator:
        raise TextError(f"{label} has no items: there is only white space between its separators")
    if len(numbering) == 0:
        raise TextError(f"{label} is empty: give a text of at least two characters")
    if len(numbering) == 1:
        raise TextError(f"{label} has only one character: give a text of at least two")
    notes = []
    vocabulary, max_vocab = reading.vocabulary, reading.max_vocab
    if vocabulary is None and max_vocab:
        if UNKNOWN in numbering.characters:
            notes.append(
                "the text has U+FFFD itself; with --max-vocab that is the unknown symbol, which is never written"
            )
        rare, places = numbering.cap(max_vocab, reading.separator)
        if rare:
            notes.append(
                f"{rare:,} rare characters, {places:,} of the text's {len(numbering):,} "
                f"({places / len(numbering):.2%}), became one unknown symbol, U+FFFD"
            )
    elif vocabulary and (new := "".join(sorted(numbering.characters[len(vocabulary) :]))):
        unknown = unknown_symbol(vocabulary, max_vocab)
        if unknown is None:
            raise TextError(
                f"{label} has characters the model never saw ({len(new)} in all): {list_characters(new)}",
                "; take them out, or start a new model from its weights with --init-from",
            )
        numbering.forget(len(vocabulary), unknown)
        notes.append(
            f"characters that the model does not know ({len(new):,} distinct) are read as its unknown symbol, U+FFFD"
        )
    size = numbering.array.nbytes
    checksum = numbering.renumber(lambda done: watcher.advance("numbering", done, size))
    return vocabulary or Vocabulary(numbering.characters), notes, checksum


class Numbering:
    """A text's ids, grown block by block; each new character gets the next id.

    An id takes one byte while there are at most 256 distinct characters, then two, then four. `characters` have the ids
    0, 1, ... from the beginning. If `is_counting`, it counts how often each character occurs, as `cap` needs it.
    """

    def __init__(self, characters: str = "", *, place: Place | None = None, is_counting: bool = False) -> None:
        self.array = GrowingArray(np.uint8, place)
        self._table = np.full(CODE_SPACE, -1, dtype=np.int32)  # code point -> id
        self._points = np.empty(0, dtype=np.uint32)  # id -> code point
        self._is_counting = is_counting
        self._counts = np.zeros(0, dtype=np.int64)
        self._admit(code_points(characters))

    @classmethod
    def for_reading(cls, reading: Decoding, place: Place | None = None) -> "Numbering":
        """Make an empty one that knows the characters of the vocabulary, or of the separator."""
        if reading.vocabulary:
            return cls(reading.vocabulary.characters, place=place)
        return cls("".join(sorted(set(reading.separator))), place=place, is_counting=bool(reading.max_vocab))

    def __len__(self) -> int:
        return len(self.array)

    def append(self, points: NDArray[np.unsignedinteger]) -> None:
        """Add a block of the text, as code points of any integer type."""
        if points.dtype == np.uint8:
            ids = self._ids_of_bytes(points.tobytes())
        else:
            ids = self._table[points]
            if ids.size and ids.min() < 0:
                self._admit(np.unique(points[ids < 0]))
                ids = self._table[points]
        if self._is_counting:
            counts = np.bincount(ids, minlength=len(self._points))
            counts[: len(self._counts)] += self._counts
            self._counts = counts
        self.array.append(ids)

    def _ids_of_bytes(self, block: bytes) -> NDArray[np.integer]:
        """Return the ids of a block whose code points are bytes, as in ASCII: `bytes.translate` beats the table."""
        if new := block.translate(None, delete=self._known_bytes):
            self._admit(np.unique(np.frombuffer(new, dtype=np.uint8)))
        if self.array.dtype == np.uint8:
            return np.frombuffer(block.translate(self._byte_table), dtype=np.uint8)
        return self._table[np.frombuffer(block, dtype=np.uint8)]

    def renumber(self, advance: Callable[[int], object] = lambda _: None) -> int:
        """Put the ids in code-point order, and return their CRC-32; `advance` is told how many bytes are done."""
        order = np.argsort(self._points)
        ids = np.empty(len(order), dtype=np.intp)
        ids[order] = np.arange(len(order))
        return self._replace(ids, self._points[order], advance)

    def cap(self, most: int, keep: str = "") -> tuple[int, int]:
        """Keep the most frequent characters, on a tie the first, and replace all others by U+FFFD.

        U+FFFD is not counted, and the characters of `keep` are kept however rare they are. Returns how many distinct
        characters were replaced, and how often they occur: 0 if there are no more than `most`.
        """
        points, counts = self._points, self._counts
        others = np.flatnonzero(points != ord(UNKNOWN))
        if len(others) <= most:
            return 0, 0
        is_optional = ~np.isin(points[others], code_points(keep))
        ranked = others[np.lexsort((points[others], -counts[others], is_optional))]
        kept, rare = ranked[:most], ranked[most:]
        ids = np.full(len(points), most, dtype=np.intp)  # the unknown symbol is the last
        ids[kept] = np.arange(most)
        self._replace(ids, np.append(points[kept], np.uint32(ord(UNKNOWN))))
        return len(rare), int(counts[rare].sum())

    def forget(self, known: int, unknown: int) -> None:
        """Replace every id from `known` on by the id `unknown`."""
        ids = np.arange(len(self._points))
        ids[known:] = unknown
        self._replace(ids, self._points[:known])

    @property
    def characters(self) -> str:
        """The distinct characters, in the order of their ids."""
        return from_code_points(self._points)

    @property
    def ids(self) -> NDArray[np.unsignedinteger]:
        """The text's ids, read-only; nothing can be appended while they are in use."""
        return self.array.view()

    def _admit(self, new: NDArray[np.unsignedinteger]) -> None:
        """Give new characters the next ids."""
        count = len(self._points)
        self._points = np.concatenate([self._points, new.astype(np.uint32)])
        self._table[new] = np.arange(count, len(self._points))
        first = self._table[:256]
        self._known_bytes = np.flatnonzero(first >= 0).astype(np.uint8).tobytes()
        self._byte_table = first.astype(np.uint8).tobytes()
        needed = _smallest_type(len(self._points))
        if needed != self.array.dtype:
            self.array.recode(np.arange(len(self._points), dtype=needed))

    def _replace(
        self, ids: NDArray[np.integer], points: NDArray[np.uint32], advance: Callable[[int], object] = lambda _: None
    ) -> int:
        """Write ``ids[i]`` for every id i; the characters of the new ids are `points`. Return the CRC-32."""
        self._points = points
        self._table[:] = -1
        self._table[points] = np.arange(len(points))
        return self.array.recode(ids.astype(_smallest_type(len(points))), advance)


def _smallest_type(count: int) -> "np.dtype[np.unsignedinteger]":
    """Return the smallest type that holds the ids of `count` characters."""
    return np.min_scalar_type(max(count - 1, 0))


def check_memory_for(sources: Iterable[Source], advice: str = "give a part of it") -> None:
    """Refuse a file that is larger than the memory: its ids take about as many bytes as its characters."""
    free = available_memory()
    for source in sources:
        if free is not None and source.size > free:
            raise TextError(
                f"{source.name} has {format_bytes(source.size)}, and {format_bytes(free)} of memory are free; {advice}"
            )


def describe_sources(sources: Sequence[Source]) -> str:
    """Name several sources in a message."""
    names = [source.name for source in sources[:_MOST_NAMED]]
    more = len(sources) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def corpus_name(source: str) -> str:
    """Return what to call a corpus whose first source has this name."""
    if source == STDIN:
        return "stdin"
    path = Path(source)
    if path.is_dir():
        return path.resolve().name or "text"
    return Path(path.stem if path.suffix.lower() in PACKED else path.name).stem


def describe_joins(ids: NDArray[np.integer], file_ends: Sequence[int], characters: str) -> list[str]:
    """Say how many files of a running text begin within the last line of the file before, if any do."""
    line_feed = characters.find("\n")
    unended = sum(int(ids[end - 1] != line_feed) for end in file_ends[:-1])
    if not unended:
        return []
    return [f"{counted(unended, 'file')} without a line end at the end: the next begins in the same line"]


def text_identity(sha256: str, file_ends: Sequence[int], *, of_items: bool) -> str:
    """Return what tells a text from others: the SHA-256 of its bytes, and of where files end, as items end there."""
    if not of_items or len(file_ends) < 2:
        return sha256
    return hashlib.sha256(f"{sha256} {file_ends}".encode()).hexdigest()


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
        raise ConfigError("{} must be at least 0 and below 1, not {value}", "val_fraction", value=val_fraction)
    held_out = math.ceil(len(ids) * val_fraction)
    cut = len(ids) - (held_out if held_out > 1 else 0)
    return ids[:cut], ids[cut:]


@dataclass(frozen=True)
class ItemCounts:
    """How many items a text had, if they were learned separately; characters are those that were guessed."""

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
    licence: int = 0  # characters of the licence of Project Gutenberg that is in it, and is not held out

    @property
    def decoding(self) -> dict[str, Any]:
        """How its bytes were read, as `charrnn.text.corpus.read_corpus` takes it."""
        return {name: getattr(self, name) for name in ("encoding", "errors", "normalize", "max_vocab")}
