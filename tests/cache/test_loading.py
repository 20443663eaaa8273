"""A long text is the same from the cache as from memory, and is made anew whenever that could be otherwise."""

import gzip
import io
import lzma
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from charrnn.cache import cache_folder, entries, load_corpus, named, remove
from charrnn.errors import CacheError, TextError
from charrnn.text import corpus as corpora
from charrnn.text import storage
from charrnn.text.corpus import Corpus, Decoding, read_corpus
from charrnn.text.sources import Watcher
from charrnn.text.vocabulary import Vocabulary
from tests.conftest import unix

TEXT = "Ein Käfer — 甲虫 🪲\n\nund\tnoch einer.\n" * 40


@pytest.fixture(autouse=True)
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is long: a thousandth."""
    monkeypatch.setattr(storage, "MOST_IN_MEMORY", 500)
    monkeypatch.setattr(storage, "PIECE_SIZE", 64)


class Listener(Watcher):
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.left = 0

    def advance(self, what: str, done: int, total: int) -> None:
        assert done <= total or not total
        if self.parts[-1:] != [what]:
            assert self.left == 0, self.parts
            self.parts.append(what)
        self.left = max(total - done, 0)  # the total is 0 where nobody knows it

    def say(self, sentence: str) -> None:
        raise AssertionError(sentence)


def write(name: str, text: str = TEXT) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text, encoding="utf-8", newline="")
    return name


def load(*names: str, **how: object) -> tuple[Corpus, list[str]]:
    """Load a text, and say what was done for that."""
    watcher = Listener()
    corpus = load_corpus(names, Decoding(**how), watcher=watcher)  # type: ignore[arg-type]
    assert watcher.left == 0
    return corpus, watcher.parts


def assert_same(corpus: Corpus, other: Corpus) -> None:
    np.testing.assert_array_equal(corpus.ids, other.ids)
    assert corpus.ids.dtype == other.ids.dtype
    assert not corpus.ids.flags.writeable
    for field in ("name", "sources", "sha256", "vocabulary"):
        assert getattr(corpus, field) == getattr(other, field)
    assert corpus.notes[: len(other.notes)] == other.notes


def files() -> list[str]:
    return sorted(path.name for path in cache_folder().iterdir()) if cache_folder().exists() else []


@pytest.mark.parametrize("how", [{}, {"max_vocab": 9}, {"normalize": "nfc"}], ids=str)
def test_a_long_text_is_prepared_once_and_equals_what_is_read_into_memory(how: dict[str, object]) -> None:
    wanted = read_corpus([write("käfer.txt", TEXT.replace("\n", "\r\n"))], **how)  # type: ignore[arg-type]
    first, parts = load("käfer.txt", **how)
    assert parts == ["reading", "numbering"]
    assert "prepared, and kept for later runs in" in first.notes[-1]
    second, parts = load("käfer.txt", **how)
    assert parts == ["checking"]
    assert "prepared before" in second.notes[-1]
    for corpus in (first, second):
        assert_same(corpus, wanted)
    assert len(files()) == 1


def test_a_short_text_leaves_nothing_behind() -> None:
    corpus, parts = load(write("t.txt", "short"))
    assert_same(corpus, read_corpus(["t.txt"]))
    assert parts == ["reading", "numbering"]
    assert not cache_folder().exists()


def test_several_files_folders_and_packed_ones_are_one_text() -> None:
    write("books/b.txt", "second\n" * 50)
    Path("books/a.txt.xz").write_bytes(lzma.compress(b"first\n" * 50))
    write("books/deep/c.md", "third\n" * 50)
    write("books/.hidden", "no")
    Path("books/picture.png").write_bytes(b"text in fact")
    Path("books/d.dat").write_bytes(b"a\0b")
    Path("last.gz").write_bytes(gzip.compress(b"last\n" * 50))
    corpus, _ = load("books", "last.gz")
    text = "first\n" * 50 + "second\n" * 50 + "third\n" * 50 + "last\n" * 50
    assert corpus.vocabulary.decode(corpus.ids) == text
    assert corpus.name == "books"
    assert corpus.notes[:2] == (
        "books: left out 1 file by name (pictures, logs and the like)",
        "left out 1 file that is not text",
    )
    again, parts = load("books", "last.gz")
    assert parts == ["checking"]
    assert_same(again, read_corpus(["books", "last.gz"]))


def change_text() -> None:
    write("t.txt", TEXT.replace("E", "F"))


def add_to_text() -> None:
    write("t.txt", TEXT + "more")


def touch_text() -> None:
    os.utime("t.txt", (1, 1))


def keep_time_and_size() -> None:
    status = Path("t.txt").stat()
    change_text()
    os.utime("t.txt", ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [change_text, add_to_text, touch_text, keep_time_and_size])
def test_a_text_that_has_changed_is_prepared_anew_in_the_old_one_s_place(change: Callable[[], None]) -> None:
    load(write("t.txt"))
    change()
    corpus, parts = load("t.txt")
    assert parts == ["reading", "numbering"]
    assert_same(corpus, read_corpus(["t.txt"]))
    assert len(files()) == 1
    assert load("t.txt")[1] == ["checking"]


def change_byte(place: int, data: bytes) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place:][1:]


def damages() -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    yield "empty", lambda _: b""
    yield "cut", lambda data: data[:-1]
    yield "longer", lambda data: data + b"x"
    yield "zeros at the end", lambda data: data[:-40] + bytes(40)
    yield "another text", lambda _: TEXT.encode()
    for place in (0, 700, -600, -300, -40, -30, -20, -10):
        yield f"a byte at {place}", partial(change_byte, place)


@pytest.mark.parametrize("damage", [case for _, case in damages()], ids=[name for name, _ in damages()])
def test_a_damaged_file_of_the_cache_is_made_anew(damage: Callable[[bytes], bytes]) -> None:
    wanted, _ = load(write("t.txt"))
    path = cache_folder() / files()[0]
    data = path.read_bytes()
    path.write_bytes(damage(data))
    corpus, parts = load("t.txt")
    assert parts[-2:] == ["reading", "numbering"]
    assert_same(corpus, read_corpus(["t.txt"]))
    assert path.read_bytes() == data
    assert wanted.sha256 == corpus.sha256


@unix
def test_a_pipe_in_a_file_s_place_is_not_waited_for_and_told() -> None:
    load(write("t.txt"))
    path = cache_folder() / files()[0]
    path.unlink()
    os.mkfifo(path)
    corpus, _ = load("t.txt")
    assert_same(corpus, read_corpus(["t.txt"]))
    assert corpus.notes[-1].endswith("the cache cannot be used (it exists and is not a regular file)")


def test_a_run_that_goes_on_shares_what_the_first_has_prepared() -> None:
    first, _ = load(write("t.txt"))
    again, parts = load("t.txt", vocabulary=first.vocabulary)
    assert parts == ["checking"]
    assert_same(again, read_corpus(["t.txt"]))
    wider = Vocabulary("".join(sorted(set(first.vocabulary.characters) | set("xyzXYZ"))))
    other, _ = load("t.txt", vocabulary=wider)
    assert other.vocabulary.decode(other.ids) == TEXT
    assert load("t.txt", vocabulary=wider)[1] == ["checking"]  # of the one, and of the other
    with pytest.raises(TextError, match="characters the model never saw"):
        load("t.txt", vocabulary=Vocabulary("abc"))
    assert len(files()) == 2


def test_the_folder_of_the_cache_is_made_however_deep_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", "not/yet/there")
    load(write("t.txt"))
    assert load("t.txt")[1] == ["checking"]


def test_stdin_is_not_kept_but_not_in_memory_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    corpus, _ = load("-")
    assert corpus.vocabulary.decode(corpus.ids) == TEXT
    assert corpus.notes == ()
    assert files() == []


def test_a_cache_that_cannot_be_written_is_told_and_the_text_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    write("file", "not a folder")
    monkeypatch.setenv("CHARRNN_CACHE", "file/cache")
    corpus, _ = load(write("t.txt"))
    assert_same(corpus, read_corpus(["t.txt"]))
    assert corpus.notes[-1].startswith("kept in memory, ")
    assert corpus.notes[-1].endswith("the cache cannot be used (Not a directory)")


def test_a_text_for_which_there_is_no_room_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    write("file", "not a folder")
    monkeypatch.setenv("CHARRNN_CACHE", "file/cache")
    monkeypatch.setattr(corpora, "available_memory", lambda: 100)
    with pytest.raises(TextError, match=r"or name a folder with more room in CHARRNN_CACHE \(Not a directory\)$"):
        load(write("t.txt"))


def test_a_text_that_changes_while_it_is_read_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    really = corpora.number

    def number(*args: object, **options: object) -> object:
        result = really(*args, **options)  # type: ignore[arg-type]
        Path("t.txt").write_text("another")
        return result

    monkeypatch.setattr(corpora, "number", number)
    corpus, _ = load(write("t.txt"))
    assert corpus.vocabulary.decode(corpus.ids) == TEXT
    assert "changed while it was read" in corpus.notes[-1]
    assert files() == []


def test_what_is_kept_is_listed_and_removed_by_name() -> None:
    load(write("one.txt"))
    load(write("two.txt"))
    kept = entries()
    assert {entry.description.name for entry in kept if entry.description} == {"one", "two"}
    remove(named(kept, ["one.txt"]))
    assert [entry.description.name for entry in entries() if entry.description] == ["two"]
    with pytest.raises(CacheError, match="the cache has no text 'one'"):
        named(entries(), ["one"])
    left = cache_folder() / ".x.charrnn.tmp"
    left.touch()
    remove(entries())
    assert files() == []
    assert not left.exists()  # nor anything that a killed process left


@pytest.mark.parametrize(
    ("set_to", "folder"),
    [({"CHARRNN_CACHE": "/x"}, "/x"), ({"XDG_CACHE_HOME": "/y"}, "/y/charrnn"), ({"HOME": "/z"}, "/z/.cache/charrnn")],
)
def test_the_folder_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, set_to: dict[str, str], folder: str
) -> None:
    for name in ("CHARRNN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in set_to.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)
