"""Softmax cross-entropy: exact where the plain formula is, and finite where it is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from charrnn.nn import equations
from charrnn.nn.output import cross_entropy, cross_entropy_backward, log_softmax
from charrnn.nn.parameters import Array

T, B, V = 4, 3, 6
huge = hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=5), elements=st.floats(-1e30, 1e30))
huge_float32 = hnp.arrays(
    np.float32, hnp.array_shapes(max_dims=3, max_side=5), elements=st.floats(-(2.0**99), 2.0**99, width=32)
)


def moderate() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 3, (T, B, V)), rng.integers(0, V, (T, B))


@given(st.one_of(huge, huge_float32))
def test_log_softmax_is_finite_and_normalised_whatever_the_logits(logits: Array) -> None:
    before = logits.copy()
    with np.errstate(all="raise", under="ignore"):
        log_probs = log_softmax(logits)
    assert log_probs.dtype == logits.dtype
    assert np.isfinite(log_probs).all()
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1, rtol=1e-6 if logits.itemsize == 4 else 1e-12)
    np.testing.assert_array_equal(logits, before)


@given(huge)
def test_probabilities_sum_to_one_whatever_the_logits(logits: Array) -> None:
    probs = logits.reshape(1, -1, logits.shape[-1]).copy()
    with np.errstate(all="raise", under="ignore"):
        losses = cross_entropy(probs, np.zeros(probs.shape[:2], np.intp))
    assert np.isfinite(losses).all()
    assert (losses >= 0).all()
    np.testing.assert_allclose(probs.sum(axis=-1), 1, rtol=1e-12)


def test_moderate_logits_give_what_the_plain_formula_gives() -> None:
    logits, targets = moderate()
    plain = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    t, b = np.indices((T, B))
    np.testing.assert_allclose(log_softmax(logits), np.log(plain), rtol=1e-12)
    np.testing.assert_allclose(log_softmax(logits)[1, 2], equations.log_softmax(logits[1, 2]), rtol=1e-14)
    np.testing.assert_allclose(cross_entropy(logits, targets), -np.log(plain[t, b, targets]), rtol=1e-12)
    np.testing.assert_allclose(logits, plain, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hopeless_guess_costs_its_distance_and_no_warning(dtype: type) -> None:
    logits: Array = np.full((1, 2, 3), -1000, dtype)
    logits[..., 1] = 1000
    with np.errstate(all="raise", under="ignore"):
        losses = cross_entropy(logits, np.array([[0, 1]]))
        cross_entropy_backward(logits, np.array([[0, 1]]), 0.5)
    np.testing.assert_array_equal(losses, [[2000, 0]])
    np.testing.assert_array_equal(logits, [[[-0.5, 0.5, 0], [0, 0, 0]]])


def test_all_logits_very_low_are_no_different_from_zero() -> None:
    np.testing.assert_array_equal(log_softmax(np.full(4, -1e30)), log_softmax(np.zeros(4)))


def test_loss_of_a_guess_at_random_is_the_logarithm_of_the_vocabulary() -> None:
    np.testing.assert_allclose(cross_entropy(np.zeros((T, B, V)), moderate()[1]), np.log(V), rtol=1e-15)


def test_gradient_is_what_was_predicted_less_what_came() -> None:
    probs, targets = moderate()
    cross_entropy(probs, targets)
    d_logits = probs.copy()
    cross_entropy_backward(d_logits, targets, 0.25)
    np.testing.assert_allclose(d_logits, 0.25 * (probs - np.eye(V)[targets]), rtol=1e-14)
    np.testing.assert_allclose(d_logits.sum(axis=-1), 0, atol=1e-15)


def test_gradient_equals_the_complex_step() -> None:
    logits, targets = moderate()
    d_logits = logits.copy()
    cross_entropy(d_logits, targets)
    cross_entropy_backward(d_logits, targets, 1.0)
    for index in np.ndindex(logits.shape):
        moved = logits.astype(complex)
        moved[index] += 1e-30j
        slope = cross_entropy(moved, targets).sum().imag / 1e-30
        assert d_logits[index] == pytest.approx(slope, rel=1e-12, abs=1e-15)


def test_where_there_is_no_target_there_is_neither_loss_nor_gradient_and_elsewhere_nothing_changes() -> None:
    logits, targets = moderate()
    gaps = np.random.default_rng(1).random((T, B)) < 0.4
    gaps[0, 0] = gaps[-1, -1] = True
    probs, usual = logits.copy(), logits.copy()
    wanted = cross_entropy(usual, targets)
    losses = cross_entropy(probs, np.where(gaps, -1, targets))
    np.testing.assert_array_equal(losses, np.where(gaps, 0, wanted))
    cross_entropy_backward(usual, targets, 0.5)
    cross_entropy_backward(probs, np.where(gaps, -1, targets), 0.5)
    np.testing.assert_array_equal(probs, np.where(gaps[..., None], 0, usual))


def test_what_is_not_finite_where_there_is_no_target_does_no_harm() -> None:
    logits, targets = moderate()
    logits[1, 1] = np.nan
    targets[1, 1] = -1
    losses = cross_entropy(logits, targets)
    cross_entropy_backward(logits, targets, 1.0)
    assert np.isfinite(losses).all()
    assert np.isfinite(logits).all()
