"""F15: one setting of the machine's kernels gives one file; another is warned of, and learns as well.

The settings are those by which OpenBLAS and NumPy are told which of a processor's instructions to use. Each is given to
a process of its own, whatever this process was started with.
"""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from charrnn import checkpoint
from tests.conftest import command
from tests.faults.amount import IS_RELEASE
from tests.faults.conftest import Tried

STEPS = 100
CHOSEN = ("OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NPY_DISABLE_CPU_FEATURES")
OPTIONS = (
    *("--hidden-size", "48", "--batch-size", "4", "--seq-length", "20", "--learning-rate", "0.1"),
    *("--dropout", "0", "--weight-drop", "0", "--sample-every", "0", "--eval-every", "0"),
)
TOLERANCE = 0.02  # nats a character, of the smoothed loss after 100 steps; 3.1 is what guessing costs


def features() -> list[str]:
    """Every instruction set of this machine that NumPy uses and could do without."""
    found: list[str] = np.show_config("dicts")["SIMD Extensions"].get("found", [])
    return found


SETTINGS = {
    "one thread": {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"},
    "two threads": {"OPENBLAS_NUM_THREADS": "2", "OPENBLAS_CORETYPE": "Haswell"},
    "Sandybridge": {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Sandybridge"},
    "SkylakeX": {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "SkylakeX"},
    "Nehalem": {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Nehalem"},
    "no SIMD": {"OPENBLAS_NUM_THREADS": "1", "NPY_DISABLE_CPU_FEATURES": " ".join(features())},
}


def train(setting: str, *arguments: str) -> tuple[int, str]:
    """Train with a setting of the kernels; return the exit code and what it said."""
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN} | SETTINGS[setting]
    done = subprocess.run(
        command(["train", *arguments]), env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stderr


def start(setting: str, text: Path, path: str, steps: int = STEPS) -> float:
    """Train a fresh run; return its smoothed loss."""
    arguments = (str(text), *OPTIONS, "--steps", str(steps), "--schedule-steps", str(STEPS), "--checkpoint", path, "-q")
    code, said = train(setting, *arguments)
    assert (code, said) == (0, "")
    return checkpoint.load(path).progress.smoothed_loss


@pytest.fixture(scope="module")
def usual(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """The loss that one thread reaches."""
    return start("one thread", text_file, str(tmp_path_factory.mktemp("usual") / "usual.npz"))


@pytest.mark.parametrize("setting", SETTINGS)
def test_one_setting_gives_one_file_and_another_learns_as_well(
    setting: str, text_file: Path, usual: float, tried: Tried
) -> None:
    if setting == "SkylakeX" and not {"AVX512_SKX", "X86_V4"} & set(features()):
        pytest.skip("this processor has no AVX-512")
    loss = start(setting, text_file, "one.npz")
    if IS_RELEASE or setting == "two threads":
        assert start(setting, text_file, "two.npz") == loss
        assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()
    assert abs(loss - usual) < TOLERANCE
    tried("F15", settings=1, most_difference_in_millinats=1000 * abs(loss - usual))


def test_going_on_with_other_kernels_is_warned_of_and_learns_as_well(
    text_file: Path, usual: float, tried: Tried
) -> None:
    start("one thread", text_file, "cut.npz", steps=STEPS // 2)
    shutil.copy("cut.npz", "same.npz")
    for setting, path, is_warned in (("one thread", "same.npz", 0), ("Nehalem", "cut.npz", 1)):
        code, said = train(setting, "--resume", "--checkpoint", path, "--steps", str(STEPS))
        assert code == 0
        assert said.count("exact resume not guaranteed") == is_warned, said
    assert abs(checkpoint.load("cut.npz").progress.smoothed_loss - usual) < TOLERANCE
    tried("F15", warned_resumes=1)
