"""Cases 71 to 95: texts, prompts, terminals and pipes."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint
from tests.conftest import TINY, command
from tests.faults.cases.desk import LONG, RESUME, TEXTS, TRAIN, Case, Desk, Story, end_of, filters, unread


def learned(*names: str, **expected: Any) -> Story:
    """Each text is learned, saved, loaded and sampled, with this vocabulary."""

    def story(desk: Desk) -> None:
        for name in names:
            desk.do("train", name, *TINY, "--steps", "3", "--checkpoint", "run.npz", "--overwrite")
            desk.do("sample", "run.npz", "-n", "20")
            for what, value in expected.items():
                assert getattr(checkpoint.load("run.npz").vocabulary, what) == value

    return story


def one_character_alone(desk: Desk) -> None:
    learned("a.txt", characters="a")(desk)
    assert checkpoint.load("run.npz").progress.smoothed_loss == 0
    assert desk.do("sample", "run.npz", "-n", "5").out == b"aaaaa"


def too_short_for_the_sequence(desk: Desk) -> None:
    said = desk.do("train", "two.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz").err
    assert "sequence length 1 instead of 10: the text has only 2 characters" in said


def line_ends(desk: Desk) -> None:
    said = desk.do("train", "crlf.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz").err
    assert "crlf.txt: 9 CRLF line ends read as LF" in said
    assert "crlf.txt: 9 CR line ends read as LF" in said
    assert "\r" not in checkpoint.load("run.npz").vocabulary.characters


def bytes_of_another_encoding(desk: Desk) -> None:
    said = desk.do("train", "odd.txt", *TINY, "--steps", "3", "--errors", "replace", "--checkpoint", "run.npz").err
    assert "odd.txt: 20 × U+FFFD, read where bytes are not utf-8" in said
    desk.do("train", "odd.txt", *TINY, "--steps", "3", "--encoding", "latin-1", "--checkpoint", "latin.npz")
    assert "é" in checkpoint.load("latin.npz").vocabulary.characters


def composed_characters(desk: Desk) -> None:
    said = desk.do("train", "family.txt", *TINY, "--steps", "3", "--normalize", "nfc", "--checkpoint", "run.npz").err
    assert "family.txt: 20 fewer characters by composing them (NFC)" in said
    assert "\u0301" not in checkpoint.load("run.npz").vocabulary.characters
    assert desk.do("sample", "run.npz", "--seed", "e\u0301", "-n", "0").out.decode() == "é"
    assert desk.do("score", "run.npz", "family.txt", "--json").out
    desk.do("train", "family.txt", *TINY, "--steps", "3", "--checkpoint", "exact.npz")
    assert "\u200d" in checkpoint.load("exact.npz").vocabulary.characters
    desk.refuse(("sample", "exact.npz", "--seed", "é"), 2, "'é' (U+00E9)")


def texts_that_are_no_files(desk: Desk) -> None:
    os.mkfifo("pipe.txt")
    for name, words in (("pipe.txt", "is a pipe"), ("/dev/zero", "is not a file")):
        desk.refuse(("train", name), 1, words)
    desk.refuse(("train", "folder"), 2, "folder is a folder without a text file")
    desk.refuse(("train", "-", "-"), 2, "stdin can be read only once")
    desk.do("train", "-", *TRAIN[2:], stdin=TEXTS["lamp.txt"])
    desk.refuse((*RESUME, "run.npz"), 2, "the text came from stdin; give it again")
    Path.cwd().chmod(0o755)
    Path("lamp.txt").chmod(0)
    desk.refuse(("train", "lamp.txt"), 1, "lamp.txt cannot be read (Permission denied)", as_nobody=True)


def a_text_beyond_the_memory(desk: Desk) -> None:
    with Path("vast.txt").open("wb") as file:
        file.truncate(1 << 43)  # takes no room on the disk
    outcome = desk.forks.run("train", "vast.txt")
    Path("vast.txt").unlink()
    assert outcome.code == 2
    assert re.match(r"charrnn: vast\.txt has 8\.8 TB, and .* of memory are free; ", outcome.err)


def no_character_is_assumed(desk: Desk) -> None:
    desk.do("train", "a.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz")
    assert desk.do("sample", "run.npz", "--seed", "", "-n", "3").out == b"aaa"


def lengths(desk: Desk) -> None:
    assert desk.do("sample", "good.npz", "-n", "0").out == b""
    with subprocess.Popen(command(("sample", "good.npz", "-q", "-n", str(10**9))), stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert len(process.stdout.read(2000)) == 2000
        process.kill()


def a_console_of_few_characters(desk: Desk) -> None:
    desk.do("train", "family.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz")
    arguments = command(("sample", "run.npz", "-n", "50", "--seed", "👨", "-q"))
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(arguments, env=environment, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode("utf-8").startswith("👨")  # a pipe; a terminal is in the test that is named


def a_reader_that_leaves(_: Desk) -> None:
    pipe = f"{' '.join(command(('sample', 'good.npz', '-q', '-n', '100000')))}; echo $? >&2"
    words = ["/bin/sh", "-c", f"{{ {pipe}; }} | head -c 5"]
    done = subprocess.run(words, capture_output=True, check=True, timeout=60)
    assert len(done.stdout) == 5
    assert done.stderr == b"0\n"


def output_that_is_full(desk: Desk) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full to stand for a full disk")
    for arguments in (("sample", "good.npz", "-q"), ("score", "good.npz", "lamp.txt", "-q"), ("--version",)):
        words = "cannot write the output: No space left on device"
        desk.refuse(arguments, 1, words, streams={"stdout": "/dev/full"})


def a_text_that_changes_in_training(desk: Desk) -> None:
    with desk.training(*LONG) as process:
        Path("lamp.txt").write_bytes(b"something else")
        process.send_signal(signal.SIGINT)
        assert end_of(process)[0] == 130
    Path("lamp.txt").write_bytes(TEXTS["lamp.txt"])
    step = checkpoint.load("run.npz").progress.step
    desk.do(*RESUME, "run.npz", "--steps", str(step + 1))  # its hash is that of the bytes that were read


CASES: dict[int, Case] = {
    71: Case("empty", unread("empty.txt", "mark.txt", "-", words="is empty: give a text of at least two characters")),
    72: Case("too short", unread("one.txt", words="one.txt has only one character"), too_short_for_the_sequence),
    73: Case("one character again and again", story=one_character_alone),
    74: Case(
        "tens of thousands of characters",
        tests=("test_such_a_text_is_learned_saved_and_sampled_and_its_memory_told_first",),
    ),
    75: Case("a byte-order mark", story=learned("marked.txt", characters="\n adehlmnoprtuw")),
    76: Case("line ends of other systems", story=line_ends),
    77: Case(
        "not in the encoding",
        (
            *unread("overlong.txt", words="overlong.txt is not utf-8 at byte offset 9 (0xc0): try --encoding latin-1"),
            *unread("cut.txt", words="cut.txt is not utf-8 at byte offset 8 (0xc3)"),
            *unread("surrogates.txt", words="surrogates.txt is not utf-8 at byte offset 9 (0xed)"),
            *unread("odd.txt", words="try --encoding latin-1, or --errors replace"),
            *unread("utf16.txt", words="try --encoding utf-16"),
            (("train", "lamp.txt", "--encoding", "utf-9"), 2, "there is no text encoding utf-9"),
            (("train", "lamp.txt", "--encoding", "hex"), 2, "there is no text encoding hex"),
        ),
        bytes_of_another_encoding,
    ),
    78: Case("NUL", story=learned("nul.txt", characters="\0ab")),
    79: Case("half a character", unread("surrogates.txt", words="is not utf-8 at byte offset 9")),
    80: Case("marks and joined emoji", story=composed_characters),
    81: Case("é in two ways", tests=("test_a_text_is_composed_as_that_of_the_model_was",)),
    82: Case("larger than the memory", story=a_text_beyond_the_memory),
    83: Case("no file", story=texts_that_are_no_files),
    84: Case("a picture", unread("picture.png", words="picture.png is not text, it looks like an image")),
    85: Case(
        "a prompt with unknown characters",
        filters((("--seed", "LAMP 7"), "characters the model never saw (5 in all): '7' (U+0037), 'A' (U+0041)")),
    ),
    86: Case("an empty prompt", story=no_character_is_assumed),
    87: Case("a prompt that is no UTF-8", filters((("--seed", "a\udcff"), "U+DCFF"))),
    88: Case("lengths", story=lengths),
    89: Case(
        "a console of few characters",
        story=a_console_of_few_characters,
        tests=("test_a_terminal_of_few_characters_gets_the_others_escaped",),
    ),
    90: Case("controls in samples", tests=("test_samples_send_no_control_and_a_file_gets_every_character",)),
    91: Case("controls in names", tests=("test_errors_and_names_send_no_control",)),
    92: Case("a reader that leaves", story=a_reader_that_leaves),
    93: Case("a full disk for the output", story=output_that_is_full),
    94: Case("a text that changes in training", story=a_text_that_changes_in_training),
    95: Case("secrets in the text", cannot_occur="a sample may repeat its training text; README says so under Limits"),
}
