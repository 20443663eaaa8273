"""A training step works in what was allocated before it."""

import tracemalloc

import numpy as np
import pytest

from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import TrainConfig
from charrnn.training.trainer import Trainer

VOCABULARY = Vocabulary("".join(map(chr, range(65, 130))))
IDS = np.random.default_rng(0).integers(0, 65, 50_000).astype(np.uint8)
KIB = 1024


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_sizes": (256,), "cell": "lstm", "batch_size": 32, "seq_length": 50},
        {"hidden_sizes": (128, 128), "cell": "lstm", "batch_size": 32, "seq_length": 50, "optimizer": "adam"},
        {"hidden_sizes": (200,), "cell": "vanilla", "batch_size": 32, "seq_length": 50, "embedding_size": 64},
        {"hidden_sizes": (200, 128), "cell": "gru", "batch_size": 32, "seq_length": 50},
        {"hidden_sizes": (200, 128), "batch_size": 32, "seq_length": 50, "dropout": 0.4, "weight_drop": 0.3},
    ],
    ids=["lstm", "two lstm", "vanilla", "two gru", "dropout"],
)
def test_a_step_allocates_no_large_array(changes: dict[str, object]) -> None:
    trainer = Trainer(TrainConfig(threads=1, **changes), VOCABULARY, IDS)  # type: ignore[arg-type]
    trainer.train_step(0.0)
    tracemalloc.start()
    trainer.train_step(0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All that lived at one time: the optimizer's 64 KiB to work in, the chunk's ids, and what is small. An array of
    # T·B·H numbers would take 1.2 MiB or more.
    assert peak < 192 * KIB


def test_ten_thousand_steps_take_no_more_memory_than_one() -> None:
    config = TrainConfig(hidden_sizes=(8,), batch_size=1, seq_length=5, threads=1)
    trainer = Trainer(config, VOCABULARY, IDS[:501])  # a hundred steps an epoch
    tracemalloc.start()
    for _ in range(2_500):  # until Python's and NumPy's own small caches are full
        trainer.train_step(0.0)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(10_000):
        trainer.train_step(0.0)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 1 * KIB
