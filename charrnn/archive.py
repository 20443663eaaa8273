"""Named arrays in one ``.npz`` file: written whole or not at all, and read without trusting it.

An archive is a plain zip file: its members follow one another from the first byte, the directory follows them, and the
file ends with the 22 bytes of the end record. Each member is one ``.npy`` array.

Every size is checked before memory is allocated for it, every byte of every member is read so that its checksum counts,
no text in the file is evaluated, and only arrays of finite numbers are returned. ``numpy.load`` and ``zipfile`` read
these files too, but accept members that overlap, bytes before or after the archive, and wrong checksums of members that
are not read to their end. The few records that matter are unpacked below (PKWARE, ".ZIP File Format Specification",
APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16).

The functions at the end check the values of a JSON description: each has the type it should have, or an error says so.
"""

import difflib
import json
import math
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BufferedIOBase, BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import CheckpointError, ConfigError, remedy, shortened
from charrnn.files import open_without_waiting, reason, replacing
from charrnn.paths import LOCAL_CHECKPOINTS

LIMIT_VARIABLE = "CHARRNN_MAX_CHECKPOINT_BYTES"
_DEFAULT_LIMIT = 1 << 30  # bytes
_MAX_ARRAYS = 1024  # the deepest network, with its optimizer and a state to fall back to, has 900
_HEAD_LENGTH = 512  # bytes that show what kind of file it is
_DTYPES = frozenset({"<f2", "<f4", "<f8", "<i8", "<u4", "|u1"})
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)  # no "..", no leading "/", nothing a terminal would obey


Members = Iterator[tuple[str, NDArray[Any]]]


class RefusedError(Exception):
    """Why a file cannot be read as an archive; the sentence follows the file's name."""


def _damaged(what: str) -> RefusedError:
    """Return the refusal of a damaged archive."""
    return RefusedError(f"is damaged ({what}); use another copy or an earlier checkpoint")


def _size_limit() -> int:
    text = os.environ.get(LIMIT_VARIABLE) or str(_DEFAULT_LIMIT)
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ConfigError(f"{LIMIT_VARIABLE} must be a whole number of bytes, not {text!a}")
    return int(text)


# Files that users give by mistake, recognised by their beginning; the first match counts.
_KINDS = [
    (rb"PK\x03\x04.{26,}?data\.pkl", "a PyTorch checkpoint"),
    (rb"PK\x03\x04.{26}(metadata|config)\.json", "a Keras model"),
    (rb"PK\x05\x06", "an empty zip archive"),
    (rb"\x93NUMPY", "a single .npy array"),
    (rb"\x89HDF\r\n", "a Keras or HDF5 model"),
    (rb".{5}\x00{3}\{", "a safetensors file"),  # the length of a JSON header in 8 bytes, and the header
    (rb"\x80[\x02-\x05]", "a pickle file or an old PyTorch checkpoint"),
    (rb"\x1f\x8b", "a gzip file"),
    (rb"[\x03\x04]\x00{3}", "a Torch7 file of Lua's char-rnn"),
    (rb"[^\x00-\x08\x0e-\x1f\x7f]+\Z", "a text file"),
]


# Little-endian; fields that do not matter here (versions, dates, attributes) are skipped with `x`.
_LOCAL = struct.Struct("<4s22x2H")  # signature; lengths of name and extra field
_ENTRY = struct.Struct("<4s4x2H4x3L4H6xL")  # signature; flags, method; checksum, two sizes; four to be read; offset
_END = struct.Struct("<4s4H2LH")  # signature; two disks, two counts; length and start of the directory; comment

_STORED, _DEFLATED = 0, 8
_UNPACKED_BEYOND_FILE = 64 << 20  # bytes that a compressed file may unpack to beyond its own size

# The header that NumPy writes for a C-ordered array of at most two dimensions, and nothing else.
_DTYPE = b"|".join(re.escape(dtype.encode()) for dtype in sorted(_DTYPES))
_SHAPE = rb"\((?:|\d{1,18},|\d{1,18}, \d{1,18})\)"
_NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '(%b)', 'fortran_order': False, 'shape': (%b), \} *\n" % (_DTYPE, _SHAPE),
    re.DOTALL,
)
_MAX_NPY_HEADER = 1024  # bytes
_PIECE = 1 << 16  # bytes, decompressed at once


class _Member(NamedTuple):
    """One array's place in the file according to the directory; sizes and offset in bytes."""

    name: str
    method: int
    checksum: int
    packed_size: int
    size: int
    offset: int


def read_arrays(
    path: str | os.PathLike[str], *, max_bytes: int | None = None, only: str | None = None
) -> dict[str, NDArray[Any]]:
    """Read every array of an archive, or refuse the file as a whole.

    The arrays are in the file's order, writable, C-ordered, finite, and have at most two dimensions. `max_bytes` limits
    the file and what its arrays unpack to; by default it is ``CHARRNN_MAX_CHECKPOINT_BYTES``, or 1 GiB. If `only` names
    an array, no other is read or checked.

    Raises
    ------
    CheckpointError
        If the file is missing, unreadable, too large, damaged, or not an archive.
    ConfigError
        If ``CHARRNN_MAX_CHECKPOINT_BYTES`` is not a number.
    """
    limit = _size_limit() if max_bytes is None else max_bytes
    shown = ascii(os.fspath(path))
    try:
        with open(path, "rb", opener=open_without_waiting) as stream:
            return dict(_stream_arrays(stream, limit, only))
    except RefusedError as refusal:
        raise CheckpointError(f"{shown} {refusal}") from refusal
    except FileNotFoundError as error:
        raise CheckpointError(f"no such checkpoint: {shown}{_nearby(path)}") from error
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a path that no file system can hold
        raise CheckpointError(f"cannot read {shown}: {reason(error)}") from error


def _stream_arrays(stream: BufferedIOBase, limit: int, only: str | None = None) -> Members:
    """Yield each array with its name, or only one; the file is known to be correct once all have been read."""
    size = _checked_size(stream, limit)
    _check_kind(stream)
    members, directory_start = _read_directory(stream, size)
    _check_sizes(members, directory_start, limit)
    if len({member.name for member in members}) != len(members):
        raise _damaged("two of its arrays have one name")
    stream.seek(0)
    for member in members:
        if only is None or member.name == only:
            stream.seek(stream.tell() if only is None else member.offset)
            yield member.name, _to_array(member.name, _read_member(stream, member))
    if only is None and stream.tell() != directory_start:
        raise _damaged("its arrays and its directory do not agree")


def _nearby(path: str | os.PathLike[str]) -> str:
    """Name archives that may have been meant, or a few in the same folder."""
    folders = (Path(path).parent, LOCAL_CHECKPOINTS)
    known = [found for folder in folders for found in sorted(folder.glob("*.npz"))]
    names = list(dict.fromkeys(found.name for found in known))
    near = difflib.get_close_matches(f"{Path(path).stem}.npz", names, 1, 0.75)
    if meant := [ascii(str(found)) for found in dict.fromkeys(known) if found.name in near]:
        return f"; did you mean {' or '.join(meant)}?"
    if not Path(path).suffix:
        return "; `charrnn list` shows the models here"
    names = sorted(neighbour.name for neighbour in Path(path).parent.glob("*.npz"))[:5]
    return f"; in the same folder: {', '.join(map(ascii, names))}" if names else "; train one with `charrnn train`"


def _checked_size(stream: BufferedIOBase, limit: int) -> int:
    """Return the size in bytes of a regular file that is neither empty nor over the limit."""
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise RefusedError("is not a regular file; give the path of a checkpoint (.npz)")
    if status.st_size == 0:
        raise RefusedError("is empty (was a save interrupted?); use another copy or an earlier checkpoint")
    if status.st_size > limit:
        raise _too_large(status.st_size, limit)
    return status.st_size


def _too_large(size: int, limit: int) -> RefusedError:
    return RefusedError(
        f"needs {size:,} bytes, more than the limit of {limit:,}; "
        f"if you trust it, set {LIMIT_VARIABLE} to a larger number of bytes"
    )


def _check_kind(stream: BufferedIOBase) -> None:
    """Refuse a file that was never a charrnn archive, and say what it looks like."""
    stream.seek(0)
    head = stream.read(_HEAD_LENGTH)
    kind = next((kind for pattern, kind in _KINDS if re.match(pattern, head, re.DOTALL)), None)
    if kind or not b"PK\3\4".startswith(head[:4]):
        hint = f" (looks like {kind})" if kind else ""
        raise RefusedError(f"is not a charrnn checkpoint{hint}; give an .npz file that `charrnn train` wrote")


def _cut_short() -> RefusedError:
    return RefusedError("is cut short or damaged at its end; use another copy or an earlier checkpoint")


def _take(stream: BufferedIOBase, length: int) -> bytes:
    """Read exactly ``length`` bytes."""
    data = stream.read(length)
    if len(data) != length:
        raise _cut_short()
    return data


def _read_directory(stream: BufferedIOBase, size: int) -> tuple[list[_Member], int]:
    """Read the directory at the end of the file; return its members in order, and the offset where it begins."""
    stream.seek(max(0, size - _END.size))
    signature, *disks, here, count, length, start, comment = _END.unpack(_take(stream, _END.size))
    if signature != b"PK\5\6":
        raise _cut_short()
    if any(disks) or here != count or comment or start + length + _END.size != size:
        raise _damaged("its end record does not fit the file")
    if count > _MAX_ARRAYS:
        raise _damaged(f"it claims {count} arrays, more than {_MAX_ARRAYS}")
    stream.seek(start)
    directory = BytesIO(_take(stream, length))
    members = [_read_entry(directory) for _ in range(count)]
    if directory.tell() != length:
        raise _damaged("its directory does not have the length it claims")
    return members, start


def _read_entry(stream: BufferedIOBase) -> _Member:
    """Read one member's entry in the directory."""
    signature, flags, method, checksum, packed_size, size, name_length, *others, offset = _ENTRY.unpack(
        _take(stream, _ENTRY.size)
    )
    name = _take(stream, name_length).decode("latin-1")
    # No flag, extra field, comment or second disk: so nothing encrypted, streamed or beyond 32 bits either.
    if signature != b"PK\1\2" or flags or any(others) or method not in (_STORED, _DEFLATED):
        raise _damaged("its directory holds an entry that no checkpoint has")
    if not (name.endswith(".npy") and _NAME.fullmatch(name[:-4])):
        raise _damaged(f"it holds a member named {shortened(name)!a}")
    return _Member(name[:-4], method, checksum, packed_size, size, offset)


def _check_sizes(members: list[_Member], packed_limit: int, limit: int) -> None:
    """Refuse members that claim more bytes than the file has, or that unpack to too many."""
    if sum(member.packed_size for member in members) > packed_limit:
        raise _damaged("its members claim more bytes than the file has")
    total = sum(member.size for member in members)
    if total > packed_limit + _UNPACKED_BEYOND_FILE:
        raise _damaged(f"its arrays would unpack to {total:,} bytes")
    if total > limit:
        raise _too_large(total, limit)


def _read_member(stream: BufferedIOBase, member: _Member) -> memoryview:
    """Read the next member whole, which must be the given one, and check its checksum."""
    begins_here = stream.tell() == member.offset
    signature, name_length, extra_length = _LOCAL.unpack(_take(stream, _LOCAL.size))
    name = _take(stream, name_length + extra_length)[:name_length]
    if not begins_here or signature != b"PK\3\4" or name != f"{member.name}.npy".encode():
        raise _damaged(f"{shortened(member.name)!a} is not where its directory says")
    packed = np.empty(member.packed_size, np.uint8).data  # a `bytearray` would be filled with zeros first
    if stream.readinto(packed) != member.packed_size:
        raise _cut_short()
    data = _inflate(packed, member.size) if member.method == _DEFLATED else packed
    if len(data) != member.size or zlib.crc32(data) != member.checksum:
        raise _damaged(f"{shortened(member.name)!a} does not match its checksum")
    return data


def _inflate(packed: memoryview, size: int) -> memoryview:
    """Decompress piece by piece into memory of the declared size."""
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacked, filled, taken = np.empty(size, np.uint8).data, 0, 0
    try:
        while taken < len(packed) and not decompressor.eof:
            rest, piece = bytes(packed[taken : taken + _PIECE]), b""
            taken += len(rest)
            while rest or len(piece) == _PIECE:  # a full piece: more output may be ready
                piece = decompressor.decompress(rest, _PIECE)
                filled += len(piece)
                if filled > size:
                    raise _damaged("a member's compressed bytes are more than they claim to be")
                unpacked[filled - len(piece) : filled] = piece
                rest = decompressor.unconsumed_tail
    except zlib.error as error:
        raise _damaged(f"a member cannot be decompressed: {error}") from error
    if not decompressor.eof or decompressor.unused_data or taken < len(packed) or filled < size:
        raise _damaged("a member's compressed bytes do not end where they should")
    return unpacked


def _to_array(name: str, data: memoryview) -> NDArray[Any]:
    """Interpret a member as an array, whose memory is `data`."""
    header = _NPY_HEADER.match(data, 0, _MAX_NPY_HEADER)
    if not header or int.from_bytes(header[1], "little") != header.end() - 10:  # 10: magic, version, this length
        raise _damaged(f"{shortened(name)!a} is not a plain array of numbers")
    dtype = np.dtype(header[2].decode())
    shape = tuple(int(size) for size in re.findall(rb"\d+", header[3]))
    if math.prod(shape) * dtype.itemsize != len(data) - header.end():
        raise _damaged(f"{shortened(name)!a} does not have as many numbers as its shape says")
    array: NDArray[Any] = np.ndarray(shape, dtype, data, header.end())
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise _damaged(f"{shortened(name)!a} holds a number that is not finite")
    return array


def _read_all(members: Members) -> None:
    for _ in members:
        pass


def write_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    check: Callable[[Members], object] = _read_all,
) -> None:
    """Write named arrays as one ``.npz`` file, whole or not at all.

    Equal arrays in equal order give equal bytes. A symbolic link keeps pointing where it points. When this returns, the
    file survives a power loss wherever the file system honours ``fsync``; when it raises, no temporary file is left.

    Parameters
    ----------
    path : the file to write or replace, in a folder that exists
    arrays : at least one, of at most two dimensions, finite, with names such as ``params/cells.0.W_hh``
    check : given the names and arrays as they are read back, all of which it must take; its `RefusedError` keeps the
        file from its place

    Raises
    ------
    CheckpointError
        If the file cannot be written, or `read_arrays` would refuse an array.
    ConfigError
        If ``CHARRNN_MAX_CHECKPOINT_BYTES`` is not a number.
    """
    shown = ascii(os.fspath(path))
    limit = _size_limit()
    try:
        _check_arrays(arrays)
        # Nothing takes the old file's place that could not be read again.
        with replacing(Path(os.path.realpath(path)), lambda stream: check(_stream_arrays(stream, limit))) as stream:
            _write_zip(stream, arrays)
    except RefusedError as refusal:
        raise CheckpointError(f"cannot save {shown}: what was to be saved {refusal}") from refusal
    except (OSError, ValueError, RuntimeError, zipfile.LargeZipFile, MemoryError) as error:
        raise CheckpointError(f"cannot save {shown}: {reason(error)}; {remedy(error)}") from error


def _check_arrays(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse, before anything is written, what would not be read again."""
    for name, array in arrays.items():
        if not _NAME.fullmatch(name):
            raise RefusedError(f"has an array with the name {shortened(name)!a}, which no checkpoint may have")
        if array.dtype.str not in _DTYPES or array.ndim > 2:
            form = f"{array.ndim} dimensions of {array.dtype}"
            raise RefusedError(f"has {shortened(name)!a} with {form}, which no checkpoint may have")


def _write_zip(stream: BufferedIOBase, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays as uncompressed members; a `ZipInfo` of its own date makes the bytes reproducible."""
    archive = zipfile.ZipFile(stream, "w", allowZip64=False)  # in a `with` it would be closed after Ctrl-C too
    try:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as member:
                c_ordered = np.asarray(array, order="C")
                header = np.lib.format.header_data_from_array_1_0(c_ordered)
                np.lib.format.write_array_header_1_0(member, header)
                member.write(c_ordered.reshape(-1).view(np.uint8).data)  # `write_array` would copy the numbers first
        archive.close()
    finally:
        # After an error nothing more is written, also not when it is collected: that would hide the error, or print.
        archive.fp = None


T = TypeVar("T")
_WORDS: Mapping[type, str] = MappingProxyType(
    {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a fraction", bool: "a yes or no"}
)
MOST_COUNTED = 1 << 62  # nanoseconds since 1970, which the cache keeps, have 61 bits
_MOST_DIGITS = 1000  # a random seed of 128 bits has 39


def parse(text: bytes) -> Any:
    """Read JSON in which no name is repeated and every number is finite.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_int=_whole, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("meta is nested too deeply") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError("meta is not JSON") from error


def _in_words(kind: type) -> str:
    return _WORDS.get(kind, "nothing")


def typed(value: object, kind: type[T]) -> T:
    """Return a value if it has exactly this type (a bool is not an int)."""
    if type(value) is not kind or not isinstance(value, kind):
        raise TypeError(f"meta has {_in_words(type(value))} where {_in_words(kind)} belongs")
    return value


def count(value: object, most: int = MOST_COUNTED) -> int:
    """Return a whole number of 0 or more."""
    number = typed(value, int)
    if number < 0:
        raise ValueError("meta has a negative count")
    if number > most:
        raise ValueError(f"meta has a count above {most:,}")
    return number


def number(value: object) -> float:
    """Return a finite number."""
    number = typed(value, float)
    if not math.isfinite(number):
        raise ValueError("meta has a number that is not finite")
    return number


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} in meta")


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits in meta")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice in meta")
    return values
