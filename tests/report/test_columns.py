"""Text cut to a terminal's width, and texts in columns of it."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.report.columns import cells, column_width, folded, side_by_side, wrap
from tests.report.conftest import Terminal

texts = st.text(st.sampled_from("ab 漢é\u0301\n"), max_size=60)


@given(texts, st.integers(2, 20))
def test_lines_fit_and_nothing_but_spaces_at_a_cut_is_lost(text: str, width: int) -> None:
    lines = list(wrap(text, width))
    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert len(lines) >= text.count("\n") + 1


@given(texts, st.integers(4, 20), st.integers(0, 2))
def test_words_stay_whole_where_they_are_wanted_so_and_rests_stand_after_an_indent(
    text: str, width: int, indent: int
) -> None:
    lines = list(wrap(text, width, indent, may_cut_words=False))
    assert all(cells(line) <= width or " " not in line.strip() for line in lines)
    assert " ".join(lines).split() == text.split()
    begun = list(wrap("aa bb ccccccccc dd", 6, 1, may_cut_words=False))
    assert begun == ["aa bb", " ccccccccc", " dd"]


@given(st.lists(texts, min_size=1, max_size=3), st.integers(20, 40))
def test_columns_are_the_texts_lines_beside_each_other(texts: list[str], width: int) -> None:
    size = column_width(len(texts), width)
    own = [list(wrap(text, size)) for text in texts]
    rows = list(side_by_side(texts, width))
    assert len(rows) == max(map(len, own))
    for at, row in enumerate(rows):
        assert cells(row) <= width
        for lines in own:
            assert at >= len(lines) or lines[at].strip() in row


def test_a_message_is_cut_between_words_on_a_terminal_and_stays_one_line_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sentence = "there is no text checkpoints/with/a/long/name.txt here"
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert folded(sentence) == sentence
    monkeypatch.setattr(sys, "stderr", Terminal(20, 24, monkeypatch))
    assert folded(sentence) == "there is no text\ncheckpoints/with/a/long/name.txt\nhere"
    assert folded(sentence, 2) == "there is no text\n  checkpoints/with/a/long/name.txt\n  here"


def test_columns_begin_where_those_above_them_do() -> None:
    assert list(side_by_side(["a b c d", "漢x\ny"], 9)) == ["a b  漢x", "c d  y"]


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("漢字", 4), ("e\u0301", 1), ("", 0)])
def test_a_wide_character_takes_two_cells_and_an_accent_none(text: str, width: int) -> None:
    assert cells(text) == width
