"""Lines are whole or absent, whatever becomes of the disk or the reader."""

import errno
import io
import json
import os
from io import FileIO
from pathlib import Path

import pytest

from charrnn.training.log import LineWriter, open_to_append, read_entries
from tests.conftest import unix


class SmallDisk(FileIO):
    """A file on a disk that has room for so many bytes."""

    room = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = super().write(data[: self.room])
        self.room -= written
        return written


def values(path: Path) -> list[dict[str, object]]:
    return [entry.value for entry in read_entries(path)]


@pytest.mark.parametrize("room", range(12, 24))
def test_a_full_disk_leaves_whole_lines_is_told_once_and_is_tried_again(room: int) -> None:
    told: list[OSError] = []
    stream = SmallDisk("log", "a")
    writer = LineWriter(stream, told.append, can_cut=True)
    stream.room = room
    for number in range(3):
        writer.write({"line": number})
    assert Path("log").read_bytes() == b'{"line": 0}\n'
    assert [error.errno for error in told] == [errno.ENOSPC]
    stream.room = 100
    writer.write({"line": 3})
    writer.close()
    assert values(Path("log")) == [{"line": 0}, {"line": 3}]
    assert len(told) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_stream_that_failed_gets_nothing_more() -> None:
    told: list[OSError] = []
    writer = LineWriter(FileIO("/dev/full", "w"), told.append, can_cut=False)
    for number in range(3):
        writer.write({"line": number})
    writer.close()
    assert len(told) == 1


def test_a_reader_that_left_is_told_once_and_raises_nothing() -> None:
    reader, writing = os.pipe()
    os.close(reader)
    told: list[OSError] = []
    writer = LineWriter(FileIO(writing, "w"), told.append, can_cut=False)
    for number in range(3):
        writer.write({"line": number})
    writer.close()
    assert [type(error) for error in told] == [BrokenPipeError]


def test_a_write_that_was_cut_short_goes_on_to_the_line_s_end() -> None:
    class Slow(FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            return super().write(data[:5])

    writer = LineWriter(Slow("log", "a"), lambda _: None, can_cut=True)
    writer.write({"line": "0123456789"})
    writer.close()
    assert values(Path("log")) == [{"line": "0123456789"}]


def test_what_follows_the_kept_bytes_is_cut_off_and_the_rest_appended_to() -> None:
    Path("log").write_bytes(b'{"line": 0}\n{"line": 1}\n{"li')
    (first, _) = read_entries(Path("log"))
    writer = LineWriter(open_to_append(Path("log"), first.end), lambda _: None, can_cut=True)
    writer.write({"line": 2})
    writer.close()
    assert values(Path("log")) == [{"line": 0}, {"line": 2}]


@pytest.mark.parametrize(
    "damage", [b"\n", b"\0\0\0\n", b"[1]\n", b"{\n", b"\xff\n", b"[" * 100_000 + b"\n", b'{"line": 9', b"\0" * 40]
)
def test_what_is_damaged_is_left_out(damage: bytes) -> None:
    lines = [json.dumps({"line": number}).encode() + b"\n" for number in range(2)]
    Path("log").write_bytes(lines[0] + lines[1] + damage)
    assert [entry.value for entry in read_entries(Path("log"))] == [{"line": 0}, {"line": 1}]
    if damage.endswith(b"\n"):
        Path("log").write_bytes(lines[0] + damage + lines[1])
        assert [entry.value for entry in read_entries(Path("log"))] == [{"line": 0}, {"line": 1}]


@unix
def test_a_pipe_or_a_folder_is_not_waited_for() -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(OSError, match="not a regular file"):
            list(read_entries(Path(name)))
        with pytest.raises(OSError, match="not a regular file"):
            open_to_append(Path(name), 0)


def test_a_line_that_never_ends_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Endless(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            asked.append(size or -1)
            return b"x"

    monkeypatch.setattr(Path, "open", lambda *_: Endless())
    assert list(read_entries(Path("log"))) == []
    assert 0 < asked[0] < 2**30
