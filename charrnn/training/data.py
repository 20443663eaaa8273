"""What is trained on and what is held out: a text, from files or from memory, divided and read in chunks.

A text is read (`read_data`) and divided (`divide`) into a part to train on and a held-out part, each a running text or
items. Then come the batches and chunks that a part is read in, and last the way back from a checkpoint to its text.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.cache import load_corpus, scratch
from charrnn.checkpoint import Checkpoint
from charrnn.config import LINE_END, TrainConfig
from charrnn.errors import CharRNNError, TextError, counted, shown
from charrnn.nn.dropout import DropoutRates
from charrnn.nn.embedding import check_ids
from charrnn.paths import default_corpus
from charrnn.randomness import random_stream
from charrnn.text import storage
from charrnn.text.corpus import Corpus, CorpusInfo, Decoding, ItemCounts, describe_joins, split, text_identity
from charrnn.text.items import Documents, Items, Permutation, clean_items, find_items, fit_items, has_separator
from charrnn.text.sources import NOBODY, STDIN, Watcher, licence_finder
from charrnn.text.streams import Streams, fit
from charrnn.text.vocabulary import Vocabulary

_PLACE = partial(scratch, storage.MOST_IN_MEMORY)  # for the places of very many items
_MOST_COMPARED = 4_000_000  # items: of more, repetitions are looked for only where they are to be dropped

# A list is known by its first characters: at least so many lines, and a share of them no longer than names are.
_LOOKED_AT, _FEWEST_LINES, _SHARE, _LONGEST_LINE, _MOST_WORDS = 20_000, 20, 0.95, 40, 3

Part = NDArray[np.integer] | Items
Batches = Streams | Documents
Data = str | ArrayLike | PathLike[str] | Sequence[str | PathLike[str]] | None


@dataclass(frozen=True)
class Reading:
    """How the bytes of a text become characters, and those a vocabulary.

    Parameters
    ----------
    encoding : of the files, such as ``"utf-8"``
    errors : ``"strict"``, or ``"replace"`` for bytes that are not in the encoding
    normalize : ``"none"`` or ``"nfc"``; by default as the model of `init_from`, or ``"none"``
    max_vocab : most characters to keep; 0 for all

    Examples
    --------
    >>> import charrnn
    >>> reading = charrnn.Reading(encoding="latin-1", max_vocab=40)
    >>> run = charrnn.train(["weather-court.txt"], reading=reading, steps=1, hidden_sizes=(8,))
    >>> len(run.vocabulary)  # 40, and a symbol for all the others
    41

    """

    encoding: str = "utf-8"
    errors: str = "strict"
    normalize: str | None = None
    max_vocab: int = 0


USUAL_READING = Reading()


def read_data(
    data: Data, reading: Mapping[str, Any], vocabulary: Vocabulary | None, separator: str, watcher: Watcher
) -> Corpus:
    """Return a text, integers or the text of files as a vocabulary and ids (see `charrnn.train`)."""
    names = file_names(data)
    if names is None:
        finder = licence_finder(is_stripping=reading.get("strip_gutenberg", False))
        if isinstance(data, str):
            data = finder.read(data, final=True)
        ids, vocabulary = _number(data, vocabulary, separator)
        licences = () if separator else tuple(finder.found)
        # Like a text from a pipe: a file of the same text has the same SHA-256.
        sha256 = hashlib.sha256(vocabulary.decode(ids).encode()).hexdigest()
        return Corpus("given text", (STDIN,), ids, vocabulary, sha256, notes=(), licences=licences)
    names = names or [default_corpus(separator)]
    return load_corpus(names, Decoding(**reading, separator=separator, vocabulary=vocabulary), watcher=watcher)


def file_names(data: Data) -> list[str] | None:
    """Return the names of files that data is, or None where it is a text or integers."""
    if data is None:
        return []
    if isinstance(data, PathLike):
        return [fspath(data)]
    if isinstance(data, list | tuple) and all(isinstance(name, str | PathLike) for name in data):
        return [fspath(name) for name in data]
    return None


def _number(data: Any, vocabulary: Vocabulary | None, separator: str) -> tuple[NDArray[Any], Vocabulary]:
    if isinstance(data, str):
        if not data:
            raise TextError("there is no text to train on: give at least two characters")
        data = clean_items(data, separator)
        vocabulary = vocabulary or Vocabulary.from_text(data)
        return vocabulary.encode(data), vocabulary
    ids = np.asarray(data)
    if ids.ndim != 1:
        raise ValueError(f"a sequence to train on must have the shape (N,), not {ids.shape}")
    vocabulary = vocabulary or Vocabulary.of_integers(int(ids.max()) + 1 if ids.size else 1)
    check_ids(ids, len(vocabulary))
    if separator:
        ids = vocabulary.encode(clean_items(vocabulary.decode(ids), separator))
    return ids, vocabulary


class Division(NamedTuple):
    """The two parts of a text, and what was left out of both."""

    training: Part
    held_out: Part  # may be empty
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> ItemCounts | None:
        """What a checkpoint remembers of items; None for a running text."""
        training, held_out = self.training, self.held_out
        if not (isinstance(training, Items) and isinstance(held_out, Items)):
            return None
        return ItemCounts(
            len(training), training.characters, len(held_out), held_out.characters, longest=training.longest
        )


def share(size: int, index: int, count: int) -> range:
    """Return which of `size` things belong to one of `count` processes: equal stretches, or one longer."""
    return range(index * size // count, (index + 1) * size // count)


def divide(
    ids: NDArray[np.integer],
    vocabulary: Vocabulary,
    config: TrainConfig,
    file_ends: Sequence[int] = (),
    licences: Sequence[tuple[int, int]] = (),
) -> Division:
    """Divide a text (N,) into a part to train on and one to validate with.

    The end of a running text is held out, but no licence of Project Gutenberg; `licences` are where they begin and end.
    Items are chosen by `rng_seed` and their number alone: a list is often sorted, and its end is no fair sample.
    """
    if not config.separator:
        notes = describe_joins(ids, file_ends, vocabulary.characters)
        return Division(*hold_out(ids, config.val_fraction, licences), tuple(notes))
    items, blank = _find(ids, vocabulary, config.separator, file_ends)
    what = "blank line" if config.separator == LINE_END else "blank item"
    notes = [f"left out {counted(blank, what)}"] if blank else []
    if config.unique:
        is_repeat = items.repeats()
        if repeated := int(is_repeat.sum()):
            items = items.choose(~is_repeat)
            notes.append(f"left out {counted(repeated, 'item')} equal to an earlier one")
    count = min(math.ceil(len(items) * config.val_fraction), max(len(items) - 1, 0))
    drawn = Permutation(len(items), random_stream(config.rng_seed, "held out"))

    def is_held_out(numbers: NDArray[np.intp]) -> NDArray[np.bool]:
        return drawn(numbers) < count

    if not config.unique and len(items) <= _MOST_COMPARED:
        pieces = [is_held_out(np.arange(piece.start, piece.stop)) for piece in items.pieces()]
        notes += _describe_repeats(items, np.concatenate(pieces)) if pieces else []
    return Division(*items.part(is_held_out, _PLACE), tuple(notes))


def hold_out(
    ids: NDArray[np.integer], val_fraction: float, licences: Sequence[tuple[int, int]] = ()
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Split a text as `charrnn.split` does, but hold out nothing of its licences.

    What is held out is then as long, but the end of the book instead of the end of the text.
    """
    training, held_out = split(ids, val_fraction)
    if not licences or len(held_out) <= len(ids) - licences[-1][1]:
        return training, held_out
    left, end = len(held_out), len(ids)
    books, rest = [], []  # where pieces begin and end, the last first
    for begin, stop in reversed([(0, 0), *licences]):  # between two licences is a book
        start = max(stop, end - left)
        books.append((start, end))
        rest += [(stop, start), (begin, stop)]
        left, end = left - (end - start), begin
    if left:  # the books are shorter than what is to be held out
        return training, held_out
    return _join(ids, rest[::-1]), _join(ids, books[::-1])


def _join(ids: NDArray[np.integer], places: Sequence[tuple[int, int]]) -> NDArray[np.integer]:
    joined = storage.GrowingArray(ids.dtype, _PLACE)
    for begin, end in places:
        for start in range(begin, end, storage.PIECE_SIZE):
            joined.append(ids[start : min(start + storage.PIECE_SIZE, end)])
        storage.release_pages(ids)
    return joined.finish()


def _describe_repeats(items: Items, is_held_out: NDArray[np.bool]) -> list[str]:
    """Say how many items are equal to an earlier one, and how many that are held out are trained on too."""
    # Hashes, and a last bit that says whether the item is held out: of equal items those that are not come first.
    keys = items.hashes()
    keys <<= np.uint64(1)
    keys |= is_held_out
    keys.sort()
    is_repeat = keys[1:] >> 1 == keys[:-1] >> 1
    repeated = int(is_repeat.sum())
    if not repeated:
        return []
    is_repeat = np.concatenate([[False], is_repeat])
    is_first = ~is_repeat & np.append(is_repeat[1:], False)  # of two or more that are equal
    are_equal = keys[is_first | is_repeat]
    own_group = np.cumsum(is_first[is_first | is_repeat]) - 1
    seen = int(np.count_nonzero(are_equal & ~keys[is_first][own_group] & 1))  # held out, and the first is not
    leak = f", and {seen:,} of the {int(is_held_out.sum()):,} held out are trained on too" if seen else ""
    return [f"{repeated:,} of {len(keys):,} items repeat an earlier one{leak}; --unique leaves repetitions out"]


def looks_like_list(ids: NDArray[np.integer], vocabulary: Vocabulary) -> bool:
    """Whether a text (N,) looks like a list of names or words: short lines that do not end like a sentence."""
    *lines, _ = vocabulary.decode(ids[:_LOOKED_AT]).split("\n")
    short = [line for line in lines if len(line) <= _LONGEST_LINE and 0 < len(line.split()) <= _MOST_WORDS]
    names = [line for line in short if line[-1] not in ".,;:!?"]
    return len(lines) >= _FEWEST_LINES and len(names) >= _SHARE * len(lines)


def fit_part(part: Part, config: TrainConfig) -> tuple[int, int, tuple[str, ...]]:
    """Shrink the batch and the sequences to what a part can fill; see `charrnn.text.streams.fit`."""
    if isinstance(part, Items):
        batch_size, notes = fit_items(part, config.batch_size)
        return batch_size, config.seq_length, notes
    return fit(len(part), config.batch_size, config.seq_length)


def batches_of(part: Part, config: TrainConfig) -> Batches:
    """Return the batches that a part is read in."""
    if isinstance(part, Items):
        shuffle = partial(random_stream, config.rng_seed, "items")
        return Documents(part, config.batch_size, config.seq_length, shuffle)
    return Streams(part, config.batch_size, config.seq_length)


_SHORTEST = 5  # characters in a chunk whose length is drawn
_HALVED = 0.05  # share of the chunks that are about half as long


def chunk_length(config: TrainConfig, number: int) -> int:
    """Characters a stream reads in one chunk: `seq_length`, or with `bptt_jitter` a random number around it.

    It is then drawn from a normal distribution around `seq_length`, once in twenty around half of it, so that the
    gradient is not cut at the same places in each epoch. Merity, Keskar & Socher, "Regularizing and optimizing LSTM
    language models", 2018.
    """
    if not config.bptt_jitter:
        return config.seq_length
    rng = random_stream(config.rng_seed, "length", number)
    usual = config.seq_length / 2 if rng.random() < _HALVED else config.seq_length
    drawn = rng.normal(usual, config.bptt_jitter)
    return int(np.clip(drawn, min(_SHORTEST, config.seq_length), longest_chunk(config)))


def longest_chunk(config: TrainConfig) -> int:
    """Return the longest that `chunk_length` may be: two standard deviations more, at most twice `seq_length`."""
    return config.seq_length + math.ceil(min(2 * config.bptt_jitter, config.seq_length))


def dropout_of(config: TrainConfig) -> DropoutRates:
    """Return what a configuration drops while it trains."""
    return DropoutRates(config.dropout, config.weight_drop, config.locked_dropout)


def running(part: Part) -> NDArray[np.integer]:
    """Return a part as one text; items stand as a file would have them, after a separator and each with its own."""
    if not isinstance(part, Items):
        return part
    return np.concatenate([part.separator.astype(part.ids.dtype), part.joined()])


def can_train(part: Part) -> bool:
    """Whether there is anything in a part to guess."""
    return len(part) > (0 if isinstance(part, Items) else 1)


def characters_in(part: Part) -> int:
    """Count the characters of a part; of items, with the separator that ends each."""
    return part.characters if isinstance(part, Items) else len(part)


def joined_starts(part: Part) -> NDArray[np.intp] | None:
    """Return where each item begins in what `running` returns; None for a running text."""
    return part.joined_starts() + len(part.separator) if isinstance(part, Items) else None


def _find(
    ids: NDArray[np.integer], vocabulary: Vocabulary, separator: str, file_ends: Sequence[int]
) -> tuple[Items, int]:
    if not vocabulary.unknown(separator):
        encoded = vocabulary.encode(separator)
        items, blank = find_items(ids, encoded, _PLACE, file_ends=file_ends)
        if len(items) != 1 or has_separator(ids, encoded):
            return items, blank
    hint = "; for a line end give a real one, $'\\n' in most shells" if "\\" in separator else ""
    raise TextError(
        f"the text does not contain the separator {separator!r}, so it is a single item; drop the option{hint}"
    )


def corpus_info(corpus: Corpus, decoding: Mapping[str, Any], division: Division) -> CorpusInfo:
    """Return what a checkpoint says of a text that was read and divided this way."""
    return CorpusInfo(
        name=corpus.name,
        sources=corpus.sources,
        sha256=text_identity(corpus.sha256, corpus.file_ends, of_items=division.counts is not None),
        characters=len(corpus.ids),
        items=division.counts,
        licence=sum(end - begin for begin, end in corpus.licences),
        **decoding,
    )


def parts(corpus: CorpusInfo, config: TrainConfig) -> tuple[int, int]:
    """Count the characters that were trained on and held out; of items, with the separator of each."""
    if corpus.items:
        return corpus.items.training_characters, corpus.items.held_out_characters
    text = np.broadcast_to(np.uint8(0), corpus.characters)  # as long as the text, and takes no room
    training, held_out = split(text, config.val_fraction)
    return len(training), len(held_out)


def epochs(trained: Checkpoint, config: TrainConfig) -> float:
    """Count the passes over the training text that a checkpoint has behind it."""
    characters, _ = parts(trained.corpus, config)
    if characters < (1 if trained.corpus.items else 2):  # of a model from elsewhere the text is not known
        return 0.0
    length = characters
    if not trained.corpus.items:
        length = Streams(np.broadcast_to(np.uint8(0), characters), config.batch_size, config.seq_length).length
    return trained.progress.epoch + trained.progress.position / length


def training_part(trained: Checkpoint, watcher: Watcher = NOBODY) -> NDArray[np.integer]:
    """Return the ids of what the model was trained on, as one text; the errors are those of `divided`."""
    return running(learned(trained, watcher))


def learned(trained: Checkpoint, watcher: Watcher = NOBODY) -> Part:
    """Return what the model was trained on; the errors are those of `divided`."""
    return divided(trained, watcher).training


def divided(trained: Checkpoint, watcher: Watcher = NOBODY) -> Division:
    """Return the model's text, divided as it was for the training.

    Raises
    ------
    TextError
        If the text cannot be read again, or has changed.
    """
    corpus, val_fraction = trained.corpus, trained.config.get("val_fraction")
    if not corpus.sources:
        raise TextError("the model is from elsewhere, and its training text is not known")
    if STDIN in corpus.sources:
        raise TextError("the training text came from stdin and was not kept")
    if not isinstance(val_fraction, float):
        raise TextError("the checkpoint does not say which part of its text was held out")
    try:
        decoding = {**trained.reading, "separator": trained.separator}
        found = load_corpus(corpus.sources, Decoding(**decoding, vocabulary=trained.vocabulary), watcher=watcher)
        if trained.separator:
            config = TrainConfig.from_json(trained.config)
            division = divide(found.ids, trained.vocabulary, config, found.file_ends)
        else:
            licences = found.licences if corpus.licence else ()
            division = Division(*hold_out(found.ids, val_fraction, licences))
    except CharRNNError as error:
        why = error.reason if isinstance(error, TextError) else error
        raise TextError(f"the training text cannot be read again ({why})") from error
    sha256 = text_identity(found.sha256, found.file_ends, of_items=bool(trained.separator))
    if sha256 != corpus.sha256:
        raise TextError(
            f"{shown(corpus.name)} has changed since the model was trained on it "
            f"(SHA-256 {corpus.sha256[:12]}… then, {sha256[:12]}… now)"
        )
    if division.counts != corpus.items:
        raise TextError("the held-out items cannot be chosen again: another NumPy, or a damaged checkpoint")
    return division
