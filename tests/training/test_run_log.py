"""The log of a run says what happened, reads as one run however often that was stopped, and never stops one."""

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint
from charrnn.errors import DivergedError
from charrnn.paths import log_path
from charrnn.training import start as runs
from charrnn.training.events import Event, RolledBack, Saved, StepReport
from charrnn.training.log import RunLog, is_recorded, read_log
from charrnn.training.run import Run
from tests.conftest import TEXT, TINY, command

N = 12
SMALL: Mapping[str, Any] = {
    "cell": "vanilla",
    "hidden_sizes": (8,),
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
Record = dict[str, Any]


@pytest.fixture(autouse=True)
def disk_that_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "lamp.txt"
    path.write_text(TEXT[:110], newline="")
    return str(path)


def watch(
    run: Run,
    stop: Callable[[], bool] = lambda: False,
    events: Callable[[Iterator[Event]], Iterator[Event]] = iter,
) -> list[str]:
    """Go through a run with its log, and return what was warned of; `events` may cut it short, as a kill would."""
    warnings: list[str] = []
    with RunLog(run.beginning(), "charrnn train lamp.txt", warnings.append) as log:
        for event in events(run.events(stop=stop)):
            log.record(event)
    return warnings


def start(text: str, path: str, **changes: Any) -> Run:
    return runs.train([text], checkpoint=Path(path), **{**SMALL, **changes})


def resume(path: str, **changes: Any) -> Run:
    return runs.resume(Path(path), **changes)


def told(path: str) -> list[Record]:
    """What a log says, but for what the clock says, where the run was stopped, and what only a fresh run samples."""
    records: list[Record] = []
    for record in read_log(Path(path)):
        is_seam = record["event"] in ("start", "resume", "end") or (record["event"], record["step"]) == ("sample", 0)
        timeless = {name: record[name] for name in record if name not in ("time", "characters_per_second", "path")}
        if not is_seam and timeless not in records[-1:]:  # a save that is due and the save at a stop are the same
            records.append(timeless)
    return records


def happened(path: str) -> list[tuple[str, int]]:
    return [(record["event"], record["step"]) for record in read_log(Path(path))]


def test_a_log_begins_with_the_configuration_and_tells_every_event_with_its_step_and_time(text: str) -> None:
    run = start(text, "run.npz")
    assert watch(run) == []
    first, *others = records = read_log(Path("run.log.jsonl"))
    assert (first["event"], first["step"], first["command"]) == ("start", 0, "charrnn train lamp.txt")
    assert first["config"] == run.config.to_json()
    assert first["model"]["parameters"] == run.trainer.params.vector.size
    assert first["corpus"]["sha256"] == run.corpus.sha256
    assert first["corpus"]["characters"] == 110
    assert (first["corpus"]["held_out"], first["total_steps"]) == (22, N)
    counts = {name: sum(record["event"] == name for record in others) for name in {r["event"] for r in others}}
    assert counts == {"progress": N, "sample": 5, "evaluation": 3, "save": 4, "end": 1}
    assert [record["time"] for record in records] == sorted(record["time"] for record in records)
    progress = [record for record in others if record["event"] == "progress"]
    assert [record["step"] for record in progress] == list(range(1, N + 1))
    assert {"loss", "smoothed_loss", "learning_rate", "grad_norm", "characters_per_second"} < set(progress[0])
    assert all(record["characters_per_second"] > 0 for record in progress)
    assert records[-1] == {**records[-1], "event": "end", "step": N, "interrupted": False}


def test_a_kill_between_a_save_and_its_line_leaves_no_gap(text: str) -> None:
    def until_the_line(events: Iterator[Event]) -> Iterator[Event]:
        return itertools.takewhile(lambda event: not (isinstance(event, Saved) and event.step == 8), events)

    watch(start(text, "whole.npz"))
    watch(start(text, "killed.npz"), events=until_the_line)
    assert ("save", 8) not in happened("killed.log.jsonl")
    watch(resume("killed.npz"))
    assert told("killed.log.jsonl") == told("whole.log.jsonl")


def test_a_log_has_the_figures_of_the_steps_themselves(text: str) -> None:
    run, reports = start(text, "run.npz"), []

    def keep(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            reports.append(event)
            yield event

    watch(run, events=keep)
    steps = [event for event in reports if isinstance(event, StepReport)]
    progress = [record for record in read_log(Path("run.log.jsonl")) if record["event"] == "progress"]
    for report, record in zip(steps, progress, strict=True):
        assert {**record, **vars(report)} == record


def test_steps_are_recorded_as_densely_as_they_are_late_and_never_more_than_128_a_doubling() -> None:
    recorded = [step for step in range(1, 2**15) if is_recorded(step)]
    assert recorded[:256] == list(range(1, 257))
    for power in range(8, 15):
        assert sum(2**power <= step < 2 ** (power + 1) for step in recorded) == 128


def test_writing_a_log_changes_no_byte_of_a_checkpoint(text: str) -> None:
    watch(start(text, "logged.npz"))
    for _ in start(text, "plain.npz").events():
        pass
    for name in ("{}.npz", "{}-best.npz"):
        assert Path(name.format("logged")).read_bytes() == Path(name.format("plain")).read_bytes()


def test_the_log_of_a_run_that_was_stopped_and_went_on_reads_as_that_of_one_that_never_was(text: str) -> None:
    watch(start(text, "whole.npz"))
    for k in (0, 1, 4, 5, 7, 12):
        stopped = start(text, f"{k}.npz")
        watch(stopped, stop=lambda run=stopped, k=k: run.trainer.step == k)  # type: ignore[misc]
        watch(resume(f"{k}.npz"))
        ours, theirs = (
            [record for record in told(f"{name}.log.jsonl") if record != {"event": "save", "step": k}]
            for name in (k, "whole")
        )
        assert ours == theirs, k
        assert [event for event, _ in happened(f"{k}.log.jsonl")].count("resume") == (0 < k < N)


def test_after_a_kill_what_was_logged_of_lost_steps_is_cut_off(text: str) -> None:
    watch(start(text, "whole.npz"))
    for lost in range(1, 23, 3):  # events, among them one or two of each kind
        log = Path(f"{lost}.log.jsonl")
        watch(start(text, f"{lost}.npz"), events=lambda events, lost=lost: itertools.islice(events, lost))  # type: ignore[misc]
        log.write_bytes(log.read_bytes() + b'{"event": "progress", "st')  # killed in the middle of a line
        watch(resume(f"{lost}.npz"))
        assert told(log.name) == told("whole.log.jsonl"), lost
        assert len(log.read_text().splitlines()) == len(read_log(log))


def test_where_the_save_itself_was_not_logged_any_more_what_is_later_is_cut_off(text: str) -> None:
    watch(start(text, "run.npz", steps=4))
    kept = [json.dumps(record) for record in read_log(Path("run.log.jsonl")) if record["event"] not in ("save", "end")]
    Path("run.log.jsonl").write_text("\n".join([*kept, json.dumps({"event": "progress", "step": 5}), ""]))
    watch(resume("run.npz", steps=5))
    assert happened("run.log.jsonl")[len(kept) - 1 :][:4] == [
        ("evaluation", 4),
        ("save", 4),
        ("resume", 4),
        ("progress", 5),
    ]


def test_a_run_that_goes_on_from_before_a_rollback_has_no_rollback_in_its_log(text: str) -> None:
    watch(start(text, "run.npz", steps=8))
    lines = Path("run.log.jsonl").read_text().splitlines(keepends=True)
    astray = [{"event": "progress", "step": 9}, {"event": "rollback", "step": 5}, {"event": "progress", "step": 6}]
    with Path("run.log.jsonl").open("a") as log:
        log.writelines(json.dumps(record) + "\n" for record in astray)
    watch(resume("run.npz", steps=9))
    events = happened("run.log.jsonl")
    assert ("rollback", 5) not in events
    went_on = [("resume", 8), ("progress", 9), ("sample", 9), ("evaluation", 9), ("save", 9), ("end", 9)]
    assert events[len(lines) - 1 :] == went_on  # where the end stood


# A rate at which the network is lost several times.
WILD: Mapping[str, Any] = {
    "optimizer": "sgd",
    "learning_rate": 100.0,
    "clip_norm": 0.0,
    "warmup_steps": 0,
    "schedule": "constant",
    "steps": 30,
    "schedule_steps": 0,
    "eval_every": 5,
    "save_every": 2,
    "sample_every": 0,
}


def unsaved(path: str) -> list[Record]:
    """What a log says, but for its saves, as the line of one is lost."""
    return [record for record in told(path) if record["event"] != "save"]


def test_after_a_kill_between_a_save_and_its_line_the_log_has_one_history_in_spite_of_rollbacks(text: str) -> None:
    watch(start(text, "whole.npz", **WILD))
    whole = unsaved("whole.log.jsonl")
    assert sum(record["event"] == "rollback" for record in whole) >= 2
    assert sum(record["event"] == "loss_rose" for record in whole) == 1
    seen: list[Event] = list(start(text, "plain.npz", **WILD).events())
    saves = [(at, event.step) for at, event in enumerate(seen) if isinstance(event, Saved)]
    again = [at for number, (at, step) in enumerate(saves) if step in [earlier for _, earlier in saves[:number]]]
    went_back = [at for at, event in enumerate(seen) if isinstance(event, RolledBack)]

    def killed(at: int) -> Callable[[Iterator[Event]], Iterator[Event]]:
        def cut(events: Iterator[Event]) -> Iterator[Event]:
            for number, event in enumerate(events):
                if number == at:
                    return  # what made the event has happened, and its line is not written
                yield event

        return cut

    assert again  # of one step there are saves before and after a rollback
    for at in (again[0], again[-1], went_back[1]):
        watch(runs.train([text], checkpoint=Path("cut.npz"), overwrite=True, **{**SMALL, **WILD}), events=killed(at))
        watch(resume("cut.npz"), events=killed(0))  # and again before a step is made
        watch(resume("cut.npz"))
        assert unsaved("cut.log.jsonl") == whole, at
        assert happened("cut.log.jsonl").count(("resume", 0)) <= 1


def test_a_log_keeps_the_last_of_two_histories_when_another_rate_forgets_the_rollbacks(text: str) -> None:
    watch(start(text, "run.npz", steps=6, save_every=0))
    lines = [json.loads(line) for line in Path("run.log.jsonl").read_text().splitlines()]
    astray = [{"event": "progress", "step": 7}, {"event": "rollback", "step": 5}, {"event": "progress", "step": 6}]
    Path("run.log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in [*lines[:-1], *astray]))
    saved = checkpoint.load("run.npz")
    checkpoint.save("run.npz", replace(saved, progress=replace(saved.progress, rollbacks=1)))
    watch(resume("run.npz", steps=8, learning_rate=0.01))
    events = happened("run.log.jsonl")
    assert events[len(lines) - 1 :][:5] == [
        *(("progress", 7), ("rollback", 5), ("progress", 6), ("resume", 6), ("progress", 7)),
    ]
    assert read_log(Path("run.log.jsonl"))[len(lines) + 2]["rollbacks"] == 0


def test_a_process_that_is_killed_leaves_a_log_of_whole_lines(text: str) -> None:
    process = subprocess.Popen(command(["train", text, *TINY, "--steps", "1000000", "-q", "--checkpoint", "run.npz"]))
    while not Path("run.log.jsonl").exists() or Path("run.log.jsonl").read_bytes().count(b"\n") < 300:
        time.sleep(0.002)
    process.kill()
    process.wait()
    *lines, rest = Path("run.log.jsonl").read_bytes().split(b"\n")
    assert all(json.loads(line)["event"] for line in lines)
    assert rest == b"" or not rest.endswith(b"}")


def test_a_log_that_cannot_be_written_is_told_once_and_training_goes_on(text: str) -> None:
    Path("run.log.jsonl").mkdir()
    warnings = watch(runs.train([text], checkpoint=Path("run.npz"), overwrite=True, **SMALL))
    assert warnings == [
        "cannot write the log run.log.jsonl: it is not a regular file; training continues",
    ]
    assert Path("run-best.npz").exists()


def test_what_is_no_log_is_left_alone_when_a_run_goes_on(text: str) -> None:
    watch(start(text, "run.npz", steps=4))
    Path("run.log.jsonl").write_text('{"mine": 1}\n')
    assert watch(resume("run.npz", steps=5)) == [
        "run.log.jsonl is not the log of a run; training continues without a log",
    ]
    assert Path("run.log.jsonl").read_text() == '{"mine": 1}\n'


def test_a_log_that_is_lost_or_empty_begins_where_the_run_goes_on(text: str) -> None:
    watch(start(text, "run.npz", steps=4))
    Path("run.log.jsonl").unlink()
    watch(resume("run.npz", steps=5))
    assert happened("run.log.jsonl")[0] == ("resume", 4)
    Path("run.log.jsonl").write_bytes(b"")
    watch(resume("run.npz", steps=6))
    assert happened("run.log.jsonl")[0] == ("resume", 5)


def test_a_run_that_is_at_its_end_leaves_its_log_as_it_is(text: str) -> None:
    watch(start(text, "run.npz"))
    before = Path("run.log.jsonl").read_bytes()
    watch(resume("run.npz"))
    assert Path("run.log.jsonl").read_bytes() == before


def test_a_run_that_ends_by_an_error_says_so_in_its_log(text: str) -> None:
    run = start(text, "run.npz")

    def diverge(events: Iterator[Event]) -> Iterator[Event]:
        yield from itertools.islice(events, 6)
        raise DivergedError("training diverged at step 5")

    with pytest.raises(DivergedError):
        watch(run, events=diverge)
    last = read_log(Path("run.log.jsonl"))[-1]
    assert (last["event"], last["reason"]) == (
        "failure",
        "training diverged at step 5; try a lower learning_rate",
    )


def test_the_last_step_before_a_stop_is_recorded_though_its_turn_is_not_yet(text: str) -> None:
    run = start(text, "run.npz", steps=1000, eval_every=0, sample_every=0, save_every=0)
    watch(run, stop=lambda: run.trainer.step == 259)
    events = happened("run.log.jsonl")
    assert events[-4:] == [("progress", 258), ("save", 259), ("progress", 259), ("end", 259)]


@pytest.mark.parametrize(
    ("checkpoint", "log"),
    [
        ("a/kafka.npz", "a/kafka.log.jsonl"),
        ("a/kafka-best.npz", "a/kafka.log.jsonl"),
        ("v0.2.npz", "v0.2.log.jsonl"),
        ("run.v2", "run.v2.log.jsonl"),
        ("run", "run.log.jsonl"),
        ("-best", "-best.log.jsonl"),
    ],
)
def test_a_log_stands_beside_its_checkpoint_and_the_best_model_shares_it(checkpoint: str, log: str) -> None:
    assert log_path(Path(checkpoint)) == Path(log)
