"""Training what is in memory, text or any integers, is the command's training without its files."""

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.config import TrainConfig
from charrnn.errors import CheckpointError, ConfigError, TextError, UnknownCharacterError
from charrnn.text.streams import Streams
from charrnn.training.data import characters_in
from charrnn.training.events import StepReport
from charrnn.training.start import resume_run, start_run
from tests.conftest import TEXT, Charrnn

TINY: dict[str, Any] = {"hidden_sizes": (8,), "batch_size": 2, "seq_length": 10, "warmup_steps": 0}
CYCLE = [0, 1, 2, 3] * 100


def test_the_reports_are_those_of_the_command_s_run(text_file: Path) -> None:
    changes = {**TINY, "epochs": 21.0, "val_fraction": 0.0}
    events = start_run([str(text_file)], changes, path=Path("lamp.npz")).run.events()
    of_files = [event for event in events if isinstance(event, StepReport)]
    trainer = charrnn.start_training(TEXT, **TINY, epochs=21.0)
    assert list(trainer) == of_files
    there = charrnn.load("lamp.npz")
    np.testing.assert_array_equal(trainer.params.vector, there.params.vector)
    assert trainer.config == TrainConfig.from_json(there.config)
    assert trainer.config.dropout == 0.4  # what suits so many passes


def test_it_ends_where_its_configuration_says() -> None:
    assert [report.step for report in charrnn.start_training(TEXT, **TINY, steps=3)] == [1, 2, 3]
    reports = list(charrnn.start_training(TEXT, **TINY, epochs=2))
    assert reports[-1].epoch == 2
    assert reports[-2].epoch < 2
    assert reports[-1].learning_rate < reports[0].learning_rate / 10  # the schedule ends there too
    assert list(charrnn.start_training(TEXT, **TINY, minutes=0.02))


def test_any_integers_are_learned_and_sampled() -> None:
    trainer = charrnn.start_training(CYCLE, **TINY, vocab_size=5, steps=200, learning_rate=0.3)
    for _ in trainer:
        pass
    rng = np.random.default_rng(0)
    greedy = charrnn.Filters(temperature=0)
    ids = charrnn.sample(trainer.model, trainer.params, np.array([0, 1]), rng, greedy)
    assert list(itertools.islice(ids, 8)) == [2, 3, 0, 1, 2, 3, 0, 1]
    assert trainer.model.vocab_size == 5


def test_integers_may_be_characters_of_a_vocabulary_with_a_part_kept_back() -> None:
    vocabulary = charrnn.Vocabulary.from_text(TEXT)
    training, held_out = charrnn.split(vocabulary.encode(TEXT), 0.2)
    trainer = charrnn.start_training(training, vocabulary=vocabulary, **TINY, steps=30)
    evaluator = charrnn.Evaluator(trainer.model, held_out)
    before = evaluator.loss(trainer.params)
    assert len(list(trainer)) == 30
    assert evaluator.loss(trainer.params) < before


def test_a_checkpoint_from_memory_goes_on_there_exactly(tmp_path: Path) -> None:
    how = {**TINY, "schedule": "constant", "dropout": 0.4}
    whole = charrnn.start_training(TEXT, **how, steps=20)
    assert len(list(whole)) == 20
    first = charrnn.start_training(TEXT, **how, steps=8)
    assert len(list(first)) == 8
    charrnn.save(tmp_path / "lamp.npz", first.checkpoint())
    second = charrnn.resume_training(charrnn.load(tmp_path / "lamp.npz"), TEXT, steps=20)
    assert [report.step for report in second] == list(range(9, 21))
    np.testing.assert_array_equal(second.params.vector, whole.params.vector)


def test_the_command_samples_from_it_and_goes_on_with_it(charrnn: Charrnn, text_file: Path) -> None:
    import charrnn as library

    trainer = library.start_training(TEXT, **TINY, steps=5)
    assert len(list(trainer)) == 5
    library.save("lamp.npz", trainer.checkpoint())
    assert charrnn("sample", "lamp.npz", "-n", "20", "-q").code == 0
    assert charrnn("info", "lamp.npz").code == 0
    refused = charrnn("train", "--resume", "--checkpoint", "lamp.npz", "--steps", "7")
    assert (refused.code, "give it again" in refused.err) == (2, True)
    assert charrnn("train", str(text_file), "--resume", "--checkpoint", "lamp.npz", "--steps", "7").code == 0
    assert library.load("lamp.npz").progress.step == 7


def test_a_run_of_files_goes_on_in_memory(text_file: Path) -> None:
    for _ in start_run(
        [str(text_file)], {**TINY, "steps": 4, "schedule": "constant"}, path=Path("lamp.npz")
    ).run.events():
        pass
    trainer = charrnn.resume_training(charrnn.load("lamp.npz"), TEXT, steps=6)
    assert isinstance(trainer.streams, Streams)
    assert len(trainer.streams.ids) == charrnn.split(np.arange(len(TEXT)), 0.1)[0].size  # the rest stays held out
    assert [report.step for report in trainer] == [5, 6]
    charrnn.save("lamp.npz", trainer.checkpoint())  # of the whole text, of which it holds a part out
    again = charrnn.resume_training(charrnn.load("lamp.npz"), TEXT, steps=7)
    assert characters_in(again.streams.part) == characters_in(trainer.streams.part)
    assert [type(event) for event in resume_run([], {"steps": 8}, path=Path("lamp.npz")).run.events()]


def test_a_short_text_warns_of_a_smaller_batch() -> None:
    with pytest.warns(UserWarning, match="batch size 3 instead of 16: the text has only 40 characters"):
        charrnn.start_training(TEXT[:40], hidden_sizes=(8,), seq_length=12)


def test_what_cannot_be_trained_on_is_refused() -> None:
    for data, options, error in (
        ("", {}, TextError),
        ("a", {}, TextError),
        ([], {}, TextError),
        ([[0, 1]], {}, ValueError),
        ([0.5, 1.0], {}, TypeError),
        ([0, 1, 5], {"vocab_size": 5}, IndexError),
        ([0, -1], {}, IndexError),
        ("abc", {"vocab_size": 3}, TypeError),
        ("abc", {"vocabulary": charrnn.Vocabulary("ab")}, UnknownCharacterError),
        ("abc", {"val_fraction": 0.5}, ConfigError),
        ("abc", {"steps": -1}, ConfigError),
        ("abc", {"hidden_size": 3}, TypeError),
    ):
        with pytest.raises(error):
            charrnn.start_training(data, **options)


def test_what_cannot_be_gone_on_with_is_refused(trained: Path) -> None:
    trainer = charrnn.start_training(TEXT, **TINY, steps=2)
    start = trainer.checkpoint()
    with pytest.raises(ConfigError, match=f"text of {len(TEXT):,} characters"):
        charrnn.resume_training(start, TEXT[:-1])
    with pytest.raises(ConfigError, match="--cell cannot change"):
        charrnn.resume_training(start, TEXT, cell="lstm")
    with pytest.raises(CheckpointError, match="for sampling only"):
        charrnn.resume_training(charrnn.load(trained.with_name("lamp-best.npz")), TEXT)


def test_a_learning_rate_that_jumps_is_told(tmp_path: Path) -> None:
    for schedule, is_told in (("cosine", True), ("constant", False)):
        first = charrnn.start_training(TEXT, **TINY, schedule=schedule, steps=4)
        *_, last = first
        charrnn.save(tmp_path / "lamp.npz", first.checkpoint())
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            again = charrnn.resume_training(charrnn.load(tmp_path / "lamp.npz"), TEXT, steps=8)
        assert bool(told) == is_told
        assert (next(iter(again)).learning_rate > last.learning_rate) == is_told
