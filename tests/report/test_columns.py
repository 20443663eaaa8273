"""Text cut to a terminal's width, and texts in columns of it."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.cache import Kept
from charrnn.report.plot import Curves, Drawing
from charrnn.report.tables import cache_table
from charrnn.report.terminal import cells, column_width, folded, padded, side_by_side, wrap
from tests.report.conftest import Terminal

texts = st.text(st.sampled_from("ab 漢é\u0301ที่का\u200d\u200b\ufe0f❤👩👍🏽\n"), max_size=60)


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


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("漢字", 4),
        ("e\u0301", 1),
        ("ที่นี่", 2),  # Thai: two letters, two marks above each
        ("น้ำ", 2),
        ("क्ष", 2),  # Hindi: a sign below the first letter
        ("का", 2),  # a vowel sign beside its letter
        ("தமிழ்", 4),
        ("\u1112\u1161\u11ab", 2),  # one Korean syllable in three parts
        ("a\u20ddb", 2),  # a circle around a letter
        ("a\u200bb\u200f\ufeff", 2),
        ("a\u00adb", 3),  # a soft hyphen is seen
        ("\u06dd", 1),
        ("👨\u200d👩\u200d👧", 2),  # one family
        ("👍🏽", 2),
        ("❤\ufe0f", 2),
        ("1\ufe0f\u20e3", 2),
        ("🇩🇪", 2),
        ("a\ufe0f", 1),
        ("a\u200d漢", 3),
    ],
)
def test_a_wide_character_takes_two_cells_and_a_mark_none(text: str, width: int) -> None:
    assert cells(text) == width
    assert cells(padded(text, 30)) == 30


@given(texts, st.integers(2, 20))
def test_a_cut_keeps_a_letter_and_its_marks_together(text: str, width: int) -> None:
    line = text.replace("\n", "").replace(" ", "")
    assert all(cells(part[0]) > 0 for part in list(wrap(line, width))[1:])


def test_the_table_of_the_cache_is_aligned_whatever_the_names() -> None:
    names = ["ascii.txt", "ที่นี่.txt", "漢字.txt", "हिन्दी.txt"]
    kept = [Kept(Path(name), 9, 0.0, None) for name in names]
    rows = cache_table(kept, Path("cache")).splitlines()[: len(names) + 1]
    assert len({cells(row[: row.index("9 bytes")]) for row in rows[1:]}) == 1


def test_names_of_any_script_leave_the_figures_of_a_plot_in_their_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["ที่นี่", "漢字" * 30, "abc"]
    runs = [Curves(name, [(1, 2.0), (2, 1.5)], [(2, 1.25)], [], []) for name in names]
    lines = Drawing(Terminal(80, 24, monkeypatch), may_colour=False).whole(runs)[-3:]
    assert {cells(line[: line.index("1.500")]) for line in lines} == {cells(lines[0][: lines[0].index("1.500")])}
    assert all(cells(line) < 80 for line in lines)
