"""Files that somebody made to do harm, or gave by mistake: name -> bytes. Those of the archive tests, and more.

Run as a program it reads each of them, under a limit of memory, and prints what it cost.
"""

import json
import os
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from charrnn import checkpoint
from charrnn.archive import write_arrays
from charrnn.errors import CheckpointError
from tests.faults.memory import forget_peak, peak
from tests.test_archive_refusals import FILES, GOOD, npy, pack, typed
from tests.test_checkpoint import WRONG_ARRAYS, WRONG_META, made, tampered

ADDRESS_SPACE = 1 << 30  # bytes
MEGABYTE = 1 << 20
TINY_META = b'{"format": 1}'


def with_meta(text: bytes) -> bytes:
    """An archive whose description is this text."""
    write_arrays("meta.npz", {"meta": np.frombuffer(text, np.uint8)})
    return Path("meta.npz").read_bytes()


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that ask for much memory or time."""
    zeros = npy(typed("|u1", f"({100 * MEGABYTE},)"), bytes(100 * MEGABYTE))
    yield "bomb of 100 MB", pack([("W.npy", zeros)], zipfile.ZIP_DEFLATED)
    del zeros
    for name, method in (("bzip2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        yield f"bomb in {name}", pack([("W.npy", GOOD + bytes(MEGABYTE))], method)
    header = b"\x93NUMPY\1\0\xff\xff{'descr': '<f4', " + b" " * (60 * MEGABYTE)
    yield "bomb of a header", pack([("W.npy", header)], zipfile.ZIP_DEFLATED)
    yield "bomb of a header of version 3", pack([("W.npy", b"\x93NUMPY\3\0\xff\xff\xff\3" + bytes(80 * MEGABYTE))], 8)
    yield "bomb in bytes that are no array", pack([("W", bytes(80 * MEGABYTE))], zipfile.ZIP_DEFLATED)
    many = [(f"W{i}.npy", npy(typed("|u1", f"({MEGABYTE},)"), bytes(MEGABYTE))) for i in range(99)]
    yield "bomb in many members", pack(many, zipfile.ZIP_DEFLATED)
    inner = pack([("W.npy", GOOD + bytes(50 * MEGABYTE))], zipfile.ZIP_DEFLATED)
    yield "bomb in a zip file in a zip file", pack([("W.npy", pack([("V.npy", inner)], 8))], 8)
    yield "bomb of lists in the description", with_meta(b"[" * (5 * MEGABYTE))
    yield "bomb of digits in the description", with_meta(b'{"format": ' + b"9" * (10 * MEGABYTE) + b"}")
    yield "60,000 members", pack([(f"{i}.npy", b"") for i in range(60_000)])
    overlapping = bytearray(pack([(f"W{i}.npy", GOOD) for i in range(400)]))
    at = overlapping.index(b"PK\1\2")
    while at >= 0:  # every entry points to the first member
        overlapping[at + 42 : at + 46] = bytes(4)
        at = overlapping.find(b"PK\1\2", at + 4)
    yield "400 entries for one member", bytes(overlapping)


def descriptions() -> Iterator[tuple[str, bytes]]:
    """Descriptions that are no honest JSON, or say what cannot be."""
    for text in (
        *(b"null", b"[]", b"1", b'"x"', b"{", b"'format'", TINY_META, TINY_META + b"\0", TINY_META * 2),
        *(b'{"format": NaN}', b'{"format": Infinity}', b'{"format": 1e999}', b'{"format": 1, "format": 2}'),
        *(b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b'{"\\ud800": 1}', b'{"format": 1, "x": "\\udfff"}'),
        *(b'{"format": "1"}', b'{"format": true}', b'{"format": -1}', b'{"format": 1.0}', b'{"format": null}'),
        *(b"{" * 5000, b'{"a":' * 5000, b'"' + b"\\" * 9999, b'{"format": 999999999999999999999999}'),
    ):
        yield f"description {text[:24]!r}", with_meta(text)


def other_files() -> Iterator[tuple[str, bytes]]:
    """What else looks like an archive, and is none."""
    yield "an end record alone", b"PK\5\6" + bytes(18)
    yield "a local record alone", b"PK\3\4" + bytes(26)
    yield "PK", b"PK"
    zip64 = bytearray(pack([("W.npy", GOOD)]))
    end = zip64.rindex(b"PK\5\6")
    locator = b"PK\6\7" + struct.pack("<LQL", 0, end, 1)
    record = b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, 1, 1, end - zip64.rindex(b"PK\1\2"), 0)
    yield "zip64 records", bytes(zip64[:end]) + record + locator + bytes(zip64[end:])


def contradictions() -> Iterator[tuple[str, bytes]]:
    """Good archives that say of themselves what is not so."""
    for name, (change, _) in WRONG_META.items():
        yield f"description: {name}", tampered(change_meta=change).read_bytes()
    for name, (change_arrays, _) in WRONG_ARRAYS.items():
        yield f"arrays: {name}", tampered(change_arrays=change_arrays).read_bytes()


def files() -> Iterator[tuple[str, bytes]]:
    """Every crafted file, one at a time: some are large."""
    yield from ((name, data) for name, (data, _) in FILES.items())
    yield from other_files()
    yield from descriptions()
    yield from contradictions()
    yield from bombs()


def odd_paths(folder: Path) -> list[str]:
    """Paths that are no files, or none that may be read."""
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "to nowhere").symlink_to(folder / "nothing")
    (folder / "to a pipe").symlink_to(folder / "pipe")
    (folder / "file").touch()
    paths = ["pipe", "loop", "to nowhere", "to a pipe", "file/x.npz", "none/x.npz", ".", "x" * 5000, "a\0b", "\udcff"]
    paths += ["\x1b[2J", "\u202e.npz"]
    return [str(folder / path) for path in paths] + ["", "/", "/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem"]


def refusal(path: str) -> tuple[str, float]:
    """The sentence of the error, and the processor's seconds it took; a file that is read is an error here."""
    began = time.thread_time()
    try:
        checkpoint.load(path)
    except CheckpointError as error:
        return str(error), time.thread_time() - began
    raise AssertionError(f"{path} was read")


def read_all(folder: Path) -> None:
    """Read each crafted file and odd path, and print what all of them cost."""
    checkpoint.save(folder / "good.npz", made())
    checkpoint.load(folder / "good.npz")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    forget_peak()
    before = peak()
    names = json.loads((folder / "names.json").read_text())
    slowest = (0.0, "")
    for name, path in [*names.items(), *((path, path) for path in odd_paths(folder / "odd"))]:
        sentence, seconds = refusal(path)
        if not sentence.isprintable() or "pickle=" in sentence:
            raise AssertionError(f"{name!a}: {sentence!a}")
        slowest = max(slowest, (seconds, name))
    grown = (peak() - before) // 1024
    sys.stdout.write(json.dumps({"kilobytes": grown, "seconds": slowest[0], "slowest": slowest[1]}))


if __name__ == "__main__":
    read_all(Path(sys.argv[1]))
