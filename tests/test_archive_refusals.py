"""Files that were made to mislead, and files given by mistake, are refused in one sentence."""

import gzip
import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from charrnn.archive import read_arrays
from tests.faults.memory import forget_peak, peak
from tests.test_archive import patched, refusal, same


def npy(
    header: str = "'<f4', 'fortran_order': False, 'shape': (2,)", body: bytes = bytes(8), padding: int = 0
) -> bytes:
    """A .npy file with the header's values as given."""
    text = f"{{'descr': {header}, }}{' ' * padding}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + body


def typed(dtype: str, shape: str = "(1,)", order: str = "False") -> str:
    return f"'{dtype}', 'fortran_order': {order}, 'shape': {shape}"


def pack(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, content in members:
                archive.writestr(zipfile.ZipInfo(name), content, method)
        return stream.getvalue()


@pytest.fixture
def give(tmp_path: Path) -> Callable[[bytes], Path]:
    def give(data: bytes) -> Path:
        path = tmp_path / "given.npz"
        path.write_bytes(data)
        return path

    return give


GOOD = npy()
ONE = pack([("W.npy", GOOD)])
TWO = pack([("A.npy", GOOD), ("B.npy", GOOD)])
BOMB = pack([("W.npy", npy(typed("|u1", f"({70 << 20},)"), bytes(70 << 20)))], zipfile.ZIP_DEFLATED)
PACKED = pack([("W.npy", GOOD)], zipfile.ZIP_DEFLATED)
DIRECTORY = ONE.rindex(b"PK\1\2")
END = ONE.rindex(b"PK\5\6")


def packed_with(end: bytes, more: int) -> bytes:
    """Return a file whose compressed bytes end otherwise; the member's size and the directory's start own up to it."""
    changed = patched(end + PACKED[-73:], -53, bytes([PACKED[-53] + more]))
    return patched(changed, -6, bytes([PACKED[-6] + more]))


# Words of the sentence -> what is wrong -> the member, or the file.
MEMBERS: dict[str, dict[str, bytes]] = {
    "is damaged ('W' is not a plain array of numbers)": {
        "objects": npy(typed("|O"), pickle.dumps(print)),
        "strings": npy(typed("<U2")),
        "raw bytes": npy(typed("|V8")),
        "records": npy("[('a', '<f4')], 'fortran_order': False, 'shape': (2,)"),
        "dates": npy(typed("<M8[s]")),
        "truth values": npy(typed("|b1", "(8,)")),
        "big-endian": npy(typed(">f4", "(2,)")),
        "Fortran order": npy(typed("<f4", "(2, 1)", "True")),
        "three dimensions": npy(typed("<f4", "(2, 1, 1)")),
        "a negative size": npy(typed("<f4", "(-2, -1)")),
        "a size of 2**70": npy(typed("<f4", f"({2**70},)")),
        "a long header": npy(padding=1000),
        "nested brackets": npy("(" * 400),
        "version 2": GOOD.replace(b"NUMPY\1", b"NUMPY\2"),
        "a wrong header length": patched(GOOD, 8, b"\1"),
        "no header": b"",
    },
    "is damaged ('W' does not have as many numbers as its shape says)": {
        "a size of 2**40": npy(typed("<f4", f"({2**40},)")),
        "a product that overflows": npy(typed("<f4", f"({2**33}, {2**33})")),
        "too few numbers": npy(body=bytes(4)),
        "too many numbers": npy(body=bytes(12)),
    },
    "is damaged ('W' holds a number that is not finite)": {
        "not a number": npy(body=np.array([0, np.nan], "<f4").tobytes()),
        "infinity": npy(body=np.array([0, -np.inf], "<f4").tobytes()),
    },
}
ARCHIVES: dict[str, dict[str, bytes]] = {
    "is damaged (its end record does not fit the file)": {
        "bytes before": b"PK\3\4" + ONE,
        "a second disk": patched(ONE, END + 4, b"\1"),
        "two counts": patched(ONE, END + 8, b"\2"),
        "a comment that is not there": patched(ONE, END + 20, b"\1"),
    },
    "is cut short or damaged at its end": {
        "bytes after": ONE + b"\0",
        "a zeroed tail": ONE[:-40] + bytes(40),
        "a comment": patched(ONE, END + 20, b"\1\0") + b"x",
        "a count that lies": patched(ONE, END + 8, b"\2\0\2\0"),
    },
    "is damaged (its arrays and its directory do not agree)": {
        "a gap": patched(ONE[:DIRECTORY] + b"?" + ONE[DIRECTORY:], END + 17, struct.pack("<L", DIRECTORY + 1)),
    },
    "is damaged (its directory does not have the length it claims)": {
        "a gap after the directory": ONE[:END] + b"?" + patched(ONE[END:], 12, bytes([END - DIRECTORY + 1])),
    },
    "is damaged (its directory holds an entry that no checkpoint has)": {
        "a member on another disk": patched(ONE, DIRECTORY + 34, b"\1"),
        "an entry without its signature": patched(ONE, DIRECTORY, b"?"),
        "an encrypted member": patched(ONE, DIRECTORY + 8, b"\1"),
        "an unknown method": patched(ONE, DIRECTORY + 10, b"\x63"),
        "lzma": pack([("W.npy", GOOD)], zipfile.ZIP_LZMA),
        "a name that is not ASCII": pack([("a\u202eb.npy", GOOD)]),
    },
    "is damaged ('B' is not where its directory says)": {
        "a second member without its signature": patched(TWO, TWO.rindex(b"PK\3\4"), b"?"),
        "overlapping members": patched(TWO, TWO.rindex(b"PK\1\2") + 42, bytes(4)),
    },
    "is damaged ('W' does not match its checksum)": {
        "a size that lies": patched(ONE, DIRECTORY + 24, b"\1"),
        "a member of another size": patched(ONE, DIRECTORY + 20, struct.pack("<2L", 40, 40)),
    },
    "is damaged (a member's compressed bytes do not end where they should)": {
        "bytes after the compressed ones": packed_with(PACKED[:-73] + b"?", 1),
        "compressed bytes without their end": packed_with(PACKED[:-74], -1),
    },
    "is damaged (a member cannot be decompressed: ": {
        "bytes that nobody compressed": patched(PACKED, 30 + len("W.npy"), b"\xff"),
    },
    "is damaged (its members claim more bytes than the file has)": {
        "a member of 4 GB": patched(ONE, DIRECTORY + 20, b"\xff" * 8),
    },
    "is damaged (it claims 1025 arrays, more than 1024)": {
        "1025 members": pack([(f"W{i}.npy", GOOD) for i in range(1025)]),
    },
    "is damaged (two of its arrays have one name)": {"the same member twice": TWO.replace(b"B.npy", b"A.npy")},
    "is damaged (its arrays would unpack to 73,400,395 bytes)": {"a bomb": BOMB},
    "is damaged (a member's compressed bytes are more than they claim to be)": {
        "a bomb that lies": patched(BOMB, BOMB.rindex(b"PK\1\2") + 24, struct.pack("<L", len(GOOD))),
    },
    "is damaged (it holds a member named ": {
        f"a member named {name!a}": pack([(f"{name}.npy", GOOD)])
        for name in ("../../x", "/abs", "a//b", "a/../b", "a\x1b[2J", "", "a b", "a\\b", "con:", "x\0y")
    },
    "is empty (was a save interrupted?)": {"empty": b""},
    "is not a charrnn checkpoint; give an .npz file": {
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(80),
        "zeros": bytes(4096),
        "a spanning mark": b"PK\7\x08" + ONE,
        "a script before the archive": b"#!/usr/bin/python3\n" + ONE,
    },
} | {
    f"is not a charrnn checkpoint (looks like {kind}": {kind: data}
    for kind, data in {
        "a PyTorch checkpoint": pack([("model/data.pkl", b"x")]),
        "a Keras model": pack([("metadata.json", b"{}")]),
        "an empty zip archive": pack([]),
        "a single .npy array": GOOD,
        "a Keras or HDF5 model": b"\x89HDF\r\n\x1a\n" + bytes(80),
        "a safetensors file": struct.pack("<Q", 40) + b'{"W":{}}' + bytes(40),
        "a pickle file": pickle.dumps({"W": 1}),
        "a gzip file": gzip.compress(ONE),
        "a Torch7 file": struct.pack("<3i", 4, 1, 3),
        "a text file": "Всё смешалось\r\n".encode(),
    }.items()
}
FILES = {
    name: (pack([("W.npy", data)]), words) for words, members in MEMBERS.items() for name, data in members.items()
} | {name: (data, words) for words, files in ARCHIVES.items() for name, data in files.items()}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_plain_archive_of_numbers_is_refused_with_the_reason(
    give: Callable[[bytes], Path], name: str
) -> None:
    data, words = FILES[name]
    assert words in refusal(give(data))


def test_plain_archive_is_not_refused(give: Callable[[bytes], Path]) -> None:
    assert same(read_arrays(give(ONE)), {"W": np.zeros(2, np.float32)})


def test_a_message_stays_short_however_long_a_name_is(give: Callable[[bytes], Path]) -> None:
    for changed in (npy(typed("|O")), b"", GOOD[:-1], npy(body=b"\xff" * 8)):
        assert len(refusal(give(pack([(60_000 * "W" + ".npy", changed)])))) < 1000


@pytest.mark.parametrize("name", ["a bomb", "a bomb that lies"])
def test_bomb_is_refused_before_it_fills_the_memory(give: Callable[[bytes], Path], name: str) -> None:
    path = give(FILES[name][0])
    tracemalloc.start()
    refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_size_that_is_not_true_takes_no_memory(give: Callable[[bytes], Path]) -> None:
    at = PACKED.rindex(b"PK\1\2") + 24
    path = give(patched(PACKED, at, struct.pack("<L", 60 << 20)))
    forget_peak()
    before = peak()
    assert "a member's compressed bytes do not end where they should" in refusal(path)
    assert peak() - before < 8 << 20


def test_what_would_unpack_to_more_than_the_limit_is_too_large(give: Callable[[bytes], Path]) -> None:
    plain = npy(typed("|u1", "(9000,)"), bytes(9000))
    small = give(pack([("W.npy", plain)], zipfile.ZIP_DEFLATED))
    assert "CHARRNN_MAX_CHECKPOINT_BYTES" in refusal(small, max_bytes=5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_not_a_file_is_refused_at_once() -> None:
    os.mkfifo("pipe.npz")
    Path("loop").symlink_to("loop")
    for path in (".", "/dev/null", "loop", "a\0b", "x" * 5000):
        refusal(path)
    for path in ("pipe.npz", "/dev/zero"):
        assert "is not a regular file" in refusal(path)
