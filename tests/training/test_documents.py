"""Training on items: a padded batch is its items one at a time, and nothing passes from one to another."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from charrnn.config import TrainConfig
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Array, Parameters
from charrnn.text.items import Documents, Items, find_items
from charrnn.text.streams import NO_TARGET, Chunk, Cursor
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.trainer import OneProcess, Trainer, next_lesson

# Lengths from 1 to 17; five fill a batch.
WORDS = ["ab", "c", "abcabcabcabcabcab", "bca", "cc", "aabbcc", "acb", "b", "ca", "bcbcbcbcbcb", "a", "caca"]
VOCABULARY = Vocabulary("\nabc")
SMALL: dict[str, Any] = {
    "separator": "\n",
    "hidden_sizes": (5, 4),
    "batch_size": 5,
    "seq_length": 6,
    "dtype": "float64",
    "reduction": "sum",
    "clip_norm": 0.0,
    "schedule": "constant",
    "warmup_steps": 0,
}


def items_of(words: list[str]) -> Items:
    items, _ = find_items(VOCABULARY.encode("\n".join([*words, ""])), VOCABULARY.encode("\n"))
    return items


def trainer_of(words: list[str], **changes: Any) -> Trainer:
    return Trainer(TrainConfig(**(SMALL | changes)), VOCABULARY, items_of(words))


def gradient(model: CharRNN, params: Parameters, chunks: list[Chunk]) -> tuple[float, Array]:
    """The summed loss and gradient of chunks in turn; the state is carried, but where streams begin it is zero."""
    total, gradients = 0.0, np.zeros_like(params.vector)
    state: Any = None
    for chunk in chunks:
        B = chunk.inputs.shape[1]
        grads = params.like(np.empty_like(params.vector))
        state = model.zero_state(B, params.vector.dtype) if chunk.is_first else state
        losses, state, _ = model.session(params, B).gradient(chunk.inputs, chunk.targets, state, grads, scale=1.0)
        total += float(losses.sum())
        gradients += grads.vector
    return total, gradients


def epoch_of(batches: Documents) -> list[Chunk]:
    cursor, chunks = Cursor(0, 0), []
    while not cursor.epoch:
        chunks.append(batches.chunk(cursor))
        cursor = batches.advance(cursor)
    return chunks


def one_at_a_time(chunks: list[Chunk]) -> Iterator[list[Chunk]]:
    """The items of batches, each alone and without padding, cut where its batch is cut."""
    beginnings = [k for k, chunk in enumerate(chunks) if chunk.is_first]
    for first, last in itertools.pairwise([*beginnings, len(chunks)]):
        for column in range(chunks[first].inputs.shape[1]):
            own = []
            for chunk in chunks[first:last]:
                T = int((chunk.targets[:, column] != NO_TARGET).sum())
                inputs, targets = (ids[:T, column : column + 1] for ids in (chunk.inputs, chunk.targets))
                own += [Chunk(inputs, targets, chunk.is_first, T)] if T else []
            if own:
                yield own


NETWORKS = [
    {"cell": "vanilla"},
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "gru", "embedding_size": 4, "tied": True},
    {"cell": "lstm", "embedding_size": 3},
]


@pytest.mark.parametrize("network", NETWORKS, ids=["vanilla", "lstm", "gru", "tied", "embedding"])
@pytest.mark.parametrize("seq_length", [6, 50])
def test_the_gradient_of_padded_batches_is_the_sum_over_unpadded_items_one_at_a_time(
    network: dict[str, Any], seq_length: int
) -> None:
    trainer = trainer_of(WORDS, seq_length=seq_length, **network)
    chunks = epoch_of(trainer.streams)  # type: ignore[arg-type]
    assert any((chunk.targets == NO_TARGET).any() for chunk in chunks)
    loss, padded = gradient(trainer.model, trainer.params, chunks)
    alone = [gradient(trainer.model, trainer.params, own) for own in one_at_a_time(chunks)]
    assert len(alone) == len(WORDS)
    assert loss == pytest.approx(sum(loss for loss, _ in alone), rel=1e-12)
    np.testing.assert_allclose(padded, np.sum([grads for _, grads in alone], axis=0), rtol=0, atol=1e-12)


def check_that_steps_are_the_items(trainer: Trainer) -> None:
    """Each step of a trainer follows the gradient of its items one at a time, from zero states."""
    read: list[Chunk] = []
    for _ in range(6):
        chunk = trainer.streams.chunk(trainer.cursor)
        read = [chunk] if chunk.is_first else [*read, chunk]
        if len(read) == 1:  # only there is the state known without what was learned in between
            alone = [gradient(trainer.model, trainer.params, own) for own in one_at_a_time([chunk])]
            lesson = next_lesson(trainer.config, trainer.streams, trainer.step, trainer.cursor)
            loss, norm = trainer.gradient(lesson)
            assert loss * chunk.characters == pytest.approx(sum(loss for loss, _ in alone), rel=1e-12)
            wanted = np.sum([grads for _, grads in alone], axis=0)
            np.testing.assert_allclose(trainer.grads.vector, wanted, rtol=0, atol=1e-12)
            assert norm == pytest.approx(np.linalg.norm(wanted), rel=1e-12)
        before = trainer.params.vector.copy()
        assert trainer.train_step(0.0).characters == chunk.characters
        assert (trainer.params.vector != before).any()


def test_a_trainer_follows_the_gradient_of_its_items() -> None:
    check_that_steps_are_the_items(trainer_of(WORDS))


def test_a_state_that_is_not_reset_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = OneProcess.gradient

    def keeping(engine: OneProcess, chunks: Sequence[Chunk], number: int, scale: float) -> tuple[float, float]:
        return right(engine, [chunk._replace(is_first=False) for chunk in chunks], number, scale)

    monkeypatch.setattr(OneProcess, "gradient", keeping)
    with pytest.raises(AssertionError):
        check_that_steps_are_the_items(trainer_of(WORDS))


def test_padding_that_counts_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = OneProcess.gradient

    def counting(engine: OneProcess, chunks: Sequence[Chunk], number: int, scale: float) -> tuple[float, float]:
        chunks = [chunk._replace(targets=np.maximum(chunk.targets, 0)) for chunk in chunks]
        return right(engine, chunks, number, scale)

    monkeypatch.setattr(OneProcess, "gradient", counting)
    with pytest.raises(AssertionError):
        check_that_steps_are_the_items(trainer_of(WORDS))


def losses_by_item(words: list[str], **changes: Any) -> dict[str, tuple[float, Array]]:
    """What each item loses, and its share of the gradient, in a batch with all the others."""
    trainer = trainer_of(words, batch_size=len(words), seq_length=4, **changes)
    model, params = trainer.model, trainer.params
    chunks = epoch_of(trainer.streams)  # type: ignore[arg-type]
    found = {}
    for column in range(len(words)):
        only = [chunk._replace(targets=np.full_like(chunk.targets, NO_TARGET)) for chunk in chunks]
        for mine, chunk in zip(only, chunks, strict=True):
            mine.targets[:, column] = chunk.targets[:, column]
        symbols = [symbol for chunk in only for symbol in chunk.targets[:, column].tolist() if symbol != NO_TARGET]
        found[VOCABULARY.decode(symbols)] = gradient(model, params, only)
    return found


def check_alike(some: dict[str, tuple[float, Array]], others: dict[str, tuple[float, Array]]) -> int:
    both = some.keys() & others.keys()
    for item in both:
        assert some[item][0] == pytest.approx(others[item][0], rel=1e-13)
        np.testing.assert_allclose(some[item][1], others[item][1], rtol=0, atol=1e-13)
    return len(both)


def test_an_item_loses_the_same_in_any_order_and_company() -> None:
    words = WORDS[:6]
    usual = losses_by_item(words)
    assert check_alike(usual, losses_by_item(words[::-1])) == 6
    assert check_alike(usual, losses_by_item(words, rng_seed=0) | losses_by_item(words[:3])) == 6
    assert check_alike(usual, losses_by_item([*words[:3], "bbbb", *words[4:]])) == 5  # another text of one of them


@pytest.mark.parametrize(
    ("workers", "changes"), [(2, {"cell": "lstm", "dropout": 0.4}), (3, {"dropout": 0.3, "weight_drop": 0.3})]
)
def test_several_workers_equal_one_on_items(
    monkeypatch: pytest.MonkeyPatch, workers: int, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr("charrnn.training.workers._LEAST_WORK", 0)
    one, several = (trainer_of(WORDS, threads=threads, batch_size=6, **changes) for threads in (1, workers))
    for _ in range(9):
        first, second = one.train_step(0.0), several.train_step(0.0)
        assert second.loss == pytest.approx(first.loss, rel=1e-12)
        assert (second.characters, second.epoch) == (first.characters, first.epoch)
    assert several.plan.processes == workers
    several.close()
    np.testing.assert_allclose(several.params.vector, one.params.vector, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("words", "entropy"),
    [(["abcabcabc"], 0.0), (["a"], 0.0), (["ab", "c"], 2 * np.log(2) / 5)],
    ids=["longer than a chunk", "one character", "two items"],
)
def test_few_items_are_learned_up_to_the_chance_of_which_it_is(words: list[str], entropy: float) -> None:
    trainer = trainer_of(words, batch_size=len(words), reduction="mean", hidden_sizes=(16,), rng_seed=1)
    reports = [trainer.train_step(0.0) for _ in range(100)]
    assert reports[-1].loss + reports[-2].loss == pytest.approx(2 * entropy, abs=0.05)
    assert reports[-1].epoch == pytest.approx(sum(report.characters for report in reports) / trainer.streams.length)


def test_a_gradient_of_few_streams_has_its_share_of_the_rate() -> None:
    trainer = trainer_of(["ab"] * 7, reduction="mean", learning_rate=0.5)
    assert [trainer.train_step(0.0).learning_rate for _ in range(4)] == [0.5, 0.2, 0.5, 0.2]
    by_sum = trainer_of(["ab"] * 7, learning_rate=0.5)  # it is smaller already
    assert [by_sum.train_step(0.0).learning_rate for _ in range(2)] == [0.5, 0.5]


def test_chunks_that_vary_in_length_read_every_item() -> None:
    trainer = trainer_of(WORDS, bptt_jitter=2.0)
    reports = [trainer.train_step(0.0) for _ in range(60)]
    assert any(report.epoch == 3.0 for report in reports)
    counted = {
        round(r.epoch * trainer.streams.length): s
        for r, s in zip(reports, itertools.accumulate(report.characters for report in reports), strict=True)
    }
    assert all(place == characters for place, characters in counted.items())


def test_measuring_the_speed_of_items_leaves_everything_alone() -> None:
    trainer, other = trainer_of(WORDS), trainer_of(WORDS)
    trainer.train_step(0.0)
    other.train_step(0.0)
    assert trainer.measure_speed(0.01) > 0
    assert trainer.train_step(0.0) == other.train_step(0.0)
    assert trainer.params.vector.tobytes() == other.params.vector.tobytes()


def test_another_seed_shuffles_otherwise() -> None:
    one, other = (trainer_of(WORDS, rng_seed=seed).streams.chunk(Cursor(0, 0)) for seed in (0, 1))
    assert one.targets.tolist() != other.targets.tolist()
    again = replace(TrainConfig(**SMALL), rng_seed=1)
    assert Trainer(again, VOCABULARY, items_of(WORDS)).streams.chunk(Cursor(0, 0)).targets.tolist() == (
        other.targets.tolist()
    )
