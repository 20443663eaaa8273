"""A run that diverges goes back to its last good state at half the rate, so too after a resume, and not for ever."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import checkpoint
from charrnn.checkpoint import Progress
from charrnn.errors import CheckpointError, DivergedError
from charrnn.text.streams import Chunk
from charrnn.training.evaluation import Evaluator
from charrnn.training.events import Evaluated, Event, RolledBack, Saved, StepReport, Stopped
from charrnn.training.run import Run
from charrnn.training.start import resume, train
from charrnn.training.trainer import OneProcess
from tests.test_checkpoint import edited

SMALL: Mapping[str, Any] = {
    "hidden_sizes": (8,),
    "batch_size": 2,
    "seq_length": 10,
    "val_fraction": 0.2,
    "schedule": "constant",
    "warmup_steps": 0,
    "steps": 12,
    "eval_every": 5,
    "sample_every": 0,
    "save_every": 4,
}
# A rate at which this network is lost several times, but not so often that the run gives up.
WILD: Mapping[str, Any] = {
    "cell": "vanilla",
    "optimizer": "sgd",
    "learning_rate": 100.0,
    "clip_norm": 0.0,
    "steps": 30,
}


def start(text: Path, path: str = "run.npz", **changes: Any) -> Run:
    return train([str(text)], checkpoint=Path(path), **{**SMALL, **changes})


def rollbacks(events: list[Event]) -> list[tuple[int, float]]:
    return [(event.step, event.learning_rate) for event in events if isinstance(event, RolledBack)]


def plant(monkeypatch: pytest.MonkeyPatch, wrong: float, *, at: int, times: int = 1) -> None:
    """Spoil the gradient of the step after step `at`, so many times."""
    right, left = OneProcess.gradient, [times]

    def spoilt(engine: OneProcess, chunks: Sequence[Chunk], step: int, scale: float) -> tuple[float, float]:
        loss, norm = right(engine, chunks, step, scale)
        if step == at and left[0]:
            left[0] -= 1
            engine.grads.vector[3] = norm = wrong
        return loss, norm

    monkeypatch.setattr(OneProcess, "gradient", spoilt)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_number_that_is_not_finite_goes_back_to_the_last_evaluation_or_save(
    text_file: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    plant(monkeypatch, wrong, at=7)
    run = start(text_file, learning_rate=0.08)
    events = list(run.events())
    assert rollbacks(events) == [(5, 0.04)]
    steps = [event for event in events if isinstance(event, StepReport)]
    assert [report.step for report in steps] == [*range(1, 8), *range(6, 13)]
    assert [report.learning_rate for report in steps] == 7 * [0.08] + 7 * [0.04]
    assert events[-1] == Stopped(12, interrupted=False)
    saved = checkpoint.load("run.npz")
    assert saved.progress.rollbacks == 1
    assert [step for step, _ in saved.progress.history] == [5, 10, 12]


def test_after_a_rollback_all_is_as_in_a_run_that_came_to_that_step_by_itself(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(start(text_file, "first.npz", steps=5, learning_rate=0.1).events())
    list(resume(Path("first.npz"), steps=10, learning_rate=0.05).events())
    plant(monkeypatch, math.nan, at=7)
    list(start(text_file, "run.npz", steps=10, learning_rate=0.1).events())
    expected, found = checkpoint.load("first.npz"), checkpoint.load("run.npz")
    assert found.params.vector.tobytes() == expected.params.vector.tobytes()
    assert expected.resume
    assert found.resume
    for name, memory in expected.resume.optimizer_state.memories.items():
        assert found.resume.optimizer_state.memories[name].vector.tobytes() == memory.vector.tobytes()
    assert found.resume.optimizer_state.updates == expected.resume.optimizer_state.updates == 10
    assert found.progress == Progress(**{**vars(expected.progress), "rollbacks": 1})


def test_a_wild_rate_is_lowered_until_the_run_ends_well(text_file: Path) -> None:
    events = list(start(text_file, **WILD).events())
    rates = [rate for _, rate in rollbacks(events)]
    assert rates == [100 / 2**n for n in range(1, len(rates) + 1)]
    assert len(rates) >= 2
    assert events[-1] == Stopped(30, interrupted=False)
    saved = checkpoint.load("run.npz")
    assert np.isfinite(saved.params.vector).all()
    assert [step for step, _ in saved.progress.history] == [5, 10, 15, 20, 25, 30]  # those that were lost are not in it


def test_a_run_that_diverges_at_once_each_time_gives_up_after_five_rollbacks(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, math.nan, at=7, times=6)
    events: list[Event] = []
    with pytest.raises(DivergedError, match=r"diverged at step 8: .* gradient norm nan.*; try a lower learning_rate"):
        events.extend(event for event in start(text_file, learning_rate=0.32).events() if isinstance(event, RolledBack))
    assert checkpoint.load("run.npz").progress.step == 4  # the state last saved


def test_rollbacks_count_anew_from_each_good_state(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, math.nan, at=6, times=5)
    plant(monkeypatch, math.nan, at=11, times=5)
    events = list(start(text_file, learning_rate=1024.0, optimizer="sgd", clip_norm=1e-5).events())
    assert rollbacks(events) == [(5, 1024 / 2**n) for n in range(1, 6)] + [(10, 1024 / 2**n) for n in range(6, 11)]


def test_a_held_out_loss_that_is_not_finite_rolls_back_and_is_never_the_best(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coming = iter([math.nan, 3.0, 2.0, 2.5])
    monkeypatch.setattr(Evaluator, "loss", lambda *_: next(coming))
    events = list(start(text_file).events())
    assert [(e.step, e.reason) for e in events if isinstance(e, RolledBack)] == [
        (4, "the held-out loss at step 5 is nan")
    ]
    assert [(e.step, e.loss) for e in events if isinstance(e, Evaluated)] == [(5, 3.0), (10, 2.0), (12, 2.5)]


def test_no_strange_passage_counts_as_divergence(tmp_path: Path) -> None:
    """A text learned by heart that turns, all streams at once, into one of other characters in no order at all."""
    strange = "".join(chr(0x430 + number) for number in np.random.default_rng(0).integers(0, 30, 6_000))
    (tmp_path / "turn.txt").write_text(3_000 * "lamp " + strange)
    changes: dict[str, Any] = {
        "hidden_sizes": (32,),
        "batch_size": 1,
        "seq_length": 50,
        "val_fraction": 0.0,
        "dropout": 0.0,
        "steps": 400,
    }
    run = start(tmp_path / "turn.txt", **changes, optimizer="adam")
    reports = [event for event in run.events() if isinstance(event, StepReport | RolledBack)]
    assert not rollbacks(list(reports))
    losses = [report.loss for report in reports if isinstance(report, StepReport)]
    assert min(losses) < 0.02
    assert max(losses) > 1.5 * math.log(34)  # far above guessing, for once


def test_a_loss_that_stays_far_above_guessing_is_divergence(text_file: Path) -> None:
    trainer = start(text_file).trainer
    trainer.params["linear.b_y"] = 1e4 * (
        np.arange(len(trainer.vocabulary)) == 0
    )  # sure of one character, whatever comes
    with pytest.raises(DivergedError, match=r"loss 9\d\d\d, gradient norm"):
        trainer.train_step(0.0)


def test_a_state_is_kept_to_go_back_to_only_where_the_loss_is_calm(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, math.nan, at=9)
    run = start(text_file, **{**WILD, "steps": 12, "learning_rate": 20.0})
    events = list(run.events())
    losses = [event.loss for event in events if isinstance(event, StepReport)]
    assert min(losses[3], losses[4], losses[7]) > run.trainer.blind_loss + 1
    assert rollbacks(events) == [(0, 10.0)]
    assert any(isinstance(event, Saved) and event.step == 8 for event in events)  # saved it is, with the state before


def test_a_new_learning_rate_at_a_resume_is_taken_as_it_is_given(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, math.nan, at=7)
    list(start(text_file, learning_rate=0.08, steps=9).events())
    saved = Path("run.npz").read_bytes()
    rates: list[tuple[dict[str, Any], float]]
    rates = [({}, 0.04), ({"learning_rate": 0.08}, 0.04), ({"learning_rate": 0.02}, 0.02)]
    for changes, rate in rates:
        Path("run.npz").write_bytes(saved)
        run = resume(Path("run.npz"), steps=10, **changes)
        assert run.trainer.full_learning_rate == rate
        assert next(event for event in run.events() if isinstance(event, StepReport)).learning_rate == rate


def test_a_checkpoint_whose_fallback_is_not_of_its_run_is_damaged(text_file: Path) -> None:
    list(start(text_file, steps=6).events())
    saved = checkpoint.load("run.npz")
    assert saved.resume
    assert saved.resume.fallback
    assert saved.resume.fallback.progress.step == 5
    edited("run.npz", lambda meta: meta["fallback"]["progress"].update(position=10**9))
    with pytest.raises(CheckpointError, match=r"run\.npz is damaged"):
        resume(Path("run.npz"), steps=9)
