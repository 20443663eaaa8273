"""The scripts of docs/many-runs.md do what the page says of them: they are run here as they stand there."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import checkpoint
from tests.conftest import REPOSITORY, Outcome
from tests.documents import blocks_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="recipes for a shell")

# A network as small as a recipe's sizes allow, and few steps.
SHORT = {"STEPS": "4", "EVAL_EVERY": "2", "SAMPLE_EVERY": "0", "BATCH_SIZE": "2", "SEQ_LENGTH": "10"}


def recipe(name: str) -> Path:
    """Copy a script out of the page into a file of its name."""
    (code,) = (block.code for block in blocks_of(REPOSITORY / "docs/many-runs.md") if block.file_name == name)
    path = Path(name)
    path.write_text(code)
    return path


def run(*command: str, **environment: str) -> Outcome:
    """Run a recipe's command; `charrnn` is this one."""
    Path("bin").mkdir(exist_ok=True)
    script = Path("bin/charrnn")
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m charrnn "$@"\n')
    script.chmod(0o755)
    path = os.pathsep.join([str(script.parent.absolute()), os.environ["PATH"]])
    options = {f"CHARRNN_TRAIN_{name}": value for name, value in SHORT.items()}
    done = subprocess.run(
        command, env=os.environ | options | {"PATH": path} | environment, capture_output=True, check=False, timeout=120
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def steps() -> dict[str, int]:
    """How far each run has come."""
    return {path.name: checkpoint.load(path).progress.step for path in sorted(Path("runs").glob("*[0-9].npz"))}


@pytest.mark.skipif(shutil.which("parallel") is None, reason="needs GNU parallel")
def test_gnu_parallel_makes_each_run_and_then_those_again_that_failed(text_file: Path) -> None:
    text_file = Path(shutil.copy(text_file, "a book; of $HOME.txt"))
    recipe("parallel.sh")
    first = run("sh", "parallel.sh", str(text_file))
    assert first.code == 0, first.err
    names = {f"h{size}-r{rate}.npz": 4 for size in (128, 256) for rate in (0.05, 0.1)}
    assert steps() == names
    assert Path("runs/losses.svg").stat().st_size > 1000
    before = Path("runs/h128-r0.1.npz").stat().st_mtime_ns
    jobs = [line.split("\t") for line in Path("runs/jobs").read_text().splitlines()]
    assert [job[6] for job in jobs] == ["Exitval", *4 * ["0"]]
    next(job for job in jobs if "256 --learning-rate 0.05" in job[-1])[6] = "1"
    Path("runs/jobs").write_text("".join("\t".join(job) + "\n" for job in jobs))
    Path("runs/h256-r0.05.npz").unlink()
    assert run("sh", "parallel.sh", str(text_file)).code == 0
    assert steps() == names
    assert Path("runs/h128-r0.1.npz").stat().st_mtime_ns == before


def test_a_slurm_array_s_task_makes_its_run_and_goes_on_with_it(text_file: Path) -> None:
    recipe("array.sh")
    for task in ("0", "3"):
        slurm = {"SLURM_ARRAY_TASK_ID": task, "SLURM_CPUS_PER_TASK": "1"}
        outcome = run("bash", "array.sh", str(text_file), **slurm)
        assert (outcome.code, outcome.err) == (0, "")
    assert steps() == {"0.npz": 4, "3.npz": 4}
    configs = [checkpoint.load(f"runs/{task}.npz").config for task in (0, 3)]
    assert [(config["hidden_sizes"], config["learning_rate"]) for config in configs] == [([128], 0.05), ([256], 0.1)]
    slurm = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "1", "CHARRNN_TRAIN_STEPS": "6"}
    assert run("bash", "array.sh", str(text_file), **slurm).code == 0
    assert steps() == {"0.npz": 4, "3.npz": 6}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs Optuna")
def test_optuna_drives_runs_and_another_day_goes_on_from_what_it_knows(text_file: Path) -> None:
    path = recipe("search.py")
    code = path.read_text()
    few = code.replace("n_trials=20", "n_trials=3")
    assert few != code
    path.write_text(few)
    for trials in (3, 6):
        outcome = run(sys.executable, "search.py", str(text_file))
        assert outcome.code == 0, outcome.err
        assert re.match(rb"\d {'size': \d+, 'rate': [0-9.]+} [0-9.]+\n", outcome.out)
        assert steps() == {f"{trial}.npz": 4 for trial in range(trials)}
    best = [min(loss for _, loss in checkpoint.load(f"runs/{trial}.npz").progress.history) for trial in range(6)]
    assert outcome.out.split()[0] == b"%d" % best.index(min(best))


@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="needs Optuna")
def test_an_optuna_search_ends_at_once_where_the_command_is_wrong(text_file: Path) -> None:
    recipe("search.py")
    outcome = run(sys.executable, "search.py", str(text_file), "--nonsense")
    assert outcome.code == 1
    assert outcome.err.count("No such option") == 1
