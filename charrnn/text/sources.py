"""From the names that a user gives to code points, a block at a time.

`find_sources` finds the files that names mean. `read_texts` reads the bytes of one, unpacked; documents, such as books,
become plain text (`charrnn.text.formats`). `TextDecoder` turns bytes into code points: decoded, with line ends as LF,
normalized, and without what belongs to no item. A plain text is never in memory as a whole.
"""

import bz2
import codecs
import difflib
import gzip
import importlib
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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from charrnn import paths
from charrnn.errors import TextError, UnreadableTextError, counted, shown
from charrnn.text.items import ItemCleaner
from charrnn.text.vocabulary import UNKNOWN, Normalizer

if TYPE_CHECKING:
    from charrnn.text.gutenberg import LicenceFinder

STDIN = "-"
LOCAL_CORPORA = Path("corpora")
# Files that are left out of a folder by their name; others are left out by their first bytes.
_NO_TEXT = re.compile(
    r".*\.(7z|avi|bin|bmp|class|db|dll|doc|exe|flac|gif|ico|ids|jar|jpe?g|mkv|mobi|mov|mp[34]|np[yz]|o|od[st]|ogg|otf"
    r"|parquet|pdf|pickle|pkl|png|pptx?|pth?|pyc|rar|rtf|safetensors|so|sqlite|tar|tar\.(bz2|[gx]z|zst)|tgz|tiff?|ttf"
    r"|wasm|wav|web[mp]|woff2?|xlsx?|log\.jsonl)",
    re.IGNORECASE | re.DOTALL,
)

BLOCK_SIZE = 1 << 20  # bytes
_PACKED_BLOCK = 1 << 16  # bytes of a packed file, read at once
FIRST_BYTES = 8192  # that show whether a file may be text
BYTE_ORDER_MARK = "\ufeff"
# Stands for wrong bytes until they are counted, since a text may have U+FFFD of its own.
_WRONG, _MARKING = "\udbff", "charrnn.mark"
codecs.register_error(_MARKING, lambda error: (_WRONG, cast("UnicodeDecodeError", error).end))
# Suffixes, in any case, of files that are unpacked as they are read, and of documents that are read as plain text.
PACKED = {".gz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd"}
ARCHIVE = ".zip"
DOCUMENTS = (".epub", ".docx", ".html", ".htm", ".xhtml")
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # that hardly any text has

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
    def suffix(self) -> str:
        """The end of its file's name, in lower case; empty for stdin."""
        return self.path.suffix.lower() if self.path else ""

    @property
    def is_packed(self) -> bool:
        """Whether it is unpacked as it is read."""
        return self.suffix in PACKED or self.suffix == ARCHIVE

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


@dataclass(frozen=True)
class Text:
    """One text of a source."""

    name: str  # what a message calls it
    encoding: str  # of its blocks
    blocks: Generator[bytes]  # its bytes, unpacked; the last is empty
    is_optional: bool  # whether it is left out if it is not text


def read_texts(
    source: Source, encoding: str, errors: str, advance: Callable[[int], object] = lambda _: None
) -> Iterator[Text]:
    """Yield the text of a source, or all texts of a ``.zip`` file; read each before the next.

    Files are unpacked if their name ends in a suffix of `PACKED`, and documents are read as plain text.

    Parameters
    ----------
    encoding, errors : of the bytes in the source
    advance : told how many bytes, still packed, each block took
    """
    if source.suffix != ARCHIVE:
        blocks = _read_blocks(source, encoding, errors, advance)
        is_document = source.path and _inner_suffix(source.path.name) in DOCUMENTS
        yield Text(source.name, "utf-8" if is_document else encoding, blocks, source.is_in_folder)
        return
    from charrnn.text import formats

    with _explained(source.name, ARCHIVE), cast("Path", source.path).open("rb") as raw:
        archive, is_empty = formats.Archive(raw, source.name), True
        for info in archive.texts():
            suffix = _inner_suffix(info.filename)
            if not (_NO_TEXT.fullmatch(info.filename) or suffix == ARCHIVE):
                is_empty = False
                name = f"{source.name}/{shown(info.filename)}"
                blocks = _unpack(cast("BinaryIO", archive.open(info)), info.filename, name, encoding, errors)
                yield Text(name, "utf-8" if suffix in DOCUMENTS else encoding, blocks, is_optional=True)
                advance(info.compress_size)
        if is_empty and not source.is_in_folder:
            raise TextError(f"{source.name} is a zip file without a text file: name another")


def _inner_suffix(name: str) -> str:
    """Return the end of a file's name in lower case, without the suffix of a packed file."""
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in PACKED else path.suffix


def _read_blocks(source: Source, encoding: str, errors: str, advance: Callable[[int], object]) -> Generator[bytes]:
    if source.path is None:
        if sys.stdin is None:
            raise UnreadableTextError("stdin is closed: name a file instead of -")
        with _explained(source.name, ""):
            while block := sys.stdin.buffer.read(BLOCK_SIZE):  # not ours to close
                advance(len(block))
                yield block
            yield b""
        return
    with _explained(source.name, source.suffix), source.path.open("rb") as raw:
        before = 0
        for block in _unpack(raw, source.path.name, source.name, encoding, errors):
            after = max(raw.tell(), before) if block else source.size
            advance(after - before)
            before = after
            yield block


def _unpack(file: BinaryIO, file_name: str, name: str, encoding: str, errors: str) -> Generator[bytes]:
    """Yield the blocks of an open file as its name says that they are packed; the last is empty."""
    suffix = Path(file_name).suffix.lower()
    with _explained(name, suffix):
        if suffix in PACKED:
            if not cast("Any", file).peek(1):
                raise EOFError("it has no bytes")  # even an empty text has some when packed
            file = _unpacker(file, suffix, name)
        blocks = iter(partial(file.read, BLOCK_SIZE), b"")
        if (inner := _inner_suffix(file_name)) in DOCUMENTS:
            from charrnn.text import formats

            if not isinstance(file, io.BufferedReader):  # a document is read back and forth
                file = formats.read_into_memory(blocks, name)
            blocks = map(str.encode, formats.read_document(file, inner, name, encoding, errors))
        yield from blocks
        yield b""


class _DamagedError(Exception):
    """A packed file does not unpack."""


@contextmanager
def _explained(name: str, suffix: str) -> Iterator[None]:
    """Say what is wrong with a file that is damaged or cannot be read."""
    try:
        yield
    except (_DamagedError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TextError(
            f"{name} is a damaged {PACKED.get(suffix, 'zip')} file ({error}): fetch or pack it again"
        ) from error
    except OSError as error:
        raise UnreadableTextError(f"{name} cannot be read ({error.strerror or error})") from error


def _unpacker(file: BinaryIO, suffix: str, name: str) -> BinaryIO:
    """Return a file that unpacks another, as the suffix of its name says."""
    if suffix == ".gz":
        return cast("BinaryIO", gzip.open(file))
    if suffix == ".xz":
        unpacker = StreamReader(file, partial(lzma.LZMADecompressor, lzma.FORMAT_XZ), lzma.LZMAError, has_padding=True)
    elif suffix == ".bz2":
        unpacker = StreamReader(file, bz2.BZ2Decompressor, OSError)
    else:
        try:
            zstd = importlib.import_module("compression.zstd")  # since Python 3.14
        except ImportError:
            raise TextError(f"{name} needs Python 3.14 to be unpacked here: unpack it with zstd -d") from None
        unpacker = StreamReader(file, zstd.ZstdDecompressor, zstd.ZstdError)
    return cast("BinaryIO", unpacker)


class StreamReader:
    """Unpacks a file of one or more parts, which its format calls streams or frames.

    Python's own readers silently ignore a damaged part after the first, and so read only half a text; this class raises
    `_DamagedError`.

    Parameters
    ----------
    make_decoder : returns what unpacks one part
    error : what that raises for a damaged part
    has_padding : whether zeros may stand between two parts
    """

    def __init__(
        self, raw: BinaryIO, make_decoder: Callable[[], Any], error: type[Exception], *, has_padding: bool = False
    ) -> None:
        self._raw, self._make_decoder, self._error, self._has_padding = raw, make_decoder, error, has_padding
        self._decoder = make_decoder()
        self._packed = b""  # read, but not yet given to the decoder
        self._is_in_part = True

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end of the file."""
        while self._is_in_part:
            if self._decoder.needs_input and not self._packed:
                self._packed = self._raw.read(_PACKED_BLOCK)
                if not self._packed:
                    raise _DamagedError("it ends in the middle of a stream")
            try:
                block: bytes = self._decoder.decompress(self._packed, size)
            except self._error as error:
                raise _DamagedError(error) from error
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
            self._packed = packed.lstrip(b"\0") if self._has_padding else packed
            zeros += len(packed) - len(self._packed)
            if self._packed:
                break
            packed = self._raw.read(_PACKED_BLOCK)
            if not packed:
                self._is_in_part = False
                break
        if zeros % 4:
            raise _DamagedError(f"{zeros} zeros after a stream, which is not a multiple of four")
        self._decoder = self._make_decoder()


def name_binary(beginning: bytes) -> str | None:
    """Say what a file is that begins so, and what to do; None if it may be text."""
    from charrnn.text import formats

    return formats.name_binary(beginning)


def licence_finder(*, is_stripping: bool) -> "LicenceFinder":
    """Return what finds the licence of Project Gutenberg in a text, and leaves it out if `is_stripping`."""
    from charrnn.text import gutenberg

    return gutenberg.LicenceFinder(is_stripping=is_stripping)


class TextDecoder:
    """Turns the bytes of one source into code points, with every line end as LF.

    `name` is what a message calls the source. With `errors` ``replace``, bytes that are not in the encoding are read as
    U+FFFD. `form` is the Unicode form of the result. Characters that belong to no item are dropped if there is a
    `separator`, and the licence of Project Gutenberg if that is to be stripped; `licence` says where it is.
    """

    def __init__(
        self,
        name: str,
        encoding: str,
        errors: str = "strict",
        form: str = "none",
        separator: str = "",
        *,
        strip_gutenberg: bool = False,
    ) -> None:
        try:
            "".encode(encoding)  # refuses codecs that are not text encodings
            self._decoder = codecs.getincrementaldecoder(encoding)(_MARKING if errors == "replace" else errors)
        except (LookupError, ValueError) as error:
            raise TextError(f"there is no text encoding {shown(encoding)}: try utf-8 or latin-1") from error
        self._name, self._encoding, self._errors = name, encoding, errors
        self._line_ends = io.IncrementalNewlineDecoder(None, translate=True)
        self._normalizer = Normalizer(form)
        self.licence = licence_finder(is_stripping=strip_gutenberg)
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
        normal = self._cleaner.clean(self.licence.read(normal, final=final), final=final)
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
            if len(error.object) == self._bytes_read and self._is_binary(error.object):
                raise TextError(
                    f"{self._name} is not text (it has control characters, as programs and pictures do): "
                    "give a text file, or name its --encoding"
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

    def _is_binary(self, beginning: bytes) -> bool:
        is_marked = any(beginning.startswith(marks) for marks in _MARKS.values())
        has_nuls = codecs.lookup(self._encoding).name.startswith(tuple(_MARKS))  # in any text
        return not (is_marked or has_nuls) and bool(_CONTROLS.search(beginning[:FIRST_BYTES]))

    def _other_encoding(self, beginning: bytes) -> str:
        if codecs.lookup(self._encoding).name != "utf-8":
            return "utf-8"
        marked = (encoding for encoding, marks in _MARKS.items() if beginning.startswith(marks))
        return next(marked, "latin-1")
