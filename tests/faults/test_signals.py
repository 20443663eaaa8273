"""F3: Ctrl-C and SIGTERM at any moment, once or twice: the exit code says so, and the file is whole."""

import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charrnn import checkpoint
from charrnn.errors import CheckpointError
from charrnn.files import sweep_temporaries
from tests.conftest import TINY
from tests.faults.amount import trials
from tests.faults.conftest import Tried
from tests.forking import Fork, Forks

ENDLESS = (*TINY, "--steps", "1000000000", "--save-every", "5", "--eval-every", "50", "--sample-every", "100", "-q")
AT_ONCE = 2
IN_TRAINING = 0.15  # seconds, in which a save comes every few milliseconds
# What the console script does, and a word when it begins: before, while Python itself is starting, signals are its own.
PROGRAM = "import sys; from charrnn.__main__ import run; print(flush=True); run()"


def start(text: Path, folder: Path, program: str = PROGRAM) -> subprocess.Popen[bytes]:
    """Start an endless training, and return when the program begins."""
    folder.mkdir()
    command = [sys.executable, "-c", program, "train", str(text), *ENDLESS, "--checkpoint", "run.npz"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder)
    assert process.stdout
    process.stdout.readline()
    return process


def seconds_to_begin(text: Path, folder: Path) -> float:
    """From the program's begin to its first save."""
    process = start(text, folder)
    began = time.monotonic()
    wait_for_training(process, folder)
    process.kill()
    process.communicate()
    return time.monotonic() - began


def said_before_it_ended(process: subprocess.Popen[bytes]) -> str:
    """What it says until it ends; one that does not must not train on for ever."""
    try:
        _, stderr = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return stderr.decode()


def wait_for_training(process: subprocess.Popen[bytes] | Fork, folder: Path) -> None:
    while not (folder / "run.npz").exists():
        assert process.poll() is None, "it has ended before it was sent a signal"
        time.sleep(0.005)


class Trial:
    """One run of the program that is sent signals, once or twice."""

    def __init__(self, process: subprocess.Popen[bytes] | Fork, folder: Path, latest: float, number: int) -> None:
        self.folder = folder
        time.sleep(random.uniform(0, latest))  # noqa: S311 - moments, not secrets
        process.send_signal(number)
        self.is_double = random.random() < 0.4  # noqa: S311 - likewise
        if self.is_double:
            time.sleep(random.choice([0, random.uniform(0, 0.01)]))  # noqa: S311 - likewise
            process.send_signal(number)
        self.stderr = process.end()[1] if isinstance(process, Fork) else said_before_it_ended(process)
        assert process.returncode is not None
        # As a shell tells it: one more than 128 where the signal itself ended the process.
        self.code = process.returncode if process.returncode >= 0 else 128 - process.returncode

    def step(self) -> int | None:
        """The step of the checkpoint that is left; None where there is none."""
        sweep_temporaries(self.folder)
        left = {path.name for path in self.folder.iterdir()}
        assert left <= {"run.npz", "run-best.npz", "run.log.jsonl"}
        for name in left & {"run-best.npz"}:
            checkpoint.load(self.folder / name)
        try:
            return checkpoint.load(self.folder / "run.npz").progress.step
        except CheckpointError as error:
            if "no such checkpoint" not in str(error):
                raise
            return None


# What is imported before the program can answer signals.
FIRST_IMPORTS = {"__init__", "__main__", "environment"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_at_any_moment_ends_it_with_its_code_and_a_whole_file(
    tmp_path: Path, text_file: Path, number: signal.Signals, forks: Forks, tried: Tried
) -> None:
    count = trials(20, 500)
    latest = seconds_to_begin(text_file, tmp_path / "first")

    def trial(i: int) -> Trial:
        """Half of them from the beginning of the program, half in the middle of training."""
        folder = tmp_path / str(i)
        if i % 2:
            return Trial(start(text_file, folder), folder, latest, number)
        folder.mkdir()
        with forks.start("train", str(text_file), *ENDLESS, "--checkpoint", "run.npz", folder=folder) as process:
            wait_for_training(process, folder)
            return Trial(process, folder, IN_TRAINING, number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(trial, range(count)))
    for outcome in done:
        assert outcome.code == 128 + number, outcome.stderr
        said = outcome.stderr.strip()  # Click ends the line on which a terminal shows ^C
        if "Traceback" in said and set(re.findall(r'charrnn/([\w/]+)\.py"', said)) <= FIRST_IMPORTS:
            continue  # Python's own, while the program's first lines are imported
        assert said == "" or (outcome.is_double and said.startswith("stopped at once; ")), said
    steps = [outcome.step() for outcome in done]
    doubles = sum(outcome.is_double for outcome in done)
    tried("F3", **{number.name: count}, double=doubles, before_the_first_save=steps.count(None))


# The text is in the cache by then, in a file that is not yet whole.
PREPARING = (
    "import time; from charrnn.text import storage; from charrnn.text.corpus import Numbering; "
    "storage.MOST_IN_MEMORY = 10; "
    "Numbering.renumber = lambda *_: time.sleep(60); "
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_while_a_text_is_prepared_leaves_nothing_half_made(
    tmp_path: Path, text_file: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("CHARRNN_CACHE", str(cache))
    process = start(text_file, tmp_path / "run", PREPARING + PROGRAM)
    while not list(cache.glob(".*.tmp")):
        time.sleep(0.005)
        assert process.poll() is None
    process.send_signal(number)
    assert said_before_it_ended(process).strip() == ""
    assert process.returncode == 128 + number
    assert not [*cache.iterdir(), *(tmp_path / "run").iterdir()]


# The step that is being made lasts as long as anybody will wait.
SLOW = "import time; from charrnn.training.trainer import Trainer; Trainer.train_step = lambda *_: time.sleep(60); "


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_second_signal_stops_at_once_and_leaves_the_last_save(
    tmp_path: Path, text_file: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "run"
    process = start(text_file, folder, SLOW + PROGRAM)
    wait_for_training(process, folder)
    time.sleep(0.3)  # until the step has begun
    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(number)
    stderr = said_before_it_ended(process)
    assert process.returncode == 128 + number
    assert stderr.startswith("stopped at once; run.npz is as it was last saved")
    assert checkpoint.load(folder / "run.npz").progress.step == 0


# Ctrl-C comes before the run is prepared.
EARLY = """
import os, signal, weakref
import charrnn.cli.train as command
prepare = command._run
def interrupted(*arguments, **options):
    %s
    return prepare(*arguments, **options)
command._run = interrupted
"""
PRESS = "os.kill(os.getpid(), signal.SIGINT)"


# NumPy's random generators register a type when they are loaded, and drop whatever is raised there.
REGISTERING = f"""
import abc, os, signal
register = abc.ABCMeta.register
def registering(kind, other):
    if other.__name__ == "_memoryviewslice":
        {PRESS}
    return register(kind, other)
abc.ABCMeta.register = registering
"""


def test_a_signal_that_numpy_drops_ends_the_training_before_it_begins(tmp_path: Path, text_file: Path) -> None:
    process = start(text_file, tmp_path / "run", REGISTERING + PROGRAM)
    assert said_before_it_ended(process).strip() == ""
    assert process.returncode == 130


@pytest.mark.parametrize("while_", ["loading", "a callback runs"])
def test_an_early_signal_ends_the_program_wherever_it_comes(tmp_path: Path, text_file: Path, while_: str) -> None:
    # Python drops an exception that is raised in a callback; the locks of modules being loaded have one, too.
    callback = f"thing = set(); watch = weakref.ref(thing, lambda _: ({PRESS}, sum(range(1000)))); del thing"
    if while_ == "loading":
        (tmp_path / "being_loaded.py").write_text(f"import os, signal, weakref\n{callback}\n")
        callback = f"import sys; sys.path.append({str(tmp_path)!r}); import being_loaded"
    process = start(text_file, tmp_path / "run", EARLY % callback + PROGRAM)
    assert said_before_it_ended(process) == ""
    assert process.returncode == 130
    assert not (tmp_path / "run" / "run.npz").exists()
