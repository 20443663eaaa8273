"""`charrnn info` says on stdout what a checkpoint is."""

import json
import shutil
from pathlib import Path

from charrnn import paths
from tests.conftest import TINY, Charrnn


def test_the_newest_checkpoint_is_told_of_and_else_the_one_that_ships(charrnn: Charrnn, trained: Path) -> None:
    assert charrnn("info").out.decode().startswith(f"file      {paths.PRETRAINED}, ")
    Path("checkpoints").mkdir()
    shutil.copy(trained, "checkpoints/mine.npz")
    assert charrnn("info").out.decode().startswith("file      checkpoints/mine.npz, ")


def test_the_command_that_was_typed_is_told_with_those_that_went_on(charrnn: Charrnn, text_file: Path) -> None:
    begun = ("train", str(text_file), *TINY, "--steps", "3", "--checkpoint", "run.npz")
    resumed = ("train", "--resume", "--checkpoint", "run.npz", "--steps", "5")
    charrnn(*begun)
    charrnn(*resumed)
    lines = charrnn("info", "run.npz").out.decode().splitlines()
    assert f"command   charrnn {' '.join(begun)}" in lines
    assert f"then      charrnn {' '.join(resumed)}" in lines


def test_json_is_one_object(charrnn: Charrnn, trained: Path) -> None:
    outcome = charrnn("info", str(trained), "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out)["checkpoint"] == str(trained)
