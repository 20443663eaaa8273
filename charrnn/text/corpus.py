"""A text to learn: found, read, checked, numbered and split."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, TextError
from charrnn.text.finding import find_text
from charrnn.text.numbering import Numbering
from charrnn.text.reading import STDIN, TextDecoder, called, read_blocks
from charrnn.text.vocabulary import Vocabulary, list_characters

__all__ = ["Corpus", "find_text", "number", "read_corpus", "split"]


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class Corpus:
    """A text as ids, and where it came from."""

    name: str
    """What to call it: the first source without folder and suffixes; ``stdin`` for ``-``."""
    sources: tuple[str, ...]
    """The names it was read from, as they were given."""
    ids: NDArray[np.unsignedinteger]
    """(N,), read-only, in the smallest of uint8, uint16 and uint32 that holds V-1."""
    vocabulary: Vocabulary
    """Its V characters."""
    sha256: str
    """Of the bytes that were read, one source after the other, unpacked and not yet decoded."""
    notes: tuple[str, ...]
    """What was changed in reading, a sentence each."""


def read_corpus(
    names: Sequence[str],
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    normalize: str = "none",
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Read texts, one after the other, as one corpus.

    A byte-order mark is dropped, CRLF and CR are read as LF, and a ``.gz`` file is unpacked. The text passes
    through in blocks, so that reading takes little more memory than the ids.

    Parameters
    ----------
    names
        What `find_text` finds, or ``-`` for stdin, at most once.
    encoding, errors, normalize
        Of all of them, as `charrnn.text.reading.TextDecoder` has it.
    vocabulary
        The characters of a model that goes on learning; by default the text's own.

    Raises
    ------
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
    numbering = Numbering(vocabulary.characters if vocabulary else "")
    sha256, notes = number(names, numbering, encoding, errors, normalize)
    label = ", ".join(map(called, names))
    ids, vocabulary = _finish(numbering, vocabulary, label)
    return Corpus(_corpus_name(names[0]), tuple(names), ids, vocabulary, sha256, notes)


def number(
    names: Sequence[str], numbering: Numbering, encoding: str, errors: str, normalize: str
) -> tuple[str, tuple[str, ...]]:
    """Read texts, one after the other, into a numbering; the errors are those of `read_corpus`.

    Returns
    -------
    sha256, notes
        As `Corpus` has them.
    """
    if not names:
        raise TextError("no text was given: name a file, a bundled text, or - for stdin")
    if names.count(STDIN) > 1:
        raise TextError("stdin can be read only once: name - once")
    digest = hashlib.sha256()
    notes: list[str] = []
    for name in names:
        decoder = TextDecoder(name, encoding, errors, normalize)
        for block in read_blocks(name):
            digest.update(block)
            numbering.append(decoder.decode(block))
        notes += decoder.notes()
    return digest.hexdigest(), tuple(notes)


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


def _finish(
    numbering: Numbering, vocabulary: Vocabulary | None, label: str
) -> tuple[NDArray[np.unsignedinteger], Vocabulary]:
    if len(numbering) == 0:
        raise TextError(f"{label} is empty: give a text of at least two characters")
    if len(numbering) == 1:
        raise TextError(f"{label} has only one character: give a text of at least two")
    if vocabulary is None:
        numbering.renumber()
        return numbering.ids, Vocabulary(numbering.characters)
    if new := "".join(sorted(numbering.characters[len(vocabulary) :])):
        raise TextError(
            f"{label} has characters the model never saw ({len(new)} in all): {list_characters(new)}; "
            "take them out, or start a new model from its weights with --init-from"
        )
    return numbering.ids, vocabulary


def _corpus_name(source: str) -> str:
    if source == STDIN:
        return "stdin"
    path = Path(source)
    return Path(path.stem if path.suffix == ".gz" else path.name).stem
