"""Tens of thousands of symbols, as Chinese and Japanese texts have, need no array that grows with their square."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from charrnn import checkpoint
from charrnn.config import TrainConfig
from charrnn.text.vocabulary import Vocabulary
from charrnn.training import start
from charrnn.training.trainer import Trainer
from tests.conftest import Charrnn
from tests.faults.memory import forget_peak, peak

V = 20_000
SIGNS = "\n" + "".join(map(chr, range(0x4E00, 0x4E00 + V - 1)))


def text(length: int) -> str:
    """Each sign once, and then the first ones again and again."""
    return SIGNS[1:] + "\n" + "".join(SIGNS[k * k % 997] for k in range(length - V))


@pytest.mark.parametrize("embedding_size", [0, 5])
@pytest.mark.parametrize(("batch_size", "seq_length"), [(1, 20), (2, 30)], ids=["few positions", "more"])
def test_a_step_builds_no_one_hot_matrix(embedding_size: int, batch_size: int, seq_length: int) -> None:
    config = TrainConfig(
        hidden_sizes=(4,), embedding_size=embedding_size, batch_size=batch_size, seq_length=seq_length, threads=1
    )
    vocabulary = Vocabulary(SIGNS)
    trainer = Trainer(config, vocabulary, vocabulary.encode(text(40_000)).astype(np.uint16))
    trainer.train_step(0.0)
    tracemalloc.start()
    trainer.train_step(0.0)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A few vectors of V, and the optimizer's 96 KiB; with a column for each of 20 positions it were 1.6 MB more.
    assert most < 1_000_000


@pytest.fixture
def told(charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a run on such a text says, with memory worth telling of from the first byte on."""
    monkeypatch.setattr(start, "_WORTH_TELLING", 0)
    Path("signs.txt").write_text(text(41_000), encoding="utf-8", newline="")
    options = ("--hidden-size", "4", "--batch-size", "2", "--seq-length", "10", "--eval-every", "0", "--threads", "1")
    forget_peak()
    before = peak()
    outcome = charrnn("train", "signs.txt", *options, "--steps", "2", "--checkpoint", "run.npz")
    assert outcome.code == 0, outcome.err
    assert peak() - before < 100 << 20  # a byte for each pair of symbols would be 400 MB
    return outcome.err


def test_such_a_text_is_learned_saved_and_sampled_and_its_memory_told_first(charrnn: Charrnn, told: str) -> None:
    first, second, *_ = told.splitlines()
    assert first.startswith("memory about ")
    assert second.startswith("text   signs: 20,000 symbols, 36,900 characters to train on, 4,100 held out")
    assert len(checkpoint.load("run.npz").vocabulary) == V
    for options in (("--top-k", "5"), ("--top-p", "0.5"), ("--min-p", "0.5"), ("--temperature", "0"), ("--num", "3")):
        outcome = charrnn("sample", "run.npz", "-n", "5", "-q", *options)
        assert outcome.code == 0, outcome.err
        assert set(outcome.out.decode()) <= {*SIGNS, *"─ -rngsed0123456789"}
    assert "symbols   20,000: \\n一丁" in charrnn("info", "run.npz").out.decode()
    Path("few.txt").write_text(SIGNS[5:60] + "\n", encoding="utf-8")
    for command in (("score", "run.npz", "few.txt"), ("view", "run.npz", "few.txt"), ("export", "run.npz")):
        assert charrnn(*command).code == 0
    assert charrnn("train", "--resume", "--checkpoint", "run.npz", "--steps", "3").code == 0
