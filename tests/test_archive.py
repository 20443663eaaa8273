"""An archive is read back exactly as it was written, or refused in one sentence."""

import gzip
import io
import os
import pickle
import random
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from charrnn.archive import read_arrays, write_arrays
from charrnn.errors import CheckpointError, ConfigError

Arrays = dict[str, NDArray[Any]]
DTYPES = ["<f2", "<f4", "<f8", "<i8", "<u4", "|u1"]
TINY: Arrays = {
    "params/W_xh": np.array([[1.5, -2.0]], np.float32),
    "meta": np.frombuffer(b'{"step": 7}', np.uint8),
}


def same(ours: Arrays, theirs: Arrays) -> bool:
    return list(ours) == list(theirs) and all(
        (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        for a, b in zip(ours.values(), theirs.values(), strict=True)
    )


def refusal(path: str | Path, **options: int) -> str:
    """The sentence with which a file is refused; it must be one printable line, and soon said."""
    begin = time.perf_counter()
    with pytest.raises(CheckpointError) as caught:
        read_arrays(path, **options)
    assert time.perf_counter() - begin < 1
    sentence = str(caught.value)
    assert sentence.isascii()
    assert sentence.isprintable()
    assert "pickle=" not in sentence
    return sentence


def npy(header: str = "'<f4', 'fortran_order': False, 'shape': (2,)", body: bytes = bytes(8)) -> bytes:
    """A .npy file with the header's values as given."""
    text = f"{{'descr': {header}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + body


def pack(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, content in members:
                archive.writestr(zipfile.ZipInfo(name), content, method)
        return stream.getvalue()


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    write_arrays(tmp_path / "tiny.npz", TINY)
    return tmp_path / "tiny.npz"


@pytest.fixture
def give(tmp_path: Path) -> Callable[[bytes], Path]:
    def give(data: bytes) -> Path:
        path = tmp_path / "given.npz"
        path.write_bytes(data)
        return path

    return give


@st.composite
def some_arrays(draw: st.DrawFn) -> Arrays:
    shapes = st.lists(st.integers(0, 5), max_size=2).map(tuple)
    finite = {"allow_nan": False, "allow_infinity": False}
    array = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes, elements=finite or None))
    names = st.from_regex(r"[a-z]\w{0,3}(/[a-zA-Z_0-9][\w.-]{0,5}){0,2}", fullmatch=True, alphabet="aZ_09./-")
    return draw(st.dictionaries(names, array, min_size=1, max_size=5))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays=some_arrays())
def test_reading_returns_what_was_written_and_numpy_agrees(tmp_path: Path, arrays: Arrays) -> None:
    path = tmp_path / "any.npz"
    write_arrays(path, arrays)
    ours = read_arrays(path)
    assert same(ours, arrays)
    assert all(array.flags.writeable and array.flags.c_contiguous for array in ours.values())
    with np.load(path, allow_pickle=False) as theirs:
        assert same({name: theirs[name] for name in theirs.files}, arrays)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_files_that_numpy_writes_are_read(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "theirs.npz", **TINY)
    assert same(read_arrays(tmp_path / "theirs.npz"), TINY)


def test_arrays_read_do_not_share_memory(tiny: Path) -> None:
    changed = read_arrays(tiny)
    changed["params/W_xh"][:] = 9
    assert same(read_arrays(tiny), TINY)


def test_every_truncation_is_called_cut_short(tiny: Path) -> None:
    data = tiny.read_bytes()
    for length in range(1, len(data)):
        tiny.write_bytes(data[:length])
        sentence = refusal(tiny)
        assert "is cut short" in sentence or length < 3  # "PK" alone looks like a text
    tiny.write_bytes(b"")
    assert "is empty" in refusal(tiny)


def assert_damage_is_seen(path: Path, data: bytes) -> None:
    """A damaged file gives the same arrays or an error; never others, and never another error."""
    path.write_bytes(data)
    try:
        arrays = read_arrays(path)
    except CheckpointError:
        return
    assert same(arrays, TINY)


def test_no_changed_byte_of_the_structure_changes_an_array(tiny: Path) -> None:
    data = tiny.read_bytes()
    for at, byte in enumerate(data):
        for new in {0x00, 0xFF, *(byte ^ 1 << bit for bit in range(8))}:
            assert_damage_is_seen(tiny, patched(data, at, bytes([new])))


def test_no_random_damage_changes_an_array(give: Callable[[bytes], Path], tmp_path: Path) -> None:
    rng = random.Random(1)  # noqa: S311 - damage, not secrets
    for save in (write_arrays, lambda path, arrays: np.savez_compressed(path, **arrays)):
        save(tmp_path / "whole.npz", TINY)
        data = (tmp_path / "whole.npz").read_bytes()
        for _ in range(2000):
            at, length = rng.randrange(len(data)), rng.choice([1, 1, 1, 4, 50])
            spoiled = rng.choice(
                [
                    patched(data, at, rng.randbytes(length))[: len(data)],
                    patched(data, at, bytes(length))[: len(data)],
                    data[:at] + data[at + length :],
                    data[:at] + rng.randbytes(length) + data[at:],
                ]
            )
            assert_damage_is_seen(give(spoiled), spoiled)


GOOD = npy()
ONE = pack([("W.npy", GOOD)])
TWO = pack([("A.npy", GOOD), ("B.npy", GOOD)])
BOMB = pack([("W.npy", npy(f"'|u1', 'fortran_order': False, 'shape': ({70 << 20},)", bytes(70 << 20)))], 8)
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
    "a long header": npy("'<f4', 'fortran_order': False, 'shape': (2,)" + " " * 1000),
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
    "an encrypted member": patched(ONE, DIRECTORY + 8, b"\1"),
    "an unknown method": patched(ONE, DIRECTORY + 10, b"\x63"),
    "a member of another size": patched(ONE, DIRECTORY + 20, struct.pack("<2L", 40, 40)),
    "a member of 4 GB": patched(ONE, DIRECTORY + 20, b"\xff" * 8),
    "a count that lies": patched(ONE, END + 8, b"\2\0\2\0"),
    "lzma": pack([("W.npy", GOOD)], zipfile.ZIP_LZMA),
    "513 members": pack([(f"W{i}.npy", GOOD) for i in range(513)]),
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


def test_missing_file_names_its_neighbours(tiny: Path) -> None:
    assert refusal(tiny.with_name("t\x1bny.npz")).endswith("t\\x1bny.npz'; in the same folder: 'tiny.npz'")


def test_size_limit_names_the_variable_that_raises_it(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "CHARRNN_MAX_CHECKPOINT_BYTES" in refusal(tiny, max_bytes=100)
    monkeypatch.setenv("CHARRNN_MAX_CHECKPOINT_BYTES", "100")
    refusal(tiny)
    monkeypatch.setenv("CHARRNN_MAX_CHECKPOINT_BYTES", "many")
    with pytest.raises(ConfigError, match="whole number of bytes"):
        read_arrays(tiny)
