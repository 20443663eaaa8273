"""F23: a checkpoint of every kind that was ever written loads, samples what it sampled then, and goes on."""

import shutil
from pathlib import Path

import pytest

from charrnn import checkpoint
from charrnn.training.start import resume
from tests.conftest import Charrnn
from tests.faults.conftest import Tried

MUSEUM = Path(__file__).parent / "museum"
FILES = sorted(MUSEUM.glob("*.npz"))


def test_no_file_has_left_the_museum() -> None:
    listed = (MUSEUM / "README.md").read_text(encoding="utf-8")
    assert len(FILES) >= 4
    assert all(f"`{path.name}`" in listed and path.with_suffix(".txt").exists() for path in FILES)
    assert listed.count(".npz`") == len(FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_old_checkpoint_samples_what_it_sampled_when_it_was_new(charrnn: Charrnn, path: Path, tried: Tried) -> None:
    assert checkpoint.load(path).progress.step == 80
    # Other kernels round otherwise, by one part in a million: too little to turn a draw in so short a text.
    outcome = charrnn("sample", str(path), "--seed", "the ", "-n", "60", "--rng-seed", "7", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == path.with_suffix(".txt").read_bytes()
    tried("F23", old_files=1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_old_checkpoint_can_be_gone_on_from(path: Path) -> None:
    shutil.copy(path, "old.npz")
    shutil.copy(MUSEUM / "lamp.txt", "lamp.txt")
    for _ in resume(Path("old.npz"), steps=90).events():
        pass
    assert checkpoint.load("old.npz").progress.step == 90
