"""Softmax cross-entropy of anyone's scores."""

import math

import numpy as np
import pytest

import charrnn


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (2, 3, 4)])
def test_the_loss_is_what_the_log_probabilities_say(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(0, 3, (*shape, 5)), rng.integers(0, 5, shape)
    log_probs = charrnn.log_softmax(logits)
    loss, d_logits = charrnn.softmax_cross_entropy(logits, targets)
    picked = np.take_along_axis(log_probs, targets[..., None], axis=-1)
    assert loss == pytest.approx(-picked.mean(), rel=1e-12)
    np.testing.assert_allclose(d_logits, (np.exp(log_probs) - np.eye(5)[targets]) / targets.size, atol=1e-15)
    total, d_total = charrnn.softmax_cross_entropy(logits, targets, reduction="sum")
    assert total == pytest.approx(loss * targets.size)
    np.testing.assert_allclose(d_total, d_logits * targets.size)


def test_scores_are_read_and_huge_ones_overflow_nothing() -> None:
    logits = np.array([[1e4, 0.0]], dtype=np.float32)
    loss, d_logits = charrnn.softmax_cross_entropy(logits, [1])
    assert loss == pytest.approx(1e4)
    assert logits[0, 0] == 1e4
    assert d_logits.dtype == np.float32
    assert charrnn.softmax_cross_entropy([[0, 0]], [1])[0] == pytest.approx(math.log(2))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        charrnn.softmax_cross_entropy(np.zeros((2, 3)), [1])
    with pytest.raises(IndexError):
        charrnn.softmax_cross_entropy(np.zeros((1, 3)), [3])
    with pytest.raises(TypeError):
        charrnn.softmax_cross_entropy(np.zeros((1, 3)), [0.5])
    with pytest.raises(ValueError, match="reduction"):
        charrnn.softmax_cross_entropy(np.zeros((1, 3)), [0], reduction="none")
