"""A growing array is the same in memory, in a file, and after its file had to be given up."""

import errno
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
from charrnn.text.storage import GrowingArray, Place, is_mapped
from charrnn.text.vocabulary import code_points, from_code_points


@pytest.fixture(autouse=True, scope="module")
def few_bytes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "MOST_IN_MEMORY", 10)
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


def values_of(array: GrowingArray) -> list[int]:
    values: list[int] = array.view().tolist()
    return values


def test_few_values_never_ask_for_a_file() -> None:
    def none() -> FileIO:
        raise AssertionError

    few = GrowingArray(np.uint8, none)
    few.append(np.arange(10))
    assert values_of(few) == [*range(10)]


@given(st.lists(st.lists(st.integers(0, 60_000), max_size=8)), st.booleans())
def test_values_are_the_same_wherever_they_are(parts: list[list[int]], has_place: bool) -> None:
    with place(has_place) as here:
        some = GrowingArray(np.uint16, here)
        for part in parts:
            some.append(np.array(part, dtype=np.intp))
        whole = [value for part in parts for value in part]
        assert len(some) == len(whole)
        assert some.is_in_file == (has_place and len(whole) > 5)
        assert values_of(some) == whole


@pytest.mark.parametrize("has_place", [False, True])
def test_values_are_replaced_by_wider_and_by_narrower_ones(has_place: bool) -> None:
    with place(has_place) as here:
        some = GrowingArray(np.uint8, here)
        some.append(np.arange(20))
        some.recode(np.arange(20, dtype=np.uint16) * 1000)
        assert values_of(some) == [1000 * value for value in range(20)]
        checksum = some.recode((np.arange(20_000) // 1000).astype(np.uint8))
        assert values_of(some) == [*range(20)]
        assert checksum == zlib.crc32(bytes(range(20)))


@pytest.mark.parametrize("has_place", [False, True])
def test_a_finished_array_is_read_only_and_lasts_without_its_file(has_place: bool) -> None:
    with place(has_place) as here:
        some = GrowingArray(np.uint16, here)
        for start in range(0, 60_000, 20_000):
            some.append(np.arange(start, start + 20_000))
        numbers = some.finish()
    assert numbers.dtype == np.uint16
    assert is_mapped(numbers) == has_place
    np.testing.assert_array_equal(numbers, np.arange(60_000))
    with pytest.raises(ValueError, match="read-only"):
        numbers[0] = 1


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


def test_ids_grow_to_two_bytes_in_the_middle_of_a_block_of_ascii() -> None:
    numbering = Numbering()
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 200))) + "".join(map(chr, range(100)))
    numbering.append(code_points(text[:200]))
    numbering.append(np.arange(100, dtype=np.uint8))  # as ASCII is decoded
    assert numbering.ids.dtype == np.uint16
    assert from_code_points(code_points(numbering.characters)[numbering.ids]) == text


@pytest.mark.parametrize("room", [0, 5, 11, 15, 19])
def test_if_the_disk_is_full_all_stays_in_memory(tmp_path: Path, room: int) -> None:
    assert tmp_path == Path.cwd()
    with full_disk(room) as disk:
        some = GrowingArray(np.uint8, lambda: disk)
        for value in range(20):
            some.append(np.array([value]))
    assert not some.is_in_file
    assert some.trouble
    assert values_of(some) == [*range(20)]


def test_values_that_grow_stay_in_memory_if_the_disk_has_no_room_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with place() as here:
        some = GrowingArray(np.uint8, here)
        some.append(np.arange(20))
        some.recode(np.arange(20, dtype=np.uint16) * 1000)
        assert not some.is_in_file
        assert values_of(some) == [1000 * value for value in range(20)]


def test_values_in_memory_are_refused_before_they_fill_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_CHECK_EVERY", 100)
    monkeypatch.setattr(storage, "available_memory", lambda: 250)
    some = GrowingArray(np.uint8)
    some.append(np.zeros(150, np.uint8))  # and 100 more would still be free
    with pytest.raises(TextError, match="too long for the 250 bytes of free memory"):
        some.append(np.zeros(151, np.uint8))


def test_if_there_is_no_room_in_memory_either_the_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "available_memory", lambda: 1000)
    with full_disk(12) as disk:
        some = GrowingArray(np.uint8, lambda: disk)
        some.append(np.zeros(11, np.uint8))
        with pytest.raises(TextError, match="give a part of it, or name a folder with more room in CHARRNN_CACHE"):
            some.append(np.zeros(2, np.uint8))
