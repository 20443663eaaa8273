import gzip
import hashlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import paths
from charrnn.errors import CharRNNError, ConfigError, TextError, UnreadableTextError
from charrnn.text import sources, storage
from charrnn.text.corpus import Corpus, describe_joins, read_corpus, split
from charrnn.text.sources import BYTE_ORDER_MARK
from charrnn.text.vocabulary import Vocabulary
from tests.conftest import TINY, Charrnn

BLOCK_SIZES = [1, 2, 3, 5]
TEXT = "Ein Käfer — 甲虫 🪲\n\nund\tnoch \0 einer.\n"


def write(name: str, data: bytes) -> str:
    Path(name).write_bytes(data)
    return name


def text_of(corpus: Corpus) -> str:
    return corpus.vocabulary.decode(corpus.ids)


def sentence(*names: str, error: type[CharRNNError] = TextError, encoding: str = "utf-8") -> str:
    with pytest.raises(error) as caught:
        read_corpus(names, encoding=encoding)
    assert str(caught.value).isprintable()
    return str(caught.value)


def pipe_to_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_text_is_read_as_it_is() -> None:
    corpus = read_corpus([write("käfer.txt", TEXT.encode())])
    assert text_of(corpus) == TEXT
    assert corpus.vocabulary == Vocabulary.from_text(TEXT)
    assert corpus.name == "käfer"
    assert corpus.sources == ("käfer.txt",)
    assert corpus.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert corpus.notes == ()
    assert not corpus.ids.flags.writeable


def test_a_file_with_nul_is_left_out_of_a_folder_unless_its_encoding_has_them_everywhere() -> None:
    Path("books").mkdir()
    write("books/a.txt", b"abc")
    nul = write("books/b.dat", b"\x7fELF\0")
    corpus = read_corpus(["books"])
    assert (text_of(corpus), corpus.notes) == ("abc", ("left out 1 file that is not text",))
    assert text_of(read_corpus([nul])) == "\x7fELF\0"  # who names it means it
    write("books/a.txt", "abc".encode("utf-16"))
    write("books/b.dat", "Käfer".encode("utf-16"))
    for name in ("UTF_16", "utf16", "u16"):
        assert text_of(read_corpus(["books"], encoding=name)) == "abcKäfer"


@pytest.mark.parametrize("size", BLOCK_SIZES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "shift_jis", "ascii"])
def test_what_is_no_text_is_replaced_as_python_does_it_and_counted_apart(
    encoding: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "BLOCK_SIZE", size)
    data = "a�b é".encode("utf-8" if encoding == "ascii" else encoding, "ignore") + b"\xff\xd8ab\x81"
    corpus = read_corpus([write("odd.txt", data)], encoding=encoding, errors="replace")
    assert text_of(corpus) == data.decode(encoding, "replace")
    own = 0 if encoding in ("ascii", "shift_jis") else 1
    wrong = text_of(corpus).count("�") - own
    assert corpus.notes[:1] == (f"odd.txt: {wrong} × U+FFFD, read where bytes are not {encoding}",)


def test_a_file_whose_last_line_does_not_end_is_told_where_another_follows() -> None:
    ended, cut = write("a.txt", b"anna\n"), write("b.txt", b"bob")

    def said(*names: str) -> list[str]:
        corpus = read_corpus(names)
        return describe_joins(corpus.ids, corpus.file_ends, corpus.vocabulary.characters)

    words = "without a line end at the end: the next begins in the same line"
    assert said(ended, cut) == []
    assert said(cut, ended) == [f"1 file {words}"]
    assert said(cut, cut, ended) == [f"2 files {words}"]


@pytest.mark.parametrize("size", BLOCK_SIZES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be", "gb18030", "utf-7"])
def test_where_the_blocks_are_cut_does_not_matter(monkeypatch: pytest.MonkeyPatch, encoding: str, size: int) -> None:
    monkeypatch.setattr(sources, "BLOCK_SIZE", size)
    monkeypatch.setattr(storage, "PIECE_SIZE", size)
    lines = TEXT.replace("\n", "\r\n") + "a\rb\r"
    corpus = read_corpus(
        [write("t.txt", ("\ufeff" * (encoding == "utf-16-be") + lines).encode(encoding))], encoding=encoding
    )
    assert text_of(corpus) == TEXT + "a\nb\n"
    assert corpus.notes == ("t.txt: 3 CRLF line ends read as LF", "t.txt: 2 CR line ends read as LF")


@given(st.text(min_size=2), st.integers(1, 9))
def test_any_text_survives_any_block_size(text: str, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "BLOCK_SIZE", size)
        pipe_to_stdin(patch, b"ab" + text.encode())
        assert text_of(read_corpus(["-"])) == "ab" + text.replace("\r\n", "\n").replace("\r", "\n")


def test_a_single_line_end_is_told_in_the_singular() -> None:
    assert read_corpus([write("t.txt", b"a\r\nb")]).notes == ("t.txt: 1 CRLF line end read as LF",)


@pytest.mark.parametrize("size", [*BLOCK_SIZES, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_byte_order_mark_is_dropped_once_and_only_at_the_start(
    monkeypatch: pytest.MonkeyPatch, encoding: str, size: int
) -> None:
    monkeypatch.setattr(sources, "BLOCK_SIZE", size)
    name = write("t.txt", "\ufeff\ufeffa\ufeff".encode(encoding))
    corpus = read_corpus([name], encoding=encoding)
    assert text_of(corpus) == "\ufeffa\ufeff"
    assert corpus.notes == ("t.txt: 2 × U+FEFF, the byte-order mark, within the text: read as a character of it",)


def test_the_mark_of_every_file_is_dropped_and_one_in_a_joined_file_is_told(charrnn: Charrnn) -> None:
    for name in ("a.txt", "b.txt"):
        write(name, f"{BYTE_ORDER_MARK}{name} {'lamp ' * 30}\n".encode())
    run = ("--steps", "1", "--sample-every", "0", *TINY)
    apart = charrnn("train", "a.txt", "b.txt", *run)
    assert "U+FEFF" not in apart.err
    write("joined.txt", Path("a.txt").read_bytes() + Path("b.txt").read_bytes())
    joined = charrnn("train", "joined.txt", *run)
    assert "joined.txt: 1 × U+FEFF, the byte-order mark, within the text: read as a character of it" in joined.err
    stdin = charrnn("train", "-", *run, stdin=Path("joined.txt").read_bytes())
    assert "stdin: 1 × U+FEFF" in stdin.err
    scored = charrnn("score", "checkpoints/joined.npz", "joined.txt")
    assert "joined.txt: 1 × U+FEFF" in scored.err


def test_latin_1_is_read_when_asked_for() -> None:
    assert text_of(read_corpus([write("t.txt", b"caf\xe9")], encoding="latin-1")) == "café"


@pytest.mark.parametrize(
    ("distinct", "dtype"),
    [(1, "u1"), (256, "u1"), (257, "u2"), (65_536, "u2"), (65_537, "u4")],
)
def test_ids_take_the_fewest_bytes_that_hold_them(monkeypatch: pytest.MonkeyPatch, distinct: int, dtype: str) -> None:
    monkeypatch.setattr(storage, "PIECE_SIZE", 64)
    monkeypatch.setattr(sources, "BLOCK_SIZE", 1000)  # the characters that widen the ids come late
    text = "".join(map(chr, range(0x10000, 0x10000 + distinct)))[::-1] * 2
    corpus = read_corpus([write("t.txt", text.encode())])
    assert corpus.ids.dtype == np.dtype(dtype)
    assert len(corpus.vocabulary) == distinct
    assert text_of(corpus) == text


def test_several_texts_are_joined_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_to_stdin(monkeypatch, b"\xef\xbb\xbfthree\r")
    corpus = read_corpus([write("b.md", b"one\r"), write("a.txt", b"\ntwo\n"), "-"])
    assert text_of(corpus) == "one\n\ntwo\nthree\n"  # the CR and the LF of two files are two line ends
    assert corpus.name == "b"
    assert corpus.sources == ("b.md", "a.txt", "-")
    assert corpus.sha256 == hashlib.sha256(b"one\r\ntwo\n\xef\xbb\xbfthree\r").hexdigest()
    assert corpus.notes == ("b.md: 1 CR line end read as LF", "stdin: 1 CR line end read as LF")


def test_a_packed_text_is_the_text_it_holds() -> None:
    packed = read_corpus([write("kafka.txt.gz", gzip.compress(TEXT.encode()))])
    plain = read_corpus([write("kafka.txt", TEXT.encode())])
    np.testing.assert_array_equal(packed.ids, plain.ids)
    assert (packed.name, packed.sha256) == (plain.name, plain.sha256)


def test_a_vocabulary_given_is_the_one_used() -> None:
    vocabulary = Vocabulary("".join(map(chr, range(32, 400))))
    corpus = read_corpus([write("t.txt", b"hello")], vocabulary=vocabulary)
    assert corpus.vocabulary is vocabulary
    assert corpus.ids.dtype == np.uint16
    np.testing.assert_array_equal(corpus.ids, vocabulary.encode("hello"))


def test_characters_outside_a_vocabulary_given_are_counted_and_listed() -> None:
    name = write("t.txt", b"zyxwvutsrqponmlkjihgfedcba" * 2)
    with pytest.raises(TextError, match=r"t\.txt .*never saw \(24 in all\): 'c' \(U\+0063\), .*\.\.\.; take") as caught:
        read_corpus([name], vocabulary=Vocabulary("ab"))
    assert str(caught.value).count("U+") == 10


@pytest.mark.parametrize("size", [*BLOCK_SIZES, 1 << 20])
@pytest.mark.parametrize(
    ("data", "encoding", "offset"),
    [
        (b"abcdef\xffgh", "utf-8", 6),
        ("aé甲🪲".encode()[:-1], "utf-8", 6),  # cut inside its last character
        (b"\xef\xbb\xbfab\xc0\xaf", "utf-8", 5),  # overlong
        (b"\xef\xbb\xbfab\xff", "utf-8-sig", 5),
        (b"abc\xed\xa0\x80", "utf-8", 3),  # a surrogate
        (b"\xff\xfea\0\0\xdcb\0", "utf-16", 4),
        (b"abc\xe9", "ascii", 3),
    ],
)
def test_the_offset_of_a_wrong_byte_is_right_for_every_block_size(
    monkeypatch: pytest.MonkeyPatch, data: bytes, encoding: str, offset: int, size: int
) -> None:
    monkeypatch.setattr(sources, "BLOCK_SIZE", size)
    said = sentence(write("t.txt", data), encoding=encoding)
    assert said.startswith(f"t.txt is not {encoding} at byte offset {offset} (0x{data[offset]:02x}): ")


@pytest.mark.parametrize(
    ("data", "encoding", "hint"),
    [
        (b"caf\xe9", "utf-8", "try --encoding latin-1"),
        ("hello".encode("utf-16"), "UTF8", "try --encoding utf-16"),
        ("hello".encode("utf-32"), "utf-8", "try --encoding utf-32"),
        (b"caf\xc3\xa9", "ascii", "try --encoding utf-8"),
        (b"hello!", "utf-16", "try --encoding utf-8"),
        (b"+2AA-", "utf-7", "lone surrogate, which is half a character: try another --encoding"),
    ],
)
def test_a_text_in_another_encoding_is_met_with_a_suggestion(data: bytes, encoding: str, hint: str) -> None:
    assert hint in sentence(write("t.txt", data), encoding=encoding)


@pytest.mark.parametrize("encoding", ["nonsense", "hex", "rot13", "", "a\0b", "undefined"])
def test_what_is_no_text_encoding_is_refused(encoding: str) -> None:
    assert sentence(write("t.txt", b"hello"), encoding=encoding).startswith("there is no text encoding ")


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_an_empty_text_is_refused(data: bytes) -> None:
    assert sentence(write("t.txt", data)).startswith("t.txt is empty")
    assert sentence("t.txt", write("u.txt", b"")).startswith("t.txt, u.txt is empty")


def test_an_empty_text_among_others_is_told() -> None:
    corpus = read_corpus([write("a.txt", b"hello"), write("b.txt", b"")])
    assert corpus.notes == ("b.txt is empty",)


@pytest.mark.parametrize("data", [b"a", b"\r\n", b"\xef\xbb\xbf\xc3\xa9"])
def test_a_single_character_is_refused(data: bytes) -> None:
    assert sentence(write("t.txt", data)).startswith("t.txt has only one character")


def test_no_text_at_all_is_refused() -> None:
    assert sentence().startswith("no text was given")


def test_stdin_twice_is_refused() -> None:
    assert sentence("-", "-").startswith("stdin can be read only once")


def test_a_closed_stdin_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert sentence("-", error=UnreadableTextError).startswith("stdin is closed")


def test_a_text_that_may_not_be_read_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    name = write("t.txt", b"hello")
    monkeypatch.setattr(Path, "open", refuse)
    assert sentence(name, error=UnreadableTextError) == "t.txt cannot be read (Permission denied)"


def test_all_bundled_texts_are_read() -> None:
    for name in paths.corpus_names():
        assert text_of(read_corpus([name])) == (paths.CORPORA / name).read_text(encoding="utf-8")


@given(st.integers(0, 200), st.floats(0, 1, exclude_max=True))
def test_the_two_parts_are_the_whole_text(size: int, val_fraction: float) -> None:
    ids = np.arange(size)
    train, validation = split(ids, val_fraction)
    np.testing.assert_array_equal(np.concatenate([train, validation]), ids)
    assert len(validation) != 1
    assert abs(len(validation) - size * val_fraction) <= 1
    assert size == 0 or np.shares_memory(ids, train if len(train) else validation)


def test_a_tenth_is_held_out_from_the_end() -> None:
    train, validation = split(np.arange(1_115_394), 0.1)
    assert (len(train), len(validation)) == (1_003_854, 111_540)
    assert len(split(np.arange(30), 0.0)[1]) == 0


@pytest.mark.parametrize("val_fraction", [-0.1, 1.0, float("nan")])
def test_a_fraction_that_leaves_nothing_to_train_is_refused(val_fraction: float) -> None:
    with pytest.raises(ConfigError, match="at least 0 and below 1"):
        split(np.arange(30), val_fraction)
