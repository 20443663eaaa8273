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
BOMB = pack([("W.npy", npy(f"'|u1', 'fortran_order': False, 'shape': ({70 << 20},)", bytes(70 << 20)))], 8)
PACKED = pack([("W.npy", GOOD)], zipfile.ZIP_DEFLATED)


def test_a_message_stays_short_however_long_a_name_is(give: Callable[[bytes], Path]) -> None:
    for changed in (npy("'|O', 'fortran_order': False, 'shape': (1,)"), b"", GOOD[:-1], npy(body=b"\xff" * 8)):
        assert len(refusal(give(pack([(60_000 * "W" + ".npy", changed)])))) < 1000


def packed_with(end: bytes, more: int) -> bytes:
    """Return a file whose compressed bytes end otherwise; the member's size and the directory's start own up to it."""
    changed = patched(end + PACKED[-73:], -53, bytes([PACKED[-53] + more]))
    return patched(changed, -6, bytes([PACKED[-6] + more]))


DIRECTORY = ONE.rindex(b"PK\1\2")
END = ONE.rindex(b"PK\5\6")
WHOLE_ARRAYS = {
    "objects": npy("'|O', 'fortran_order': False, 'shape': (1,)", pickle.dumps(print)),
    "strings": npy("'<U2', 'fortran_order': False, 'shape': (1,)"),
    "raw bytes": npy("'|V8', 'fortran_order': False, 'shape': (1,)"),
    "records": npy("[('a', '<f4')], 'fortran_order': False, 'shape': (2,)"),
    "dates": npy("'<M8[s]', 'fortran_order': False, 'shape': (1,)"),
    "truth values": npy("'|b1', 'fortran_order': False, 'shape': (8,)"),
    "big-endian": npy("'>f4', 'fortran_order': False, 'shape': (2,)"),
    "Fortran order": npy("'<f4', 'fortran_order': True, 'shape': (2, 1)"),
    "three dimensions": npy("'<f4', 'fortran_order': False, 'shape': (2, 1, 1)"),
    "a negative size": npy("'<f4', 'fortran_order': False, 'shape': (-2, -1)"),
    "a size of 2**40": npy(f"'<f4', 'fortran_order': False, 'shape': ({2**40},)"),
    "a size of 2**70": npy(f"'<f4', 'fortran_order': False, 'shape': ({2**70},)"),
    "a product that overflows": npy(f"'<f4', 'fortran_order': False, 'shape': ({2**33}, {2**33})"),
    "too few numbers": npy(body=bytes(4)),
    "too many numbers": npy(body=bytes(12)),
    "not a number": npy(body=np.array([0, np.nan], "<f4").tobytes()),
    "infinity": npy(body=np.array([0, -np.inf], "<f4").tobytes()),
    "a long header": npy(padding=1000),
    "nested brackets": npy("(" * 400),
    "version 2": GOOD.replace(b"NUMPY\1", b"NUMPY\2"),
    "a wrong header length": patched(GOOD, 8, b"\1"),
    "no header": b"",
}
ARCHIVES = {
    "bytes before": b"PK\3\4" + ONE,
    "bytes after": ONE + b"\0",
    "a zeroed tail": ONE[:-40] + bytes(40),
    "a comment": patched(ONE, END + 20, b"\1\0") + b"x",
    "a gap": patched(ONE[:DIRECTORY] + b"?" + ONE[DIRECTORY:], END + 17, struct.pack("<L", DIRECTORY + 1)),
    "a gap after the directory": ONE[:END] + b"?" + patched(ONE[END:], 12, bytes([END - DIRECTORY + 1])),
    "a second disk": patched(ONE, END + 4, b"\1"),
    "two counts": patched(ONE, END + 8, b"\2"),
    "a comment that is not there": patched(ONE, END + 20, b"\1"),
    "a member on another disk": patched(ONE, DIRECTORY + 34, b"\1"),
    "an entry without its signature": patched(ONE, DIRECTORY, b"?"),
    "a second member without its signature": patched(TWO, TWO.rindex(b"PK\3\4"), b"?"),
    "a size that lies": patched(ONE, DIRECTORY + 24, b"\1"),
    "bytes after the compressed ones": packed_with(PACKED[:-73] + b"?", 1),
    "compressed bytes without their end": packed_with(PACKED[:-74], -1),
    "an encrypted member": patched(ONE, DIRECTORY + 8, b"\1"),
    "an unknown method": patched(ONE, DIRECTORY + 10, b"\x63"),
    "a member of another size": patched(ONE, DIRECTORY + 20, struct.pack("<2L", 40, 40)),
    "a member of 4 GB": patched(ONE, DIRECTORY + 20, b"\xff" * 8),
    "a count that lies": patched(ONE, END + 8, b"\2\0\2\0"),
    "lzma": pack([("W.npy", GOOD)], zipfile.ZIP_LZMA),
    "1025 members": pack([(f"W{i}.npy", GOOD) for i in range(1025)]),
    "overlapping members": patched(TWO, TWO.rindex(b"PK\1\2") + 42, bytes(4)),
    "a name that is not ASCII": pack([("a\u202eb.npy", GOOD)]),
    "the same member twice": TWO.replace(b"B.npy", b"A.npy"),
    "a bomb": BOMB,
    "a bomb that lies": patched(BOMB, BOMB.rindex(b"PK\1\2") + 24, struct.pack("<L", len(GOOD))),
}


@pytest.mark.parametrize("content", WHOLE_ARRAYS.values(), ids=WHOLE_ARRAYS)
def test_member_that_is_no_plain_array_is_refused(give: Callable[[bytes], Path], content: bytes) -> None:
    assert "is damaged ('W' " in refusal(give(pack([("W.npy", content)])))


@pytest.mark.parametrize("data", ARCHIVES.values(), ids=ARCHIVES)
def test_archive_that_is_not_plain_is_refused(give: Callable[[bytes], Path], data: bytes) -> None:
    assert refusal(give(data))


@pytest.mark.parametrize("name", ["../../x", "/abs", "a//b", "a/../b", "a\x1b[2J", "", "a b", "a\\b"])
def test_member_with_a_name_like_a_path_is_refused(give: Callable[[bytes], Path], name: str) -> None:
    assert "member named" in refusal(give(pack([(f"{name}.npy", GOOD)])))


def test_plain_archive_is_not_refused(give: Callable[[bytes], Path]) -> None:
    assert same(read_arrays(give(ONE)), {"W": np.zeros(2, np.float32)})


MISTAKEN = {
    "a PyTorch checkpoint": pack([("model/data.pkl", b"x")]),
    "a Keras model": pack([("metadata.json", b"{}")]),
    "an empty zip archive": pack([]),
    "a single .npy array": GOOD,
    "a Keras or HDF5 model": b"\x89HDF\r\n\x1a\n" + bytes(80),
    "a safetensors file": struct.pack("<Q", 40) + b'{"W":{}}' + bytes(40),
    "a pickle file": pickle.dumps({"W": 1}),
    "a gzip file": gzip.compress(b"x"),
    "a Torch7 file": struct.pack("<3i", 4, 1, 3),
    "a text file": "Всё смешалось\r\n".encode(),
}


@pytest.mark.parametrize(("kind", "data"), MISTAKEN.items(), ids=MISTAKEN)
def test_other_kind_of_file_is_named(give: Callable[[bytes], Path], kind: str, data: bytes) -> None:
    assert f"is not a charrnn checkpoint (looks like {kind}" in refusal(give(data))


def test_unknown_kind_of_file_is_not_called_damaged(give: Callable[[bytes], Path]) -> None:
    assert "is not a charrnn checkpoint; give" in refusal(give(b"\x89PNG\r\n\x1a\n" + bytes(80)))


@pytest.mark.parametrize("name", ["a bomb", "a bomb that lies"])
def test_bomb_is_refused_before_it_fills_the_memory(give: Callable[[bytes], Path], name: str) -> None:
    path = give(ARCHIVES[name])
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


def test_what_is_not_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (
        tmp_path,
        tmp_path / "pipe",
        "/dev/zero",
        "/dev/null",
        tmp_path / "loop",
        "a\0b",
        "x" * 5000,
    ):
        refusal(path)
    for path in (tmp_path / "pipe", "/dev/zero"):
        assert "is not a regular file" in refusal(path)


def test_a_compressed_member_that_is_no_such_thing_is_damaged(give: Callable[[bytes], Path]) -> None:
    start = 30 + len("W.npy")
    assert "a member cannot be decompressed" in refusal(give(patched(PACKED, start, b"\xff")))


def test_what_would_unpack_to_more_than_the_limit_is_too_large(give: Callable[[bytes], Path]) -> None:
    plain = npy("'|u1', 'fortran_order': False, 'shape': (9000,)", bytes(9000))
    small = give(pack([("W.npy", plain)], zipfile.ZIP_DEFLATED))
    assert "CHARRNN_MAX_CHECKPOINT_BYTES" in refusal(small, max_bytes=5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    assert "is not a regular file" in refusal(tmp_path / "pipe.npz")


def test_an_empty_file_says_what_may_have_happened(give: Callable[[bytes], Path]) -> None:
    assert "is empty (was a save interrupted?)" in refusal(give(b""))
