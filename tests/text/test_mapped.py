"""What was read of a map is let go, and reads the same afterwards."""

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.text.items import Documents, find_items
from charrnn.text.storage import is_mapped, release_pages
from charrnn.text.streams import Cursor, Streams

IDS = np.random.default_rng(0).integers(0, 200, 3_000_000).astype(np.uint8)


def mapped(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    Path("ids").write_bytes(ids.tobytes())
    with Path("ids").open("rb") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)


def pages_of_files() -> int:
    """This process's resident pages that belong to files, in kB."""
    return int(Path("/proc/self/status").read_text().split("RssFile:")[1].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_what_was_read_of_a_map_is_let_go_and_can_be_read_again() -> None:
    ids = mapped(IDS)
    total = int(ids.sum(dtype=np.int64))
    before = pages_of_files()
    release_pages(ids[1000:2000][3:])  # any part stands for all
    assert before - pages_of_files() > 2_000
    assert int(ids.sum(dtype=np.int64)) == total


def test_an_array_in_memory_stays_as_it_is() -> None:
    array = np.arange(5)
    release_pages(array[1:])
    release_pages(np.frombuffer(b"abc", dtype=np.uint8))
    release_pages(np.frombuffer(memoryview(bytearray(b"abc")), dtype=np.uint8))
    assert not is_mapped(array[1:])
    assert is_mapped(mapped(IDS[:9])[2:][::2])
    assert array.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_an_epoch_over_a_map_reads_the_same_and_holds_little_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.text.streams._MOST_MAPPED", 4_000_000)
    whole = np.tile(IDS, 10)
    streams, plain, cursor = Streams(mapped(whole), 1, 500_000), Streams(whole, 1, 500_000), Cursor(0, 0)
    before, most = pages_of_files(), 0
    while cursor.epoch == 0:
        for ours, wanted in zip(streams.chunk(cursor), plain.chunk(cursor), strict=True):
            np.testing.assert_array_equal(ours, wanted)
        cursor = streams.advance(cursor)
        most = max(most, pages_of_files() - before)
    assert most < 20_000  # kB, of 30,000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_items_read_anywhere_in_a_map_are_release_pages() -> None:
    items, _ = find_items(mapped(np.tile(IDS, 20)), np.array([0]))
    documents, cursor = Documents(items, 8, 400, np.random.default_rng), Cursor(0, 0)
    documents.chunk(cursor)
    before = pages_of_files()
    for _ in range(100):
        documents.chunk(cursor)
        cursor = documents.advance(cursor)
    assert pages_of_files() - before < 1_000  # kB, of 60,000
