"""A run that stops and goes on ends in the very bytes of one that never stopped."""

import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import checkpoint
from charrnn.errors import CheckpointError, ConfigError, TextError
from charrnn.training import start as runs
from charrnn.training.events import Event, RolledBack, Saved, StepReport, Stopped
from tests.conftest import TEXT, TINY, Charrnn, bytes_in
from tests.test_checkpoint import edited

N = 12
# 88 of 110 characters to train on: two streams of 44, five chunks an epoch, so that epochs end inside the run.
SMALL: Mapping[str, Any] = {
    "batch_size": 2,
    "seq_length": 10,
    "val_fraction": 0.2,
    "steps": N,
    "schedule_steps": N,
    "warmup_steps": 3,
    "eval_every": 5,
    "sample_every": 3,
    "sample_length": 5,
    "save_every": 4,
}
VANILLA = {"cell": "vanilla", "hidden_sizes": (8,)}
LSTM = {"cell": "lstm", "hidden_sizes": (6, 5)}
# Each cell, optimizer and data type, and whatever else a run carries from one step to the next.
RUNS: Mapping[str, Any] = {
    "vanilla": VANILLA | {"optimizer": "adagrad", "batch_size": 1},
    "lstm": LSTM | {"optimizer": "adam", "dtype": "float64", "average": 5},
    "gru": {"cell": "gru", "hidden_sizes": (6, 5), "optimizer": "rmsprop", "batch_size": 4},
    "dropout": {"cell": "gru", "hidden_sizes": (6, 4), "optimizer": "adam", "embedding_size": 4, "tied": True}
    | {"dropout": 0.4, "weight_drop": 0.3},
    "several chunks": {"cell": "gru", "hidden_sizes": (6,), "optimizer": "adagrad", "dtype": "float64"}
    | {"dropout": 0.4, "accumulate": 2, "bptt_jitter": 2.0},
    # Words longer than a chunk: the run is stopped within them too, and an epoch is over after eight steps or so.
    "items": {"cell": "gru", "hidden_sizes": (6, 4), "optimizer": "sgd", "separator": " ", "seq_length": 3}
    | {"bptt_jitter": 1.0},
    # At this rate the network is lost several times.
    "rollbacks": VANILLA
    | {"optimizer": "sgd", "learning_rate": 100.0, "clip_norm": 0.0, "schedule": "constant"}
    | {"warmup_steps": 0, "steps": 18, "schedule_steps": 0, "average": 4},
}


@pytest.fixture(autouse=True)
def disk_that_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "lamp.txt"
    path.write_text(TEXT[:110], newline="")
    return str(path)


def start(text: str, path: str, **changes: Any) -> list[Event]:
    return list(runs.train([text], checkpoint=Path(path), **{**SMALL, **changes}).events())


def resume(path: str, **changes: Any) -> list[Event]:
    return list(runs.resume(Path(path), **changes))


def difference(a: str, b: str) -> str:
    return "" if Path(a).read_bytes() == Path(b).read_bytes() else f"{a} and {b} differ"


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_from_each_of_its_saves_to_the_same_bytes(text: str, name: str) -> None:
    changes = {**RUNS[name], "save_every": 1}
    Path("saves").mkdir()
    kept: list[Event] = []
    rollbacks = 0
    for event in runs.train([text], checkpoint=Path("whole.npz"), **{**SMALL, **changes}).events():
        rollbacks += isinstance(event, RolledBack)
        if isinstance(event, Saved):  # a process that is killed before its next save leaves these files
            for file, end in (("whole.npz", ".npz"), ("whole-best.npz", "-best.npz")):
                if Path(file).exists():
                    shutil.copy(file, f"saves/{len(kept)}{end}")
            kept.append(event)
    assert (rollbacks >= 2) == (name == "rollbacks")
    for number, save in list(enumerate(kept))[:: 3 if rollbacks else 1]:
        if number % 4 == 1 and not rollbacks:  # one that is stopped there by Ctrl-C leaves the same
            start_and_stop(text, "stopped.npz", save.step, **changes)
            assert not difference("stopped.npz", f"saves/{number}.npz")
        resume(f"saves/{number}.npz")
        assert not difference("whole.npz", f"saves/{number}.npz")
        assert not difference("whole-best.npz", f"saves/{number}-best.npz")


def start_and_stop(text: str, path: str, k: int, **changes: Any) -> None:
    run = runs.train([text], checkpoint=Path(path), overwrite=True, **{**SMALL, **changes})
    for _ in run.events(stop=lambda: run.trainer.step == k):
        pass


def test_all_files_of_a_run_that_is_given_more_steps_are_those_of_the_longer_run(text: str) -> None:
    changes: Any = {**LSTM, "eval_every": 2, "save_every": 4, "keep": 2, "learning_rate": 0.3}
    kept = [f"run-step-{step}.npz" for step in (12, 8)]
    start(text, "whole/run.npz", **changes)
    expected = bytes_in(Path("whole"))
    assert sorted(expected) == ["run-best.npz", *sorted(kept), "run.npz"]
    for k in range(1, N):  # off the grid of evaluations the shorter run makes one more, because it ends
        start(text, f"{k}/run.npz", **changes, steps=k)
        resume(f"{k}/run.npz", steps=N)
        found = bytes_in(Path(str(k)))
        assert found["run.npz"] == expected["run.npz"], k
        assert [found[name] for name in kept if name in found] == [expected[name] for name in kept if name in found]
        if k % 2 == 0:  # where it is evaluated at any rate
            assert found["run-best.npz"] == expected["run-best.npz"], k
        if k % 4 == 0:
            assert found == expected, k


def test_a_best_model_of_another_run_keeps_its_bounds(text: str) -> None:
    start(text, "run.npz", **VANILLA, steps=5)
    start(text, "other.npz", **{**VANILLA, "hidden_sizes": (7,)}, steps=5)
    shutil.copy("other-best.npz", "run-best.npz")
    before = Path("run-best.npz").read_bytes()
    events = runs.resume(Path("run.npz"), steps=N).events()
    assert isinstance(next(iter(events)), StepReport)
    assert Path("run-best.npz").read_bytes() == before


def test_what_is_dropped_is_that_of_the_whole_run_and_not_of_its_first_part(text: str) -> None:
    whole = {**VANILLA, "schedule_steps": 60}
    start(text, "whole.npz", **whole)
    start(text, "part.npz", **{**whole, "steps": 3})
    resume("part.npz", steps=N)
    assert checkpoint.load("whole.npz").config["dropout"] > 0
    assert not difference("whole.npz", "part.npz")


def test_sampling_and_evaluating_more_often_after_a_resume_changes_no_weight(text: str) -> None:
    start(text, "whole.npz", **LSTM)
    start_and_stop(text, "cut.npz", 5, **LSTM)
    resume("cut.npz", sample_every=1, sample_length=30, eval_every=1, save_every=1)
    with np.load("whole.npz") as whole, np.load("cut.npz") as cut:
        assert whole.files == cut.files
        for name in set(whole.files) - {"meta"}:
            assert whole[name].tobytes() == cut[name].tobytes(), name


def test_a_new_learning_rate_is_taken_from_the_step_it_is_given_at(text: str) -> None:
    start(text, "cut.npz", **VANILLA, steps=4, schedule="constant", warmup_steps=0)
    steps = [event for event in resume("cut.npz", steps=6, learning_rate=0.25) if isinstance(event, StepReport)]
    assert [(report.step, report.learning_rate) for report in steps] == [(5, 0.25), (6, 0.25)]


def test_resuming_a_finished_run_does_nothing_and_leaves_its_file(text: str) -> None:
    start(text, "done.npz", **VANILLA)
    before = Path("done.npz").read_bytes(), Path("done.npz").stat()
    assert resume("done.npz") == [Stopped(N, interrupted=False)]
    after = Path("done.npz").stat()
    assert (Path("done.npz").read_bytes(), after.st_mtime_ns, after.st_ino) == (
        before[0],
        before[1].st_mtime_ns,
        before[1].st_ino,
    )


def test_a_text_that_moved_is_taken_from_its_new_place(text: str) -> None:
    start(text, "run.npz", **VANILLA, steps=3)
    shutil.move(text, "moved.txt")
    with pytest.raises(TextError, match="there is no text"):
        resume("run.npz", steps=4)
    assert runs.resume(Path("run.npz"), ["moved.txt"], steps=4).config.steps == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_sizes", (9,)), ("cell", "lstm"), ("seq_length", 11), ("optimizer", "adam"), ("separator", "a")],
)
def test_what_makes_another_run_cannot_change(text: str, name: str, value: Any) -> None:
    start(text, "run.npz", **VANILLA)
    with pytest.raises(ConfigError, match=f"^{name} cannot change when a run is resumed"):
        resume("run.npz", **{name: value})
    unchanged = checkpoint.load("run.npz").config[name]
    resume("run.npz", **{name: tuple(unchanged) if isinstance(unchanged, list) else unchanged})


def test_a_checkpoint_that_is_not_of_its_run_is_damaged(text: str) -> None:
    start(text, "run.npz", **VANILLA)
    for part, name, value in (
        ("config", "batch_size", 3),
        ("config", "cell", "lstm"),
        ("config", "hidden_sizes", [9]),
        ("config", "val_fraction", 0.999),
        ("config", "epochs", "many"),
        ("progress", "position", 44),
        ("progress", "position", 10**30),
    ):
        shutil.copy("run.npz", "other.npz")
        edited("other.npz", lambda meta: meta[part].update({name: value}))  # noqa: B023
        with pytest.raises(CheckpointError, match=r"other\.npz is damaged"):
            resume("other.npz", steps=20)


def test_evaluations_stay_whatever_the_schedule_is_afterwards(text: str) -> None:
    start(text, "run.npz", **VANILLA, eval_every=2, steps=6)
    resume("run.npz", eval_every=5, steps=10)
    assert [step for step, _ in checkpoint.load("run.npz").progress.history] == [2, 4, 6, 10]
    resume("run.npz", steps=11)
    assert [step for step, _ in checkpoint.load("run.npz").progress.history] == [2, 4, 6, 10, 11]
    finished = runs.resume(Path("run.npz"))
    assert [type(event) for event in finished.events()] == [Stopped]
    assert [step for step, _ in finished.history] == [2, 4, 6, 10, 11]
    resume("run.npz", steps=13)  # that of step 11 was made because the run ended there
    assert [step for step, _ in checkpoint.load("run.npz").progress.history] == [2, 4, 6, 10, 13]


def test_a_run_that_could_not_be_prepared_holds_nothing(text: str) -> None:
    with pytest.raises(TextError) as kept:
        runs.train(["missing.txt"], checkpoint=Path("run.npz"), **SMALL)
    start(text, "run.npz", **VANILLA)
    with pytest.raises(ConfigError) as kept_too:
        runs.resume(Path("run.npz"), hidden_sizes=(9,))
    resume("run.npz", steps=N + 1)
    assert kept.tb
    assert kept_too.tb


def test_a_state_that_a_run_keeps_stays_as_it_is(text: str) -> None:
    start(text, "run.npz", **VANILLA, keep=2)
    kept = Path("run-step-8.npz").read_bytes()
    with pytest.raises(CheckpointError, match=r"run-step-8\.npz is a state that a run keeps; copy it"):
        resume("run-step-8.npz")
    assert Path("run-step-8.npz").read_bytes() == kept
    shutil.copy("run-step-8.npz", "again.npz")
    resume("again.npz")
    assert not difference("run.npz", "again.npz")


def test_without_any_checkpoint_there_is_nothing_to_resume() -> None:
    with pytest.raises(CheckpointError, match="nothing to resume: no checkpoint in checkpoints/"):
        runs.resume()


def test_the_best_model_is_for_sampling_and_cannot_be_resumed(text: str) -> None:
    start(text, "run.npz", **VANILLA)
    with pytest.raises(CheckpointError, match="kept for sampling only"):
        resume("run-best.npz")


def test_resume_without_a_name_takes_the_newest_run_and_never_a_best_model(text: str) -> None:
    for name, age in (("old", 30), ("new", 20), ("new-best", 10)):
        path = Path("checkpoints", f"{name}.npz")
        if not path.exists():
            start(text, str(path), **VANILLA)
        os.utime(path, (time.time() - age,) * 2)
    os.utime("checkpoints/old-best.npz", (time.time() - 40,) * 2)
    assert runs.resume().path == Path("checkpoints/new.npz")


@pytest.mark.parametrize(
    ("first", "then", "is_told"),
    [
        (("--steps", "4"), ("--steps", "8"), True),
        (("--epochs", "0.5"), ("--epochs", "1"), True),
        (("--steps", "4", "--schedule-steps", "16"), ("--steps", "8"), False),
        (("--steps", "4", "--schedule", "constant"), ("--steps", "8"), False),
        (("--epochs", "1", "--schedule", "step", "--decay-every", "0.5"), ("--epochs", "2"), False),
        (
            ("--epochs", "1", "--schedule", "step", "--decay-every", "0.5"),
            ("--epochs", "2", "--decay-every", "9"),
            True,
        ),
        (("--steps", "4"), ("--minutes", "9", "--steps", "8"), True),
    ],
)
def test_a_learning_rate_that_jumps_is_told_in_a_line(
    charrnn: Charrnn, text_file: Path, first: tuple[str, ...], then: tuple[str, ...], is_told: bool
) -> None:
    how = ("--checkpoint", "lamp.npz")
    assert charrnn("train", str(text_file), *TINY, "--schedule", "cosine", *first, *how).code == 0
    done = charrnn("train", "--resume", *then, *how, "--json")
    assert done.code == 0
    jumps = re.findall(r"the learning rate jumps at step \d+ from (\S+) to (\S+),", done.err)
    assert len(jumps) == is_told
    if is_told:
        rates = [
            record["learning_rate"] for line in done.out.splitlines() if "learning_rate" in (record := json.loads(line))
        ]
        assert float(jumps[0][1]) == pytest.approx(rates[0], rel=0.01)
        assert float(jumps[0][0]) < rates[0]


@pytest.mark.parametrize(("schedule", "is_told"), [("cosine", True), ("constant", False), ("step", False)])
def test_a_run_longer_than_its_cosine_says_that_it_learns_nothing_more(
    charrnn: Charrnn, text_file: Path, schedule: str, is_told: bool
) -> None:
    how = ("--checkpoint", "lamp.npz", "--schedule", schedule, "--schedule-steps", "4")
    first = charrnn("train", str(text_file), *TINY, "--steps", "4", *how)
    then = charrnn("train", "--resume", "--checkpoint", "lamp.npz", "--steps", "6")
    said = "learning rate is 0 after step 4"
    assert (first.code, then.code, said in first.err, said in then.err) == (0, 0, False, is_told)
