"""The slow reference against arithmetic done by hand."""

import numpy as np
import pytest

from tests import reference


def test_adagrad_puts_eps_inside_the_root() -> None:
    params = {"w": np.array([1.0])}
    reference.adagrad(params, {"w": np.array([3.0])}, {}, learning_rate=0.5, eps=16.0)
    assert params["w"] == [1.0 - 0.5 * 3.0 / 5.0]  # sqrt(3² + 16) = 5


def test_clip_by_value_moves_only_what_is_outside() -> None:
    clipped = reference.clip_by_value({"w": np.array([-7.0, -5.0, 0.5, 6.0])}, 5.0)
    np.testing.assert_array_equal(clipped["w"], [-5.0, -5.0, 0.5, 5.0])


def test_clip_by_norm_measures_all_arrays_together() -> None:
    grads = {"a": np.array([[3.0]]), "b": np.array([0.0, 4.0])}
    clipped, norm = reference.clip_by_norm(grads, 1.0)
    assert norm == 5.0
    np.testing.assert_allclose(clipped["a"], [[0.6]], rtol=1e-15)
    np.testing.assert_allclose(clipped["b"], [0.0, 0.8], rtol=1e-15)
    unclipped, _ = reference.clip_by_norm(grads, 5.0)
    for name, array in grads.items():
        np.testing.assert_array_equal(unclipped[name], array)


def test_temperature_is_a_power_of_the_probabilities() -> None:
    log_probs = np.log([0.2, 0.4, 0.4])
    # at temperature 1/2 each is squared: 0.04, 0.16, 0.16 of 0.36
    np.testing.assert_allclose(reference.with_temperature(log_probs, 0.5), [1 / 9, 4 / 9, 4 / 9], rtol=1e-14)
    np.testing.assert_allclose(reference.with_temperature(log_probs, 1.0), [0.2, 0.4, 0.4], rtol=1e-14)


def test_temperature_zero_takes_the_first_of_the_most_likely() -> None:
    np.testing.assert_array_equal(reference.with_temperature(np.log([0.2, 0.4, 0.4]), 0), [0, 1, 0])


@pytest.mark.parametrize(
    ("k", "kept"),
    [
        (1, [0, 1, 0, 0]),
        (2, [1 / 3, 2 / 3, 0, 0]),
        (3, [2 / 7, 4 / 7, 1 / 7, 0]),  # of the two equal ones the first
        (9, [0.25, 0.5, 0.125, 0.125]),
    ],
)
def test_top_k_keeps_exactly_k(k: int, kept: list[float]) -> None:
    np.testing.assert_allclose(reference.keep_top_k(np.array([0.25, 0.5, 0.125, 0.125]), k), kept, rtol=1e-15)


@pytest.mark.parametrize(
    ("p", "kept"),
    [
        (0.0, [0, 1, 0, 0]),  # at least one
        (0.5, [0, 1, 0, 0]),  # reached exactly: no more are taken
        (0.51, [1 / 3, 2 / 3, 0, 0]),
        (0.8, [2 / 7, 4 / 7, 1 / 7, 0]),  # of the two equal ones the first
        (1.0, [0.25, 0.5, 0.125, 0.125]),
    ],
)
def test_top_p_keeps_the_fewest_that_reach_p(p: float, kept: list[float]) -> None:
    np.testing.assert_allclose(reference.keep_top_p(np.array([0.25, 0.5, 0.125, 0.125]), p), kept, rtol=1e-15)
