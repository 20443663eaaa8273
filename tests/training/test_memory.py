"""A training step works in what was allocated before it, and how much that is, is known before."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.config import TrainConfig
from charrnn.errors import ConfigError
from charrnn.text.vocabulary import Vocabulary
from charrnn.training import start
from charrnn.training.start import estimate_memory, train
from charrnn.training.trainer import Trainer

VOCABULARY = Vocabulary("".join(map(chr, range(65, 130))))
IDS = np.random.default_rng(0).integers(0, 65, 50_000).astype(np.uint8)
KIB = 1024
MIB = 1024 * KIB


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
    # All that lived at one time: the optimizer's 96 KiB to work in, the chunk's ids, sums for the rows of the symbols,
    # and what is small. An array of T·B·H numbers would take 1.2 MiB or more.
    assert peak < 256 * KIB


def test_a_thousand_steps_take_no_more_memory_than_one() -> None:
    config = TrainConfig(hidden_sizes=(8,), batch_size=1, seq_length=5, threads=1)
    trainer = Trainer(config, VOCABULARY, IDS[:501])  # a hundred steps an epoch
    tracemalloc.start()
    for _ in range(500):  # until Python's and NumPy's own small caches are full
        trainer.train_step(0.0)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(1_000):
        trainer.train_step(0.0)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 1 * KIB


ESTIMATED: dict[str, dict[str, Any]] = {
    "gru": {"hidden_sizes": (256,), "cell": "gru"},
    "lstm": {"hidden_sizes": (200, 100), "cell": "lstm", "optimizer": "adam", "embedding_size": 32},
    "dropout": {"hidden_sizes": (200,), "dropout": 0.4, "weight_drop": 0.3},
    "long": {"hidden_sizes": (64,), "batch_size": 64, "seq_length": 200, "dtype": "float64"},
}


@pytest.mark.parametrize("changes", ESTIMATED.values(), ids=ESTIMATED)
def test_the_memory_of_a_run_is_known_before_it_is_taken(tmp_path: Path, changes: dict[str, Any]) -> None:
    text = VOCABULARY.decode(IDS[:16_000])
    (tmp_path / "t.txt").write_text(text, newline="")
    changes = {"steps": 4, "eval_every": 2, "save_every": 3, "sample_every": 0, "threads": 1, **changes}
    for _ in train([str(tmp_path / "t.txt")], checkpoint=True, hidden_sizes=(2,), steps=1).events():
        pass  # modules are loaded, and what Python keeps for good is there
    tracemalloc.start()
    run = train([str(tmp_path / "t.txt")], checkpoint=True, **changes)
    for _ in run.events():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    few = 4 * MIB  # the text, Python's own objects, modules that were not loaded before
    assert 0.8 * (peak - few) < estimate_memory(run.config, 65, 14_400) < 1.5 * peak


def test_a_network_without_room_is_refused_with_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(hidden_sizes=(512,), threads=1)
    monkeypatch.setattr(start, "available_memory", lambda: estimate_memory(config, 65, 9000))
    start.check_memory(config, 65, 9000)
    monkeypatch.setattr(start, "available_memory", lambda: 20_000_000)
    with pytest.raises(ConfigError, match=r"a gru of 512 units over 65 symbols, .* about [\d.]+ MB .* 20 MB are free"):
        start.check_memory(config, 65, 9000)
    monkeypatch.setattr(start, "available_memory", lambda: None)
    start.check_memory(config, 65, 9000)


def test_each_worker_counts() -> None:
    one, two = (estimate_memory(TrainConfig(hidden_sizes=(512,), threads=k), 65, 9000) for k in (1, 2))
    assert two > one + 4 * 512 * 512 * 3
