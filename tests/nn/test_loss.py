"""Softmax cross-entropy is finite whatever the scores. That it is right: tests/test_mutants.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hopeless_guess_costs_its_distance_and_no_warning(dtype: type) -> None:
    logits: Array = np.full((1, 2, 3), -1000, dtype)
    logits[..., 1] = 1000
    with np.errstate(all="raise", under="ignore"):
        losses = cross_entropy(logits, np.array([[0, 1]]))
        cross_entropy_backward(logits, np.array([[0, 1]]), 0.5)
    np.testing.assert_array_equal(losses, [[2000, 0]])
    np.testing.assert_array_equal(logits, [[[-0.5, 0.5, 0], [0, 0, 0]]])


def test_what_is_not_finite_where_there_is_no_target_does_no_harm() -> None:
    logits, targets = moderate()
    logits[1, 1] = np.nan
    targets[1, 1] = -1
    losses = cross_entropy(logits, targets)
    cross_entropy_backward(logits, targets, 1.0)
    assert np.isfinite(losses).all()
    assert np.isfinite(logits).all()
