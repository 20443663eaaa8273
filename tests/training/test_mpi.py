"""Several ranks: what one process computes, the same bits each time, and nothing lost when one of them dies."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import checkpoint
from charrnn.cli.mpi import launched_rank
from tests.conftest import TEXT, TINY, Charrnn, Outcome, command, contents

# The launcher that comes with the MPI of this environment, before any other of the machine.
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpi4py and an MPI (pip install mpi4py mpich)",
)

# 5 streams of 131 transitions: epochs end inside the run, and neither 2 nor 3 ranks divide them evenly.
SMALL = ("--batch-size", "5", "--seq-length", "20", "--val-fraction", "0", "--warmup-steps", "3", "--sample-every", "0")
NETWORKS = {
    "gru": ("--hidden-size", "7,5", "--dropout", "0.4", "--weight-drop", "0.3", "--accumulate", "2"),
    "lstm": ("--cell", "lstm", "--hidden-size", "6", "--bptt-jitter", "4", "--embedding-size", "6", "--tied"),
    # Items of several lengths, so that some places have nothing to guess, and some streams are over before others.
    "items": ("--hidden-size", "6,4", "--separator", " ", "--accumulate", "2", "--val-fraction", "0.3"),
    # Long enough a step for each rank to have a second worker process.
    "threads": ("--hidden-size", "200", "--seq-length", "30", "--threads", "2", "--optimizer", "adam"),
}
ENDLESS = (*TINY, "--steps", "1000000000", "--save-every", "20", "--eval-every", "0", "--sample-every", "0", "-q")


def launch(ranks: int, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    assert MPIEXEC
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([MPIEXEC, "-n", str(ranks), *command(arguments)], start_new_session=True, **options)


def run_ranks(ranks: int, *arguments: str, **options: Any) -> Outcome:
    process = launch(ranks, *arguments, **options)
    out, err = process.communicate(timeout=60)
    return Outcome(process.returncode, out.encode(), err)


Run = Callable[..., Outcome]


@pytest.fixture
def run(charrnn: Charrnn) -> Run:
    """Run the command with so many ranks; one is in this process."""

    def run(ranks: int, *arguments: str) -> Outcome:
        outcome = run_ranks(ranks, *arguments) if ranks > 1 else charrnn(*arguments)
        assert outcome.code == 0, outcome.err
        return outcome

    return run


def numbers(path: str) -> dict[str, Any]:
    """Every array of a checkpoint, and the figures of its run."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    progress = json.loads(arrays.pop("meta").tobytes())["progress"]
    return arrays | {name: progress[name] for name in ("step", "epoch", "position", "smoothed_loss", "history")}


def assert_equal_to_rounding(first: str, second: str, tolerance: float) -> None:
    ours, theirs = numbers(first), numbers(second)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=tolerance, atol=tolerance, err_msg=name)


Launching = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launching(text_file: Path) -> Iterator[Launching]:
    """Start an endless training of two ranks, and return when it trains; what the test leaves of it is ended."""
    started = []

    def begin(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
        process = launch(2, "train", str(text_file), *arguments, **options)
        started.append(process)
        deadline = time.monotonic() + 30
        while not Path("run.log.jsonl").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)
        return process

    yield begin
    for process in started:
        process.terminate()
        process.communicate()


def is_open_mpi() -> bool:
    """Whether that is the launcher. As root it needs OMPI_ALLOW_RUN_AS_ROOT=1 and OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1."""
    assert MPIEXEC
    return "Open MPI" in subprocess.run([MPIEXEC, "--version"], capture_output=True, text=True, check=True).stdout


# --- the same training ---


@needs_mpi
@pytest.mark.parametrize(
    ("network", "ranks", "dtype", "tolerance"),
    [
        ("lstm", 3, "float64", 1e-12),
        ("items", 2, "float64", 1e-12),
        ("threads", 2, "float64", 1e-12),
    ],
)
def test_ranks_equal_one_process_on_the_joined_batch(
    text_file: Path, run: Run, network: str, ranks: int, dtype: str, tolerance: float
) -> None:
    usual = ("train", str(text_file), *SMALL, *NETWORKS[network], "--dtype", dtype, "--steps", "8", "-q")
    run(1, *usual, "--threads", "1", "--checkpoint", "one.npz")
    run(ranks, *usual, "--checkpoint", "several.npz")
    assert_equal_to_rounding("one.npz", "several.npz", tolerance)


@needs_mpi
def test_ranks_compute_the_same_bits_each_time_and_score_what_one_process_scores(run: Run) -> None:
    text = Path("long.txt")
    text.write_text(12 * TEXT)  # of which 4 streams are held out, and some transitions are left over
    held_out = ("--val-fraction", "0.27", "--eval-every", "3", "--steps", "6", "-q")
    usual = ("train", str(text), *SMALL, *NETWORKS["gru"], *held_out)
    for name in ("first", "second"):
        run(3, *usual, "--checkpoint", f"{name}.npz")
    assert Path("first.npz").read_bytes() == Path("second.npz").read_bytes()
    run(1, *usual, "--checkpoint", "one.npz")
    assert_equal_to_rounding("one.npz", "first.npz", 1e-5)
    assert len(numbers("one.npz")["history"]) == 2


@needs_mpi
def test_a_run_goes_on_with_another_number_of_ranks_and_says_so(text_file: Path, run: Run) -> None:
    usual = ("train", str(text_file), *SMALL, *NETWORKS["gru"], "--dtype", "float64", "--schedule-steps", "9")
    run(1, *usual, "--steps", "9", "--checkpoint", "whole.npz", "-q")
    run(2, *usual, "--steps", "3", "--checkpoint", "parts.npz", "-q")
    go_on = ("train", "--resume", "--checkpoint", "parts.npz", "--steps")
    alone = run(1, *go_on, "6")
    assert "the 5 streams are redistributed (ranks until now: 2; from here on: 1)" in alone.err
    again = run(2, *go_on, "9")
    assert "the 5 streams are redistributed (ranks until now: 1; from here on: 2)" in again.err
    assert "ranks  2, each with 2 to 3 streams and 1 process" in again.err
    assert_equal_to_rounding("whole.npz", "parts.npz", 1e-12)


@needs_mpi
def test_ranks_that_diverge_roll_back_together_and_end_in_one_line(text_file: Path, charrnn: Charrnn) -> None:
    usual = ("train", str(text_file), *TINY, "--optimizer", "sgd", "--learning-rate", "1e6", "--steps", "50", "-q")
    several, one = run_ranks(2, *usual), charrnn(*usual)
    assert several.code == one.code == 1
    # What the clip and five rollbacks leave of it, but for the last digits.
    assert re.sub("[0-9.e+]+", "N", several.err) == re.sub("[0-9.e+]+", "N", one.err)
    assert several.error_lines[-1].startswith("charrnn: training diverged at step ")


@needs_mpi
def test_a_run_bounded_by_the_clock_measures_with_all_ranks_and_ends(text_file: Path, run: Run) -> None:
    outcome = run(2, "train", str(text_file), "--hidden-size", "8", "--minutes", "0.02", "--json", "-q")
    events = [json.loads(line)["event"] for line in outcome.out.splitlines()]
    assert (events[0], events[-1]) == ("start", "end")
    assert checkpoint.load("checkpoints/lamp.npz").progress.elapsed_seconds > 0


# Two ranks, of which the second checks what it was sent: ids that are their own places, in a map or not, and items.
SENDING = """
import numpy as np
from mpi4py import MPI
from charrnn.text import storage
from charrnn.text.streams import Cursor, Streams
from charrnn.text.items import find_items
from charrnn.text.storage import is_mapped
from charrnn.config import TrainConfig
from charrnn.training.data import batches_of
from charrnn.training import mpi

storage.MOST_IN_MEMORY, mpi._BLOCK = 1000, 300
comm, ids, place = MPI.COMM_WORLD, np.memmap("ids", np.uint16, "r"), Cursor(0, 7)
items, _ = find_items(ids, np.array([7]))
for part in (ids, ids[:100], np.array(ids), items):
    streams = batches_of(part, TrainConfig(batch_size=5, seq_length=20, separator="7" if part is items else ""))
    if comm.rank == 0:
        mpi.give(comm, streams)
        continue
    own = mpi.take(comm)
    ours, wanted = own.chunk(place, 9, range(2, 5)), streams.chunk(place, 9, range(2, 5))
    assert np.array_equal(ours.inputs, wanted.inputs) and np.array_equal(ours.targets, wanted.targets)
    print(len(own.part), is_mapped(own.part.ids if part is items else own.part), flush=True)
"""


@needs_mpi
def test_a_rank_has_its_own_part_of_a_text_and_a_long_one_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", str(tmp_path / "cache"))
    (np.arange(3000, dtype=np.uint16) % 200).tofile("ids")
    assert MPIEXEC
    ranks = [MPIEXEC, "-n", "2", sys.executable, "-c", SENDING]
    done = subprocess.run(ranks, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["1801 True", "61 False", "1801 False", "16 True"]
    assert contents(tmp_path / "cache") == {}  # and nothing is left of it


# --- one line, and nothing lost ---


@needs_mpi
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--nonsense",), "No such option"),
        (("--batch-size", "1"), "a batch of 1 streams cannot be divided among 2 ranks; give a larger --batch-size"),
    ],
)
def test_what_is_wrong_with_the_request_is_said_once(text_file: Path, arguments: tuple[str, ...], words: str) -> None:
    outcome = run_ranks(2, "train", str(text_file), *TINY, *arguments)
    assert outcome.code == 2
    said = outcome.error_lines if not is_open_mpi() else [line for line in outcome.error_lines if "charrnn:" in line]
    assert len(said) == 1
    assert words in said[0]


def ranks_of(marker: str) -> dict[int, int]:
    """Process of each rank that was started with a variable in its environment; what it has started itself is none."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            variables = (process / "environ").read_text().split("\0")
            said = dict(variable.split("=", 1) for variable in variables if "=" in variable)
            if marker in variables and (rank := said.get("PMI_RANK") or said.get("OMPI_COMM_WORLD_RANK")):
                parent = int((process / "stat").read_text().rsplit(")")[1].split()[1])
                found[int(process.name)] = (int(rank), parent)
    return {rank: process for process, (rank, parent) in found.items() if parent not in found}


@needs_mpi
@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
@pytest.mark.parametrize("killed", [0, 1])
def test_a_rank_that_dies_ends_the_job_and_the_last_checkpoint_is_whole(
    tmp_path: Path, launching: Launching, run: Run, killed: int
) -> None:
    process = launching(*ENDLESS, "--checkpoint", "run.npz", env=os.environ | {"MARKER": str(tmp_path)})
    os.kill(ranks_of(f"MARKER={tmp_path}")[killed], signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in err
    step = checkpoint.load("run.npz").progress.step
    assert run(1, "train", "--resume", "--checkpoint", "run.npz", "--steps", str(step + 1)).code == 0
    assert set(contents(Path())) == {"run.npz", "run-best.npz", "run.log.jsonl"}


@needs_mpi
def test_a_signal_to_all_ranks_finishes_the_step_saves_and_ends_with_its_code(launching: Launching) -> None:
    process = launching(*ENDLESS, "--save-every", "0", "--checkpoint", "run.npz")
    process.send_signal(signal.SIGTERM)  # the launcher sends it on
    _, err = process.communicate(timeout=30)
    # Open MPI's launcher has a code of its own for a job that it was asked to end.
    assert process.returncode == 128 + signal.SIGTERM or (process.returncode == 1 and is_open_mpi())
    assert "charrnn" not in err
    assert checkpoint.load("run.npz").progress.step > 0
    assert set(contents(Path())) == {"run.npz", "run.log.jsonl"}


# --- who is a rank ---


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, None),
        ({"PMI_RANK": "2", "PMI_SIZE": "4"}, 2),
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, None),  # a launcher that starts one: it is alone
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, 3),
        ({"PMIX_RANK": "0"}, 0),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, None),  # a job, in which nothing has started an MPI
    ],
)
def test_a_launcher_tells_which_rank_this_is(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], rank: int | None
) -> None:
    for name in ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched_rank(["train", "book.txt"]) == rank
    assert launched_rank(["sample"]) is None


def test_without_mpi4py_the_first_rank_says_how_to_install_it(tmp_path: Path, text_file: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "mpi4py.py").write_text("raise ImportError('no module')")
    paths = os.pathsep.join([str(tmp_path / "broken"), os.environ["PYTHONPATH"]])
    said = []
    for rank in ("0", "1"):
        environment = os.environ | {"PMI_RANK": rank, "PMI_SIZE": "2", "PYTHONPATH": paths}
        done = subprocess.run(
            command(("train", str(text_file))), env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        said.append(done.stderr)
    assert said == [
        "charrnn: training on several ranks needs mpi4py and an MPI: `pip install mpi4py mpich` (no module)\n",
        "",
    ]
