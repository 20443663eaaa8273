"""A run's best model stays until it is beaten, on whatever text it is judged."""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import checkpoint
from charrnn.errors import CheckpointError, ConfigError
from charrnn.paths import kept_path, kept_states
from charrnn.training.evaluation import Evaluator
from charrnn.training.events import Saved
from charrnn.training.run import Saving, kept_loss
from charrnn.training.start import resume, train
from tests.conftest import TEXT

SMALL: Mapping[str, Any] = {"hidden_sizes": (8,), "batch_size": 2, "seq_length": 10, "steps": 4, "eval_every": 2}
RUN, BEST = Path("run.npz"), Path("run-best.npz")


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def trained_on(name: str, **changes: Any) -> None:
    Path(name).write_text(TEXT, newline="")
    list(train([name], checkpoint=RUN, **{**SMALL, **changes}).events())


def test_a_best_model_on_disk_has_the_figure_that_it_was_kept_for() -> None:
    trained_on("lamp.txt")
    run = checkpoint.load(RUN)
    assert run.progress.best
    assert kept_loss(run, BEST, None) == run.progress.best[1]
    assert kept_loss(run, Path("none.npz"), None) == math.inf
    BEST.write_bytes(b"rubbish")
    assert kept_loss(run, BEST, None) == math.inf


def test_on_another_text_the_best_model_is_judged_anew_and_stays_until_it_is_beaten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained_on("lamp.txt")
    old = BEST.read_bytes()
    Path("other.txt").write_text(TEXT[::-1], newline="")
    run = resume(RUN, ["other.txt"], allow_new_text=True, steps=8)
    evaluator = run.evaluator
    assert evaluator
    anew = evaluator.loss(checkpoint.load(BEST).params)
    assert run.saving
    assert run.saving.kept == anew
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "loss", lambda *_: anew + 0.1)
        list(run.events())
    assert BEST.read_bytes() == old
    better = resume(RUN, steps=10)  # the text is the other one from here on
    assert better.saving
    assert better.saving.kept == anew
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "loss", lambda *_: anew - 0.1)
        list(better.events())
    assert checkpoint.load(BEST).corpus.name == "other"


def test_another_text_keeps_weights_and_step_and_begins_at_its_beginning() -> None:
    trained_on("lamp.txt")
    before = checkpoint.load(RUN)
    Path("other.txt").write_text(TEXT[:50], newline="")
    with pytest.raises(ConfigError, match="allow_new_text"):
        resume(RUN, ["other.txt"])
    run = resume(RUN, ["other.txt"], allow_new_text=True, steps=9)
    trainer = run.trainer
    assert trainer.step == 4
    assert trainer.cursor.position == 0
    assert run.params.vector.tobytes() == before.params.vector.tobytes()
    assert not any(array.any() for layer in trainer.state for array in layer)
    assert run.history == []
    assert "continues on another text: other, from its beginning" in run.notes
    list(run.events())
    after = checkpoint.load(RUN)
    assert (after.progress.step, after.corpus.name, after.corpus.characters) == (9, "other", 50)
    assert after.vocabulary == before.vocabulary
    assert not np.array_equal(after.params.vector, before.params.vector)


def test_the_same_text_may_be_allowed_to_be_another_and_nothing_is_reset() -> None:
    trained_on("lamp.txt")
    run = resume(RUN, allow_new_text=True, steps=9)
    assert run.trainer.cursor.position == checkpoint.load(RUN).progress.position > 0


def test_a_best_model_that_cannot_be_removed_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(CheckpointError, match=r"cannot remove 'run-best\.npz', .*: Permission denied; move it away"):
        Saving(RUN, None).forget()


def test_the_states_of_the_last_saves_are_kept_and_the_last_is_the_run_s_own() -> None:
    trained_on("lamp.txt", steps=6, save_every=1, keep=2)
    steps = [5, 6]
    assert kept_states(RUN) == steps
    assert [checkpoint.load(kept_path(RUN, step)).progress.step for step in steps] == steps
    assert kept_path(RUN, 6).read_bytes() == RUN.read_bytes()
    assert BEST.exists()


def test_nothing_old_is_removed_before_the_new_state_is_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    trained_on("lamp.txt", save_every=1, keep=1)
    state = checkpoint.load(RUN)
    before = {path.name: path.read_bytes() for path in Path().glob("*.npz")}
    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(CheckpointError, match="Permission denied"):
        Saving(RUN, None).save(replace(state, progress=replace(state.progress, step=5)), keep=1)
    assert {path.name: path.read_bytes() for path in Path().glob("*.npz")} == before


def test_a_state_of_a_later_step_stays_when_a_run_has_gone_back() -> None:
    trained_on("lamp.txt", save_every=1, keep=1)
    state = checkpoint.load(RUN)
    progress = replace(state.progress, step=3, history=())
    os.utime(kept_path(RUN, 4), (1.0, 1.0))  # what a clock says does not count
    Saving(RUN, None).save(replace(state, progress=progress), keep=1)
    assert kept_states(RUN) == [3, 4]
    Saving(RUN, None).save(state, keep=1)
    assert kept_states(RUN) == [4]


def test_a_run_that_replaces_another_removes_what_that_kept() -> None:
    trained_on("lamp.txt", save_every=1, keep=3)
    RUN.unlink()
    BEST.unlink()
    Path("run.log.jsonl").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match=r"run-step-2\.npz exists; move it away, or replace it with overwrite"):
        train(["lamp.txt"], checkpoint=RUN, **SMALL)
    events = train(["lamp.txt"], checkpoint=RUN, overwrite=True, **SMALL).events()
    BEST.touch()
    assert isinstance(next(events), Saved)
    assert kept_states(RUN) == []  # from its first save on, whatever comes then
    assert not BEST.exists()
    list(events)
    assert kept_states(RUN) == []


def test_the_shards_of_a_step_are_on_record() -> None:
    trained_on("lamp.txt")
    run = checkpoint.load(RUN)
    assert run.machine["shards"] == "1"
    assert run.machine["NumPy"] == np.__version__
    assert checkpoint.load(BEST).machine == run.machine
