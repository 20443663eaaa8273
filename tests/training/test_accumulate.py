"""Several chunks in one update: their gradients are added, their states carried, and steps count updates."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.config import TrainConfig
from charrnn.errors import ConfigError
from charrnn.text.streams import Cursor
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.data import chunk_length
from charrnn.training.start import train
from charrnn.training.trainer import Trainer
from tests.conftest import TEXT

VOCABULARY = Vocabulary.from_text(TEXT)
IDS = VOCABULARY.encode(TEXT)[:60]  # three streams of 20 transitions: the third chunk of 8 has 4, then an epoch begins
CONFIG = TrainConfig(
    hidden_sizes=(7,),
    dtype="float64",
    batch_size=3,
    seq_length=8,
    optimizer="sgd",
    learning_rate=0.5,
    schedule="constant",
    warmup_steps=0,
    clip_norm=0.0,
    accumulate=4,
)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_an_update_follows_the_gradient_of_all_its_chunks_with_the_state_carried(reduction: str) -> None:
    trainer = Trainer(replace(CONFIG, reduction=reduction), VOCABULARY, IDS)
    model, params = trainer.model, trainer.params.copy()
    report = trainer.train_step(0.0)
    state, cursor = model.zero_state(3, "float64"), Cursor(0, 0)
    nats, characters, wanted = 0.0, 0, np.zeros_like(params.vector)
    for _ in range(4):
        chunk = trainer.streams.chunk(cursor)
        if chunk.is_first:
            state = model.zero_state(3, "float64")
        grads = params.like()
        losses, state, _ = model.session(params, 3).gradient(chunk.inputs, chunk.targets, state, grads, scale=1.0)
        nats, characters, wanted = nats + losses.sum(), characters + losses.size, wanted + grads.vector
        cursor = trainer.streams.advance(cursor)
    scale = 1 / characters if reduction == "mean" else 1.0
    assert (report.step, report.characters) == (1, characters) == (1, 3 * (8 + 8 + 4 + 8))
    assert report.loss == pytest.approx(nats / characters, rel=1e-12)
    np.testing.assert_allclose(trainer.params.vector, params.vector - 0.5 * scale * wanted, rtol=1e-10, atol=1e-13)
    assert trainer.cursor == cursor == Cursor(1, 8)


def test_each_chunk_has_masks_and_a_length_of_its_own() -> None:
    config = replace(CONFIG, accumulate=1, bptt_jitter=3.0)
    usual = [chunk_length(config, number) for number in range(12)]
    trainer = Trainer(replace(config, accumulate=3), VOCABULARY, VOCABULARY.encode(TEXT))
    assert len(set(usual)) > 3
    reports = [trainer.train_step(0.0) for _ in range(4)]
    assert [report.characters for report in reports] == [3 * sum(usual[k : k + 3]) for k in range(0, 12, 3)]
    # At a rate of 0 one update's mean loss is that of two steps: each has drawn the masks that they draw.
    still = replace(CONFIG, accumulate=1, dropout=0.5, learning_rate=1e-300)
    ones, pair = (Trainer(replace(still, accumulate=n), VOCABULARY, IDS) for n in (1, 2))
    losses = [ones.train_step(0.0).loss for _ in range(2)]
    assert losses[0] != losses[1]
    assert pair.train_step(0.0).loss == pytest.approx(np.mean(losses), rel=1e-12)


def test_passes_over_the_text_end_after_as_many_characters_and_fewer_updates(text_file: Path) -> None:
    changes: dict[str, Any] = {"hidden_sizes": (4,), "batch_size": 4, "seq_length": 10, "epochs": 2.0, "accumulate": 5}
    run = train([str(text_file)], checkpoint=True, **changes)
    whole = 2 * run.trainer.streams.chunks_per_epoch
    assert run.total_steps == -(-whole // 5)
    for _ in run.events():
        pass
    assert run.trainer.step == run.total_steps
    assert run.trainer.epoch >= 2


def test_no_chunk_makes_no_update() -> None:
    with pytest.raises(ConfigError, match="accumulate must be at least 1, not 0"):
        replace(CONFIG, accumulate=0)


def test_the_speed_that_is_measured_leaves_the_training_as_it_is() -> None:
    first, second = (Trainer(CONFIG, VOCABULARY, IDS) for _ in range(2))
    first.train_step(0.0), second.train_step(0.0)
    assert first.measure_speed(0.01) > 0
    for trainer, _ in itertools.product((first, second), range(2)):
        trainer.train_step(0.0)
    assert first.params.vector.tobytes() == second.params.vector.tobytes()
