"""A packed text is read whole, or an error says that it is damaged: never a part of it in silence."""

import gzip
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.cache import load_corpus
from charrnn.errors import TextError
from charrnn.text.corpus import Corpus, read_corpus
from charrnn.text.sources import Watcher

PARTS = ("the lamp went round, \n", "and the sea ", "went round the lamp.\n")
PACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress}


def decoded(corpus: Corpus) -> str:
    return corpus.vocabulary.decode(corpus.ids)


def packed(kind: str, between: bytes = b"") -> list[bytes]:
    """The parts of the text, each packed, with what stands behind each."""
    return [PACK[kind](part.encode()) + between for part in PARTS]


def written(kind: str, data: bytes) -> str:
    Path(f"t.txt.{kind}").write_bytes(data)
    return f"t.txt.{kind}"


@pytest.mark.parametrize("between", [b"", bytes(4), bytes(1 << 18)])
@pytest.mark.parametrize("kind", PACK)
def test_streams_one_after_another_are_one_text(kind: str, between: bytes) -> None:
    assert decoded(read_corpus([written(kind, b"".join(packed(kind, between)))])) == "".join(PARTS)


def test_a_long_packed_text_is_read_in_blocks() -> None:
    text = "".join(random.Random(0).choices("abcdefgh \n", k=3_000_000))  # noqa: S311
    half = len(text) // 2
    data = lzma.compress(text[:half].encode(), preset=0) + lzma.compress(text[half:].encode(), preset=0)
    assert decoded(read_corpus([written("xz", data)])) == text


# At each byte of a file of three streams, what may happen to it.
DAMAGE: dict[str, Callable[[bytes, int], bytes]] = {
    "another byte": lambda data, at: data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :],
    "a byte more": lambda data, at: data[:at] + b"\x00" + data[at:],
    "two bytes fewer": lambda data, at: data[:at] + data[at + 2 :],
    "cut short": lambda data, at: data[:at],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", PACK)
def test_a_damaged_file_is_an_error_or_is_read_whole(kind: str, damage: str) -> None:
    streams = packed(kind)
    data = b"".join(streams)
    # Where a file ends between two streams, nothing shows that there was another.
    ends = (len(streams[0]), len(streams[0] + streams[1])) if damage == "cut short" else ()
    for at in range(0, len(data), 3):
        name = written(kind, DAMAGE[damage](data, at))
        try:
            text = decoded(read_corpus([name]))
        except TextError as error:
            assert str(error).startswith(f"{name} is a damaged"), error  # noqa: PT017
        else:
            assert text == "".join(PARTS) or at in ends, at


@pytest.mark.parametrize("rest", [b"x", b"rubbish", b"\xfd7zXZ\x00", b"\x1f\x8b", b"\x00x"])
@pytest.mark.parametrize("kind", PACK)
def test_what_stands_behind_the_last_stream_is_not_left_out(kind: str, rest: bytes) -> None:
    with pytest.raises(TextError, match="damaged"):
        read_corpus([written(kind, b"".join(packed(kind)) + rest)])


@pytest.mark.parametrize("zeros", [1, 2, 3, 5])
def test_padding_of_an_xz_file_is_a_multiple_of_four(zeros: int) -> None:
    with pytest.raises(TextError, match="damaged xz file"):
        read_corpus([written("xz", b"".join(packed("xz")) + bytes(zeros))])


@pytest.mark.parametrize("kind", PACK)
def test_a_packed_file_without_a_byte_is_damaged_and_one_of_an_empty_text_is_not(kind: str) -> None:
    Path("first.txt").write_text("first")
    with pytest.raises(TextError, match="damaged"):
        read_corpus(["first.txt", written(kind, b"")])
    assert decoded(read_corpus(["first.txt", written(kind, PACK[kind](b""))])) == "first"


def test_damage_is_found_on_the_way_through_the_cache_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.text.storage.MOST_IN_MEMORY", 10)
    streams = packed("xz")
    name = written("xz", b"".join(streams))
    assert decoded(load_corpus([name])) == decoded(load_corpus([name])) == "".join(PARTS)
    written("xz", streams[0] + streams[1][:4] + b"?" + streams[1][5:])
    for _ in range(2):
        with pytest.raises(TextError, match="damaged xz file"):
            load_corpus([name])


@pytest.mark.parametrize(("pack", "kind"), [(gzip.compress, "gzip"), (lzma.compress, "xz")])
def test_a_packed_file_of_another_name_is_not_taken_for_latin_1(pack: Callable[[bytes], bytes], kind: str) -> None:
    Path("t.txt").write_bytes(pack("\n".join(PARTS).encode()))
    with pytest.raises(TextError, match=f"looks like an? {kind} file: unpack it") as caught:
        read_corpus(["t.txt"])
    assert "latin-1" not in str(caught.value)


class Writer(Watcher):
    """Writes to a file while it is read."""

    def advance(self, what: str, done: int, total: int) -> None:  # noqa: ARG002
        if what == "reading" and done < 100:
            with Path("t.txt").open("a") as stream:
                stream.write("more\n" * 9)


@pytest.mark.parametrize("most", [10, 10**6])
def test_a_text_that_changes_while_it_is_read_is_told(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr("charrnn.text.storage.MOST_IN_MEMORY", most)
    Path("t.txt").write_text("a text\n" * 9)
    notes = load_corpus(["t.txt"], watcher=Writer()).notes
    assert any("changed while it was read" in note for note in notes)


class Remover(Watcher):
    """Removes a file while it is read."""

    def advance(self, what: str, done: int, total: int) -> None:  # noqa: ARG002
        Path("t.txt").unlink(missing_ok=True)


@pytest.mark.parametrize("most", [10, 10**6])
def test_a_text_that_is_removed_while_it_is_read_is_told(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr("charrnn.text.storage.MOST_IN_MEMORY", most)
    Path("t.txt").write_text("a text\n" * 9)
    corpus = load_corpus(["t.txt"], watcher=Remover())
    assert decoded(corpus) == "a text\n" * 9
    assert any("changed while it was read" in note for note in corpus.notes)
