"""Chunks that vary in length: drawn as a pure function of seed and step, in bounds, and otherwise nothing changes."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.checkpoint import Progress
from charrnn.config import TrainConfig
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.data import chunk_length, longest_chunk
from charrnn.training.events import StepReport
from charrnn.training.start import train
from charrnn.training.trainer import Trainer
from tests.conftest import TEXT

VOCABULARY = Vocabulary.from_text(TEXT)
IDS = VOCABULARY.encode(TEXT)
VARIED = TrainConfig(
    hidden_sizes=(7,),
    batch_size=4,
    seq_length=20,
    bptt_jitter=3.0,
    dtype="float64",
    schedule="constant",
    warmup_steps=0,
)


def lengths(config: TrainConfig, steps: int = 2000) -> list[int]:
    return [chunk_length(config, step) for step in range(steps)]


@given(st.integers(1, 60), st.floats(0, 1e308), st.integers(0, 9), st.integers(0, 99))
def test_a_length_is_in_bounds_whatever_the_spread(seq_length: int, jitter: float, seed: int, step: int) -> None:
    config = TrainConfig(seq_length=seq_length, bptt_jitter=jitter, rng_seed=seed)
    assert min(5, seq_length) <= chunk_length(config, step) <= longest_chunk(config) <= 2 * seq_length


def test_without_jitter_there_is_one_length() -> None:
    assert set(lengths(replace(VARIED, bptt_jitter=0.0), 50)) == {20}


def test_lengths_spread_around_the_usual_one_and_once_in_twenty_around_its_half() -> None:
    drawn = np.array(lengths(replace(VARIED, seq_length=100, bptt_jitter=5.0), 4000))
    halved = drawn < 75
    assert halved.mean() == pytest.approx(0.05, abs=0.015)
    assert drawn[halved].mean() == pytest.approx(50, abs=2)
    assert drawn[~halved].mean() == pytest.approx(100, abs=0.8)  # cut to whole numbers
    assert drawn[~halved].std() == pytest.approx(5, abs=0.4)


def test_the_lengths_are_the_seed_s_and_the_step_s_alone() -> None:
    assert lengths(VARIED, 20) == lengths(replace(VARIED, batch_size=1, hidden_sizes=(3,)), 20)
    assert lengths(VARIED, 20)[::-1] == [chunk_length(VARIED, step) for step in reversed(range(20))]
    assert lengths(VARIED, 20) != lengths(replace(VARIED, rng_seed=1), 20)


def test_the_cursor_goes_on_by_what_was_read_and_an_epoch_reads_all() -> None:
    trainer = Trainer(VARIED, VOCABULARY, IDS)
    reports, done = [], 0
    while not trainer.cursor.epoch:
        reports.append(trainer.train_step(0.0))
        done += reports[-1].characters // VARIED.batch_size
        assert reports[-1].epoch == done / trainer.streams.length
    assert len({report.characters for report in reports}) > 3
    assert done == trainer.streams.length


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_rate_of_a_mean_is_in_proportion_to_the_length(reduction: str) -> None:
    trainer = Trainer(replace(VARIED, learning_rate=0.1, reduction=reduction), VOCABULARY, IDS)
    reports = [trainer.train_step(0.0) for _ in range(5)]
    drawn = lengths(VARIED, 5)
    expected = [0.1 * length / 20 for length in drawn] if reduction == "mean" else 5 * [0.1]
    assert len(set(drawn)) > 1
    assert [report.learning_rate for report in reports] == pytest.approx(expected)


def test_a_run_ends_when_its_epochs_are_complete(text_file: Path) -> None:
    changes: dict[str, Any] = {
        "hidden_sizes": (8,),
        "batch_size": 2,
        "seq_length": 10,
        "bptt_jitter": 4.0,
        "eval_every": 0,
    }
    run = train([str(text_file)], checkpoint=True, **{**changes, "epochs": 1.5, "sample_every": 0})
    epochs = [event.epoch for event in run.events() if isinstance(event, StepReport)]
    assert epochs[-2] < 1.5 <= epochs[-1]


def test_the_lengths_of_a_step_that_is_lost_are_those_of_its_repetition(text_file: Path) -> None:
    trainer = train([str(text_file)], checkpoint=True, hidden_sizes=(8,), bptt_jitter=9.0, seq_length=30).trainer
    fallback = trainer.fallback(Progress(smoothed_loss=math.log(2)))
    first = [trainer.train_step(0.0).characters for _ in range(6)]
    trainer.fall_back(fallback)
    assert [trainer.train_step(0.0).characters for _ in range(6)] == first
