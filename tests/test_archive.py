"""An archive is read back exactly as it was written, or refused in one sentence."""

from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from charrnn.archive import read_arrays, reader, write_arrays
from charrnn.errors import CheckpointError, ConfigError
from tests.faults.amount import trials

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
    """The sentence with which a file is refused; it must be one printable line."""
    with pytest.raises(CheckpointError) as caught:
        read_arrays(path, **options)
    sentence = str(caught.value)
    assert sentence.isascii()
    assert sentence.isprintable()
    assert "pickle=" not in sentence
    return sentence


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    write_arrays(tmp_path / "tiny.npz", TINY)
    return tmp_path / "tiny.npz"


@st.composite
def some_arrays(draw: st.DrawFn) -> Arrays:
    shapes = st.lists(st.integers(0, 5), max_size=2).map(tuple)
    finite = {"allow_nan": False, "allow_infinity": False}
    array = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes, elements=finite))
    names = st.from_regex(r"[a-z]\w{0,3}(/[a-zA-Z_0-9][\w.-]{0,5}){0,2}", fullmatch=True, alphabet="aZ_09./-")
    return draw(st.dictionaries(names, array, min_size=1, max_size=5))


@settings(max_examples=trials(200, 10_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_one_array_is_read_alone(tiny: Path) -> None:
    for name, array in TINY.items():
        assert same(read_arrays(tiny, only=name), {name: array})
    assert read_arrays(tiny, only="nothing") == {}


def test_missing_file_names_its_neighbours(tiny: Path) -> None:
    assert refusal(tiny.with_name("t\x1bny.npz")).endswith("/tiny.npz'?")
    assert refusal(tiny.with_name("zzz.npz")).endswith("zzz.npz'; in the same folder: 'tiny.npz'")
    assert refusal(tiny.with_name("zzz")).endswith("zzz'; `charrnn list` shows the models here")


def test_size_limit_names_the_variable_that_raises_it(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "CHARRNN_MAX_CHECKPOINT_BYTES" in refusal(tiny, max_bytes=tiny.stat().st_size - 1)
    assert same(read_arrays(tiny, max_bytes=tiny.stat().st_size), TINY)
    monkeypatch.setenv("CHARRNN_MAX_CHECKPOINT_BYTES", "100")
    refusal(tiny)
    monkeypatch.setenv("CHARRNN_MAX_CHECKPOINT_BYTES", "many")
    with pytest.raises(ConfigError, match="whole number of bytes"):
        read_arrays(tiny)


def test_file_replaced_while_it_is_read_is_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = {"W": np.zeros(9, np.float32)}, {"W": np.ones(3, np.float32)}
    write_arrays(tmp_path / "run.npz", old)
    write_arrays(tmp_path / "new.npz", new)
    look = reader._check_kind

    def replace_and_look(stream: BufferedIOBase) -> None:
        (tmp_path / "new.npz").replace(tmp_path / "run.npz")
        look(stream)

    with monkeypatch.context() as patch:
        patch.setattr(reader, "_check_kind", replace_and_look)
        assert same(read_arrays(tmp_path / "run.npz"), old)
    assert same(read_arrays(tmp_path / "run.npz"), new)
