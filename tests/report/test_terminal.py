"""A terminal is sent nothing that it would obey; a pipe is sent the exact text."""

import io
import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.report.terminal import ALARM, BOLD, say, styled, visible
from tests.report.conftest import Terminal

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
# Writes its argument, an escaped text, as `charrnn sample` writes what it draws.
WRITE = """
import sys
from charrnn.report.terminal import TextWriter
with TextWriter() as writer:
    writer.write(sys.argv[1].encode().decode("unicode_escape"))
"""


@given(st.text())
def test_nothing_visible_is_a_control_or_turns_the_line_around(text: str) -> None:
    shown = visible(text)
    assert not [c for c in shown if c not in "\n\t" and (unicodedata.category(c) in ("Cc", "Cs") or c in BIDI)]


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters=BIDI)))
def test_harmless_text_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"),
        ("a\rb\x08c\x7f", r"a\rb\x08c\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb", r"a\u202eb"),
        ("\ud800", r"\ud800"),
        ("line\n\tnext", "line\n\tnext"),
        ("zero\u200dwidth\xa0é🙂", "zero\u200dwidth\xa0é🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_spelt_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def write(text: str, encoding: str = "utf-8") -> bytes:
    escaped = text.encode("unicode_escape").decode()
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(
        [sys.executable, "-c", WRITE, escaped], env=environment, capture_output=True, check=True
    ).stdout


def test_a_pipe_gets_every_character_exactly_whatever_its_encoding() -> None:
    text = CONTROLS + BIDI + "é🙂\r\n"
    assert write(text, "ascii") == text.encode()


def test_an_error_is_cut_between_words_with_only_its_first_word_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(24, 24, monkeypatch)
    monkeypatch.setattr(sys, "stderr", terminal)
    say("it\x1b went wrong in lamp.txt", alarm="charrnn:")
    assert terminal.getvalue() == "\x1b[1m\x1b[31mcharrnn:\x1b[0m it\\x1b went\nwrong in lamp.txt\n"
    monkeypatch.setattr(sys, "stderr", log := io.StringIO())
    say("it went wrong in lamp.txt, which was said in one line", alarm="charrnn:")
    assert log.getvalue() == "charrnn: it went wrong in lamp.txt, which was said in one line\n"


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize("style", [BOLD, ALARM])
def test_a_terminal_gets_colour_that_ends_and_a_file_none(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert styled("text", style, Terminal(80, 24, monkeypatch)) == f"{style}text\x1b[0m"
    assert styled("text", style, io.StringIO()) == "text"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_none_gets_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert styled("text", BOLD, Terminal(80, 24, monkeypatch)) == "text"
