"""A text composed piece by piece is the text composed whole."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.errors import TextError
from charrnn.text.corpus import read_corpus
from charrnn.text.vocabulary import Normalizer, normalize

MARKS = "e\u0301\u0327\u3099\u30ab\u1100\u1161\u11a8\uac00\u0958 \n\u4e00\u09c7\u09be"


@given(st.lists(st.text(st.one_of(st.sampled_from(MARKS), st.characters(exclude_categories=["Cs"])))))
@example(["\u0301", "\u0327"])  # marks change places
def test_pieces_composed_are_the_whole_composed(pieces: list[str]) -> None:
    normalizer = Normalizer("nfc")
    composed = [normalizer.normalize(piece, final=False) for piece in pieces]
    composed.append(normalizer.normalize("", final=True))
    assert "".join(composed) == unicodedata.normalize("NFC", "".join(pieces))


@given(st.text())
def test_no_form_is_the_text_itself(text: str) -> None:
    assert Normalizer("none").normalize(text, final=False) == normalize(text, "none") == text


def test_what_cannot_be_joined_is_not_kept_waiting() -> None:
    normalizer = Normalizer("nfc")
    assert normalizer.normalize("the lamp e", final=False) == "the lamp "
    assert normalizer.normalize("\u0301 and", final=False) == "é an"
    assert normalizer.normalize("", final=True) == "d"


def test_a_corpus_is_composed_over_all_its_blocks(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("text") / "t.txt"
    path.write_bytes(b"x" * ((1 << 20) - 1) + "e\u0301 end".encode())  # a block ends between the letter and its mark
    corpus = read_corpus([str(path)], normalize="nfc")
    assert "é" in corpus.vocabulary.characters
    assert corpus.notes == (f"{path}: 1 fewer characters by composing them (NFC)",)
    assert read_corpus([str(path)]).notes == ()


def test_bytes_that_are_not_in_the_encoding_are_replaced_only_when_asked_for(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("text") / "t.txt"
    path.write_bytes(b"caf\xe9 au lait, caf\xe9")
    with pytest.raises(TextError, match="try --encoding latin-1, or --errors replace"):
        read_corpus([str(path)])
    corpus = read_corpus([str(path)], errors="replace")
    assert corpus.vocabulary.decode(corpus.ids) == "caf\ufffd au lait, caf\ufffd"
    assert corpus.notes == (f"{path}: 2 × U+FFFD, read where bytes are not utf-8",)
