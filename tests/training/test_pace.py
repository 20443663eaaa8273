"""A run that is bounded by time is over in time, its last evaluation and save included; on a clock of its own."""

from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint
from charrnn.checkpoint import Checkpoint
from charrnn.training import run as runs
from charrnn.training.evaluation import Evaluator
from charrnn.training.events import Evaluated, Event, Sampled, Saved, StepReport, Stopped
from charrnn.training.run import Pace, Run
from charrnn.training.start import resume, train
from charrnn.training.trainer import Trainer

STEP, EVALUATION, SAVE = 0.25, 2.0, 1.0  # seconds on the clock below
SMALL = {"hidden_sizes": (8,), "batch_size": 2, "seq_length": 10, "warmup_steps": 0, "learning_rate": 0.1}
EVENTS = {"eval_every": 20, "sample_every": 40, "save_every": 30}


class Clock:
    """Time passes only where the run does something."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    train_step, loss, save = Trainer.train_step, Evaluator.loss, checkpoint.save

    def slow_step(trainer: Trainer, progress: float) -> StepReport:
        clock.now += STEP
        return train_step(trainer, progress)

    def slow_loss(evaluator: Evaluator, params: Any) -> float:
        clock.now += EVALUATION
        return loss(evaluator, params)

    def slow_save(path: checkpoint.PathLike, saved: Checkpoint) -> None:
        clock.now += SAVE
        save(path, saved)

    monkeypatch.setattr(runs, "monotonic", clock)
    monkeypatch.setattr(Trainer, "train_step", slow_step)
    monkeypatch.setattr(Evaluator, "loss", slow_loss)
    monkeypatch.setattr(checkpoint, "save", slow_save)
    return clock


def run_of(text: Path, minutes: float, **changes: Any) -> Run:
    return train([str(text)], checkpoint=Path("run.npz"), **{**SMALL, **EVENTS, "minutes": minutes, **changes})


def events_of(run: Run, **options: Any) -> list[Event]:
    return list(run.events(**options))


def rates(events: list[Event]) -> list[float]:
    return [event.learning_rate for event in events if isinstance(event, StepReport)]


@pytest.mark.parametrize("minutes", [0.5, 1.7])
def test_the_run_is_over_in_time_and_not_much_before(text_file: Path, clock: Clock, minutes: float) -> None:
    began = clock.now
    events = events_of(run_of(text_file, minutes))
    # It kept time for a step that did not fit, for a save of the best where the last was none, and to leave.
    assert 60 * minutes - STEP - SAVE - 0.5 <= clock.now - began <= 60 * minutes
    assert [type(event) for event in events[-3:]] == [Evaluated, Saved, Stopped]


@pytest.mark.usefixtures("clock")
def test_the_cosine_comes_to_its_end(text_file: Path) -> None:
    found = rates(events_of(run_of(text_file, 2.0, schedule="cosine")))
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.099
    assert found[-1] < 1e-4 * found[0]


@pytest.mark.usefixtures("clock")
def test_nothing_that_can_wait_is_done_where_it_leaves_no_time_for_steps(text_file: Path) -> None:
    reports = [event for event in events_of(run_of(text_file, 0.5)) if not isinstance(event, StepReport)]
    evaluated = [event.step for event in reports if isinstance(event, Evaluated)]
    # 30 s: two saves and an evaluation at the start are in it, and after step 80 there would be none for another step.
    assert evaluated[:-1] == [20, 40, 60][: len(evaluated) - 1]
    assert not any(isinstance(event, Sampled) and event.step > evaluated[-1] for event in reports)


def test_the_first_bound_ends_the_run(text_file: Path, clock: Clock) -> None:
    began = clock.now
    assert events_of(run_of(text_file, 10.0, steps=20))[-1] == Stopped(20, interrupted=False)
    assert clock.now - began < 60
    assert checkpoint.load("run.npz").progress.elapsed_seconds == pytest.approx(clock.now - began, abs=0.1)


def test_what_ran_before_counts_after_a_resume(text_file: Path, clock: Clock) -> None:
    began = clock.now
    run = run_of(text_file, 2.0, schedule="cosine")
    first = events_of(run, stop=lambda: run.trainer.step == 50)
    assert checkpoint.load("run.npz").progress.elapsed_seconds == pytest.approx(clock.now - began)
    clock.now += 500  # nobody trains
    second = events_of(resume(Path("run.npz")))
    assert 120 - STEP - SAVE - 0.5 <= clock.now - 500 - began <= 120
    found = rates([*first, *second])
    assert found == sorted(found, reverse=True)
    assert found[-1] < 1e-4 * found[0]


def test_a_run_whose_time_is_over_is_finished_until_it_is_given_more(text_file: Path, clock: Clock) -> None:
    step = events_of(run_of(text_file, 0.5))[-1].step
    before = Path("run.npz").read_bytes()
    run = resume(Path("run.npz"))
    assert run.is_finished
    assert events_of(run) == [Stopped(step, interrupted=False)]
    assert Path("run.npz").read_bytes() == before
    began = clock.now
    assert events_of(resume(Path("run.npz"), minutes=1.0))[-1].step > step
    assert clock.now - began <= 30


@pytest.mark.usefixtures("clock")
def test_a_time_too_short_for_one_step_still_leaves_a_checkpoint(text_file: Path) -> None:
    assert events_of(run_of(text_file, 0.01))[-1] == Stopped(0, interrupted=False)
    assert checkpoint.load("run.npz").progress.step == 0


def test_a_cost_follows_what_is_measured_and_one_odd_measurement_moves_it_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(runs, "monotonic", clock)
    times = Pace(budget=100.0, earlier=0.0, began=clock.now)
    assert times.cost("save") == 0
    for seconds in (1.0, 1.0, 6.0):
        with times.timing("save"):
            clock.now += seconds
    assert times.cost("save") == pytest.approx(2.0)
    assert times.cost("save", "save", "sample") == pytest.approx(4.0)
    with times.timing("evaluate", share=0.1):  # a tenth of it
        clock.now += 0.5
    assert times.cost("evaluate") == pytest.approx(5.0)
    assert times.elapsed == pytest.approx(8.5)


def test_without_a_budget_there_is_time_for_all() -> None:
    times = Pace(budget=0.0, earlier=1e9)
    assert times.share("save") == 0
    assert times.has_time_for("save")
