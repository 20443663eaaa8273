"""Text cut to a terminal's width, and texts in columns of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.report.columns import cells, column_width, side_by_side, wrap

texts = st.text(st.sampled_from("ab 漢é\u0301\n"), max_size=60)


@given(texts, st.integers(2, 20))
def test_lines_fit_and_nothing_but_spaces_at_a_cut_is_lost(text: str, width: int) -> None:
    lines = list(wrap(text, width))
    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert len(lines) >= text.count("\n") + 1


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


def test_columns_begin_where_those_above_them_do() -> None:
    assert list(side_by_side(["a b c d", "漢x\ny"], 9)) == ["a b  漢x", "c d  y"]


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("漢字", 4), ("e\u0301", 1), ("", 0)])
def test_a_wide_character_takes_two_cells_and_an_accent_none(text: str, width: int) -> None:
    assert cells(text) == width
