"""Data that was given in memory: numbered, and described as a checkpoint remembers it."""

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.errors import TextError
from charrnn.nn.embedding import check_ids
from charrnn.text.finding import STDIN
from charrnn.text.items import Items
from charrnn.text.remembered import CorpusInfo
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.division import Division, Part


def describe_given(vocabulary: Vocabulary, part: Part) -> CorpusInfo:
    """Describe a text without a file, like one from a pipe: ``--resume`` knows a file of the same text by its SHA-256.

    Parameters
    ----------
    part : (N,) ids, or all items of a text
    """
    ids = part.ids if isinstance(part, Items) else part
    counts = Division(part, part.choose(slice(0))).counts if isinstance(part, Items) else None
    text = vocabulary.decode(ids).encode()
    return CorpusInfo("given text", (STDIN,), "utf-8", hashlib.sha256(text).hexdigest(), len(ids), items=counts)


def number_data(
    data: str | ArrayLike, vocabulary: Vocabulary | None = None, vocab_size: int | None = None
) -> tuple[Vocabulary, NDArray[np.integer]]:
    """Return a text, or integers, as a vocabulary and ids (N,).

    Parameters
    ----------
    data : a text, or (N,) integers in 0…V−1
    vocabulary : its characters, or what the integers stand for; by default the text's own, or `Vocabulary.of_integers`
    vocab_size : V, of integers that are no text; by default the largest and one

    Raises
    ------
    IndexError, TypeError
        If `data` is neither, or `vocab_size` is given with a text or a vocabulary.
    ValueError
        If the integers have not one dimension, or V is too large for `Vocabulary.of_integers`.
    TextError, UnknownCharacterError
        If the text is empty, or has characters that are not in the vocabulary given.
    """
    if vocab_size is not None and (vocabulary or isinstance(data, str)):
        raise TypeError("vocab_size is for integers that are no text; a text and a vocabulary have their own")
    if isinstance(data, str):
        if not data:
            raise TextError("there is no text to train on: give at least two characters")
        vocabulary = vocabulary or Vocabulary.from_text(data)
        return vocabulary, vocabulary.encode(data)
    ids = np.asarray(data)
    if ids.ndim != 1:
        raise ValueError(f"a sequence to train on must have the shape (N,), not {ids.shape}")
    if vocabulary is None:
        vocabulary = Vocabulary.of_integers(vocab_size or (int(ids.max()) + 1 if ids.size else 1))
    check_ids(ids, len(vocabulary))
    return vocabulary, ids
