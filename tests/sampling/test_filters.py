"""From scores to a distribution, and from a distribution to one character."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from charrnn.errors import ConfigError
from charrnn.nn.output import log_softmax
from charrnn.sampling.filters import (
    Filters,
    Floats,
    SideBySide,
    ban,
    draw,
    keep_min_p,
    keep_top_k,
    keep_top_p,
)
from tests import reference

scores = hnp.arrays(np.float32, st.integers(1, 12), elements=st.floats(-200, 200, width=32))
almost_one = math.nextafter(1, 0)
# counts make ties and zeros common; the last one keeps the total above zero
weights = st.lists(st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0, 1e-300, 1e-17, 0.3]), max_size=12).map(lambda w: [*w, 0.5])


def random_distributions(rng: np.random.Generator) -> Iterator[Floats]:
    """Hundreds, of one character to twenty: smooth ones, and ones of few values, full of ties and zeros."""
    for _ in range(400):
        V = int(rng.integers(1, 21))
        yield rng.dirichlet(np.full(V, rng.choice([0.05, 1, 20])))
        counts = rng.integers(0, 4, V).astype(float)
        counts[rng.integers(V)] += 1
        yield counts / counts.sum()


def test_each_filter_equals_the_slow_reference() -> None:
    rng = np.random.default_rng(1)
    for probs in random_distributions(rng):
        k = int(rng.integers(1, len(probs) + 3))
        p = float(rng.choice([rng.random(), 0.5, 0.25, 1e-300, 1.0]))
        np.testing.assert_allclose(keep_top_k(probs, k), reference.keep_top_k(probs, k), rtol=1e-12)
        np.testing.assert_allclose(keep_top_p(probs, p), reference.keep_top_p(probs, p), rtol=1e-12)
        np.testing.assert_allclose(keep_min_p(probs, p), reference.keep_min_p(probs, p), rtol=1e-12)


def test_what_is_banned_equals_the_slow_reference() -> None:
    rng = np.random.default_rng(9)
    for _ in range(500):
        logits = rng.normal(0, 5, rng.integers(2, 20))
        banned = rng.permutation(len(logits))[: rng.integers(1, len(logits))]
        wanted = reference.without(log_softmax(logits), banned.tolist())
        before = logits.copy()
        np.testing.assert_allclose(Filters().apply(ban(logits, banned)), wanted, rtol=1e-9)
        np.testing.assert_array_equal(logits, before)


def test_greedy_draws_what_the_slow_reference_draws() -> None:
    rng = np.random.default_rng(10)
    for _ in range(500):
        logits = rng.integers(-3, 4, rng.integers(1, 20)).astype(np.float32)  # few values: ties are common
        wanted = reference.most_likely_first(logits)[0]
        for greedy in (Filters(temperature=0), Filters(top_k=1)):
            assert draw(greedy.apply(logits), rng.random()) == wanted


def test_temperature_equals_the_slow_reference() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        logits = rng.normal(0, 5, rng.integers(2, 20))
        temperature = float(rng.choice([0, 0.1, 1, 3.7]))
        wanted = reference.with_temperature(log_softmax(logits), temperature)
        np.testing.assert_allclose(Filters(temperature).apply(logits), wanted, rtol=1e-9, atol=1e-300)


def test_filters_apply_what_is_banned_then_temperature_then_top_k_then_top_p_then_min_p() -> None:
    rng = np.random.default_rng(4)
    for _ in range(500):
        logits = rng.normal(0, 3, rng.integers(2, 20))
        k, p, m = int(rng.integers(1, 12)), float(rng.uniform(0.05, 0.95)), float(rng.uniform(0, 0.3))
        banned = (int(rng.integers(len(logits))),)
        with np.errstate(divide="ignore"):
            left = np.log(reference.without(log_softmax(logits), list(banned)))
        wanted = reference.keep_top_p(reference.keep_top_k(np.exp(log_softmax(left / 0.7)), k), p)
        wanted = reference.keep_min_p(wanted, m)
        np.testing.assert_allclose(Filters(0.7, k, p, m, banned).apply(logits), wanted, rtol=1e-9)


@given(scores)
def test_no_filter_is_the_softmax(logits: Floats) -> None:
    np.testing.assert_allclose(Filters().apply(logits), np.exp(log_softmax(logits.astype(float))), rtol=1e-12)


@given(scores, st.floats(0, 10), st.integers(0, 14), st.floats(1e-9, 1))
def test_whatever_the_filters_a_distribution_comes_out(logits: Floats, temperature: float, k: int, p: float) -> None:
    before = logits.copy()
    with np.errstate(all="raise", over="ignore", under="ignore"):
        probs = Filters(temperature, k, p).apply(logits)
    assert (probs.dtype.name, probs.shape) == ("float64", logits.shape)
    assert probs.sum() == pytest.approx(1)
    assert (probs >= 0).all()
    assert probs[Filters(temperature).apply(logits).argmax()] > 0  # scores 1e-30 apart are equals as probabilities
    assert np.count_nonzero(probs) <= (k or len(probs))
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("temperature", [0, 5e-324, 1e-300])
@given(scores)
def test_no_temperature_or_hardly_any_is_the_best_character(temperature: float, logits: Floats) -> None:
    probs = Filters(temperature).apply(logits)
    if temperature == 0:
        np.testing.assert_array_equal(probs, np.arange(len(logits)) == logits.argmax())
    else:  # equals share
        best = logits == logits.max()
        np.testing.assert_allclose(probs, best / best.sum())


def test_a_higher_temperature_is_closer_to_even() -> None:
    logits = np.array([0.0, 1, 3])
    assert [Filters(temperature).apply(logits).max() for temperature in (0, 0.5, 1, 2)] == sorted(
        (Filters(temperature).apply(logits).max() for temperature in (0, 0.5, 1, 2)), reverse=True
    )
    np.testing.assert_allclose(Filters(1e9).apply(logits), 1 / 3, rtol=1e-8)


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        *(("temperature", {"temperature": t}) for t in (math.nan, math.inf, -math.inf, -1e-9)),
        ("top_k", {"top_k": -1}),
        *(("top_p", {"top_p": p}) for p in (math.nan, math.inf, 0.0, -0.5, 1.0001)),
        *(("min_p", {"min_p": p}) for p in (math.nan, math.inf, -0.5, 1.0001)),
    ],
)
def test_setting_outside_its_range_is_refused_by_name(field: str, settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"^{field} must be"):
        Filters(**settings)  # type: ignore[arg-type] # one of the settings, each of its own type


# --- one draw ---


@given(weights, st.one_of(st.floats(0, almost_one), st.sampled_from([0.0, almost_one])))
def test_draw_never_returns_the_impossible(weights: list[float], uniform: float) -> None:
    probs = np.array(weights) / sum(weights)
    assert probs[draw(probs, uniform)] > 0


@pytest.mark.parametrize("V", [1, 3, 100_000])
def test_draw_stays_in_range_to_the_very_end(V: int) -> None:
    rng = np.random.default_rng(V)
    for scale in (1, 1 - 1e-12, 1 + 1e-12):  # a sum that rounding left beside 1
        assert draw(rng.dirichlet(np.ones(V)) * scale, almost_one) == V - 1


def test_draw_takes_each_index_for_its_own_share() -> None:
    probs = np.array([0.0, 0.25, 0.0, 0.5, 0.25, 0.0])
    uniforms = [0, 0.2499, 0.25, 0.7499, 0.75, almost_one]
    assert [draw(probs, uniform) for uniform in uniforms] == [1, 1, 3, 3, 4, 4]


@given(weights, st.floats(0, almost_one))
def test_draw_needs_no_total_of_one(weights: list[float], uniform: float) -> None:
    assert draw(np.array(weights) / 8, uniform) == draw(np.array(weights), uniform)


def test_draws_come_as_often_as_their_probability_says() -> None:
    probs, rng, N = np.array([0.5, 0.2, 0.0, 0.25, 0.05]), np.random.default_rng(0), 20_000
    counts = np.bincount([draw(probs, rng.random()) for _ in range(N)], minlength=5)
    possible = probs > 0
    chi_square = ((counts - N * probs)[possible] ** 2 / (N * probs)[possible]).sum()
    assert counts[2] == 0
    assert chi_square < 16.3  # three degrees of freedom: one honest run in a thousand is above


# --- many distributions in one call ---


@pytest.mark.parametrize(
    "filters",
    [
        *(Filters(), Filters(0.0), Filters(0.7, top_k=3), Filters(1.3, top_p=0.6)),
        Filters(min_p=0.2, banned=(1, 4)),
    ],
    ids=str,
)
def test_many_rows_at_once_are_what_each_row_gives_alone(filters: Filters) -> None:
    rng = np.random.default_rng(0)
    logits, uniform = rng.normal(0, 3, (4, 50, 9)).round(1), rng.random((4, 50))
    probs = filters.apply(logits)
    drawn = draw(probs, uniform)
    for place in np.ndindex(4, 50):
        np.testing.assert_allclose(probs[place], filters.apply(logits[place]), rtol=1e-14)
        assert drawn[place] == draw(probs[place], uniform[place])


def test_side_by_side_each_filter_has_its_own_share_of_the_rows() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (6, 9))
    own = (Filters(0.0), Filters(0.7, top_k=3), Filters())
    weights = SideBySide(own).weigh(logits)
    for row, filters in enumerate(filters for filters in own for _ in range(2)):
        np.testing.assert_array_equal(weights[row], filters.weigh(logits[row]))
