"""A passage is the text itself, whatever characters it has."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import TextError
from charrnn.text import corpus
from charrnn.text.passage import Passage, read_passage
from charrnn.text.vocabulary import Vocabulary

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\ufeff"), min_size=1)


def read(text: str, vocabulary: Vocabulary) -> Passage:
    Path("passage.txt").write_text(text, encoding="utf-8", newline="")
    return read_passage(["passage.txt"], vocabulary)


@given(TEXTS, st.sets(st.characters(codec="utf-8"), min_size=1))
def test_known_and_unseen_characters_make_up_the_text(text: str, known: set[str]) -> None:
    vocabulary = Vocabulary("".join(sorted(known)))
    passage = read(text, vocabulary)
    assert passage.text() == text
    assert vocabulary.decode(passage.known) == "".join(c for c in text if c in known)
    assert passage.num_unseen == sum(c not in known for c in text)
    assert sorted(passage.unseen) == sorted(set(text) - known)


@given(st.text("ab\n☃", min_size=1), st.booleans())
def test_lines_end_with_their_line_feed_and_make_up_the_text(text: str, knows_line_feeds: bool) -> None:
    passage = read(text, Vocabulary("\na" if knows_line_feeds else "a"))
    lines = [line.text() for line in passage.lines()]
    assert "".join(lines) == text
    assert all(line.endswith("\n") for line in lines[:-1])
    assert all("\n" not in line[:-1] and line for line in lines)


def test_a_passage_longer_than_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "available_memory", lambda: 3)
    with pytest.raises(TextError, match=r"^passage\.txt has 4 bytes, and 3 bytes of memory are free; "):
        read("abcd", Vocabulary("a"))


def test_a_passage_needs_a_character_and_tells_what_was_changed() -> None:
    with pytest.raises(TextError, match="empty: give a text of at least one character"):
        read("", Vocabulary("a"))
    passage = read("a\r\nb", Vocabulary("a"))
    assert (passage.text(), passage.notes) == ("a\nb", ("passage.txt: 1 CRLF line end read as LF",))
