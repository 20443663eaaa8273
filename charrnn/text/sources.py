"""From the names that a user gives to code points, a block at a time.

`find_sources` finds the files that names mean. `read_blocks` reads the bytes of one, unpacked. `TextDecoder` turns them
into code points: decoded, with line ends as LF, normalized, and without what belongs to no item. A text is never in
memory as a whole.
"""

import codecs
import difflib
import gzip
import io
import lzma
import os
import re
import stat
import sys
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from charrnn import paths
from charrnn.errors import TextError, UnreadableTextError, counted, shown
from charrnn.text.items import ItemCleaner
from charrnn.text.vocabulary import UNKNOWN, Normalizer

STDIN = "-"
LOCAL_CORPORA = Path("corpora")
# Files that are left out of a folder by their name; others are left out if there is a NUL among their first bytes.
_NO_TEXT = re.compile(
    r".*\.(7z|avi|bin|bmp|bz2|class|db|dll|docx?|epub|exe|flac|gif|ico|ids|jar|jpe?g|mkv|mov|mp[34]|np[yz]|o|od[st]|ogg"
    r"|otf|parquet|pdf|pickle|pkl|png|pptx?|pth?|pyc|rar|safetensors|so|sqlite|tar|tar\.[gx]z|tgz|tiff?|ttf|wasm|wav"
    r"|web[mp]|woff2?|xlsx?|zip|zst|log\.jsonl)",
    re.IGNORECASE | re.DOTALL,
)

BLOCK_SIZE = 1 << 20  # bytes
_PACKED_BLOCK = 1 << 16  # bytes of an xz file, read at once
BYTE_ORDER_MARK = "\ufeff"
# Stands for wrong bytes until they are counted, since a text may have U+FFFD of its own.
_WRONG, _MARKING = "\udbff", "charrnn.mark"
codecs.register_error(_MARKING, lambda error: (_WRONG, cast("UnicodeDecodeError", error).end))
PACKED = (".gz", ".xz")  # suffixes of files that are unpacked as they are read

_PACKED_KINDS = {
    b"\x1f\x8b": "a gzip",
    b"\xfd7zXZ\0": "an xz",
    b"BZh": "a bzip2",
    b"\x28\xb5\x2f\xfd": "a zstd",
}

# UTF-32 first: its little-endian mark begins with that of UTF-16
_MARKS = {
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}


class Watcher:
    """Follows the reading of a long text; this one ignores what it is told."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Take note of how much is done, in bytes; the total is 0 if it is unknown."""

    def say(self, sentence: str) -> None:
        """Take note of a sentence that the user should see at once."""


NOBODY = Watcher()


@dataclass(frozen=True)
class Source:
    """One file of a corpus, or stdin."""

    name: str  # what a message calls it
    path: Path | None  # where it is; None for stdin
    is_in_folder: bool = False  # whether only its folder was named; then it is left out if it is not text

    @property
    def size(self) -> int:
        """Its bytes, still packed; 0 for stdin."""
        try:
            return self.path.stat().st_size if self.path else 0
        except OSError:  # it is gone, which is noticed when it is opened
            return 0


def find_sources(names: Sequence[str]) -> tuple[list[Source], list[str]]:
    """Find all files that names mean, those of folders included; return them, and notes on what was left out."""
    if not names:
        raise TextError("no text was given: name a file, a folder, a bundled text, or - for stdin")
    if names.count(STDIN) > 1:
        raise TextError("stdin can be read only once: name - once")
    sources: list[Source] = []
    notes: list[str] = []
    seen: dict[Path, int] = {}
    for name in names:
        path = None if name == STDIN else find_text(name)
        if path is None or not path.is_dir():
            sources.append(Source("stdin" if path is None else shown(name), path))
            continue
        found = sorted(_texts_below(path), key=lambda file: file.parts)
        texts = [file for file in found if not _NO_TEXT.fullmatch(file.name)]
        if not texts:
            raise TextError(f"{shown(name)} is a folder without a text file: name another, or the files themselves")
        sources += (Source(shown(str(file)), file, is_in_folder=True) for file in texts)
        if len(texts) < len(found):
            others = counted(len(found) - len(texts), "file")
            notes.append(f"{shown(name)}: left out {others} by name (pictures, logs and the like)")
    for source in sources:
        if source.path:
            file = source.path.resolve()
            seen[file] = seen.get(file, 0) + 1
            if seen[file] == 2:
                notes.append(f"{source.name} is named more than once, and read each time")
    return sources, notes


def find_text(name: str) -> Path:
    """Find the file, or the folder, that a name means.

    The path itself comes first; a bare name is then looked up in ``./corpora`` and among the bundled texts, with and
    without ``.txt``. The first that exists is taken.
    """
    for path in _candidates(name) if name else ():
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
            continue
        except OSError as error:
            raise UnreadableTextError(f"{shown(name)} cannot be read ({error.strerror})") from error
        _require_file(name, mode)
        return path
    raise _not_found(name)


def _candidates(name: str) -> list[Path]:
    given = Path(name)
    if given.name != name:  # a path with folders is taken literally
        return [given]
    folders = (LOCAL_CORPORA, paths.CORPORA)
    return [given, *(folder / file for folder in folders for file in (name, f"{name}.txt"))]


def _texts_below(folder: Path) -> Iterator[Path]:
    """Yield the regular files in and below a folder, except hidden ones."""

    def refuse(error: OSError) -> None:
        raise UnreadableTextError(f"{shown(str(error.filename))} cannot be read ({error.strerror})") from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (path for name in files if name[0] != "." and (path := Path(parent, name)).is_file())


def _require_file(name: str, mode: int) -> None:
    if stat.S_ISFIFO(mode):
        raise UnreadableTextError(f"{shown(name)} is a pipe: send it to stdin and name it -")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UnreadableTextError(f"{shown(name)} is not a file: copy the text into one")


def _not_found(name: str) -> TextError:
    here = [str(path) for path in _files(Path(name).parent)]
    others = [path.name for folder in (LOCAL_CORPORA, paths.CORPORA) for path in _files(folder)]
    near = difflib.get_close_matches(name, sorted({*here, *others}))
    guess = f" (did you mean {' or '.join(map(shown, near))}?)" if near else ""
    bundled_names = ", ".join(paths.corpus_names())
    return TextError(
        f"there is no text {shown(name)}", f"{guess}: name a file, or one of the bundled texts: {bundled_names}"
    )


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except (OSError, ValueError):  # a folder that cannot be listed has nothing to suggest
        return []


def read_blocks(source: Source, advance: Callable[[int], object] = lambda _: None) -> Generator[bytes]:
    """Yield the bytes of a source, unpacked if its file's name ends in ``.gz`` or ``.xz``; the last block is empty.

    `advance` is told how many bytes, still packed, each block took.
    """
    try:
        with _open(source) as (file, raw):
            before = 0
            while block := file.read(BLOCK_SIZE):
                after = raw.tell() if source.path else before + len(block)
                advance(after - before)
                before = after
                yield block
            yield b""
    except (gzip.BadGzipFile, lzma.LZMAError, EOFError, zlib.error) as error:
        kind = "xz" if source.path and source.path.suffix == ".xz" else "gzip"
        raise TextError(f"{source.name} is a damaged {kind} file ({error}): fetch or pack it again") from error
    except OSError as error:
        raise UnreadableTextError(f"{source.name} cannot be read ({error.strerror or error})") from error


@contextmanager
def _open(source: Source) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a source, unpacked; the second file is the packed one, to see how far it is read."""
    if source.path is None:
        if sys.stdin is None:
            raise UnreadableTextError("stdin is closed: name a file instead of -")
        yield sys.stdin.buffer, sys.stdin.buffer  # not ours to close
        return
    suffix = source.path.suffix
    with source.path.open("rb") as raw:
        if suffix not in PACKED:
            yield raw, raw
            return
        if not source.path.stat().st_size:
            raise EOFError("it has no bytes")  # even an empty text has some when packed
        with gzip.open(raw) if suffix == ".gz" else XzReader(raw) as file:
            yield cast("BinaryIO", file), raw


class XzReader:
    """Unpacks an xz file of one or more parts, with zeros between them.

    An xz file calls its parts streams. `lzma.open` silently ignores a damaged part after the first, and so reads only
    half a text; this class raises.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        self._packed = b""  # read, but not yet given to the decoder
        self._is_in_part = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: the caller closes the file."""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end of the file."""
        while self._is_in_part:
            if self._decoder.needs_input and not self._packed:
                self._packed = self._raw.read(_PACKED_BLOCK)
                if not self._packed:
                    raise EOFError("it ends in the middle of a stream")
            block = self._decoder.decompress(self._packed, size)
            self._packed = b""
            if self._decoder.eof:
                self._begin_next_part(self._decoder.unused_data)
            if block:
                return block
        return b""

    def _begin_next_part(self, packed: bytes) -> None:
        """Skip the zeros after a part, a multiple of four, up to the next part or the end of the file."""
        zeros = 0
        while True:
            self._packed = packed.lstrip(b"\0")
            zeros += len(packed) - len(self._packed)
            if self._packed:
                break
            packed = self._raw.read(_PACKED_BLOCK)
            if not packed:
                self._is_in_part = False
                break
        if zeros % 4:
            raise lzma.LZMAError(f"{zeros} zeros after a stream, which is not a multiple of four")
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)


class TextDecoder:
    """Turns the bytes of one source into code points, with every line end as LF.

    `name` is what a message calls the source. With `errors` ``replace``, bytes that are not in the encoding are read as
    U+FFFD. `form` is the Unicode form of the result. Characters that belong to no item are dropped if there is a
    `separator`.
    """

    def __init__(
        self, name: str, encoding: str, errors: str = "strict", form: str = "none", separator: str = ""
    ) -> None:
        try:
            "".encode(encoding)  # refuses codecs that are not text encodings
            self._decoder = codecs.getincrementaldecoder(encoding)(_MARKING if errors == "replace" else errors)
        except (LookupError, ValueError) as error:
            raise TextError(f"there is no text encoding {shown(encoding)}: try utf-8 or latin-1") from error
        self._name, self._encoding, self._errors = name, encoding, errors
        self._line_ends = io.IncrementalNewlineDecoder(None, translate=True)
        self._normalizer = Normalizer(form)
        self._cleaner = ItemCleaner(separator)
        self._at_start = True
        self._bytes_read = self._characters_in = self._characters_out = 0
        self._carriage_returns = self._replacements = self._joined = self._marks = 0

    def decode(self, block: bytes) -> NDArray[np.unsignedinteger]:
        """Return the code points that a block completes, ASCII as bytes; an empty block ends the source."""
        final = not block
        text = self._characters(block, final=final)
        if self._at_start and text:
            text = text.removeprefix(BYTE_ORDER_MARK)
            self._at_start = False
        self._marks += text.count(BYTE_ORDER_MARK)
        lines = self._line_ends.decode(text, final=final)
        self._characters_in += len(text)
        self._characters_out += len(lines)
        self._carriage_returns += text.count("\r")
        normal = self._normalizer.normalize(lines, final=final)
        self._joined += len(lines) - len(normal)
        normal = self._cleaner.clean(normal, final=final)
        if normal.isascii():
            return np.frombuffer(normal.encode(), dtype=np.uint8)
        try:
            return np.frombuffer(normal.encode("utf-32-le"), dtype="<u4")
        except UnicodeEncodeError as error:  # UTF-7 allows it
            raise TextError(
                f"{self._name} holds a lone surrogate, which is half a character: try another --encoding"
            ) from error

    def notes(self) -> list[str]:
        """Return what was changed in reading, a sentence each, once the source has ended."""
        if not self._characters_in:
            return [f"{self._name} is empty"]
        pairs = self._characters_in - self._characters_out  # each CRLF lost one character
        ends = {"CRLF": pairs, "CR": self._carriage_returns - pairs}
        found = [(count, f"{kind} line end{'s' * (count > 1)} read as LF") for kind, count in ends.items()]
        if self._errors == "replace":
            found.append((self._replacements, f"× U+FFFD, read where bytes are not {shown(self._encoding)}"))
        found.append((self._marks, "× U+FEFF, the byte-order mark, within the text: read as a character of it"))
        found.append((max(self._joined, 0), "fewer characters by composing them (NFC)"))
        return [f"{self._name}: {count:,} {what}" for count, what in found if count]

    def _characters(self, block: bytes, *, final: bool) -> str:
        self._bytes_read += len(block)
        try:
            text = self._decoder.decode(block, final)
            self._replacements += text.count(_WRONG)
            return text.replace(_WRONG, UNKNOWN) if self._errors == "replace" else text
        except UnicodeDecodeError as error:
            # error.object is what was left of earlier blocks, and this block: it ends at the same byte
            offset = self._bytes_read - len(error.object) + error.start
            if len(error.object) == self._bytes_read and (kind := _packed_kind(error.object)):
                raise TextError(
                    f"{self._name} is not text, it looks like {kind} file: unpack it first "
                    f"(files with a name that ends in {' or '.join(PACKED)} are unpacked as they are read)"
                ) from error
            raise TextError(
                f"{self._name} is not {shown(self._encoding)} at byte offset {offset} "
                f"(0x{error.object[error.start]:02x}): try --encoding {self._other_encoding(error.object)}, "
                "or --errors replace"
            ) from error
        except UnicodeError as error:  # UTF-16 or UTF-32 without its mark
            raise TextError(
                f"{self._name} is not {shown(self._encoding)} ({error}): try --encoding utf-8, utf-16-le or utf-16-be"
            ) from error

    def _other_encoding(self, beginning: bytes) -> str:
        if codecs.lookup(self._encoding).name != "utf-8":
            return "utf-8"
        marked = (encoding for encoding, marks in _MARKS.items() if beginning.startswith(marks))
        return next(marked, "latin-1")


def _packed_kind(beginning: bytes) -> str | None:
    """Name the kind of packed file that has this beginning."""
    return next((kind for start, kind in _PACKED_KINDS.items() if beginning.startswith(start)), None)
