"""A run that starts from another's weights knows the characters both have, and no more."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import checkpoint
from charrnn.errors import CheckpointError, ConfigError
from charrnn.training.data import Reading
from charrnn.training.evaluation import Evaluator
from charrnn.training.run import Run
from charrnn.training.start import train
from tests.conftest import TEXT

SMALL: dict[str, Any] = {"batch_size": 2, "seq_length": 10, "steps": 3, "eval_every": 0, "sample_every": 0}
# Three characters are new, before, among and after those known in code-point order, and three are gone.
OTHER = TEXT.replace("w", "é").replace("t", "T").replace("m", "q")


def source_of(text: Path, embedding_size: int = 0) -> Path:
    changes = {**SMALL, "cell": "vanilla", "hidden_sizes": (6, 4), "embedding_size": embedding_size, "steps": 30}
    list(train([str(text)], checkpoint=Path("source.npz"), **changes).events())
    return Path("source.npz")


@pytest.fixture
def source(text_file: Path) -> Path:
    return source_of(text_file)


@pytest.fixture
def other_text(tmp_path: Path) -> Path:
    path = tmp_path / "other.txt"
    path.write_text(OTHER, newline="")
    return path


def start(text: Path, source: Path, **changes: Any) -> Run:
    return train([str(text)], checkpoint=Path("run.npz"), init_from=source, **{**SMALL, **changes})


def test_the_same_text_gives_the_same_model_with_nothing_else_remembered(source: Path, text_file: Path) -> None:
    run, trained = start(text_file, source), checkpoint.load(source)
    trainer = run.trainer
    assert trainer.params.vector.tobytes() == trained.params.vector.tobytes()
    assert run.notes == ("starts from source.npz: 22 of 22 characters known, 0 new",)
    assert (trainer.step, trainer.cursor, trainer.rollbacks, run.history) == (0, (0, 0), 0, [])
    assert not trainer.optimizer_state.memories["sum_squares"].vector.any()
    assert not any(array.any() for layer in trainer.state for array in layer)


@pytest.mark.parametrize("embedding_size", [0, 5])
def test_each_character_keeps_its_weights_and_new_ones_are_fresh(
    text_file: Path, other_text: Path, embedding_size: int
) -> None:
    source = source_of(text_file, embedding_size)
    run, trained = start(other_text, source), checkpoint.load(source)
    trainer = run.trainer
    fresh = train([str(other_text)], checkpoint=Path("f.npz"), **(run.config.to_json() | {"hidden_sizes": (6, 4)}))
    table = "embedding.W_e" if trainer.model.embedding_size else "cells.0.W_xh"
    new = []
    for index, character in enumerate(trainer.vocabulary.characters):
        if character in trained.vocabulary.characters:
            there, place = trained.params, trained.vocabulary.characters.index(character)
        else:
            new.append(character)
            there, place = fresh.trainer.params, index
        np.testing.assert_array_equal(trainer.params[table][index], there[table][place])
        np.testing.assert_array_equal(trainer.params["linear.W_hy"][:, index], there["linear.W_hy"][:, place])
        assert trainer.params["linear.b_y"][index] == there["linear.b_y"][place]
    for name in set(trainer.params) - {table, "linear.W_hy", "linear.b_y"}:
        np.testing.assert_array_equal(trainer.params[name], trained.params[name])
    assert "".join(new) == "Tqé"
    size = len(trainer.vocabulary)
    assert run.notes == (f"starts from source.npz: {size - 3} of {size} characters known, 3 new",)
    assert [type(event).__name__ for event in run.events()][-1] == "Stopped"


def test_what_was_learned_is_worth_something_on_the_other_text(source: Path, other_text: Path) -> None:
    run = start(other_text, source)
    fresh = train([str(other_text)], checkpoint=Path("f.npz"), **{**SMALL, "hidden_sizes": (6, 4), "cell": "vanilla"})
    losses = [
        Evaluator(r.trainer.model, r.trainer.vocabulary.encode(OTHER)).loss(r.trainer.params) for r in (run, fresh)
    ]
    assert losses[0] < losses[1]


def test_the_cell_and_the_sizes_are_the_model_s_own(source: Path, text_file: Path) -> None:
    config = start(text_file, source).config
    trained = checkpoint.load(source).model
    assert (config.cell, config.hidden_sizes, config.embedding_size) == ("vanilla", (6, 4), trained.embedding_size)
    start(text_file, source, hidden_sizes=(6, 4), cell="vanilla")  # the same, said again


def test_another_cell_or_size_is_refused(source: Path, text_file: Path) -> None:
    for changes, words in (
        ({"cell": "lstm"}, "cell vanilla"),
        ({"hidden_sizes": (6,)}, "hidden_sizes 6,4"),
        ({"embedding_size": 9}, r"embedding_size \d"),
        ({"num_layers": 1}, "hidden_sizes 6,4"),
        ({"num_layers": 10**12}, "hidden_sizes 6,4"),
    ):
        with pytest.raises(ConfigError, match=f"the model of init_from has {words}; drop that option"):
            start(text_file, source, **changes)


def test_the_weights_take_the_precision_that_is_asked_for(source: Path, text_file: Path) -> None:
    params = start(text_file, source, dtype="float64").trainer.params
    assert params.vector.dtype == np.float64
    np.testing.assert_array_equal(params.vector, checkpoint.load(source).params.vector)


def test_a_model_that_is_not_there_is_refused_before_anything_is_written(text_file: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        start(text_file, Path("missing.npz"))
    assert not Path("run.npz").exists()


@pytest.mark.parametrize(("asked", "form", "symbols"), [(None, "nfc", 5), ("none", "none", 6)])
def test_a_text_is_composed_as_that_of_the_model_was(
    tmp_path: Path, asked: str | None, form: str, symbols: int
) -> None:
    text, first = tmp_path / "taken-apart.txt", tmp_path / "first.npz"
    text.write_text("cafe\u0301 " * 50, encoding="utf-8")
    one_step: dict[str, Any] = {**SMALL, "steps": 1, "hidden_sizes": (4,)}
    for _ in train([str(text)], checkpoint=first, reading=Reading(normalize="nfc"), **one_step).events():
        pass
    later = train(
        [str(text)], checkpoint=tmp_path / "later.npz", init_from=first, reading=Reading(normalize=asked), **SMALL
    )
    assert (later.usage.normalize, len(later.trainer.vocabulary)) == (form, symbols)
