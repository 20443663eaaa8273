"""What a person reads about a run: before it, during it, and at its end. All of it on stderr."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from charrnn.report import progress
from charrnn.report.progress import ProgressDisplay, TextProgress, describe
from charrnn.report.terminal import describe_loss, duration
from charrnn.training.events import Evaluated, OutOfPatience, RolledBack, Sampled, SaveFailed, StepReport, Stopped
from charrnn.training.run import Run
from charrnn.training.start import train
from tests.report.conftest import Terminal

SMALL: Mapping[str, Any] = {"hidden_sizes": (8, 4), "batch_size": 2, "seq_length": 10, "steps": 58}
STEP = StepReport(step=1, epoch=0.1, characters=20, loss=2.0, smoothed_loss=2.5, grad_norm=1.0, learning_rate=0.1)


@pytest.fixture
def run(text_file: Path) -> Run:
    return train([str(text_file)], checkpoint=True, **SMALL)


def test_the_introduction_says_what_was_read_and_what_will_be_done(run: Run) -> None:
    text, model, train, speed = describe(run, speed=100.0)
    assert text == "text   lamp: 22 symbols, 588 characters to train on, 66 held out"
    parameters = run.trainer.params.vector.size
    assert model == f"model  gru 8+4, one-hot input, {parameters:,} parameters in float32"
    assert train == "train  batch 2 × seq 10, adagrad 0.15 cosine, 58 steps = 1.9 epochs"
    assert speed == "speed  100 characters/s, about 12 s left"


def test_the_introduction_names_the_bound_that_ends_the_run(text_file: Path) -> None:
    def lines(**bounds: float) -> list[str]:
        return describe(train([str(text_file)], checkpoint=True, **{**SMALL, "steps": 0, **bounds}), speed=1.0)[-2:]

    def plan(**bounds: float) -> str:
        plan = "; ".join(lines(**bounds))
        return re.sub(r"^train  batch 2 × seq 10, adagrad 0\.15? cosine, ", "", plan)  # 0.1 where it is read often

    assert plan(minutes=3) == "3 min; speed  1 characters/s, about 3 min left"
    assert plan(steps=1000, minutes=3) == "1,000 steps = 33.3 epochs or 3 min; speed  1 characters/s, about 3 min left"
    assert plan(epochs=2) == "60 steps = 2.0 epochs; speed  1 characters/s, about 20 min left"


def test_events_become_lines_on_stderr(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(run) as display:
        display.show(STEP)
        display.show(Sampled(10, "the lamp\x1b[2J"))
        display.show(Evaluated(20, 1.0, is_best=True))
        display.show(Evaluated(30, 2.0, is_best=False))
        display.show(SaveFailed(40, "the disk is full"))
        display.show(RolledBack(20, "training diverged at step 45: loss nan", 0.05))
        display.show(OutOfPatience(60, 20, 1.0))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "\n── a sample after 10 steps ──\nthe lamp\\x1b[2J\n" in captured.err
    assert "step 20: held out 1.443 bits/char, the best so far\n" in captured.err
    assert "step 30: held out 2.885 bits/char\n" in captured.err
    assert "warning: the disk is full; training continues and will try again\n" in captured.err
    gone_back = "training diverged at step 45: loss nan; went back to step 20 and halved the learning rate to 0.05\n"
    assert gone_back in captured.err
    best = "the best held-out loss is still 1.443 bits/char at step 20\n"
    assert f"out of patience at step 60: {best}" in captured.err


def test_after_a_rollback_the_bar_counts_from_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal(80, 24, monkeypatch))
    with ProgressDisplay(run) as display:
        for _ in range(5):
            display.show(STEP)
        display.show(RolledBack(2, "it diverged", 0.05))
    assert terminal.getvalue().rstrip().endswith("| step 2")


def test_a_resumed_run_has_only_the_rest_of_its_minutes_left(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train([str(text_file)], checkpoint=True, **{**SMALL, "steps": 0, "minutes": 3})
    for earlier, left in ((150.0, "30 s"), (200.0, "0 s")):
        monkeypatch.setattr(run.pace, "earlier", earlier)
        assert describe(run, speed=1.0)[-1].endswith(f"about {left} left")


def test_where_there_is_no_terminal_a_plain_line_comes_now_and_then(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with ProgressDisplay(run) as display:
        display.show(STEP)
    assert "step 1: loss 3.607 bits/char, " in capsys.readouterr().err


def test_quiet_shows_only_what_went_wrong(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(run, is_quiet=True) as display:
        for event in (STEP, Sampled(1, "x"), Evaluated(1, 1.0, is_best=True), Stopped(1, interrupted=True)):
            display.show(event)
        display.show(SaveFailed(40, "the disk is full"))
    assert capsys.readouterr().err == "warning: the disk is full; training continues and will try again\n"


def test_warnings_of_what_a_run_promises_are_heard_by_quiet_ears_too(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, sentence in (("notes", "a note"), ("warnings", "exact no more")):
        monkeypatch.setattr(run, name, (sentence,))
    for is_quiet in (True, False):
        ProgressDisplay(run, is_quiet=is_quiet)
        said = capsys.readouterr().err
        assert said.count("warning: exact no more\n") == 1
        assert ("a note" in said) != is_quiet


def test_80_columns_have_room_for_the_bar_and_fewer_for_the_time_left_and_the_loss(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_FIGURES", 0.0)
    shown = {}
    for columns in (50, 80):
        monkeypatch.setattr(sys, "stderr", terminal := Terminal(columns, 24, monkeypatch))
        with ProgressDisplay(run) as display:
            display.show(STEP)
        shown[columns] = terminal.getvalue().rstrip()
    narrow = re.search(r" left, loss 3\.607 bits/char \|(.*)\|$", shown[50])
    wide = re.search(r" left, loss 3\.607 bits/char, [\d,]+ chars/s \|(.*)\| step 1$", shown[80])
    assert narrow
    assert wide
    assert min(len(narrow[1]), len(wide[1])) >= 8


def test_the_bar_of_a_run_bounded_by_time_is_its_time(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_FIGURES", 0.0)
    run = train([str(text_file)], checkpoint=True, **{**SMALL, "steps": 0, "minutes": 2})
    monkeypatch.setattr(run.pace, "earlier", 30.0)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal(100, 24, monkeypatch))
    with ProgressDisplay(run) as display:
        display.show(STEP)
    assert re.search(r" 25%, 01:30 left, .*\| step 1", terminal.getvalue())


def test_work_on_a_text_shows_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = ["ab", "cdef", "gh"]
    assert list(TextProgress().track("it reads", pieces, 8)) == pieces
    assert capsys.readouterr().err == ""  # soon done
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    assert list(TextProgress().track("it reads", pieces, 8)) == pieces
    halves = capsys.readouterr().err.splitlines()
    assert halves[1:] == [
        "it reads: 25%, 2 chars, 0 s left",
        "it reads: 75%, 6 chars, 0 s left",
        "it reads: 100%, 8 chars, 0 s left",
    ]
    assert list(TextProgress(is_quiet=True).track("it reads", pieces, 8)) == pieces
    assert capsys.readouterr().err == ""


def test_on_a_terminal_work_on_a_text_has_a_bar_that_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BEFORE_A_BAR", 0.0)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal(60, 24, monkeypatch))
    list(TextProgress().track("it reads", ["a"] * 3, 3))
    assert "it reads:   0%" in terminal.getvalue()
    assert re.search(r"\r +\r$", terminal.getvalue())  # erased


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_the_end_says_where_all_went_and_what_to_type_next(
    text_file: Path, capsys: pytest.CaptureFixture[str], is_interrupted: bool
) -> None:
    run = train([str(text_file)], checkpoint="my models/lamp.npz", **SMALL)
    with ProgressDisplay(run) as display:
        display.show(STEP)
        display.show(Stopped(58, interrupted=is_interrupted))
    ending = capsys.readouterr().err.splitlines()[4:]
    if is_interrupted:
        assert ending == [
            "stopped at step 58 and saved. To resume:",
            "  charrnn train --resume --checkpoint 'my models/lamp.npz'",
        ]
    else:
        assert ending == [
            "done at step 58; saved my models/lamp.npz",
            "now try:",
            "  charrnn sample 'my models/lamp.npz' -n 400",
        ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_spans_of_time_are_rounded_to_what_a_person_reads(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_people_read_a_loss_in_bits() -> None:
    assert describe_loss(0.6931471805599453) == "1.000 bits/char"


def test_a_long_preparation_is_told_now_and_then_with_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr("charrnn.report.progress.time.monotonic", lambda: now)
    with TextProgress() as preparation:
        for now in (100.0, 105.0, 112.0, 120.0, 124.0):
            preparation.advance("reading", round(1e6 * (now - 100)), 48_000_000)
        for now in (124.0, 133.0):  # noqa: B007
            preparation.advance("numbering", 10, 20)
        for now in (133.0, 143.0):  # noqa: B007
            preparation.advance("waiting for another run that is preparing this text", 0, 0)
        preparation.say("memory about 1 GB")
    with TextProgress(is_quiet=True) as preparation:
        preparation.advance("reading", 1, 2)
        now += 20
        preparation.advance("reading", 1, 2)
        preparation.say("memory about 1 GB")
    assert capsys.readouterr().err.splitlines() == [
        "reading the text: 25%, 12 MB, 36 s left",
        "reading the text: 50%, 24 MB, 24 s left",
        "waiting for another run that is preparing this text",
        "memory about 1 GB",
    ]
