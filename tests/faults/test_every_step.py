"""F14: whichever save a run is resumed from, it ends in the bytes of the run that was never stopped.

Each file is kept as it stood after a save, as a process leaves it that is killed before the next one. Runs that are
stopped in good order are in tests/training/test_resume.py.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from charrnn.paths import best_path
from charrnn.training.events import Saved
from charrnn.training.start import resume, train
from tests.conftest import TEXT
from tests.faults.conftest import Tried

STEPS = 40
# 93 characters to train on, so that epochs end inside the run; the evaluations do not come at its end.
SMALL: dict[str, Any] = {"seq_length": 6, "val_fraction": 0.15, "steps": STEPS, "warmup_steps": 5, "eval_every": 9}
SMALL |= {"sample_every": 0, "save_every": 1, "schedule_steps": STEPS, "optimizer": "adagrad"}
NETWORKS: dict[str, dict[str, Any]] = {
    "vanilla": {"cell": "vanilla", "hidden_sizes": (6,), "dropout": 0.0, "weight_drop": 0.0},
    "lstm": {"cell": "lstm", "hidden_sizes": (5, 4), "dropout": 0.0, "weight_drop": 0.0},
    "gru": {"cell": "gru", "hidden_sizes": (5,), "optimizer": "adam"},  # and dropout, as for any short text
}


RUNS = [(network, dtype, B) for network in ("vanilla", "lstm") for dtype in ("float32", "float64") for B in (1, 4)]
RUNS += [("gru", "float32", 4)]


@pytest.mark.parametrize(("network", "dtype", "batch_size"), RUNS)
def test_a_run_resumed_from_any_of_its_saves_ends_in_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, network: str, dtype: str, batch_size: int, tried: Tried
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    Path("lamp.txt").write_text(TEXT[:110], newline="")
    whole = Path("whole.npz")
    kept: list[Path] = []
    changes = SMALL | NETWORKS[network] | {"dtype": dtype, "batch_size": batch_size}
    for event in train(["lamp.txt"], checkpoint=whole, **changes).events():
        if isinstance(event, Saved):
            kept.append(Path(f"{len(kept)}.npz"))
            shutil.copy(whole, kept[-1])
            if best_path(whole).exists():
                shutil.copy(best_path(whole), best_path(kept[-1]))
    assert len(kept) == STEPS + 1
    for path in kept:
        for _ in resume(path).events():
            pass
        assert path.read_bytes() == whole.read_bytes(), path
        assert best_path(path).read_bytes() == best_path(whole).read_bytes(), path
    tried("F14", resumes=len(kept))
