"""Colour is for terminals, and only for those who want it."""

import io
from collections.abc import Callable
from typing import TextIO

import pytest

from charrnn.report.terminal import alarming, bold


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize("style", [bold, alarming])
def test_a_terminal_gets_colour_that_ends_and_a_file_none(style: Callable[[str, TextIO], str]) -> None:
    styled = style("text", Terminal())
    assert styled != "text"
    assert "text" in styled
    assert styled.endswith("\x1b[0m")
    assert style("text", io.StringIO()) == "text"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_none_gets_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert bold("text", Terminal()) == "text"
