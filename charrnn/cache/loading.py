"""A text to train on: read into memory where it is short, and else prepared once in the cache."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from io import FileIO
from pathlib import Path
from typing import Any

from charrnn.archive import Lock, replacing, sweep_temporaries
from charrnn.cache.entry import SUFFIX, Description, File, append_description, is_sound, open_entry
from charrnn.cache.folder import VARIABLE, cache_folder, make_room, open_nameless
from charrnn.errors import CacheError, CharRNNError, InUseError, shown
from charrnn.machine import format_bytes
from charrnn.text import cells
from charrnn.text.corpus import (
    Corpus,
    called,
    check_cap,
    check_memory_for,
    check_reading,
    corpus_name,
    number,
    settle,
)
from charrnn.text.finding import Source, find_sources, find_text
from charrnn.text.numbering import Numbering
from charrnn.text.reading import NOBODY, PACKED, Watcher
from charrnn.text.vocabulary import Vocabulary

_FORMAT = 2  # of a request: another number makes every text anew
_UNPACKED = 6  # how many times longer a packed text is taken to be
_SECONDS_BETWEEN_LOOKS = 0.2  # at a lock that another run holds


@dataclass(frozen=True)
class _Text:
    """What is to be read, and how."""

    names: tuple[str, ...]
    sources: tuple[Source, ...]
    left_out: tuple[str, ...]
    decoding: dict[str, Any]  # encoding, errors, normalize
    max_vocab: int
    keep: str
    vocabulary: Vocabulary | None

    @property
    def can_be_kept(self) -> bool:
        """Whether it can be found again."""
        return all(source.path for source in self.sources)

    @property
    def size(self) -> int:
        """About how many bytes it has, unpacked."""
        return sum(
            source.size * (_UNPACKED if source.path and source.path.suffix in PACKED else 1) for source in self.sources
        )

    def request(self) -> dict[str, Any]:
        """Return all that decides the ids beside the bytes of the text."""
        vocabulary = hashlib.sha256(self.vocabulary.characters.encode()).hexdigest() if self.vocabulary else ""
        paths = [str(find_text(name).resolve()) for name in self.names]
        return {
            "format": _FORMAT,
            "paths": paths,
            **self.decoding,
            "max_vocab": self.max_vocab,
            "vocabulary": vocabulary,
            "keep": "".join(sorted(set(self.keep))),
        }

    def files(self) -> tuple[File, ...]:
        """Return what shows that a file has changed."""
        found = []
        for source in self.sources:
            if source.path:
                with suppress(OSError):  # it is gone: who opens it says so, or it has changed since
                    status = source.path.stat()
                    found.append((str(source.path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        return tuple(found)


def load_corpus(
    names: Sequence[str],
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    normalize: str = "none",
    max_vocab: int = 0,
    keep: str = "",
    vocabulary: Vocabulary | None = None,
    watcher: Watcher = NOBODY,
) -> Corpus:
    """Read texts as `charrnn.text.corpus.read_corpus` does, whatever their length.

    What takes more than 32 MB of ids is never in memory whole: the ids go to a file in the cache's folder while the
    text is read, and are mapped from there, now and by later runs. Where there is no such folder, or no room in it, the
    ids stay in memory, and a note says so.

    Parameters
    ----------
    names, encoding, errors, normalize, max_vocab, keep, vocabulary
        As there.
    keep
        Characters, such as those of a separator, that are in the vocabulary even if no file has them.
    watcher
        Hears how far it is.

    Raises
    ------
    ConfigError, TextError, UnreadableTextError
        As there.
    CacheError
        If the disk fails when all is written but the end.
    """
    check_reading(errors, normalize, 0 if vocabulary else max_vocab)
    check_cap(max_vocab, keep)
    sources, left_out = find_sources(names)
    decoding = {"encoding": encoding, "errors": errors, "normalize": normalize}
    text = _Text(tuple(names), tuple(sources), tuple(left_out), decoding, max_vocab, keep, vocabulary)
    if vocabulary and text.can_be_kept and text.size > cells.IN_MEMORY:
        # A run that goes on with its text has that text's own vocabulary, and so the ids of the run it comes from.
        own = _load(replace(text, vocabulary=None), watcher)
        if own.vocabulary == vocabulary:
            return own
    return _load(text, watcher)


def _load(text: _Text, watcher: Watcher) -> Corpus:
    path, trouble = None, ""
    if text.can_be_kept:
        try:
            request = text.request()
            key = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
            path = cache_folder() / f"{key[:32]}{SUFFIX}"
        except CacheError as error:
            trouble = str(error)
    if path and (corpus := _find(path, text, watcher)):
        return corpus
    with ExitStack() as stack:
        shelf = _Shelf(path, text, stack, watcher, trouble)
        if path and text.size > cells.IN_MEMORY and shelf.lock_up() and (corpus := _find(path, text, watcher)):
            return corpus  # another run has prepared it meanwhile
        try:
            return _read(text, shelf, watcher)
        except OSError as error:
            raise CacheError(
                f"cannot keep the prepared text in {shown(str(shelf.folder))} ({error.strerror or error}); make room "
                f"there, or name another folder in {VARIABLE}"
            ) from error


@dataclass
class _Shelf:
    """A place in the cache for one text: its lock, and its file while that is written."""

    path: Path | None  # None: the text cannot be kept
    text: _Text
    stack: ExitStack
    watcher: Watcher
    trouble: str = ""  # why there is no such place
    file: FileIO | None = None  # the one that will be kept
    lock: Lock | None = None
    kept: ExitStack = field(default_factory=ExitStack)

    @property
    def folder(self) -> Path:
        return self.path.parent if self.path else cache_folder()

    def lock_up(self) -> bool:
        """Wait until no other run prepares this text, and lock it; return whether that could be done."""
        try:
            make_room(self.folder, self.text.size)
            while not self._try_to_lock():
                self.watcher.advance("waiting for another run that prepares this text", 0, 0)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        except (OSError, CharRNNError) as error:
            self.trouble = str(error.strerror if isinstance(error, OSError) else error)
        return self.lock is not None

    def open(self) -> FileIO | None:
        """Open a file for the ids (see `charrnn.text.cells.Cells`)."""
        try:
            if not self.trouble:
                make_room(self.folder, self.text.size)
                return self._open_file()
        except (OSError, CharRNNError) as error:
            self.trouble = str(error.strerror if isinstance(error, OSError) else error)
        check_memory_for(
            self.text.sources, f"give a part of it, or name a folder with more room in {VARIABLE} ({self.trouble})"
        )
        return None

    def keep(self) -> None:
        """Move the file to its place."""
        self.kept.close()

    def give_up(self) -> None:
        """Let the file go if it was not kept; what is mapped of it stays."""
        self.kept.__exit__(CacheError, CacheError("not kept"), None)

    def _try_to_lock(self) -> bool:
        try:
            if self.path and not self.lock:
                self.lock = Lock(self.path)
                self.stack.callback(self.lock.release)
        except InUseError:
            return False
        return True

    def _open_file(self) -> FileIO:
        self.stack.callback(self.give_up)
        if self.path and self._try_to_lock():
            sweep_temporaries(self.folder)
            self.file = self.kept.enter_context(replacing(self.path, buffering=0))
            return self.file
        return self.stack.enter_context(open_nameless(self.folder))  # what is mapped of it stays when it is closed


def _read(text: _Text, shelf: _Shelf, watcher: Watcher) -> Corpus:
    """Read a text, and keep it if it is long."""
    files = text.files()
    known = text.vocabulary.characters if text.vocabulary else "".join(sorted(set(text.keep)))
    numbering = Numbering(known, place=shelf.open, is_counting=bool(text.max_vocab and not text.vocabulary))
    sha256, notes, file_ends = number(text.sources, numbering, **text.decoding, watcher=watcher)
    vocabulary, capped, checksum = settle(
        numbering, called(text.sources), text.max_vocab, text.keep, text.vocabulary, watcher
    )
    notes = [*notes, *capped]
    name = corpus_name(text.names[0])
    corpus = Corpus(name, text.names, numbering.ids, vocabulary, sha256, (*text.left_out, *notes), file_ends)
    has_changed = text.files() != files
    if has_changed:
        corpus = _told(corpus, "the text has changed while it was read; what was read first is learned, and not kept")
    trouble = numbering.cells.trouble
    if trouble or (shelf.trouble and len(numbering.cells) > cells.IN_MEMORY):
        reason = (trouble.strerror or trouble) if trouble else shelf.trouble
        return _told(
            corpus, f"kept in memory, {format_bytes(len(numbering.cells))}: the cache cannot be used ({reason})"
        )
    if has_changed or not (shelf.file and numbering.cells.is_in_file):
        return corpus
    description = Description(
        name=name,
        given=text.names,
        request=text.request(),
        files=files,
        sha256=sha256,
        dtype=numbering.dtype.name,
        characters=len(numbering),
        vocabulary=vocabulary.characters,
        notes=tuple(notes),
        file_ends=file_ends,
    )
    append_description(shelf.file, description, checksum)
    shelf.keep()
    size = format_bytes(len(numbering.cells))
    return _told(corpus, f"prepared, and kept for later runs in {shown(str(shelf.folder))} ({size}; see charrnn cache)")


def _find(path: Path, text: _Text, watcher: Watcher) -> Corpus | None:
    """Return a text as the cache has it; None where it has not, or not as it is now."""
    entry = open_entry(path)
    if not entry or entry.description.request != text.request() or entry.description.files != text.files():
        return None
    if not is_sound(entry, watcher):
        return None
    with suppress(OSError):  # when it was used last, for whoever lists the cache
        os.utime(path)
    known = entry.description
    vocabulary, notes = Vocabulary(known.vocabulary), (*text.left_out, *known.notes)
    corpus = Corpus(known.name, text.names, entry.ids, vocabulary, known.sha256, notes, known.file_ends)
    return _told(corpus, f"prepared before: {format_bytes(entry.ids.nbytes)} in {shown(str(path.parent))}")


def _told(corpus: Corpus, note: str) -> Corpus:
    return replace(corpus, notes=(*corpus.notes, note))
