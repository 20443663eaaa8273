"""A PNG is drawn where matplotlib is installed."""

import struct

import pytest

pytest.importorskip("matplotlib", reason="matplotlib draws the PNG")

from charrnn.report.plot import Curves
from charrnn.report.png import as_png
from tests.report.test_drawing import falling


def size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def test_runs_become_one_picture() -> None:
    assert size(as_png([falling("one"), falling("two", 2.0)])) == (1200, 780)


def test_a_run_of_evaluations_alone_is_a_smaller_picture() -> None:
    assert size(as_png([Curves("shipped", held_out=[(500, 2.0), (1000, 1.0)])])) == (1200, 390)
