"""F5: the power goes at any moment of a save, and the disk keeps what it likes of what was not flushed.

A save is recorded call by call. From the recording every state is built that a disk may hold after a power loss: what
was flushed is there, what was not may be missing, zero, cut short, or there after all. (The method, in small, of
T. Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.)
"""

import itertools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.archive import read_arrays, write_arrays
from tests.faults.conftest import Tried
from tests.faults.disk import watch

TARGET = "run.npz"
Call = tuple[Any, ...]


def arrays(number: int) -> dict[str, NDArray[Any]]:
    """Some of them larger than a buffer, so that a save is several writes; all of them full of one number."""
    return {f"W{i}": np.full((40 * i + 1, 70), number, np.float32) for i in range(4)}


class Write(NamedTuple):
    """Bytes that went to a file at a place."""

    at: int
    data: bytes


class Disk:
    """What is on a disk for sure, and what may be.

    A file is its flushed bytes and the writes since. A name points to a file; names that were changed since the folder
    was flushed may be as they were before each change, or after.
    """

    def __init__(self, names: dict[str, int], files: list[bytes]) -> None:
        self.names, self.files = [names], files
        self.unsynced: list[list[Write]] = [[] for _ in files]

    def do(self, call: str, *args: Any) -> None:
        names = self.names[-1]
        match call:
            case "create":
                self.files.append(b"")
                self.unsynced.append([])
                self.names.append({**names, args[0]: len(self.files) - 1})
            case "write":
                self.unsynced[names[args[0]]].append(Write(args[1], args[2]))
            case "fsync":
                file = names[args[0]]
                self.files[file] = patched(self.files[file], self.unsynced[file])
                self.unsynced[file] = []
            case "replace":
                moved = names[args[0]]
                self.names.append({name: file for name, file in names.items() if name != args[0]} | {args[1]: moved})
            case "unlink":
                self.names.append({name: file for name, file in names.items() if name != args[0]})
            case "fsync folder":
                self.names = [names]
            case _:
                raise AssertionError(call)

    def after_a_power_loss(self) -> Iterator[bytes | None]:
        """What the target may hold: None where there is none."""
        for names in self.names:
            if TARGET not in names:
                yield None
                continue
            file = names[TARGET]
            for writes in some_of(self.unsynced[file]):
                yield patched(self.files[file], writes)


def patched(data: bytes, writes: list[Write]) -> bytes:
    for at, new in writes:
        data = data[:at].ljust(at, b"\0") + new + data[at + len(new) :]
    return data


def some_of(writes: list[Write]) -> Iterator[list[Write]]:
    """What may have become of writes that were not flushed."""
    zeros = [Write(at, bytes(len(data))) for at, data in writes]
    yield from (writes[:k] for k in range(len(writes) + 1))  # the first ones arrived
    yield from (writes[k:] for k in range(1, len(writes)))  # the last ones did
    yield from ([*writes[:k], zeros[k], *writes[k + 1 :]] for k in range(len(writes)))  # one is there in length only
    yield zeros


class Recorder:
    """Notes each call that changes the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[Call] = []

    def __call__(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "fsync":
            status = os.fstat(args[0])
            if stat.S_ISDIR(status.st_mode):
                self.calls.append(("fsync folder",))
            else:
                path = next(path for path in self.folder.iterdir() if path.stat().st_ino == status.st_ino)
                self.calls.append(("fsync", path.name))
        elif name in ("create", "write"):
            self.calls.append((name, args[0].name, *args[1:]))
        elif name == "replace" or (name == "unlink" and Path(args[0]).exists()):
            self.calls.append((name, *(Path(arg).name for arg in args)))
        else:
            assert name in ("read", "close", "open", "chmod", "unlink"), name  # these change no bytes and no name


def recorded(path: Path, number: int) -> list[Call]:
    recorder = Recorder(path.parent)
    with pytest.MonkeyPatch.context() as monkeypatch:
        watch(monkeypatch, recorder)
        write_arrays(path, arrays(number))
    return recorder.calls


def number_in(path: Path, data: bytes | None) -> int | None:
    """Which save the bytes are from; any damage is an error."""
    if data is None:
        return None
    path.write_bytes(data)
    found = read_arrays(path)
    numbers = {float(number) for array in found.values() for number in array.flat}
    assert len(found) == 4
    assert len(numbers) == 1
    return int(numbers.pop())


@pytest.mark.parametrize("has_an_old_file", [True, False], ids=["over an old file", "first"])
def test_after_a_power_loss_at_any_moment_the_target_is_old_or_new(
    tmp_path: Path, has_an_old_file: bool, tried: Tried
) -> None:
    path = tmp_path / "run" / TARGET
    path.parent.mkdir()
    if has_an_old_file:
        write_arrays(path, arrays(0))
    disk = Disk({TARGET: 0} if has_an_old_file else {}, [path.read_bytes()] if has_an_old_file else [])
    acknowledged = 0 if has_an_old_file else None
    states = 0
    for number in (1, 2):
        calls = recorded(path, number)
        assert sum(call[0] == "write" for call in calls) > 5
        for call in calls:
            disk.do(*call)
            for state in disk.after_a_power_loss():
                assert number_in(tmp_path / "state.npz", state) in (acknowledged, number), call
                states += 1
        acknowledged = number
        assert {number_in(tmp_path / "state.npz", state) for state in disk.after_a_power_loss()} == {number}
    tried("F5", states_of_a_disk_after_a_power_loss=states)


# What goes wrong where a step is left out or comes too early.
CARELESS: dict[str, Callable[[list[Call]], list[Call]]] = {
    "no flush of the file": lambda calls: [call for call in calls if call[0] != "fsync"],
    "flushed too late": lambda calls: [
        *(call for call in calls if call[0] not in ("fsync", "fsync folder")),
        ("fsync", TARGET),
        ("fsync folder",),
    ],
    "no flush of the folder": lambda calls: [call for call in calls if call[0] != "fsync folder"],
    "written in place": lambda calls: [
        (call[0], TARGET, *call[2:]) for call in calls if call[0] in ("create", "write", "fsync")
    ],
}


@pytest.mark.parametrize("way", CARELESS)
def test_a_careless_way_of_saving_is_seen_to_lose(tmp_path: Path, way: str) -> None:
    path = tmp_path / "run" / TARGET
    path.parent.mkdir()
    write_arrays(path, arrays(0))
    disk = Disk({TARGET: 0}, [path.read_bytes()])
    seen: set[Any] = set()
    for call in CARELESS[way](recorded(path, 1)):
        disk.do(*call)
        for state in itertools.islice(disk.after_a_power_loss(), 20):
            try:
                seen.add(number_in(tmp_path / "state.npz", state))
            except Exception:  # noqa: BLE001 - whatever it is, the file is lost
                seen.add("lost")
    at_the_end = set(disk.after_a_power_loss())
    assert "lost" in seen or len(at_the_end) > 1  # else what was acknowledged as saved may be the old file
