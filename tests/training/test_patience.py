"""A run whose held-out loss has stopped falling ends, as if it had been told to end there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint
from charrnn.errors import ConfigError
from charrnn.training import start as runs
from charrnn.training.evaluation import Evaluator
from charrnn.training.events import Event, OutOfPatience, Stopped
from charrnn.training.trainer import Trainer

SMALL: Mapping[str, Any] = {
    "hidden_sizes": (8,),
    "batch_size": 2,
    "seq_length": 10,
    "schedule": "constant",
    "steps": 24,
    "eval_every": 2,
    "sample_every": 0,
    "save_every": 0,
}
LOSSES = {2: 3.0, 4: 2.0, 6: 2.5, 8: 1.9, 10: 1.9, 12: 2.1, 14: 2.2, 16: 1.8, 18: 1.7, 20: 1.6, 22: 1.5, 24: 1.4}


@pytest.fixture(autouse=True)
def known_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the evaluation after each step find the loss above, in whichever run."""
    train_step = Trainer.train_step
    steps = [0]

    def counted(trainer: Any, progress: float) -> Any:
        report = train_step(trainer, progress)
        steps[0] = report.step
        return report

    monkeypatch.setattr(Trainer, "train_step", counted)
    monkeypatch.setattr(Evaluator, "loss", lambda *_: LOSSES.get(steps[0], 2.9))


def start(text: Path, path: str = "run.npz", **changes: Any) -> list[Event]:
    return list(runs.train([str(text)], checkpoint=Path(path), **{**SMALL, **changes}).events())


def resume(path: str = "run.npz", **changes: Any) -> list[Event]:
    return list(runs.resume(Path(path), **changes))


@pytest.mark.parametrize(("patience", "end"), [(0, 24), (1, 6), (2, 12), (3, 14), (4, 24), (100, 24)])
def test_the_run_ends_after_so_many_evaluations_without_a_new_best(text_file: Path, patience: int, end: int) -> None:
    events = start(text_file, patience=patience)
    assert events[-1] == Stopped(end, interrupted=False)
    told = [event for event in events if isinstance(event, OutOfPatience)]
    best = (4, 2.0) if patience == 1 else (8, 1.9)  # as low again is no new best
    assert told == ([OutOfPatience(end, *best)] if end < 24 else [])
    assert checkpoint.load("run.npz").progress.step == end


def test_it_stays_finished_until_it_is_given_more_patience(text_file: Path) -> None:
    start(text_file, patience=2)
    before = Path("run.npz").read_bytes()
    assert resume() == [Stopped(12, interrupted=False)]
    assert resume(steps=30) == [Stopped(12, interrupted=False)]
    assert Path("run.npz").read_bytes() == before
    start(text_file, "whole.npz", patience=3)
    resume(patience=3)
    assert Path("run.npz").read_bytes() == Path("whole.npz").read_bytes()


def test_evaluations_before_a_resume_count(text_file: Path) -> None:
    start(text_file, "whole.npz", patience=3)
    for k in range(1, 14):  # off the grid a run makes one evaluation more, because it ends: it must not count
        start(text_file, f"{k}.npz", patience=3, steps=k)
        resume(f"{k}.npz", steps=24)
        assert Path(f"{k}.npz").read_bytes() == Path("whole.npz").read_bytes(), k


@pytest.mark.parametrize("never", [{"eval_every": 0}, {"val_fraction": 0.0}])
def test_patience_without_evaluations_is_refused(text_file: Path, never: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="patience counts evaluations; it needs eval_every and val_fraction"):
        start(text_file, patience=1, **never)
