"""A run saves before it works, keeps its best, goes on when a save fails, and overwrites nothing."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint
from charrnn.checkpoint import Checkpoint
from charrnn.errors import CheckpointError, ConfigError
from charrnn.training.evaluation import Evaluator
from charrnn.training.events import Evaluated, Event, Sampled, Saved, SaveFailed, StepReport, Stopped
from charrnn.training.run import Run
from charrnn.training.start import resume, train
from tests.conftest import bytes_in

SMALL: Mapping[str, Any] = {
    "hidden_sizes": (8,),
    "batch_size": 2,
    "seq_length": 10,
    "steps": 6,
    "eval_every": 2,
    "sample_every": 3,
    "sample_length": 7,
    "save_every": 4,
}


def start(text: Path, path: str | None = None, *, overwrite: bool = False, **changes: Any) -> Run:
    return train([str(text)], checkpoint=path or True, overwrite=overwrite, **{**SMALL, **changes})


def told(events: list[Event]) -> list[tuple[str, int]]:
    return [(type(event).__name__, event.step) for event in events if not isinstance(event, StepReport)]


def test_events_come_when_they_are_due(text_file: Path) -> None:
    events = list(start(text_file).events())
    assert [event.step for event in events if isinstance(event, StepReport)] == [1, 2, 3, 4, 5, 6]
    assert told(events) == [
        ("Saved", 0),
        ("Sampled", 0),
        ("Evaluated", 2),
        ("Sampled", 3),
        ("Evaluated", 4),
        ("Saved", 4),
        ("Evaluated", 6),
        ("Sampled", 6),
        ("Saved", 6),
        ("Stopped", 6),
    ]
    assert all(len(event.text) == 7 for event in events if isinstance(event, Sampled))


def test_zero_means_never_but_the_first_and_the_last_save(text_file: Path) -> None:
    events = list(start(text_file, eval_every=0, sample_every=0, save_every=0, val_fraction=0.0).events())
    assert told(events) == [("Saved", 0), ("Saved", 6), ("Stopped", 6)]


def test_a_request_to_stop_saves_and_ends_after_the_step_in_hand(text_file: Path) -> None:
    run = start(text_file)
    events = list(run.events(stop=lambda: run.trainer.step == 3))
    assert told(events)[-2:] == [("Saved", 3), ("Stopped", 3)]
    assert events[-1] == Stopped(3, interrupted=True)


def test_epochs_end_the_run_at_the_first_chunk_that_completes_them(text_file: Path) -> None:
    run = start(text_file, steps=0, epochs=1.5)
    chunks = run.trainer.streams.chunks_per_epoch
    assert run.total_steps == -(-3 * chunks // 2)


def test_a_second_run_of_a_text_takes_the_next_free_name_and_says_so(text_file: Path) -> None:
    first, second = start(text_file), None
    list(first.events())
    before = bytes_in(Path("checkpoints"))
    second = start(text_file, rng_seed=1)
    assert second.path == Path("checkpoints/lamp-2.npz")
    assert "checkpoints/lamp.npz is taken; this run saves to checkpoints/lamp-2.npz" in second.notes
    list(second.events())
    assert start(text_file).path == Path("checkpoints/lamp-3.npz")
    after = bytes_in(Path("checkpoints"))
    assert before.keys() < after.keys()
    assert {name: after[name] for name in before} == before


def test_a_best_model_left_alone_also_takes_its_run_s_name(text_file: Path) -> None:
    list(start(text_file).events())
    Path("checkpoints/lamp.npz").unlink()
    assert start(text_file).path == Path("checkpoints/lamp-2.npz")


def test_a_named_checkpoint_is_replaced_only_with_overwrite(text_file: Path) -> None:
    list(start(text_file, "run.npz").events())
    before = bytes_in(Path())
    with pytest.raises(ConfigError, match=r"run\.npz exists; resume it with resume, or replace it with overwrite"):
        start(text_file, "run.npz")
    assert bytes_in(Path()) == before
    list(start(text_file, "run.npz", overwrite=True, rng_seed=1).events())
    assert bytes_in(Path())["run.npz"] != before["run.npz"]


def test_overwriting_a_run_takes_its_best_model_away_too(text_file: Path) -> None:
    list(start(text_file, "run.npz").events())
    assert Path("run-best.npz").exists()
    list(start(text_file, "run.npz", overwrite=True, val_fraction=0.0).events())
    assert not Path("run-best.npz").exists()  # or `charrnn sample` would write with a model of another run


def losses_in_turn(monkeypatch: pytest.MonkeyPatch, *losses: float) -> None:
    """Let the evaluations of this test find these losses, one after the other."""
    coming = iter(losses)
    monkeypatch.setattr(Evaluator, "loss", lambda *_: next(coming))


def test_the_best_model_by_the_held_out_figure_is_kept_weights_only(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses_in_turn(monkeypatch, 3.0, 2.0, 2.5)
    events = list(start(text_file, "run.npz").events())
    assert [(e.step, e.is_best) for e in events if isinstance(e, Evaluated)] == [(2, True), (4, True), (6, False)]
    best = checkpoint.load("run-best.npz")
    assert (best.progress.step, best.progress.best, best.resume) == (4, (4, 2.0), None)
    assert checkpoint.load("run.npz").progress.best == (4, 2.0)


def test_a_resumed_run_never_replaces_a_better_best(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses_in_turn(monkeypatch, 2.0, 2.5, 2.4, 1.9)
    run = start(text_file, "run.npz")
    # Killed after its best was kept, and before its own file knew of it.
    list(itertools.takewhile(lambda event: event.step < 3, run.events()))
    best, kept = Path("run-best.npz"), {}
    for event in resume(Path("run.npz")).events():
        if isinstance(event, StepReport):
            kept[event.step] = checkpoint.load(best).progress.history
    assert kept[3] == kept[5] == ((2, 2.0),)
    assert checkpoint.load(best).progress.best == (6, 1.9)


class FailingSave:
    """`checkpoint.save` that fails at the given calls, counted from 0."""

    def __init__(self, *failing: int) -> None:
        self.failing = failing
        self.calls = 0
        self.save = checkpoint.save

    def __call__(self, path: checkpoint.PathLike, saved: Checkpoint) -> None:
        self.calls += 1
        if self.calls - 1 in self.failing:
            raise CheckpointError("the disk is full")
        self.save(path, saved)


def test_a_save_on_the_way_that_fails_is_reported_and_the_run_goes_on(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(start(text_file, "whole.npz", eval_every=0, save_every=2).events())
    monkeypatch.setattr(checkpoint, "save", FailingSave(1))
    events = list(start(text_file, "run.npz", eval_every=0, save_every=2).events())
    assert [e for e in events if isinstance(e, SaveFailed)] == [SaveFailed(2, "the disk is full")]
    assert [e.step for e in events if isinstance(e, Saved)] == [0, 4, 6]
    assert Path("run.npz").read_bytes() == Path("whole.npz").read_bytes()


def test_a_best_model_that_cannot_be_saved_does_not_end_the_run(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "save", FailingSave(1))
    events = list(start(text_file, "run.npz").events())
    assert [e for e in events if isinstance(e, SaveFailed)] == [SaveFailed(2, "the disk is full")]
    assert events[-1] == Stopped(6, interrupted=False)


@pytest.mark.parametrize(("failing", "steps"), [(0, 0), (1, 6)])
def test_the_first_and_the_last_save_must_not_fail(
    text_file: Path, monkeypatch: pytest.MonkeyPatch, failing: int, steps: int
) -> None:
    monkeypatch.setattr(checkpoint, "save", FailingSave(failing))
    run = start(text_file, "run.npz", val_fraction=0.0, save_every=0)
    with pytest.raises(CheckpointError, match="the disk is full"):
        list(run.events())
    assert run.trainer.step == steps


def test_a_text_too_short_for_the_batch_shrinks_it_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("abcabcabcabcabcabcabc")
    run = start(tmp_path / "short.txt", batch_size=16, seq_length=30)
    config = run.config
    assert (config.batch_size, config.seq_length) == (1, 17)
    assert run.notes == (
        "batch size 1 instead of 16: the text has only 18 characters",
        "sequence length 17 instead of 30: the text has only 18 characters",
    )
    assert list(run.events())[-1] == Stopped(6, interrupted=False)
