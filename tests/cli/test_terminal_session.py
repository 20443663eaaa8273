"""The program on a real (pseudo-)terminal: what a person sees, Ctrl-C, and text that would harm a terminal."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint
from tests.conftest import TINY, Charrnn

pexpect = pytest.importorskip("pexpect", reason="pexpect drives the pseudo-terminal")
if not hasattr(pexpect, "spawn"):
    pytest.skip("this system has no pseudo-terminals", allow_module_level=True)

HARMS = ("\x1b]52;c;aGk=\x07", "\x9b31m\x85", "\x08\x7f\x07", "\u202eabc\u2066")
# What tqdm and the line discipline themselves send: line ends, returns, and "cursor up" and "erase" sequences.
OWN = re.compile(r"\x1b\[[AK]|[\n\r\t]")


def session(*arguments: str) -> Any:
    return pexpect.spawn(
        sys.executable, ["-m", "charrnn", *arguments], dimensions=(30, 160), encoding="utf-8", timeout=30
    )


def everything(process: Any) -> str:
    """All that the process still writes until it ends."""
    process.expect(pexpect.EOF)
    process.close()
    return str(process.before)


def test_a_training_session_shows_its_plan_a_bar_and_samples_and_ctrl_c_ends_it_well(text_file: Path) -> None:
    options = (*TINY, "--steps", "1000000", "--sample-every", "200", "--sample-length", "30", "--minutes", "5")
    process = session("train", str(text_file), *options)
    process.expect(r"text   lamp: 22 symbols, 588 characters to train on, 66 held out\r\n")
    process.expect(r"model  gru 8, one-hot input, [\d,]+ parameters in float32\r\n")
    process.expect(r"train  batch 2 × seq 10, adagrad 0\.1 constant, 1,000,000 steps = [\d,.]+ epochs or 5 min\r\n")
    process.expect(r"speed  [\d,]+ characters/s, about \d+ (s|min) left\r\n")
    process.expect(r"%, [\d:]+ left, loss [\d.]+ bits/char, [\d,]+ chars/s")
    process.expect(r"── a sample after [\d,]+ steps ──\r\n")
    process.expect(r"chars/s \|.*\| step \d+")  # the bar is drawn again, below the sample
    process.sendintr()
    ending = everything(process)
    stopped = re.search(r"stopped at step ([\d,]+) and saved\. To resume:\r\n  charrnn (train --resume .*)\r\n", ending)
    assert stopped, ending
    assert process.exitstatus == 130
    step = int(stopped[1].replace(",", ""))
    assert checkpoint.load("checkpoints/lamp.npz").progress.step == step
    resumed = session(*stopped[2].split(), "--steps", str(step + 2))
    seen = everything(resumed)
    assert f"resuming checkpoints/lamp.npz at step {step:,}" in seen
    assert f"done at step {step + 2:,}; saved checkpoints/lamp.npz" in seen
    assert resumed.exitstatus == 0


def test_a_sample_ends_its_last_line_on_a_terminal(trained: Path) -> None:
    process = session("sample", str(trained), "--seed", "the lamp", "-n", "0", "-q")
    assert everything(process) == "the lamp\r\n"


def test_a_hostile_text_sends_no_control_to_the_terminal_and_a_file_gets_it_exactly(charrnn: Charrnn) -> None:
    harm = "".join(HARMS)
    Path("hostile.txt").write_text(f"ab{harm}\n" * 60, encoding="utf-8", newline="")
    options = (*TINY, "--steps", "3", "--sample-every", "1", "--checkpoint", "run.npz")
    training = everything(session("train", "hostile.txt", *options))
    sampling = everything(session("sample", "run.npz", "--seed", harm, "-n", "300", "--rng-seed", "1", "--report"))
    scoring = everything(session("score", "run.npz", "hostile.txt", "--by-line"))
    for seen in (training, sampling, scoring):
        left = OWN.sub("", seen)
        assert not set(harm) & set(left) - set(map(chr, range(0x20, 0x7F))), ascii(left)
    for escaped in (ascii(part[0])[1:-1] for part in HARMS):
        assert escaped in sampling
        assert escaped in scoring
    assert not scoring.endswith("\r\n\r\n")
    exact = charrnn("sample", "run.npz", "--seed", harm, "-n", "300", "--rng-seed", "1").out.decode()
    assert exact.startswith(harm)
    assert len(exact) == len(harm) + 300


def test_a_terminal_gets_the_exact_text_where_it_is_asked_for(charrnn: Charrnn) -> None:
    Path("hostile.txt").write_text("ab\x1b[1m\n" * 60, newline="")
    charrnn("train", "hostile.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz")
    arguments = ("sample", "run.npz", "--seed", "ab\x1b[1m", "-n", "0", "-q")
    assert everything(session(*arguments)) == "ab\\x1b[1m\r\n"
    assert everything(session(*arguments, "--raw")) == "ab\x1b[1m"


def test_a_terminal_of_few_characters_gets_the_others_escaped(
    charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("euro.txt").write_text("€ é 👨\n" * 60, encoding="utf-8", newline="")
    charrnn("train", "euro.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz")
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    seen = pexpect.spawn(
        sys.executable, ["-m", "charrnn", "sample", "run.npz", "--seed", "é 👨", "-n", "0", "-q"], timeout=30
    )
    seen.expect(pexpect.EOF)
    assert seen.before == "é ".encode("cp1252") + b"\\U0001f468\r\n"


def test_names_stand_beside_their_labels_on_a_terminal(
    charrnn: Charrnn, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    options = ("--by-line", *TINY, "--dropout", "0", "--weight-drop", "0", "--steps", "400", "--learning-rate", "0.3")
    assert charrnn("train", str(text_file), *options, "-q").code == 0
    shown = everything(session("sample", "checkpoints/lamp-best.npz", "--num", "9", "-q", "--rng-seed", "1"))
    rows = shown.removesuffix("\r\n").split("\r\n")
    assert len(rows) == 9
    lines = set(text_file.read_text().splitlines())
    for row in rows:
        name, label = re.fullmatch(r"(.*?) {2,}(seen|new)", row).groups()  # type: ignore[union-attr]
        assert label == ("seen" if name in lines else "new")
        assert len(row) - len(label) >= 30
