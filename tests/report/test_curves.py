"""What is drawn of a run is what its log says, along the way that the run took in the end."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CheckpointError, LogError
from charrnn.report.plot import from_records, read_curves, read_runs


def progress(step: int, loss: float) -> dict[str, Any]:
    return {"event": "progress", "step": step, "smoothed_loss": loss, "learning_rate": 0.1, "grad_norm": 1 / step}


def evaluation(step: int, loss: float) -> dict[str, Any]:
    return {"event": "evaluation", "step": step, "loss": loss}


def write_log(name: str, *records: dict[str, Any]) -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def test_each_curve_has_the_figures_of_its_records() -> None:
    curves = from_records(
        [{"event": "start", "step": 0}, progress(1, 3.0), evaluation(1, 2.5), progress(2, 2.0)], "run"
    )
    assert curves.training == [(1, 3.0), (2, 2.0)]
    assert curves.held_out == [(1, 2.5)]
    assert curves.learning_rate == [(1, 0.1), (2, 0.1)]
    assert curves.grad_norm == [(1, 1.0), (2, 0.5)]
    assert curves.best == (1, 2.5)


@pytest.mark.parametrize("event", ["rollback", "resume"])
def test_where_a_run_went_back_the_curve_goes_on_from_there(event: str) -> None:
    before = [progress(1, 3.0), evaluation(1, 2.9), progress(2, 9.0), evaluation(2, 9.9)]
    curves = from_records([*before, {"event": event, "step": 1}, progress(2, 2.0)], "run")
    assert curves.training == [(1, 3.0), (2, 2.0)]
    assert curves.held_out == [(1, 2.9)]
    assert [step for step, _ in curves.grad_norm] == [1, 2]


@pytest.mark.parametrize("value", [None, "1.0", True, [1.0], math.nan, math.inf])
def test_what_is_no_figure_is_no_point(value: object) -> None:
    curves = from_records([progress(1, 3.0), evaluation(1, 2.0), evaluation(2, value)], "run")  # type: ignore[arg-type]
    assert curves.held_out == [(1, 2.0)]


def test_a_run_is_named_after_its_file_and_after_its_folder_where_two_have_one_name() -> None:
    paths = [write_log(f"{folder}/{name}.log.jsonl", progress(1, 3.0)) for folder, name in ("aa", "ba", "bc")]
    assert [run.name for run in read_runs(paths)] == ["a/a.log.jsonl", "b/a.log.jsonl", "c"]
    assert [run.name for run in read_runs(paths[1:])] == ["a", "c"]


def test_a_checkpoint_and_its_best_model_stand_for_the_log_beside_them() -> None:
    log = write_log("run.log.jsonl", progress(1, 3.0))
    assert read_curves(Path("run.npz")) == read_curves(Path("run-best.npz")) == read_curves(log)


def test_a_checkpoint_without_a_log_has_its_evaluations(trained: Path) -> None:
    curves = read_curves(trained)
    assert [step for step, _ in curves.held_out] == [20, 40, 60]
    assert curves.training == []
    assert curves.name == "lamp"


def test_what_cannot_be_drawn_is_told_apart() -> None:
    Path("text.log.jsonl").write_text("the lamp went round\n")
    with pytest.raises(LogError, match=r"text\.log\.jsonl is not the log of a run"):
        read_curves(Path("text.log.jsonl"))
    with pytest.raises(LogError, match=r"the log missing\.jsonl cannot be read: No such file"):
        read_curves(Path("missing.jsonl"))
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        read_curves(Path("missing.npz"))
    with pytest.raises(LogError, match="tells of no steps and no evaluations"):
        read_curves(write_log("empty.log.jsonl", {"event": "start", "step": 0}))
