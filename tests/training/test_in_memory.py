"""Training what is in memory, text or any integers, is the command's training without its files."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.config import TrainConfig
from charrnn.errors import CheckpointError, ConfigError, TextError, UnknownCharacterError
from charrnn.training.data import epochs, parts
from charrnn.training.events import Event, Saved, StepReport, Stopped
from tests.conftest import TEXT, Charrnn

TINY: dict[str, Any] = {"hidden_sizes": (8,), "batch_size": 2, "seq_length": 10, "warmup_steps": 0}
CYCLE = [0, 1, 2, 3] * 100


def steps(run: charrnn.Run) -> list[int]:
    """Train to the end; return the steps that were made."""
    return [event.step for event in run if isinstance(event, StepReport)]


def test_the_events_are_those_of_a_run_of_files_but_for_the_saves(text_file: Path) -> None:
    changes = {**TINY, "epochs": 21.0}
    of_files: list[Event] = list(charrnn.train([str(text_file)], checkpoint="lamp.npz", **changes))
    run = charrnn.train(TEXT, **changes)
    assert list(run) == [event for event in of_files if not isinstance(event, Saved)]
    there = charrnn.load("lamp.npz")
    np.testing.assert_array_equal(run.params.vector, there.params.vector)
    assert run.config == TrainConfig.from_json(there.config)
    assert run.config.dropout == 0.4  # what suits so many passes


def test_a_run_in_memory_writes_no_file() -> None:
    run = charrnn.train(TEXT, **TINY, steps=4, eval_every=2, save_every=2, keep=2)
    assert isinstance(list(run)[-1], Stopped)
    assert run.path is None
    assert not list(Path().iterdir())


def test_a_run_can_be_looked_at_and_iterated_further() -> None:
    run = charrnn.train(TEXT, **TINY, steps=6)
    for event in run:
        if event.step == 2:
            break
    assert run.checkpoint().progress.step == 2
    assert steps(run) == [3, 4, 5, 6]
    assert steps(run) == []


def test_files_are_named_in_a_list_and_without_any_it_is_the_default_text(text_file: Path) -> None:
    of_names = (charrnn.train(names, **TINY, steps=1) for names in ([str(text_file)], (text_file,), text_file))
    assert {run.corpus.name for run in of_names} == {"lamp"}
    assert {charrnn.train(names, **TINY, steps=1).corpus.name for names in (None, ())} == {"harbour-clerk"}


def test_it_ends_where_its_configuration_says() -> None:
    assert steps(charrnn.train(TEXT, **TINY, steps=3)) == [1, 2, 3]
    reports = [
        event for event in charrnn.train(TEXT, **TINY, epochs=2, schedule="cosine") if isinstance(event, StepReport)
    ]
    assert reports[-1].epoch == 2
    assert reports[-2].epoch < 2
    assert reports[-1].learning_rate < reports[0].learning_rate / 10  # the schedule ends there too
    assert steps(charrnn.train(TEXT, **TINY, minutes=0.02))


def test_any_integers_are_learned_and_sampled() -> None:
    run = charrnn.train(CYCLE, **TINY, vocabulary=charrnn.Vocabulary.of_integers(5), steps=200, learning_rate=0.3)
    assert len(steps(run)) == 200
    rng = np.random.default_rng(0)
    greedy = charrnn.Filters(temperature=0)
    ids = charrnn.sample(run.model, run.params, np.array([0, 1]), rng, greedy)
    assert list(itertools.islice(ids, 8)) == [2, 3, 0, 1, 2, 3, 0, 1]
    assert run.model.vocab_size == 5
    assert charrnn.train(CYCLE, **TINY).model.vocab_size == 4


def test_integers_may_be_characters_of_a_vocabulary_with_a_part_kept_back() -> None:
    vocabulary = charrnn.Vocabulary.from_text(TEXT)
    training, held_out = charrnn.split(vocabulary.encode(TEXT), 0.2)
    run = charrnn.train(training, vocabulary=vocabulary, val_fraction=0, **TINY, steps=30)
    assert run.evaluator is None
    evaluator = charrnn.Evaluator(run.model, held_out)
    before = evaluator.loss(run.params)
    assert len(steps(run)) == 30
    assert evaluator.loss(run.params) < before


def test_a_checkpoint_from_memory_goes_on_there_exactly(tmp_path: Path) -> None:
    how = {**TINY, "schedule": "constant", "dropout": 0.4}
    whole, first = (charrnn.train(TEXT, **how, steps=count) for count in (20, 8))
    assert [len(steps(run)) for run in (whole, first)] == [20, 8]
    charrnn.save(tmp_path / "lamp.npz", first.checkpoint())
    second = charrnn.resume(charrnn.load(tmp_path / "lamp.npz"), TEXT, steps=20)
    assert steps(second) == list(range(9, 21))
    np.testing.assert_array_equal(second.params.vector, whole.params.vector)


def test_training_changes_no_array_of_the_checkpoint_that_it_resumes() -> None:
    first = charrnn.train(TEXT, **TINY, steps=3)
    steps(first)
    start = first.checkpoint()
    before = start.params.vector.copy()
    steps(charrnn.resume(start, TEXT, steps=6))
    np.testing.assert_array_equal(start.params.vector, before)


def test_the_command_samples_from_it_and_goes_on_with_it(charrnn: Charrnn, text_file: Path) -> None:
    import charrnn as library

    run = library.train(TEXT, **TINY, steps=5)
    assert len(steps(run)) == 5
    library.save("lamp.npz", run.checkpoint())
    assert charrnn("sample", "lamp.npz", "-n", "20", "-q").code == 0
    assert charrnn("info", "lamp.npz").code == 0
    refused = charrnn("train", "--resume", "--checkpoint", "lamp.npz", "--steps", "7")
    assert (refused.code, "give it again" in refused.err) == (2, True)
    assert charrnn("train", str(text_file), "--resume", "--checkpoint", "lamp.npz", "--steps", "7").code == 0
    assert library.load("lamp.npz").progress.step == 7


def test_a_run_of_files_goes_on_in_memory_and_as_a_file_with_its_text_from_memory(text_file: Path) -> None:
    steps(charrnn.train([str(text_file)], checkpoint="lamp.npz", **TINY, steps=4, schedule="constant"))
    for data in (None, TEXT):
        assert steps(charrnn.resume(charrnn.load("lamp.npz"), data, steps=6)) == [5, 6]
    assert steps(charrnn.resume("lamp.npz", TEXT, steps=7)) == [5, 6, 7]
    assert charrnn.load("lamp.npz").corpus.sources == (str(text_file),)


def test_what_cannot_be_trained_on_is_refused() -> None:
    for data, options, error in (
        ("", {}, TextError),
        ("a", {}, TextError),
        (np.array([], int), {}, TextError),
        ([[0, 1]], {}, ValueError),
        ([0.5, 1.0], {}, TypeError),
        ([0, 1, 5], {"vocabulary": charrnn.Vocabulary.of_integers(5)}, IndexError),
        ([0, -1], {}, IndexError),
        ("abc", {"vocabulary": charrnn.Vocabulary("ab")}, UnknownCharacterError),
        ("abc", {"steps": -1}, ConfigError),
        ("abc", {"hidden_size": 3}, TypeError),
    ):
        with pytest.raises(error):
            charrnn.train(data, **options)


def test_what_cannot_be_gone_on_with_is_refused(trained: Path) -> None:
    start = charrnn.train(TEXT, **TINY, steps=2).checkpoint()
    with pytest.raises(ConfigError, match="the text has changed"):
        charrnn.resume(start, TEXT[:-1])
    with pytest.raises(ConfigError, match="give it again"):
        charrnn.resume(start)
    with pytest.raises(ConfigError, match="cell cannot change"):
        charrnn.resume(start, TEXT, cell="lstm")
    with pytest.raises(CheckpointError, match="for sampling only"):
        charrnn.resume(charrnn.load(trained.with_name("lamp-best.npz")), TEXT)


@pytest.mark.parametrize("separator", ["", " "])
def test_parts_and_epochs_are_those_of_the_run(text_file: Path, separator: str) -> None:
    run = charrnn.train([text_file], hidden_sizes=(4,), batch_size=3, seq_length=10, steps=11, separator=separator)
    steps(run)
    trained, held_out = run.checkpoint(), run.held_out_characters
    total = sum(len(word) + 1 for word in TEXT.removesuffix("\n").split(separator)) if separator else len(TEXT)
    assert parts(trained.corpus, run.config) == (total - held_out, held_out)
    assert epochs(trained, run.config) == run.trainer.epoch
