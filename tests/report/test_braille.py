"""Braille dots stand where they are drawn."""

from charrnn.report.plot import Canvas


def text(canvas: Canvas, *, is_ascii: bool = False) -> list[str]:
    return ["".join(character for character, _ in row) for row in canvas.rows(is_ascii=is_ascii)]


def test_a_diagonal_goes_through_the_cells_from_corner_to_corner() -> None:
    canvas = Canvas(2, 1)
    canvas.draw([(0.0, 0.0), (1.0, 1.0)], 0)
    assert text(canvas) == ["⡠⠊"]


def test_each_corner_is_its_own_dot() -> None:
    for x, y, character in ((0.0, 1.0, "⠁"), (1.0, 1.0, "⠈"), (0.0, 0.0, "⡀"), (1.0, 0.0, "⢀")):
        canvas = Canvas(1, 1)
        canvas.draw([(x, y)], 0)
        assert text(canvas) == [character]


def test_a_flat_line_is_a_row_of_dots_and_an_empty_canvas_blank() -> None:
    canvas = Canvas(4, 2)
    assert text(canvas) == ["    ", "    "]
    canvas.draw([(0.0, 0.0), (1.0, 0.0)], 0)
    assert text(canvas) == ["    ", "⣀⣀⣀⣀"]


def test_what_lies_outside_is_left_out_and_a_line_enters_at_the_edge() -> None:
    canvas = Canvas(3, 1)
    canvas.draw([(0.0, 50.0), (1.0, 0.0)], 0)
    canvas.mark(0.5, 7.0, "o", 0)
    canvas.mark(-3.0, 0.5, "o", 0)
    drawn = text(canvas)[0]
    assert "o" not in drawn
    assert drawn[0] == " "
    assert drawn[-1] != " "


def test_a_mark_covers_dots_and_each_cell_knows_who_drew_it_last() -> None:
    canvas = Canvas(3, 1)
    canvas.draw([(0.0, 0.0), (1.0, 0.0)], 0)
    canvas.mark(0.5, 0.5, "b", 1)
    assert list(canvas.rows()) == [[("⣀", 0), ("b", 1), ("⣀", 0)]]


def test_without_braille_a_cell_says_whether_its_upper_or_its_lower_half_is_drawn() -> None:
    for height, character in ((1.0, "'"), (0.0, "."), (None, ":")):
        canvas = Canvas(1, 1)
        canvas.draw([(0.0, 0.0), (0.0, 1.0)] if height is None else [(0.0, height)], 0)
        assert text(canvas, is_ascii=True) == [character]
    assert text(Canvas(1, 1), is_ascii=True) == [" "]
