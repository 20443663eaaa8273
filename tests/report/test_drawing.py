"""A drawing in the terminal: as wide as that, readable without colour, harmless, and true to its figures."""

import io
import math
import unicodedata
from typing import TextIO

import pytest

import charrnn
from charrnn.report.plot import Canvas, Curves, Drawing
from charrnn.report.terminal import visible
from tests.report.conftest import Terminal

STEPS = range(1, 1001, 3)


def falling(name: str = "run", loss: float = 1.0) -> Curves:
    return Curves(
        name,
        training=[(step, loss + 3 / step) for step in STEPS],
        held_out=[(step, loss + 0.5 + 100 / step) for step in STEPS if step % 100 == 0],
        learning_rate=[(step, 0.1 - step / 20_000) for step in STEPS],
        grad_norm=[(step, 0.2 + 100 / step) for step in STEPS],
    )


def to_file(encoding: str = "utf-8") -> TextIO:
    return io.TextIOWrapper(io.BytesIO(), encoding)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_one_run_is_drawn_with_its_three_panels_one_axis_of_steps_and_its_best() -> None:
    lines = Drawing(to_file()).whole([falling()])
    titles = [line.strip() for line in lines if line.startswith("      ") and "┤" not in line and "│" not in line]
    assert titles[:3] == ["loss, bits/char; held out: o", "learning rate", "gradient norm"]
    assert sum("└" in line for line in lines) == 1
    assert [word for line in lines if line.startswith("step") for word in line.split()] == [
        *("step", "0", "200", "400", "600", "800", "1,000"),
    ]
    assert lines[-2].split() == ["bits/char", "training", "held", "out", "step"]
    assert lines[-1].split() == ["o", "run", "1.447", "2.308", "1,000"]


def rows_of(lines: list[str], mark: str) -> list[int]:
    body = lines[: next(number for number, line in enumerate(lines) if "learning rate" in line)]
    return [number for number, line in enumerate(body[1:]) if mark in line]


def test_a_falling_loss_falls_and_the_worse_run_lies_higher() -> None:
    lines = Drawing(to_file()).whole([falling(loss=1.0), falling(loss=2.0)])
    first, second = rows_of(lines, "a"), rows_of(lines, "b")
    assert min(second) < min(first)
    assert max(second) < max(first)


@pytest.mark.parametrize(("columns", "lines", "runs"), [(30, 50, 1), (50, 24, 3), (80, 24, 1), (200, 10, 3)])
def test_a_drawing_fits_its_terminal(columns: int, lines: int, runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    drawn = Drawing(Terminal(columns, lines, monkeypatch)).whole([falling(f"run-{i}", 1 + i / 9) for i in range(runs)])
    assert max(map(len, drawn)) < max(columns, 50)
    if columns >= 50:
        assert max(map(len, drawn)) < columns
    if lines >= 24 and runs <= 3:
        assert len(drawn) < lines


def test_a_small_drawing_has_the_losses_alone_in_ten_lines() -> None:
    lines = Drawing(to_file()).losses([falling()], 7)
    assert len(lines) == 10
    assert lines[0].strip() == "loss, bits/char; held out: o"
    assert "learning rate" not in "".join(lines)


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def coloured(stream: TextIO) -> bool:
        return "\x1b[" in "".join(Drawing(stream).whole([falling()]))

    assert coloured(Terminal(80, 24, monkeypatch))
    assert not coloured(to_file())
    assert "\x1b" not in "".join(Drawing(Terminal(80, 24, monkeypatch), may_colour=False).whole([falling()]))
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured(Terminal(80, 24, monkeypatch))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(Terminal(80, 24, monkeypatch))


def test_without_colour_each_run_still_has_a_letter_of_its_own() -> None:
    drawn = "\n".join(Drawing(to_file()).whole([falling("x", 1.0), falling("y", 2.0), falling("z", 3.0)]))
    assert all(letter in drawn for letter in "abc")


def test_runs_that_end_in_one_row_are_all_named_there_and_the_drawing_keeps_its_width() -> None:
    lines = Drawing(to_file()).whole([falling(f"run {number}") for number in range(4)])
    assert sum(line.endswith(" abcd") for line in lines) == 4  # training, held out, rate, gradient
    assert max(map(len, lines)) == 79


def test_where_braille_cannot_be_written_the_drawing_is_ascii() -> None:
    run = falling("Käfer\x1b[2J")
    drawn = "\n".join(Drawing(to_file("ascii")).whole([run]))
    assert drawn.isascii()
    assert all(c.isprintable() or c == "\n" for c in drawn)
    assert ":" in drawn


def test_a_name_sends_nothing_to_the_terminal_and_a_long_one_keeps_its_end() -> None:
    drawn = Drawing(to_file()).whole([falling(f"{'a' * 200}\x1b[2J\nend")])
    assert not [c for line in drawn for c in line if unicodedata.category(c) == "Cc"]
    assert drawn[-1].count("…") == 1
    assert visible("\x1b[2J end") in drawn[-1]


def test_runs_that_know_little_are_drawn_as_far_as_they_go() -> None:
    for run in (
        Curves("held out alone", held_out=[(500, 2.0), (1000, 1.0)]),
        Curves("one evaluation", held_out=[(500, 2.0)]),
        Curves("one step", training=[(1, 2.0)]),
        Curves("flat", training=[(step, 0.0) for step in STEPS], grad_norm=[(step, 0.0) for step in STEPS]),
        Curves("late", training=[(step + 10**9, 1.0 / step) for step in STEPS]),
        Curves("wild", training=[(step, (-1) ** step * 1e200) for step in STEPS]),
    ):
        assert Drawing(to_file()).whole([run])
        assert Drawing(to_file()).whole([run, falling()])


def test_the_width_is_that_of_the_stream_or_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Drawing(Terminal(60, 24, monkeypatch)).width == 59
    assert Drawing(Terminal(0, 0, monkeypatch)).width > 30
    monkeypatch.setenv("COLUMNS", "45")
    assert Drawing(to_file()).width == 44


def test_one_training_is_drawn_as_a_run_with_a_log_of_the_same_losses() -> None:
    losses = [3 * 0.97**step for step in range(80)]
    run = Curves("adam", training=list(enumerate(losses, 1)))
    drawn = charrnn.draw_losses({"adam": losses}, to_file(), height=7).splitlines()
    assert drawn[:-2] == Drawing(to_file()).losses([run], 7)


def test_each_training_has_its_letter_its_name_and_its_last_loss() -> None:
    drawn = charrnn.draw_losses({"good": [3.0, 2.0, 1.0], "bad": [3.0, 3.5, 4.0]}, to_file()).splitlines()
    assert drawn[-2].split() == ["a", "good", "1.443", "-"]
    assert drawn[-1].split() == ["b", "bad", "5.771", "-"]
    letters = [line[-1] for line in drawn[1:9] if line[-1:] in ("a", "b")]
    assert letters == ["b", "a"]  # the worse above the better


def test_what_is_not_finite_is_left_out() -> None:
    finite = charrnn.draw_losses({"x": [3.0, 2.0]}, to_file())
    assert charrnn.draw_losses({"x": [3.0, 2.0, math.nan, math.inf]}, to_file()) == finite


@pytest.mark.parametrize("height", [1, 5])
def test_it_is_as_high_as_asked_for_and_fits_the_stream(height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    drawn = charrnn.draw_losses({"x": [3.0, 2.0]}, to_file("ascii"), height=height)
    assert drawn.isascii()
    assert drawn.count("\n") + 1 == height + 5  # a title, the axis and its labels, the table
    assert max(map(len, drawn.splitlines())) <= 50


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(ValueError, match="there is no loss to draw"):
        charrnn.draw_losses({"x": [math.nan]})
    with pytest.raises(ValueError, match="at least one line, not 0"):
        charrnn.draw_losses({"x": [1.0]}, height=0)


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
