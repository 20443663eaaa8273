"""A text to learn: found, read, checked, numbered and split."""

import codecs
import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, TextError, counted, shortened
from charrnn.machine import available_memory, format_bytes
from charrnn.text.choices import ERRORS, FORMS, MOST_SYMBOLS
from charrnn.text.finding import STDIN, Source, find_sources
from charrnn.text.numbering import Numbering
from charrnn.text.reading import NOBODY, PACKED, TextDecoder, Watcher, read_blocks
from charrnn.text.vocabulary import UNKNOWN, Vocabulary, list_characters, unknown_symbol

__all__ = ["Corpus", "corpus_name", "describe_joins", "number", "read_corpus", "settle", "split", "text_identity"]

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
    keep: str = "",
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Read texts, one after the other, as one corpus in memory (`charrnn.cache` has the way for long ones).

    A byte-order mark is dropped, CRLF and CR are read as LF, and a ``.gz`` or ``.xz`` file is unpacked. The text
    passes through in blocks, so that reading takes little more memory than the ids.

    Parameters
    ----------
    names
        Of files, bundled texts and folders (see `charrnn.text.finding`), or ``-`` for stdin, at most once.
    encoding, errors, normalize
        Of all of them, as `charrnn.text.reading.TextDecoder` has it.
    max_vocab
        How many characters to keep, the most frequent; the others become one unknown symbol, U+FFFD. 0 keeps all.
    keep
        Characters, such as those of a separator, that are among the kept ones however rare they are.
    vocabulary
        The characters of a model that goes on learning; by default the text's own. Where it has an unknown symbol, as
        `max_vocab` says, that stands for all that it has not.

    Raises
    ------
    ConfigError
        If `max_vocab` leaves no room for the characters of `keep`.
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
    check_cap(max_vocab, keep)
    sources, left_out = find_sources(names)
    check_memory_for(sources)
    numbering = Numbering(vocabulary.characters if vocabulary else "", is_counting=bool(max_vocab and not vocabulary))
    sha256, notes, file_ends = number(sources, numbering, encoding, errors, normalize)
    own, capped, _ = settle(numbering, called(sources), max_vocab, keep, vocabulary)
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
        decoder = TextDecoder(source.name, encoding, errors, normalize)
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
    keep: str = "",
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
    if len(numbering) == 0:
        raise TextError(f"{label} is empty: give a text of at least two characters")
    if len(numbering) == 1:
        raise TextError(f"{label} has only one character: give a text of at least two")

    def advance(done: int) -> None:
        watcher.advance("numbering", done, len(numbering.cells))

    if vocabulary is None:
        notes = [_SAME_SYMBOL] if max_vocab and UNKNOWN in numbering.characters else []
        gone, places = numbering.cap(max_vocab, keep) if max_vocab else (0, 0)
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


def check_cap(max_vocab: int, keep: str) -> None:
    """Refuse a bound on the vocabulary that would lose characters which must stay; the errors are `read_corpus`'s."""
    wanted = set(keep)
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
