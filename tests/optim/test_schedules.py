"""A schedule is a pure function of how far the run is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import SCHEDULES
from charrnn.optim import cosine, learning_rate, stairs

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES)
shares = st.floats(0, 1)


def rate(schedule: str, step: int, progress: float, warmup_steps: int = 0, *, epoch: float = 0.0) -> float:
    return learning_rate(
        0.1,
        schedule,
        step=step,
        epoch=epoch,
        progress=progress,
        warmup_steps=warmup_steps,
        decay_factor=0.5,
        decay_every=5.0,
    )


@given(shares)
def test_constant_stays(progress: float) -> None:
    assert rate("constant", 1000, progress) == 0.1


def test_cosine_falls_from_one_through_a_half_to_zero_and_stays_there() -> None:
    assert [cosine(progress) for progress in (0, 0.5, 1, 1.5, 1e6)] == pytest.approx([1, 0.5, 0, 0, 0], abs=1e-15)
    assert cosine(1 / 3) == pytest.approx(0.75)


@given(st.integers(0, 40), st.floats(0, 0.999), st.sampled_from([0.25, 0.5, 1.0, 3.0]))
def test_the_step_schedule_multiplies_once_at_the_end_of_each_stair(stair: int, part: float, every: float) -> None:
    assert stairs((stair + part) * every, 0.5, every) == 0.5**stair
    assert rate("step", 9, 0.3, epoch=(stair + part) * 5) == 0.1 * 0.5**stair


@given(shares, st.floats(1e-300, 1e300), st.floats(1e-300, 1e300))
def test_no_stair_is_too_short_or_too_far(factor: float, epoch: float, every: float) -> None:
    assert 0 <= stairs(epoch, factor, every) <= 1


@every_schedule
def test_warm_up_climbs_in_a_straight_line_to_the_full_rate(schedule: str) -> None:
    rates = [rate(schedule, step, 0.0, warmup_steps=4) for step in range(7)]
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1, 0.1])


@given(st.integers(0, 20), shares)
def test_warm_up_and_cosine_multiply(step: int, progress: float) -> None:
    expected = 0.1 * min(1, (step + 1) / 10) * (1 + math.cos(math.pi * progress)) / 2
    assert rate("cosine", step, progress, warmup_steps=10) == pytest.approx(expected, abs=1e-15)


@every_schedule
@given(st.floats(1e-6, 10), st.integers(0, 30), shares)
def test_rate_is_proportional_to_its_base(schedule: str, base: float, step: int, progress: float) -> None:
    how = {"warmup_steps": 20, "decay_factor": 0.5, "decay_every": 5.0}
    found = learning_rate(base, schedule, step=step, epoch=7.0, progress=progress, **how)  # type: ignore[arg-type]
    assert found == pytest.approx(base * 10 * rate(schedule, step, progress, 20, epoch=7.0), rel=1e-12)
    assert 0 <= found <= base
