"""A schedule is a pure function of how far the run is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.optim.schedules import SCHEDULES, cosine, learning_rate

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES)
shares = st.floats(0, 1)


def rate(schedule: str, step: int, progress: float, warmup_steps: int = 0) -> float:
    return learning_rate(0.1, schedule, step=step, progress=progress, warmup_steps=warmup_steps)


@given(shares)
def test_constant_stays(progress: float) -> None:
    assert rate("constant", 1000, progress) == 0.1


def test_cosine_falls_from_one_through_a_half_to_zero() -> None:
    assert [cosine(progress) for progress in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0], abs=1e-15)
    assert cosine(1 / 3) == pytest.approx(0.75)


@given(shares, shares)
def test_cosine_never_rises(one: float, other: float) -> None:
    assert cosine(max(one, other)) <= cosine(min(one, other))


@given(shares)
def test_cosine_is_symmetric_about_its_middle(progress: float) -> None:
    assert cosine(progress) + cosine(1 - progress) == pytest.approx(1)


@given(st.floats(1, 1e6))
def test_cosine_does_not_rise_again_after_the_end(progress: float) -> None:
    assert cosine(progress) == 0


@every_schedule
def test_warm_up_climbs_in_a_straight_line_to_the_full_rate(schedule: str) -> None:
    rates = [rate(schedule, step, 0.0, warmup_steps=4) for step in range(7)]
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1, 0.1])


@given(st.integers(0, 20), shares)
def test_warm_up_and_cosine_multiply(step: int, progress: float) -> None:
    expected = 0.1 * min(1, (step + 1) / 10) * (1 + math.cos(math.pi * progress)) / 2
    assert rate("cosine", step, progress, warmup_steps=10) == pytest.approx(expected, abs=1e-15)


@every_schedule
def test_rate_depends_on_its_arguments_alone(schedule: str) -> None:
    order = [(step, step / 50) for step in range(50)]
    forwards = {point: rate(schedule, *point, warmup_steps=10) for point in order}
    backwards = {point: rate(schedule, *point, warmup_steps=10) for point in reversed(order)}
    assert forwards == backwards


@every_schedule
@given(st.floats(1e-6, 10), st.integers(0, 30), shares)
def test_rate_is_proportional_to_its_base(schedule: str, base: float, step: int, progress: float) -> None:
    found = learning_rate(base, schedule, step=step, progress=progress, warmup_steps=20)
    assert found == pytest.approx(base * 10 * rate(schedule, step, progress, 20), rel=1e-12)
    assert 0 <= found <= base
