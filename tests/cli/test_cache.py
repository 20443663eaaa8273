"""What the cache holds is listed and removed on the command line."""

import json
from pathlib import Path

import pytest

from charrnn.text import storage
from tests.conftest import TINY, Charrnn


@pytest.fixture(autouse=True)
def few_bytes(monkeypatch: pytest.MonkeyPatch, text_file: Path) -> None:
    monkeypatch.setattr(storage, "MOST_IN_MEMORY", 100)
    Path("lamp.txt").write_bytes(text_file.read_bytes())
    Path("two.txt").write_bytes(2 * text_file.read_bytes())


def train(charrnn: Charrnn, *arguments: str) -> str:
    outcome = charrnn("train", *TINY, "--steps", "2", *arguments)
    assert outcome.code == 0, outcome.err
    return outcome.err


def test_a_run_tells_of_the_cache_and_the_next_one_uses_it(charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", "kept")
    first = train(charrnn, "lamp.txt", "--checkpoint", "a.npz")
    assert first.startswith("prepared, and kept for later runs in ")
    again = train(charrnn, "lamp.txt", "--checkpoint", "b.npz")
    assert again.startswith("prepared before: 654 bytes in ")
    monkeypatch.setattr(storage, "MOST_IN_MEMORY", 1 << 20)
    train(charrnn, "lamp.txt", "--checkpoint", "c.npz", "-q")
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes() == Path("c.npz").read_bytes()


def test_a_run_goes_on_from_the_cache_to_the_bytes_of_one_in_memory(
    charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    for limit in (100, 1 << 20):
        monkeypatch.setattr(storage, "MOST_IN_MEMORY", limit)
        train(charrnn, "lamp.txt", "--checkpoint", "run.npz", "--overwrite", "--schedule-steps", "5")
        outcome = charrnn("train", "--resume", "--checkpoint", "run.npz", "--steps", "5")
        assert outcome.code == 0
        ends.append(Path("run.npz").read_bytes())
    assert ends[0] == ends[1]


def test_what_is_kept_is_listed_and_removed(charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", "kept")
    assert charrnn("cache").out.startswith(b"no cached texts in ")
    train(charrnn, "lamp.txt", "--checkpoint", "a.npz")
    train(charrnn, "two.txt", "--checkpoint", "b.npz")
    header, two, lamp, total = charrnn("cache").out.decode().splitlines()
    assert header.split() == ["text", "size", "characters", "symbols", "used"]
    assert two.split()[0] == "two.txt"
    assert (lamp.split()[0], lamp.split()[3:5]) == ("lamp.txt", ["654", "22"])
    assert total.startswith("2 texts, ")
    values = [json.loads(line) for line in charrnn("cache", "--json").out.splitlines()]
    assert [value["name"] for value in values] == ["two", "lamp"]
    assert charrnn("cache", "--clear", "lamp.txt").out.startswith(b"removed 1 text, ")
    assert len(list(Path("kept").iterdir())) == 1
    assert charrnn("cache", "lamp.txt").code == 1
    next(Path("kept").glob("*.ids")).write_bytes(b"spoiled")
    assert b"damaged" in charrnn("cache").out
    assert charrnn("cache", "--clear").out.startswith(b"removed 1 text, ")
    assert not list(Path("kept").iterdir())
