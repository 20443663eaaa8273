"""``sample --interactive``: line by line, through a pipe and on a terminal."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TINY, Charrnn


def test_each_line_gets_a_turn_and_the_whole_is_one_running_text(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "--rng-seed", "3")
    outcome = charrnn(*usual, "--interactive", stdin=b"the lamp\n\n")
    turns = outcome.out.decode()
    assert turns.count("\n") == 2
    assert turns.encode() == charrnn(*usual, "--seed", "the lamp\n", "--lines", "2", "--no-echo").out
    assert len(outcome.error_lines) == 1


def test_a_line_that_ends_in_a_backslash_is_finished(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "--temperature", "0")
    finished = charrnn(*usual, "-i", stdin=b"the la\\\n").out
    assert finished == charrnn(*usual, "--seed", "the la", "--lines", "1").out
    assert charrnn(*usual, "-i", "--no-echo", stdin=b"the la\\\n").out == finished.removeprefix(b"the la")


def test_a_seed_text_gives_the_model_the_first_turn(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "--seed", "the la", "--lines", "2", "--rng-seed", "5")
    assert charrnn(*usual, "-i").out == charrnn(*usual).out


def test_unknown_characters_are_replaced_or_the_line_is_not_taken(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "-i", "--temperature", "0")
    wanted = charrnn(*usual, stdin=b"the lamp\n").out
    replaced = charrnn(*usual, stdin=b"THE lamp\n")
    assert replaced.out == wanted
    assert "replaced 'T' (U+0054) by 't'" in replaced.err
    refused = charrnn(*usual, "--unknown", "error", stdin=b"THE lamp\nthe lamp\n")
    assert (refused.code, refused.out) == (0, wanted)
    assert "characters the model never saw (3 in all)" in refused.error_lines[1]


def test_a_turn_ends_where_it_is_asked_to(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "-i", "--rng-seed", "1")
    assert len(charrnn(*usual, "-n", "7", "--ban", "newline", stdin=b"the\n").out) == 7
    assert charrnn(*usual, "--lines", "3", stdin=b"the\n").out.count(b"\n") == 3
    assert b"e" not in charrnn(*usual, "--stop", "e", stdin=b"the\n\n\n").out


def test_commands_change_how_the_model_writes(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "-i")
    outcome = charrnn(*usual, stdin=b"/temp 0\nthe\n")
    assert "temperature 0" in outcome.error_lines
    assert outcome.out == charrnn(*usual, "-t", "0", stdin=b"the\n").out
    seeded = charrnn(*usual, "--rng-seed", "7", stdin=b"the\n").out
    assert charrnn(*usual, "--rng-seed", "8", stdin=b"/seed 7\nthe\n").out == seeded
    again = charrnn(*usual, "--rng-seed", "7", stdin=b"the\n/reset\n/seed 7\nthe\n").out
    assert again == seeded * 2


def test_a_conversation_is_saved(charrnn: Charrnn, trained: Path) -> None:
    typed = b"the lamp\n/save talk.txt\n/reset\n/save empty.txt\n"
    outcome = charrnn("sample", str(trained), "-i", "--rng-seed", "3", stdin=typed)
    assert Path("talk.txt").read_bytes() == b"the lamp\n" + outcome.out
    assert Path("empty.txt").read_bytes() == b""
    assert any(line.startswith("wrote talk.txt (") for line in outcome.error_lines)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("/help", "/save FILE   write the text so far to a file (overwritten)"),
        ("/foo", "there is no command /foo; /help lists them"),
        ("/", "there is no command /''; /help lists them"),
        ("/temp", "/temp takes a number, 0 or more"),
        ("/temp -1", "temperature must be 0 or more, not -1.0"),
        ("/seed -1", "/seed takes a number, 0 or more"),
        ("/save", "/save takes the name of a file"),
        ("/save a/b", "cannot write a/b: No such file or directory; make room or choose another place"),
    ],
)
def test_each_command_is_answered_and_the_session_goes_on(
    charrnn: Charrnn, trained: Path, typed: str, answer: str
) -> None:
    usual = ("sample", str(trained), "-i", "--rng-seed", "3")
    outcome = charrnn(*usual, stdin=f"{typed}\nthe\n".encode())
    assert outcome.code == 0
    assert answer in outcome.error_lines
    assert outcome.out == charrnn(*usual, stdin=b"the\n").out


def test_two_slashes_begin_a_line_with_one(charrnn: Charrnn) -> None:
    Path("paths.txt").write_text("/usr/bin and /usr/lib\n" * 30)
    charrnn("train", "paths.txt", *TINY, "--steps", "1", "-q")
    charrnn("sample", "paths", "-i", stdin=b"//usr\n/save talk.txt\n")
    assert Path("talk.txt").read_text().startswith("/usr\n")


def test_a_novel_text_is_novel_across_its_turns(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "-i", "-t", "0.2", "--rng-seed", "3", "--novel", "5", "-n", "4", "--report")
    outcome = charrnn(*usual, "--ban", "newline", stdin=b"the lamp\\\n" + b"\n" * 20)
    assert int(outcome.err.rsplit("copied: at most ", 1)[1].split()[0]) <= 5


def test_what_is_not_text_is_one_sentence(charrnn: Charrnn, trained: Path) -> None:
    outcome = charrnn("sample", str(trained), "-i", "-q", stdin=b"the \xff\n")
    assert outcome.code == 2
    assert outcome.err == "charrnn: stdin is not valid utf-8: invalid start byte\n"


def test_the_report_is_on_what_the_model_wrote(charrnn: Charrnn, trained: Path) -> None:
    outcome = charrnn("sample", str(trained), "-i", "--report", "--temperature", "0", stdin=b"the\nthe\n")
    assert outcome.error_lines[-1].startswith("copied: at most ")


# --- on a terminal ---

pexpect = pytest.importorskip("pexpect", reason="pexpect drives the pseudo-terminal")
on_a_terminal = pytest.mark.skipif(not hasattr(pexpect, "spawn"), reason="this system has no pseudo-terminals")
PROMPT = r"(?:\x1b\[\?2004h)?> "


def session(*arguments: str, columns: int = 80) -> Any:
    # The environment by name: readline, which pytest loads, writes COLUMNS into the one that is inherited unseen.
    return pexpect.spawn(
        sys.executable,
        ["-m", "charrnn", *arguments],
        dimensions=(40, columns),
        env=dict(os.environ),
        encoding="utf-8",
        timeout=30,
    )


@on_a_terminal
def test_a_session_with_a_prompt_ctrl_c_in_a_turn_and_ctrl_d(trained: Path) -> None:
    process = session("sample", str(trained), "-i", "-n", "1000000", "--lines", "1000000")
    process.expect("Ctrl-D quits\\.\r\n" + PROMPT)
    process.sendline("the lamp")
    process.expect("the lamp\r\n.*\r\n.*\r\n")  # it writes
    process.sendintr()
    process.expect(PROMPT)  # and has stopped
    process.sendeof()
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0


@on_a_terminal
def test_ctrl_c_at_the_prompt_ends_the_session(trained: Path) -> None:
    process = session("sample", str(trained), "-i")
    process.expect(PROMPT)
    process.sendintr()
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 130
    assert "Traceback" not in process.before


@on_a_terminal
@pytest.mark.parametrize(("columns", "in_columns"), [(80, True), (50, False)])
def test_temperatures_stand_side_by_side_where_the_terminal_has_room(
    trained: Path, columns: int, in_columns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    arguments = ("--temperature", "0.5,0.8,1", "-n", "60", "-q", "--seed", "the")
    process = session("sample", str(trained), *arguments, columns=columns)
    process.expect(pexpect.EOF)
    plain = re.sub(r"\x1b\[\d*m", "", process.before)
    titles = re.findall(r"^temperature 0\.5 +temperature 0\.8 +temperature 1\r\n", plain, re.MULTILINE)
    assert bool(titles) == in_columns
    if in_columns:
        first = plain.split("\r\n")[1]
        assert [first[at : at + 3] for at in (0, 27, 54)] == ["the"] * 3
        assert all(len(line) <= columns for line in plain.split("\r\n"))
    else:
        assert plain.startswith("the")


@on_a_terminal
def test_an_error_stands_out_unless_colour_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for wish, is_plain in (("", False), ("1", True)):
        monkeypatch.setenv("NO_COLOR", wish)
        process = session("sample", "missing.npz")
        process.expect(pexpect.EOF)
        assert process.before.startswith("charrnn: no such checkpoint") == is_plain
        help_page = session("sample", "--help")
        help_page.expect(pexpect.EOF)
        assert ("\x1b" not in help_page.before) == is_plain


def test_a_mark_of_the_encoding_is_no_character_of_the_first_line(charrnn: Charrnn, trained: Path) -> None:
    plain, marked = (
        charrnn("sample", str(trained), "-i", "-q", "-n", "5", "--rng-seed", "1", stdin=mark + b"the lamp\\\n")
        for mark in (b"", b"\xef\xbb\xbf")
    )
    assert (marked.code, marked.out, marked.err) == (0, plain.out, "")
