"""F1, F2: kill -9 at any moment loses nothing that was said to be saved, and a killed run goes on to the same end."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from charrnn import checkpoint
from charrnn.files import sweep_temporaries
from tests.conftest import REPOSITORY
from tests.faults.amount import trials
from tests.faults.conftest import Tried
from tests.forking import Fork, Forks

# Saves so often that a kill comes in the middle of one as likely as not.
RUN = ("--hidden-size", "40,40", "--batch-size", "4", "--seq-length", "12", "--warmup-steps", "5", "--steps", "400")
OFTEN = ("--save-every", "8", "--eval-every", "30", "--sample-every", "0")
KILLS_A_RUN = 5


def test_a_process_killed_while_it_saves_leaves_the_old_file_or_the_new_one(tmp_path: Path, tried: Tried) -> None:
    folder = tmp_path / "saves"
    folder.mkdir()
    kills = trials(30, 2000)
    program = [sys.executable, "-m", "tests.faults.saver", str(folder), str(kills), str(random.randrange(1 << 30))]  # noqa: S311
    done = subprocess.run(program, cwd=REPOSITORY, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    counts = json.loads(done.stdout)
    tried("F1", **counts)
    assert counts["unreadable"] == counts["older"] == 0, counts
    assert counts["saves"] > kills / 4
    assert counts["strays"] > kills / 10, "hardly a kill came in the middle of a save"


@pytest.mark.parametrize("chain", range(trials(2, 40)))
def test_a_training_killed_again_and_again_ends_in_the_bytes_of_one_that_was_not(
    text_file: Path, chain: int, forks: Forks, tried: Tried
) -> None:
    rng = random.Random(chain)  # noqa: S311 - moments, not secrets
    cell = ("gru", "lstm", "vanilla")[chain % 3]
    options = (str(text_file), *RUN, *OFTEN, "--cell", cell, "--checkpoint")

    def train(*arguments: str) -> Fork:
        return forks.start("train", *arguments, "-q")

    began = time.monotonic()
    assert train(*options, "whole.npz").end() == (0, "")
    whole_seconds = time.monotonic() - began
    strays = 0
    for kill in range(KILLS_A_RUN):
        exists = Path("cut.npz").exists()
        process = train("--resume", "--checkpoint", "cut.npz") if exists else train(*options, "cut.npz")
        time.sleep(rng.uniform(0.3, 1.1) * whole_seconds / (1 if kill == 0 else 2))
        process.send_signal(signal.SIGKILL)
        code, said = process.end()
        assert (code, said) in ((-signal.SIGKILL, ""), (0, ""))
        strays += len(list(Path().glob(".*.tmp")))
        for path in map(Path, ("cut.npz", "cut-best.npz")):
            if path.exists():
                checkpoint.load(path)
    if not Path("cut.npz").exists():
        assert train(*options, "cut.npz").end() == (0, "")
    assert train("--resume", "--checkpoint", "cut.npz").end() == (0, "")
    for kept, wanted in (("cut.npz", "whole.npz"), ("cut-best.npz", "whole-best.npz")):
        assert Path(kept).read_bytes() == Path(wanted).read_bytes()
    sweep_temporaries(Path())
    assert not list(Path().glob(".*.tmp"))
    tried("F2", kills=KILLS_A_RUN, of_them_in_a_save=strays)
