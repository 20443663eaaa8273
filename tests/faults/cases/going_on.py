"""Cases 50 to 57: going on with a run."""

import re
from pathlib import Path

from charrnn import checkpoint
from tests.faults.cases.desk import RESUME, TEXTS, TRAIN, Case, Desk
from tests.faults.checkpoints import MODELS


def another_text(desk: Desk) -> None:
    desk.do(*TRAIN)
    then = checkpoint.load("run.npz").corpus.sha256[:12]
    desk.lay_out("other.txt", "strange.txt")
    for text in (TEXTS["other.txt"], TEXTS["lamp.txt"][:-1]):
        Path("lamp.txt").write_bytes(text)
        outcome = desk.refuse((*RESUME, "run.npz"), 2, f"SHA-256 {then}… then, ")
        assert "give the text it was trained on, or train on this one with --allow-new-text" in outcome.err
    Path("lamp.txt").unlink()
    desk.refuse((*RESUME, "run.npz"), 2, "say where it is now: charrnn train TEXT --resume")
    new = ("train", "other.txt", "--resume", "--checkpoint", "run.npz", "--steps", "9", "--allow-new-text")
    assert "continues on another text: other, from its beginning" in desk.do(*new).err
    after = checkpoint.load("run.npz")
    assert (after.progress.step, after.corpus.name) == (9, "other")
    desk.do(*RESUME, "run.npz", "--steps", "11")


def new_characters(desk: Desk) -> None:
    desk.do(*TRAIN)
    words = "characters the model never saw (13 in all): '0' (U+0030), '1' (U+0031)"
    new = ("train", "strange.txt", "--resume", "--checkpoint", "run.npz", "--allow-new-text")
    outcome = desk.refuse(new, 2, words)
    assert outcome.err.count("U+") == 10


def changed_options(desk: Desk) -> None:
    desk.do(*TRAIN)
    outcome = desk.refuse((*RESUME, "run.npz", "--hidden-size", "9"), 2, "--hidden-size cannot change")
    may_change = outcome.err.partition("(what may change: ")[2]
    assert all(option in may_change for option in ("--steps", "--learning-rate", "--save-every"))
    said = desk.do(*RESUME, "run.npz", "--steps", "7", "--learning-rate", "0.05", "--save-every", "3").err
    assert "changed: --learning-rate 0.05 (was 0.15), --steps 7 (was 5), --save-every 3 (was 400)" in said


def another_machine(desk: Desk) -> None:
    desk.do(*TRAIN)
    assert "exact resume" not in desk.do(*RESUME, "run.npz", "--steps", "6").err
    Path("run.npz").write_bytes(MODELS["elsewhere.npz"](Path("run.npz").read_bytes()))
    said = desk.do(*RESUME, "run.npz", "--steps", "7").err
    assert len(re.findall("warning: exact resume not guaranteed: NumPy 1.0 then, .* now\n", said)) == 1


CASES: dict[int, Case] = {
    50: Case("from every step", tests=("test_a_run_goes_on_from_each_of_its_saves_to_the_same_bytes",)),
    51: Case("another text", story=another_text),
    52: Case("new characters", story=new_characters),
    53: Case("changed options", story=changed_options),
    54: Case("another machine", story=another_machine),
    55: Case("a finished run", tests=("test_resuming_a_finished_run_does_nothing_and_leaves_its_file",)),
    56: Case(
        "steps and rate begin again",
        tests=("test_all_files_of_a_run_that_is_given_more_steps_are_those_of_the_longer_run",),
    ),
    57: Case("samples more often", tests=("test_sampling_and_evaluating_more_often_after_a_resume_changes_no_weight",)),
}
