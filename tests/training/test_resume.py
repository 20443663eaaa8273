"""A run that stops and goes on ends in the very bytes of one that never stopped."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import checkpoint
from charrnn.archive import read_arrays, write_arrays
from charrnn.errors import CheckpointError, ConfigError, TextError
from charrnn.training import start as runs
from charrnn.training.events import Event, StepReport, Stopped
from tests.conftest import TEXT, TINY, Charrnn, bytes_in, command, unix

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
GRU = {"cell": "gru", "hidden_sizes": (6, 5)}
DROPPING = {"cell": "gru", "hidden_sizes": (6, 4), "embedding_size": 4, "tied": True} | {
    "dropout": 0.4,
    "weight_drop": 0.3,
}
SEVERAL_CHUNKS = {"cell": "gru", "hidden_sizes": (6,), "dropout": 0.4, "accumulate": 2, "bptt_jitter": 2.0}
# Words, longer than a chunk: runs are stopped within them too, and an epoch is over after eight steps or so.
ITEMS = {"cell": "gru", "hidden_sizes": (6, 4), "separator": " ", "seq_length": 3, "bptt_jitter": 1.0}
NETWORKS = [VANILLA, LSTM, GRU, DROPPING, ITEMS, SEVERAL_CHUNKS]
NAMES = ["vanilla", "lstm", "gru", "dropout", "items", "accumulate"]


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


def start_and_stop(text: str, path: str, k: int, **changes: Any) -> None:
    """Train k of N steps and stop as Ctrl-C would; 0 steps: be killed after the first save."""
    run = runs.train([text], checkpoint=Path(path), **{**SMALL, **changes})
    events: Iterator[Event] = run.events(stop=lambda: run.trainer.step == k)
    for _ in events if k else itertools.islice(events, 1):
        pass


def difference(a: str, b: str) -> str:
    return "" if Path(a).read_bytes() == Path(b).read_bytes() else f"{a} and {b} differ"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
@pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
def test_stopping_after_any_step_and_going_on_equals_never_stopping(
    text: str, network: dict[str, Any], optimizer: str, dtype: str
) -> None:
    changes = {**network, "optimizer": optimizer, "dtype": dtype}
    start(text, "whole.npz", **changes)
    for k in range(N + 1):
        start_and_stop(text, f"{k}.npz", k, **changes)
        resume(f"{k}.npz")
        assert not difference("whole.npz", f"{k}.npz")


@pytest.mark.parametrize("optimizer", ["rmsprop", "sgd"])
@pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
def test_every_optimizer_goes_on_with_its_memory(text: str, network: dict[str, Any], optimizer: str) -> None:
    changes = {**network, "optimizer": optimizer}
    start(text, "whole.npz", **changes)
    start_and_stop(text, "cut.npz", 7, **changes)
    resume("cut.npz")
    assert not difference("whole.npz", "cut.npz")


def test_a_shorter_run_that_is_given_more_steps_equals_the_longer_run(text: str) -> None:
    start(text, "whole.npz", **LSTM)
    for k in range(1, N + 1):  # off the grid of evaluations the shorter run makes one more, because it ends
        start(text, f"{k}.npz", **LSTM, steps=k)
        resume(f"{k}.npz", steps=N)
        assert not difference("whole.npz", f"{k}.npz")


@pytest.mark.parametrize("k", range(2, N))
def test_all_files_of_a_run_that_is_given_more_steps_are_those_of_the_longer_run(text: str, k: int) -> None:
    changes: Any = {**VANILLA, "eval_every": 2, "save_every": 4, "keep": 2, "learning_rate": 0.3}
    for folder, steps in (("whole", N), ("cut", k)):
        Path(folder).mkdir()
        start(text, f"{folder}/run.npz", **changes, steps=steps)
    resume("cut/run.npz", steps=N)
    expected, found = bytes_in(Path("whole")), bytes_in(Path("cut"))
    kept = [f"run-step-{step}.npz" for step in (12, 8)]
    assert sorted(expected) == ["run-best.npz", *sorted(kept), "run.npz"]
    assert found["run.npz"] == expected["run.npz"]
    assert [found[name] for name in kept if name in found] == [expected[name] for name in kept if name in found]
    if k % 2 == 0:  # where it is evaluated at any rate
        assert found["run-best.npz"] == expected["run-best.npz"]
    if k % 4 == 0:
        assert found == expected


def test_a_best_model_of_another_run_keeps_its_bounds(text: str) -> None:
    start(text, "run.npz", **VANILLA, steps=5)
    start(text, "other.npz", **{**VANILLA, "hidden_sizes": (7,)}, steps=5)
    shutil.copy("other-best.npz", "run-best.npz")
    before = Path("run-best.npz").read_bytes()
    events = runs.resume(Path("run.npz"), steps=N).events()
    assert isinstance(next(iter(events)), StepReport)
    assert Path("run-best.npz").read_bytes() == before


def test_what_is_dropped_is_that_of_the_whole_run_and_not_of_its_first_part(text: str) -> None:
    whole = {**GRU, "steps": 60, "schedule_steps": 60, "save_every": 0}
    start(text, "whole.npz", **whole)
    start(text, "part.npz", **{**whole, "steps": 10})
    resume("part.npz", steps=60)
    assert checkpoint.load("whole.npz").config["dropout"] > 0
    assert not difference("whole.npz", "part.npz")


def test_a_run_cut_in_many_pieces_equals_the_whole(text: str) -> None:
    start(text, "whole.npz", **LSTM)
    start(text, "pieces.npz", **LSTM, steps=1)
    for steps in range(2, N + 1):
        resume("pieces.npz", steps=steps)
    assert not difference("whole.npz", "pieces.npz")


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


def test_a_changed_text_is_refused_with_both_hashes(text: str) -> None:
    start(text, "run.npz", **VANILLA)
    old = checkpoint.load("run.npz").corpus.sha256
    Path(text).write_text(TEXT[:111], newline="")
    with pytest.raises(ConfigError, match=rf"the text has changed.*{old[:12]}.*then, [0-9a-f]{{12}}… now"):
        resume("run.npz", steps=20)


def test_a_text_with_new_characters_is_refused_by_naming_them(text: str) -> None:
    start(text, "run.npz", **VANILLA)
    Path(text).write_text(TEXT[:110] + "7", newline="")
    with pytest.raises(TextError, match=r"never saw \(1 in all\): '7'"):
        resume("run.npz", steps=20)


def test_a_text_that_moved_is_taken_from_its_new_place(text: str) -> None:
    start(text, "run.npz", **VANILLA, steps=3)
    shutil.move(text, "moved.txt")
    with pytest.raises(TextError, match="there is no text"):
        resume("run.npz", steps=4)
    assert runs.resume(Path("run.npz"), ["moved.txt"], steps=4).config.steps == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_sizes", (9,)), ("cell", "lstm"), ("seq_length", 11), ("optimizer", "adam"), ("rng_seed", 1)],
)
def test_what_makes_another_run_cannot_change(text: str, name: str, value: Any) -> None:
    start(text, "run.npz", **VANILLA)
    with pytest.raises(ConfigError, match=f"^{name} cannot change when a run is resumed"):
        resume("run.npz", **{name: value})
    unchanged = checkpoint.load("run.npz").config[name]
    resume("run.npz", **{name: tuple(unchanged) if isinstance(unchanged, list) else unchanged})


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("config", "batch_size", 3),
        ("config", "cell", "lstm"),
        ("config", "hidden_sizes", [9]),
        ("config", "val_fraction", 0.999),
        ("config", "epochs", "many"),
        ("progress", "position", 44),
        ("progress", "position", 10**30),
    ],
)
def test_a_checkpoint_that_is_not_of_its_run_is_damaged(text: str, part: str, name: str, value: Any) -> None:
    start(text, "run.npz", **VANILLA)
    arrays = read_arrays("run.npz")
    meta = json.loads(arrays["meta"].tobytes())
    meta[part][name] = value
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    write_arrays("run.npz", arrays)
    with pytest.raises(CheckpointError, match=r"run\.npz is damaged"):
        resume("run.npz", steps=20)


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
    assert checkpoint.load("again.npz").progress.step == N


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


@unix
def test_ctrl_c_saves_and_the_resumed_process_ends_in_the_same_bytes(text: str) -> None:
    options = (text, *TINY, "--hidden-size", "48,48", "--steps", "500", "--sample-every", "0", "--eval-every", "70")
    subprocess.run([*command(["train", *options]), "-q", "--checkpoint", "whole.npz"], check=True, timeout=60)
    cut = subprocess.Popen([*command(["train", *options]), "--checkpoint", "cut.npz"], stderr=subprocess.PIPE)
    while not Path("cut.npz").exists():  # from the first save on, signals are looked after
        time.sleep(0.002)
    cut.send_signal(signal.SIGINT)
    _, stderr = cut.communicate(timeout=30)
    assert cut.returncode == 130
    assert 0 < checkpoint.load("cut.npz").progress.step < 500
    assert "To resume:\n  charrnn train --resume --checkpoint cut.npz\n" in stderr.decode()
    subprocess.run(command(["train", "--resume", "--checkpoint", "cut.npz", "-q"]), check=True, timeout=60)
    assert not difference("whole.npz", "cut.npz")


def test_sigterm_saves_and_exits_as_the_shell_expects(text: str) -> None:
    options = ("train", text, *TINY, "--steps", "10000000", "-q", "--checkpoint", "run.npz")
    process = subprocess.Popen(command(options))
    while not Path("run.npz").exists():
        time.sleep(0.002)
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert checkpoint.load("run.npz").progress.step > 0


@pytest.mark.parametrize(
    ("first", "then", "is_told"),
    [
        (("--steps", "20"), ("--steps", "40"), True),
        (("--epochs", "2"), ("--epochs", "4"), True),
        (("--steps", "20", "--schedule-steps", "80"), ("--steps", "40"), False),
        (("--steps", "20", "--schedule", "constant"), ("--steps", "40"), False),
        (("--epochs", "2", "--schedule", "step", "--decay-every", "1"), ("--epochs", "4"), False),
        (("--epochs", "2", "--schedule", "step", "--decay-every", "1"), ("--epochs", "4", "--decay-every", "9"), True),
        (("--steps", "20"), ("--minutes", "9", "--steps", "40"), True),
    ],
)
def test_a_learning_rate_that_jumps_is_told_in_a_line(
    charrnn: Charrnn, text_file: Path, first: tuple[str, ...], then: tuple[str, ...], is_told: bool
) -> None:
    how = ("--checkpoint", "lamp.npz")
    assert charrnn("train", str(text_file), *TINY, *first, *how).code == 0
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


def test_the_same_run_cut_in_two_tells_no_jump(charrnn: Charrnn, text_file: Path) -> None:
    how = ("--checkpoint", "lamp.npz", "--steps", "9", "--schedule-steps", "9")
    assert charrnn("train", str(text_file), *TINY, "--checkpoint", "lamp.npz", "--steps", "4", *how[-2:]).code == 0
    assert "jumps" not in charrnn("train", "--resume", *how).err
