"""The losses of trainings in memory are drawn as those of runs with files are."""

import io
import math

import pytest

import charrnn
from charrnn.report.plot import Curves, Drawing


def to_file(encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding)


def test_one_training_is_drawn_as_a_run_with_a_log_of_the_same_losses() -> None:
    losses = [3 * 0.97**step for step in range(80)]
    run = Curves("adam", training=list(enumerate(losses, 1)))
    assert charrnn.draw_losses({"adam": losses}, to_file(), height=7).splitlines()[:-2] == Drawing(to_file()).small(run)


def test_each_training_has_its_letter_its_name_and_its_last_loss() -> None:
    drawn = charrnn.draw_losses({"good": [3.0, 2.0, 1.0], "bad": [3.0, 3.5, 4.0]}, to_file()).splitlines()
    assert drawn[-2].split() == ["a", "good", "1.000", "-"]
    assert drawn[-1].split() == ["b", "bad", "4.000", "-"]
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
