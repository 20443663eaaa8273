"""One step is: chunk, loss, gradient, finite?, clip, update; and the steps make up min-char-rnn's recipe."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.config import RECIPES, TrainConfig
from charrnn.errors import DivergedError
from charrnn.nn import equations
from charrnn.nn.model import Session
from charrnn.randomness import random_stream
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.events import StepReport
from charrnn.training.trainer import Trainer, next_lesson
from tests import reference
from tests.conftest import TEXT

VOCABULARY = Vocabulary.from_text(TEXT)
IDS = VOCABULARY.encode(TEXT)
V = len(VOCABULARY)
SMALL = TrainConfig(
    hidden_sizes=(7,),
    dtype="float64",
    batch_size=3,
    seq_length=8,
    schedule="constant",
    warmup_steps=0,
    clip_norm=0.0,
    learning_rate=0.05,
)


def small(**changes: Any) -> TrainConfig:
    return replace(SMALL, **changes)


def train(trainer: Trainer, steps: int) -> list[StepReport]:
    return [trainer.train_step(0.0) for _ in range(steps)]


def min_char_rnn(params: reference.Params, ids: NDArray[np.integer], steps: int) -> tuple[list[float], list[float]]:
    """The recipe of min-char-rnn (Karpathy, 2015) on column vectors; returns losses and smoothed losses, in nats."""
    Wxh, Whh, Why = params["cells.0.W_xh"].T, params["cells.0.W_hh"].T, params["linear.W_hy"].T
    bh, by = params["cells.0.b_h"][:, None], params["linear.b_y"][:, None]
    weights = [Wxh, Whh, Why, bh, by]
    memories = [np.zeros_like(weight) for weight in weights]
    smooth, h = math.log(V) * 25, np.zeros_like(bh)
    losses, smoothed = [], []
    for p in range(0, 25 * steps, 25):
        xs, hs, ps, loss = {}, {-1: h}, {}, 0.0
        for t in range(25):
            xs[t] = np.eye(V)[:, [ids[p + t]]]
            hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
            y = np.exp(Why @ hs[t] + by)
            ps[t] = y / y.sum()
            loss -= math.log(ps[t][ids[p + t + 1], 0])
        grads = [np.zeros_like(weight) for weight in weights]
        dh_next = np.zeros_like(h)
        for t in reversed(range(25)):
            dy = ps[t].copy()
            dy[ids[p + t + 1]] -= 1
            dz = (1 - hs[t] ** 2) * (Why.T @ dy + dh_next)
            for grad, step in zip(grads, (dz @ xs[t].T, dz @ hs[t - 1].T, dy @ hs[t].T, dz, dy), strict=True):
                np.add(grad, step, out=grad)
            dh_next = Whh.T @ dz
        h = hs[24]
        for weight, grad, memory in zip(weights, grads, memories, strict=True):
            np.clip(grad, -5, 5, out=grad)
            np.add(memory, grad * grad, out=memory)
            np.subtract(weight, 0.1 * grad / np.sqrt(memory + 1e-8), out=weight)
        smooth = 0.999 * smooth + 0.001 * loss
        losses.append(loss / 25)
        smoothed.append(smooth / 25)
    return losses, smoothed


def test_thirty_steps_of_the_recipe_equal_min_char_rnn_itself() -> None:
    ids = np.tile(IDS, 2)[:752]
    # At its full 100 units the recipe is chaotic in its first steps: a last bit grows to 1e-4 in thirty of them.
    recipe = replace(RECIPES["min-char-rnn"].config, hidden_sizes=(16,), dtype="float64")
    trainer = Trainer(recipe, VOCABULARY, ids)
    theirs = {name: array.copy() for name, array in trainer.params.items()}
    losses, smoothed = min_char_rnn(theirs, ids, 30)
    reports = train(trainer, 30)
    np.testing.assert_allclose([report.loss for report in reports], losses, rtol=1e-10)
    np.testing.assert_allclose([report.smoothed_loss for report in reports], smoothed, rtol=1e-10)
    for name, array in theirs.items():  # the loop above has moved these in place
        np.testing.assert_allclose(trainer.params[name], array, rtol=0, atol=1e-10, err_msg=name)


def test_three_epochs_of_an_lstm_equal_the_reference_loop() -> None:
    ids = IDS[:50]
    trainer = Trainer(small(cell="lstm", hidden_sizes=(4, 3), embedding_size=2, clip_norm=0.5), VOCABULARY, ids)
    theirs = {name: array.copy() for name, array in trainer.params.items()}
    memory: reference.Params = {}
    zero: list[equations.State] = [(np.zeros((3, H)), np.zeros((3, H))) for H in (4, 3)]
    for _ in range(3):
        state = zero  # each epoch begins without memory of the text
        for first in (0, 8, 16):  # 17 transitions a stream: two chunks of 8, and the last one of 1
            window = np.stack([ids[start + first : start + min(first + 8, 17) + 1] for start in (0, 16, 32)], axis=1)
            inputs, targets = window[:-1], window[1:]
            losses, grads, _ = equations.network_gradients(
                theirs, "lstm", inputs, targets, state, scale=1 / targets.size
            )
            state = equations.network_forward(theirs, "lstm", inputs, state).final
            grads, norm = reference.clip_by_norm(grads, 0.5)
            reference.adagrad(theirs, grads, memory, 0.05, eps=1e-8)
            report = trainer.train_step(0.0)
            assert report.characters == targets.size
            assert (report.loss, report.grad_norm) == pytest.approx((losses.mean(), norm), rel=1e-10)
    assert trainer.cursor.epoch == 3
    for name, array in theirs.items():
        np.testing.assert_allclose(trainer.params[name], array, rtol=0, atol=1e-10, err_msg=name)


def test_an_epoch_trains_every_transition_the_shorter_last_chunk_included() -> None:
    trainer = Trainer(small(batch_size=1), VOCABULARY, IDS[:43])
    reports = train(trainer, 6)
    assert [report.characters for report in reports] == [8, 8, 8, 8, 8, 2]
    assert reports[-1].epoch == 1.0
    assert sum(report.characters for report in reports) == 42


def test_the_sum_has_the_mean_s_gradient_times_the_characters() -> None:
    by_mean, by_sum = (Trainer(small(reduction=reduction), VOCABULARY, IDS) for reduction in ("mean", "sum"))
    lesson = next_lesson(by_mean.config, by_mean.streams, 0, by_mean.cursor)
    assert by_mean.gradient(lesson)[0] == by_sum.gradient(lesson)[0]
    np.testing.assert_allclose(by_sum.grads.vector, by_mean.grads.vector * lesson.characters, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("clip", [{}, {"clip_value": 1.0}, {"clip_norm": 1.0}])
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_before_clipping_and_before_the_update(
    monkeypatch: pytest.MonkeyPatch, clip: dict[str, float], wrong: float
) -> None:
    trainer = Trainer(small(**clip), VOCABULARY, IDS)
    train(trainer, 2)
    before = trainer.params.vector.tobytes(), trainer.optimizer_state.memories["sum_squares"].vector.tobytes()
    gradient = Session.gradient

    def spoilt(*arguments: Any, **options: Any) -> Any:
        result = gradient(*arguments, **options)
        trainer.grads.vector[3] = wrong
        return result

    monkeypatch.setattr(Session, "gradient", spoilt)
    with pytest.raises(DivergedError, match=r"diverged at step 3: loss .*, learning rate 0.05; try a lower"):
        trainer.train_step(0.0)
    after = trainer.params.vector.tobytes(), trainer.optimizer_state.memories["sum_squares"].vector.tobytes()
    assert after == before
    assert trainer.step == 2


def test_an_update_that_leaves_the_range_of_the_numbers_is_refused() -> None:
    trainer = Trainer(small(dtype="float32", optimizer="sgd", learning_rate=1e300), VOCABULARY, IDS)
    with pytest.raises(
        DivergedError, match=r"diverged at step 1: its update made weights that are not finite, learning rate 1e\+300"
    ):
        trainer.train_step(0.0)


@pytest.mark.parametrize(("limit", "length"), [({"clip_value": 1e-3}, None), ({"clip_norm": 1e-3}, 1e-3)])
def test_clipping_bounds_the_gradient_that_the_optimizer_meets(limit: dict[str, float], length: float | None) -> None:
    trainer = Trainer(small(**limit), VOCABULARY, IDS)
    report = trainer.train_step(0.0)
    met = np.sqrt(trainer.optimizer_state.memories["sum_squares"].vector)
    assert report.grad_norm > 1e-2  # reported as it was
    if length:
        assert np.linalg.norm(met) == pytest.approx(length)
    else:
        assert met.max() == pytest.approx(1e-3)


def test_the_warmup_and_the_schedule_set_the_rate() -> None:
    trainer = Trainer(small(warmup_steps=4, schedule="cosine"), VOCABULARY, IDS)
    rates = [trainer.train_step(progress).learning_rate for progress in (0.0, 0.0, 0.0, 0.0, 0.5, 1.0)]
    assert rates == pytest.approx([0.0125, 0.025, 0.0375, 0.05, 0.025, 0.0])


def test_a_learning_rate_of_zero_means_the_optimizer_s_own() -> None:
    trainer = Trainer(small(learning_rate=0.0, optimizer="adam"), VOCABULARY, IDS)
    assert trainer.train_step(0.0).learning_rate == 0.004


@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_a_short_text_is_learned_by_heart(cell: str) -> None:
    config = small(cell=cell, hidden_sizes=(32,), dtype="float32", batch_size=1, seq_length=36, optimizer="adam")
    trainer = Trainer(replace(config, learning_rate=0.02, clip_norm=5.0), VOCABULARY, IDS[:37])
    reports = train(trainer, 300)
    assert reports[0].loss == pytest.approx(math.log(V), abs=0.5)
    assert reports[-1].loss < 0.1


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_model() -> None:
    one, same, other = (Trainer(small(rng_seed=seed), VOCABULARY, IDS) for seed in (1, 1, 2))
    assert train(one, 5) == train(same, 5)
    assert one.params.vector.tobytes() == same.params.vector.tobytes()
    assert not np.array_equal(one.params.vector, other.params.vector)


def test_each_purpose_and_each_step_has_a_random_stream_of_its_own() -> None:
    streams = [("init",), ("sample", 0), ("sample", 1), ("sample", 2)]
    draws = [random_stream(0, str(name), *numbers).random() for name, *numbers in streams]  # type: ignore[arg-type]
    assert len(set(draws)) == len(draws)
    assert random_stream(0, "sample", 2).random() == draws[-1]
