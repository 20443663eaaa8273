"""Bytes that grow are the same in memory, in a file, and where a file had to be given up."""

import errno
import mmap
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import TextError
from charrnn.text import storage
from charrnn.text.corpus import Numbering
from charrnn.text.storage import Cells, Integers, Place
from charrnn.text.vocabulary import code_points, from_code_points


@pytest.fixture(autouse=True, scope="module")
def few_bytes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "IN_MEMORY", 10)
        patch.setattr(storage, "PIECE_SIZE", 3)
        yield


@contextmanager
def place(has_place: bool = True) -> Iterator[Place | None]:
    file: Any
    with tempfile.TemporaryFile(buffering=0) as file:
        yield (lambda: file) if has_place else None


class FullDisk(FileIO):
    """A file that has no room beyond a size."""

    room = 0

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def full_disk(room: int) -> FullDisk:
    file = FullDisk("disk", "w+")
    file.room = room
    return file


def test_few_bytes_never_ask_for_a_file() -> None:
    def none() -> FileIO:
        raise AssertionError

    few = Cells(none)
    few.append(b"0123456789")
    assert bytes(few.view()) == b"0123456789"


@given(st.lists(st.binary(max_size=8)), st.booleans())
def test_many_bytes_are_the_same_wherever_they_are(parts: list[bytes], has_place: bool) -> None:
    with place(has_place) as here:
        some = Cells(here)
        for part in parts:
            some.append(part)
        whole = b"".join(parts)
        assert len(some) == len(whole)
        assert some.is_in_file == (has_place and len(whole) > 10)
        assert bytes(some.view()) == whole


@pytest.mark.parametrize("has_place", [False, True])
def test_units_change_their_size_in_place(has_place: bool) -> None:
    with place(has_place) as here:
        some = Cells(here)
        some.append(bytes(range(20)))
        some.change(1, 2, lambda data: b"".join(bytes([0, byte]) for byte in data))
        assert bytes(some.view()) == b"".join(bytes([0, byte]) for byte in range(20))
    with place(has_place) as here:
        some = Cells(here)
        some.append(bytes(range(20)))
        checksum = some.change(2, 1, lambda data: data[::2])
        assert bytes(some.view()) == bytes(range(0, 20, 2))
        assert checksum == zlib.crc32(bytes(range(0, 20, 2)))


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=8), st.booleans())
def test_a_text_is_numbered_the_same_in_a_file_and_in_memory(parts: list[str], has_place: bool) -> None:
    with place(has_place) as here:
        numbering = Numbering(place=here)
        for part in parts:
            numbering.append(code_points(part))
        numbering.renumber()
        text = "".join(parts)
        assert numbering.characters == "".join(sorted(set(text)))
        if text:
            assert from_code_points(code_points(numbering.characters)[numbering.ids]) == text


@pytest.mark.parametrize("has_place", [False, True])
def test_integers_grow_likewise_and_are_read_only_when_they_are_done(has_place: bool) -> None:
    with place(has_place) as here:
        some = Integers(np.uint16, here)
        for start in range(0, 60_000, 20_000):
            some.append(np.arange(start, start + 20_000))
        numbers = some.finish()
        assert numbers.dtype == np.uint16
        assert isinstance(numbers.base, memoryview)
        assert isinstance(numbers.base.obj, mmap.mmap) == has_place
        np.testing.assert_array_equal(numbers, np.arange(60_000))
        with pytest.raises(ValueError, match="read-only"):
            numbers[0] = 1
        if has_place:
            with pytest.raises(ValueError, match="closed"):
                some.append(numbers)


def test_ids_grow_to_two_bytes_in_the_middle_of_a_block_of_ascii() -> None:
    numbering = Numbering()
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 200))) + "".join(map(chr, range(100)))
    numbering.append(code_points(text[:200]))
    numbering.append(np.arange(100, dtype=np.uint8))  # as ASCII is decoded
    assert numbering.ids.dtype == np.uint16
    assert from_code_points(code_points(numbering.characters)[numbering.ids]) == text


@pytest.mark.parametrize("room", [0, 5, 11, 15, 19])
def test_where_the_disk_is_full_all_goes_on_in_memory(tmp_path: Path, room: int) -> None:
    assert tmp_path == Path.cwd()
    with full_disk(room) as disk:
        some = Cells(lambda: disk)
        for byte in range(20):
            some.append(bytes([byte]))
    assert not some.is_in_file
    assert some.trouble
    assert bytes(some.view()) == bytes(range(20))


def test_units_that_grow_go_on_in_memory_where_the_disk_has_no_room_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with place() as here:
        some = Cells(here)
        some.append(bytes(range(20)))
        some.change(1, 2, lambda data: b"".join(bytes([0, byte]) for byte in data))
        assert not some.is_in_file
        assert bytes(some.view()) == b"".join(bytes([0, byte]) for byte in range(20))


def test_bytes_in_memory_are_refused_before_they_fill_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_ROOM_ASKED_EVERY", 100)
    monkeypatch.setattr(storage, "available_memory", lambda: 250)
    some = Cells()
    some.append(bytes(150))  # and 100 more would still be free
    with pytest.raises(TextError, match="too long for the 250 bytes of memory that are free"):
        some.append(bytes(151))


def test_where_there_is_no_room_in_memory_either_the_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "available_memory", lambda: 1000)
    with full_disk(12) as disk:
        some = Cells(lambda: disk)
        some.append(bytes(11))
        with pytest.raises(TextError, match="give a part of it, or name a folder with more room in CHARRNN_CACHE"):
            some.append(bytes(2))
