"""The algorithm on one page is the algorithm of the package."""

import json
import runpy
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import REPOSITORY, TEXT, Charrnn

PAGE = REPOSITORY / "examples" / "one_page.py"
STEPS = 20  # all are in the log


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the program defines."""
    return runpy.run_path(str(PAGE))


def losses(train: Callable[..., Any], text: str, settings: dict[str, Any]) -> list[float]:
    """The page's losses on a text."""
    characters, ids = np.unique(list(text), return_inverse=True)
    return [loss for loss, _ in islice(train(ids, len(characters), **settings), STEPS)]


# One stream or several, whose lengths the chunks do or do not divide; passes over the text of 7 to 17 steps; a limit
# that every gradient meets, or none.
@pytest.mark.parametrize(("B", "T", "clip"), [(1, 50, 5.0), (3, 20, 0.1), (4, 23, 5.0)])
def test_its_losses_are_those_of_the_command(
    page: dict[str, Any], charrnn: Charrnn, B: int, T: int, clip: float
) -> None:
    Path("lamp.txt").write_text(TEXT)
    settings = f"--cell lstm --hidden-size 9 --batch-size {B} --seq-length {T} --clip-norm {clip} --steps {STEPS}"
    settings += " --optimizer adagrad --learning-rate 0.1 --schedule constant --warmup-steps 0 --dtype float64"
    settings += " --embedding-size 0 --dropout 0 --weight-drop 0 --val-fraction 0 --rng-seed 0"
    done = charrnn("train", "lamp.txt", "--checkpoint", "lamp.npz", "--json", "--sample-every", "0", *settings.split())
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    expected = [record["loss"] for record in records if record["event"] == "progress"]
    found = losses(page["train"], TEXT, {"H": 9, "B": B, "T": T, "rate": 0.1, "clip": clip})
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_it_writes_what_it_has_learned_by_heart(page: dict[str, Any]) -> None:
    characters, ids = np.unique(list("world " * 40), return_inverse=True)
    *_, (loss, weights) = islice(page["train"](ids, len(characters), H=16, B=1, T=20, rate=0.1, clip=5.0), 150)
    assert loss < 0.01
    written = page["sample"](weights, ids[0], 30, np.random.default_rng(0))
    assert "".join(characters[written]) == "world " * 5
