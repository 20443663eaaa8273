"""F7, F8, F9: a checkpoint that is cut short, changed in a byte or damaged at random is read as it was, or refused."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn import checkpoint
from charrnn.archive import read_arrays, write_arrays
from charrnn.errors import CheckpointError
from tests.faults.amount import trials
from tests.faults.conftest import Tried
from tests.faults.memory import forget_peak, peak
from tests.test_archive import Arrays, patched, refusal, same
from tests.test_checkpoint import made

# Names and shapes as a checkpoint has them, and so few numbers that most of the bytes are structure.
LITTLE: dict[str, NDArray[Any]] = {
    "params/cells.0.W_hh": np.array([[1.5, -2.0]], np.float32),
    "optimizer/sum_squares/linear.b_y": np.array([0.25, 7.0, 1e-9]),
    "state/0/h": np.zeros((2, 0), np.float32),
    "meta": np.frombuffer(b'{"step": 7}', np.uint8),
}


class Damaged:
    """Tries damaged files: each must give the same arrays as the whole one, or one error, soon."""

    def __init__(self, path: Path, arrays: Arrays, read: Callable[[Path], Arrays]) -> None:
        self.path, self.arrays, self.read = path, arrays, read
        self.refused = self.unchanged = 0
        self.slowest = 0.0

    def __call__(self, data: bytes) -> None:
        self.path.write_bytes(data)
        began = time.thread_time()  # the processor's time: a machine that is busy otherwise is no fault
        try:
            arrays = self.read(self.path)
        except CheckpointError:
            self.refused += 1
        else:
            assert same(arrays, self.arrays), "another content, and no error"
            self.unchanged += 1
        self.slowest = max(self.slowest, time.thread_time() - began)
        assert self.slowest < 0.1


def loaded(path: Path) -> Arrays:
    """The arrays of a checkpoint that all of `charrnn.checkpoint` has agreed to."""
    checkpoint.load(path)
    return read_arrays(path)


@pytest.fixture
def ram(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if the system has one: some disks take milliseconds for each file that is written anew."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def little(ram: Path) -> bytes:
    write_arrays(ram / "little.npz", LITTLE)
    return (ram / "little.npz").read_bytes()


def test_every_truncation_is_called_cut_short(ram: Path, tried: Tried) -> None:
    checkpoint.save(ram / "whole.npz", made("vanilla", "adagrad"))
    data = (ram / "whole.npz").read_bytes()
    cut = ram / "cut.npz"
    for length in range(1, len(data)):
        cut.write_bytes(data[:length])
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(cut)
        assert "is cut short" in str(caught.value) or length < 3  # "PK" alone looks like a text
    cut.write_bytes(b"")
    assert "is empty" in refusal(cut)
    tried("F7", truncations=len(data))


def structure(data: bytes, arrays: Arrays) -> list[int]:
    """Where the bytes are that are no numbers of an array: records of the zip file, and the headers of the arrays."""
    numbers: set[int] = set()
    for array in arrays.values():
        if array.nbytes:
            at = data.index(array.tobytes())
            numbers |= set(range(at, at + array.nbytes))
    return [at for at in range(len(data)) if at not in numbers]


def test_no_changed_byte_of_the_structure_changes_an_array(ram: Path, little: bytes, tried: Tried) -> None:
    rng = random.Random(8)  # noqa: S311 - damage, not secrets
    check = Damaged(ram / "changed.npz", LITTLE, read_arrays)
    places = structure(little, LITTLE)
    changes = [(at, byte) for at in places for byte in range(256) if byte != little[at]]
    for at, byte in rng.sample(changes, min(len(changes), trials(4_000, len(changes)))):
        check(patched(little, at, bytes([byte])))
    tried("F8", changed_bytes=check.refused + check.unchanged, refused=check.refused)


def spoiled(data: bytes, rng: random.Random) -> bytes:
    """Damage of one kind: bytes changed here and there, or a block zeroed, swapped, put in, taken out or copied."""
    at, length = rng.randrange(len(data)), rng.choice([1, 1, 4, 50, 512])
    other = rng.randrange(len(data))
    here_and_there = data
    for _ in range(rng.randint(1, 50)):
        here_and_there = patched(here_and_there, rng.randrange(len(data)), rng.randbytes(1))
    return rng.choice(
        [
            here_and_there,
            patched(data, at, rng.randbytes(length))[: len(data)],
            patched(data, at, bytes(length))[: len(data)],
            data[:at] + data[at + length :],
            data[:at] + rng.randbytes(length) + data[at:],
            patched(data, at, data[other : other + length]),
            data[:at] + data[other : other + length] + data[at:],
        ]
    )


@pytest.mark.parametrize("save", [write_arrays, np.savez_compressed], ids=["stored", "deflated"])
@pytest.mark.parametrize("size", ["little", "a checkpoint"])
def test_no_random_damage_changes_an_array(ram: Path, save: Callable[..., None], size: str, tried: Tried) -> None:
    checkpoint.save(ram / "made.npz", made("gru", "adagrad"))
    arrays = LITTLE if size == "little" else read_arrays(ram / "made.npz")
    if save is write_arrays:
        write_arrays(ram / "whole.npz", arrays)
    else:
        np.savez_compressed(ram / "whole.npz", **arrays)  # type: ignore[arg-type] # options are no arrays
    data = (ram / "whole.npz").read_bytes()
    check = Damaged(ram / "spoiled.npz", arrays, read_arrays if size == "little" else loaded)
    rng = random.Random(9)  # noqa: S311 - damage, not secrets
    for _ in range(50):
        check(spoiled(data, rng))
    forget_peak()
    before = peak()
    for _ in range(trials(100, 25_000)):
        check(spoiled(data, rng))
    assert peak() - before < 16 << 20
    tried(
        "F9", damaged_files=check.refused + check.unchanged, refused=check.refused, most_ms_for_one=check.slowest * 1e3
    )
