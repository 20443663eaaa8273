"""A cache of long texts, so that each is read and numbered only once.

`load_corpus` reads a short text into memory. The ids of a long one go to a file in the cache's folder while the text is
read, and are mapped from there, now and by later runs. A later run finds the file by the texts' paths and how they are
read, and uses it if the sizes and times of the texts are still the same.

A file of the cache is the ids, then a description in JSON, then 32 bytes that say where it begins::

    ids | description | b"charrnn1", CRC-32 of the ids, CRC-32 of the description, its length, zeros

The ids come first, so that they can be written while the text is read.
"""

import hashlib
import json
import mmap
import os
import shutil
import stat
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from io import BufferedReader, FileIO
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.archive import count, parse, typed
from charrnn.errors import CacheError, CharRNNError, InUseError, shown
from charrnn.files import Lock, open_without_waiting, replacing, sweep_temporaries
from charrnn.machine import format_bytes
from charrnn.text import storage
from charrnn.text.corpus import Corpus, Decoding, Numbering, check_memory_for, read_sources
from charrnn.text.sources import NOBODY, Source, Watcher, find_sources, find_text
from charrnn.text.vocabulary import Vocabulary

VARIABLE = "CHARRNN_CACHE"
SUFFIX = ".ids"
_FORMAT = 2  # another number makes every text anew
_END = struct.Struct("<8sLLQ8x")
_MAGIC = b"charrnn1"
_LONGEST_DESCRIPTION = 1 << 27  # bytes: a million characters, or a million files
_DTYPES = ("uint8", "uint16", "uint32")
_BLOCK = 1 << 22  # bytes checked at once
_UNPACKED = 6  # how many times longer a packed text is assumed to be
_SECONDS_BETWEEN_TRIES = 0.2  # for a lock that another run holds

_USUAL = Decoding()

File = tuple[str, int, int, int]


def load_corpus(names: Sequence[str], reading: Decoding = _USUAL, *, watcher: Watcher = NOBODY) -> Corpus:
    """Read texts of any length, as `charrnn.text.corpus.read_corpus` does.

    If the cache has no folder, or no room, the ids stay in memory and a note says so.
    """
    vocabulary = reading.vocabulary
    sources, left_out = find_sources(names)
    text = _Text(tuple(names), tuple(sources), tuple(left_out), reading)
    if vocabulary and text.can_be_kept and text.size > storage.MOST_IN_MEMORY:
        # A resumed run has its text's own vocabulary, and so the same ids as the run before.
        own = _load(replace(text, reading=replace(reading, vocabulary=None)), watcher)
        if own.vocabulary == vocabulary:
            return own
    return _load(text, watcher)


@dataclass(frozen=True)
class _Text:
    """What is to be read, and how."""

    names: tuple[str, ...]
    sources: tuple[Source, ...]
    left_out: tuple[str, ...]
    reading: Decoding

    @property
    def can_be_kept(self) -> bool:
        """Whether it can be found again, unlike stdin."""
        return all(source.path for source in self.sources)

    @property
    def size(self) -> int:
        """Roughly its bytes when unpacked."""
        return sum(source.size * (_UNPACKED if source.is_packed else 1) for source in self.sources)

    def request(self) -> dict[str, Any]:
        """Return what decides the ids, except the bytes of the text."""
        vocabulary = self.reading.vocabulary
        return vars(self.reading) | {
            "format": _FORMAT,
            "paths": [str(find_text(name).resolve()) for name in self.names],
            "vocabulary": hashlib.sha256(vocabulary.characters.encode()).hexdigest() if vocabulary else "",
        }

    def files(self) -> tuple[File, ...]:
        """Return what shows whether a file has changed."""
        found = []
        for source in self.sources:
            if source.path:
                with suppress(OSError):  # it is gone, which is noticed when it is opened
                    status = source.path.stat()
                    found.append((str(source.path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        return tuple(found)


def _load(text: _Text, watcher: Watcher) -> Corpus:
    """Find a text in the cache, or read it."""
    path, trouble = None, ""
    if text.can_be_kept:
        try:
            key = hashlib.sha256(json.dumps(text.request(), sort_keys=True).encode()).hexdigest()
            path = cache_folder() / f"{key[:32]}{SUFFIX}"
        except CacheError as error:
            trouble = str(error)
    if path and (corpus := _find(path, text, watcher)):
        return corpus
    with ExitStack() as stack:
        shelf = _Shelf(path, text, stack, watcher, trouble)
        if path and text.size > storage.MOST_IN_MEMORY and shelf.lock_up() and (corpus := _find(path, text, watcher)):
            return corpus  # another run has prepared it in the meantime
        try:
            return _read(text, shelf, watcher)
        except OSError as error:
            raise CacheError(
                f"cannot keep the prepared text in {shown(str(shelf.folder))} ({error.strerror or error}); make room "
                f"there, or name another folder in {VARIABLE}"
            ) from error


def _find(path: Path, text: _Text, watcher: Watcher) -> Corpus | None:
    """Return a text from the cache; None if it is not there, or has changed since."""
    entry = open_entry(path)
    if not entry or entry.description.request != text.request() or entry.description.files != text.files():
        return None
    if not is_sound(entry, watcher):
        return None
    with suppress(OSError):  # the time of the last use, for `charrnn cache`
        os.utime(path)
    known = entry.description
    vocabulary, notes = Vocabulary(known.vocabulary), (*text.left_out, *known.notes)
    corpus = Corpus(
        *(known.name, text.names, entry.ids, vocabulary, known.sha256, notes), known.file_ends, known.licences
    )
    return _with_note(corpus, f"prepared before: {format_bytes(entry.ids.nbytes)} in {shown(str(path.parent))}")


def _with_note(corpus: Corpus, note: str) -> Corpus:
    return replace(corpus, notes=(*corpus.notes, note))


def _read(text: _Text, shelf: "_Shelf", watcher: Watcher) -> Corpus:
    """Read a text, and keep it if it is long."""
    files = text.files()
    numbering = Numbering.for_reading(text.reading, place=shelf.open)
    array = numbering.array
    corpus, checksum = read_sources(text.names, text.sources, text.left_out, text.reading, numbering, watcher)
    has_changed = text.files() != files
    if has_changed:
        corpus = _with_note(
            corpus, "the text changed while it was read; training uses what was read, and it is not cached"
        )
    if array.trouble or (shelf.trouble and array.nbytes > storage.MOST_IN_MEMORY):
        reason = (array.trouble.strerror or array.trouble) if array.trouble else shelf.trouble
        return _with_note(corpus, f"kept in memory, {format_bytes(array.nbytes)}: the cache cannot be used ({reason})")
    if has_changed or not (shelf.file and array.is_in_file):
        return corpus
    description = Description(
        name=corpus.name,
        given=text.names,
        request=text.request(),
        files=files,
        sha256=corpus.sha256,
        dtype=corpus.ids.dtype.name,
        characters=len(corpus.ids),
        vocabulary=corpus.vocabulary.characters,
        notes=corpus.notes[len(text.left_out) :],
        file_ends=corpus.file_ends,
        licences=corpus.licences,
    )
    append_description(shelf.file, description, checksum)
    shelf.kept.close()  # moves the file to its place
    size = format_bytes(array.nbytes)
    return _with_note(
        corpus, f"prepared, and kept for later runs in {shown(str(shelf.folder))} ({size}; see charrnn cache)"
    )


@dataclass
class _Shelf:
    """The place of one text in the cache: its lock, and its file while that is written."""

    path: Path | None  # None: the text cannot be kept
    text: _Text
    stack: ExitStack  # ends when the text is read
    watcher: Watcher
    trouble: str = ""  # why the cache cannot be used
    file: FileIO | None = None  # the file that will be kept
    lock: Lock | None = None
    kept: ExitStack = field(default_factory=ExitStack)

    @property
    def folder(self) -> Path:
        return self.path.parent if self.path else cache_folder()

    def lock_up(self) -> bool:
        """Wait until no other run prepares this text, and lock it; return whether that worked."""
        try:
            make_room(self.folder, self.text.size)
            while not self._try_to_lock():
                self.watcher.advance("waiting for another run that is preparing this text", 0, 0)
                time.sleep(_SECONDS_BETWEEN_TRIES)
        except (OSError, CharRNNError) as error:
            self.trouble = str(error.strerror if isinstance(error, OSError) else error)
        return self.lock is not None

    def open(self) -> FileIO | None:
        """Open a file for the ids, as `charrnn.text.storage.GrowingArray` asks for it."""
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

    def _give_up(self) -> None:
        """Remove the file if it was not kept; a map of it stays valid."""
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
        self.stack.callback(self._give_up)
        if self.path and self._try_to_lock():
            sweep_temporaries(self.folder)
            self.file = self.kept.enter_context(replacing(self.path, buffering=0))
            return self.file
        return self.stack.enter_context(open_nameless(self.folder))  # a map of it stays valid when it is closed


@dataclass(frozen=True)
class Description:
    """What a file of the cache says of its ids."""

    name: str  # the corpus's
    given: tuple[str, ...]  # the names it was read from, as they were given
    request: dict[str, Any]  # all that decides the ids, except the bytes of the text
    files: tuple[File, ...]  # path, size in bytes, times of the last change to its content and to itself (ns)
    sha256: str  # of what was read
    dtype: str
    characters: int
    vocabulary: str
    notes: tuple[str, ...]
    file_ends: tuple[int, ...]  # where each file ends in the ids, rising
    licences: tuple[tuple[int, int], ...]  # where Project Gutenberg's licence begins and ends in the ids, rising


@dataclass(frozen=True, eq=False)  # arrays have no single truth of being equal
class CachedText:
    """A file of the cache, open."""

    path: Path
    description: Description
    ids: NDArray[np.unsignedinteger]  # (N,), a read-only map of the file
    checksum: int  # CRC-32 that the ids should have


def append_description(stream: FileIO, description: Description, checksum: int) -> None:
    """Write the description after the ids, with their CRC-32."""
    text = json.dumps(asdict(description), sort_keys=True).encode()
    tail = memoryview(text + _END.pack(_MAGIC, checksum, zlib.crc32(text), len(text)))
    stream.seek(0, os.SEEK_END)
    while tail:
        tail = tail[stream.write(tail) :]


def open_entry(path: Path) -> CachedText | None:
    """Open a file of the cache; None if it is missing or damaged, apart from its ids (see `is_sound`)."""
    try:
        with open(path, "rb", opener=open_without_waiting) as stream:
            return _open(path, stream)
    except (OSError, ValueError):
        return None


def is_sound(entry: CachedText, watcher: Watcher = NOBODY) -> bool:
    """Whether the ids are those that were written, and each belongs to a character."""
    dtype, symbols = np.dtype(entry.description.dtype), len(entry.description.vocabulary)
    left = total = entry.ids.nbytes
    checksum = 0
    try:
        # Read, not mapped: mapped pages would count as memory of this process.
        with entry.path.open("rb", buffering=0) as stream:
            while left:
                block = stream.read(min(_BLOCK, left))
                if not block or int(np.frombuffer(block, dtype).max()) >= symbols:
                    return False
                checksum = zlib.crc32(block, checksum)
                left -= len(block)
                watcher.advance("checking", total - left, total)
    except (OSError, ValueError):
        return False
    return checksum == entry.checksum


def _open(path: Path, stream: BufferedReader) -> CachedText | None:
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size < _END.size:
        return None
    end = status.st_size - _END.size
    stream.seek(end)
    magic, checksum, text_checksum, length = _END.unpack(stream.read(_END.size))
    if magic != _MAGIC or length > min(_LONGEST_DESCRIPTION, end):
        return None
    stream.seek(end - length)
    text = stream.read(length)
    if zlib.crc32(text) != text_checksum:
        return None
    try:
        description = _interpret(parse(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    dtype = np.dtype(description.dtype)
    if description.characters * dtype.itemsize != end - length:
        return None
    mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    return CachedText(path, description, np.frombuffer(mapped, dtype, description.characters), checksum)


def _interpret(values: dict[str, Any]) -> Description:
    """Build a description; any error means that the file is not ours."""
    texts = {name: typed(values[name], str) for name in ("name", "sha256", "dtype", "vocabulary")}
    if texts["dtype"] not in _DTYPES:
        raise ValueError("the ids have an unknown type")
    Vocabulary(texts["vocabulary"])
    files = []
    for path, *numbers in typed(values["files"], list):
        size, changed, touched = map(count, numbers)
        files.append((typed(path, str), size, changed, touched))
    given, notes = (tuple(typed(text, str) for text in typed(values[name], list)) for name in ("given", "notes"))
    request = typed(values["request"], dict)
    characters = count(values["characters"])
    ends = tuple(map(count, typed(values["file_ends"], list)))
    if ends[-1:] != (characters,) or any(end <= begin for begin, end in pairwise((0, *ends))):
        raise ValueError("the ends of the files cannot be right")
    licences = tuple((count(begin), count(end)) for begin, end in typed(values["licences"], list))
    places = [0, *chain.from_iterable(licences), characters]
    if places != sorted(places):
        raise ValueError("the places of the licences cannot be right")
    return Description(
        given=given,
        notes=notes,
        files=tuple(files),
        request=request,
        characters=characters,
        file_ends=ends,
        licences=licences,
        **texts,
    )


@dataclass(frozen=True)
class Kept:
    """A file of the cache as `charrnn cache` shows it."""

    path: Path
    size: int  # bytes
    used: float  # when it was last written or used, in seconds since 1970
    description: Description | None  # None if it is damaged, or was made by another version


def cache_folder() -> Path:
    """Return the folder: ``CHARRNN_CACHE``, or ``charrnn`` in the system's folder for caches."""
    if own := os.environ.get(VARIABLE):
        return Path(own).absolute()
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    given = os.environ.get(variable, "")
    try:
        return Path(given, "charrnn") if Path(given).is_absolute() else Path.home() / ".cache" / "charrnn"
    except RuntimeError as error:
        raise CacheError(f"there is no home folder for a cache: name one in {VARIABLE}") from error


def make_room(folder: Path, size: int) -> None:
    """Make the folder, and raise `CacheError` if there are fewer than `size` bytes free."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise CacheError(f"{shown(str(folder))} has {format_bytes(free)} free")


def open_nameless(folder: Path) -> FileIO:
    """Open a file without a name, which is removed once it is closed and no longer mapped."""
    nameless: Any = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - the caller closes it
    return nameless  # type: ignore[no-any-return]


def scratch(size: int) -> FileIO | None:
    """Open a file without a name for `size` bytes; None if there is no room for it."""
    try:
        make_room(cache_folder(), size)
        return open_nameless(cache_folder())
    except (OSError, CacheError):
        return None


def entries() -> list[Kept]:
    """List what is in the cache, the last used first."""
    found = []
    for path in cache_folder().glob(f"*{SUFFIX}"):
        with suppress(OSError):  # just removed
            status = path.stat()
            entry = open_entry(path)
            found.append(Kept(path, status.st_size, status.st_mtime, entry.description if entry else None))
    return sorted(found, key=lambda kept: (-kept.used, kept.path.name))


def named(kept: Iterable[Kept], names: Iterable[str]) -> list[Kept]:
    """Return the entries with these names, each the name of a corpus or of a text that it was read from."""
    kept, chosen = list(kept), []
    for name in names:
        meant = [entry for entry in kept if name in _names(entry) or str(Path(name).resolve()) in _names(entry)]
        if not meant:
            raise CacheError(f"the cache has no text {name!a}; `charrnn cache` lists what it has")
        chosen += meant
    return list({entry.path: entry for entry in chosen}.values())


def remove(kept: Iterable[Kept]) -> None:
    """Remove files of the cache, and temporary files that killed processes have left there.

    Where the system lets a file in use be removed, a run that uses it keeps it until it ends.
    """
    for entry in kept:
        try:
            entry.path.unlink(missing_ok=True)
        except OSError as error:
            raise CacheError(f"cannot remove {str(entry.path)!a}: {error.strerror or error}") from error
    sweep_temporaries(cache_folder())


def _names(kept: Kept) -> Iterator[str]:
    yield kept.path.name
    if kept.description:
        yield kept.description.name
        yield from kept.description.given
        yield from (path for path, *_ in kept.description.files)
