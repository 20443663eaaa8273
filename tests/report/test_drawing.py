"""A drawing in the terminal: as wide as that, readable without colour, harmless, and true to its figures."""

import io
import unicodedata
from typing import TextIO

import pytest

from charrnn.report.plot import Curves, Drawing
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
    assert titles[:3] == ["loss, nats/char; held out: o", "learning rate", "gradient norm"]
    assert sum("└" in line for line in lines) == 1
    assert [word for line in lines if line.startswith("step") for word in line.split()] == [
        *("step", "0", "200", "400", "600", "800", "1,000"),
    ]
    assert lines[-2].split() == ["nats/char", "training", "held", "out", "(bits)", "step"]
    assert lines[-1].split() == ["o", "run", "1.003", "1.600", "(2.308)", "1,000"]


def rows_of(lines: list[str], mark: str) -> list[int]:
    body = lines[: next(number for number, line in enumerate(lines) if "learning rate" in line)]
    return [number for number, line in enumerate(body[1:]) if mark in line]


def test_a_falling_loss_falls_and_the_worse_run_lies_higher() -> None:
    lines = Drawing(to_file()).whole([falling(loss=1.0), falling(loss=2.0)])
    first, second = rows_of(lines, "a"), rows_of(lines, "b")
    assert min(second) < min(first)
    assert max(second) < max(first)


@pytest.mark.parametrize("columns", [30, 50, 80, 200])
@pytest.mark.parametrize("lines", [10, 24, 50])
@pytest.mark.parametrize("runs", [1, 3])
def test_a_drawing_fits_its_terminal(columns: int, lines: int, runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    drawn = Drawing(Terminal(columns, lines, monkeypatch)).whole([falling(f"run-{i}", 1 + i / 9) for i in range(runs)])
    assert max(map(len, drawn)) < max(columns, 50)
    if columns >= 50:
        assert max(map(len, drawn)) < columns
    if lines >= 24 and runs <= 3:
        assert len(drawn) < lines


def test_a_small_drawing_has_the_losses_alone_in_ten_lines() -> None:
    lines = Drawing(to_file()).small(falling())
    assert len(lines) == 10
    assert lines[0].strip() == "loss, nats/char; held out: o"
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
