"""The training text is found again where it is the same, and where it is not, the reason is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from charrnn import checkpoint, paths
from charrnn.checkpoint import Checkpoint
from charrnn.errors import TextError
from charrnn.text.corpus import read_corpus
from charrnn.training.data import training_part
from tests.conftest import TEXT


@pytest.fixture
def model(trained: Path) -> Checkpoint:
    """A model of ./lamp.txt, which is there."""
    Path("lamp.txt").write_text(TEXT, newline="")
    known = checkpoint.load(trained)
    return replace(known, corpus=replace(known.corpus, sources=("lamp.txt",)))


def test_the_part_is_what_the_run_trained_on(model: Checkpoint) -> None:
    assert model.vocabulary.decode(training_part(model)) == TEXT[:588]


def test_a_bundled_text_is_found_by_its_name_from_any_folder() -> None:
    shipped = checkpoint.load(paths.PRETRAINED)
    assert len(training_part(shipped)) == 125_378
    assert training_part(shipped).tolist() == read_corpus([paths.DEFAULT_CORPUS]).ids[:125_378].tolist()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "the training text cannot be read again .there is no text lamp.txt.$"),
        (
            TEXT[:-1],
            "lamp has changed since the model was trained on it .SHA-256 [0-9a-f]{12}… then, [0-9a-f]{12}… now",
        ),
        (TEXT + "Z", "the training text cannot be read again .lamp.txt has characters the model never saw"),
        ("", "the training text cannot be read again .lamp.txt is empty"),
    ],
)
def test_a_text_that_is_gone_or_changed_is_told_apart(model: Checkpoint, text: str | None, reason: str) -> None:
    Path("lamp.txt").unlink()
    if text is not None:
        Path("lamp.txt").write_text(text, newline="")
    with pytest.raises(TextError, match=reason):
        training_part(model)


def test_a_text_from_stdin_is_not_asked_for_again(model: Checkpoint) -> None:
    with pytest.raises(TextError, match="came from stdin"):
        training_part(replace(model, corpus=replace(model.corpus, sources=("-",))))


@pytest.mark.parametrize("val_fraction", [None, "0.1", 1.5, -0.1])
def test_a_checkpoint_with_no_usable_split_is_told(model: Checkpoint, val_fraction: object) -> None:
    with pytest.raises(TextError):
        training_part(replace(model, config={**model.config, "val_fraction": val_fraction}))
