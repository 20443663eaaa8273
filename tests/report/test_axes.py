"""Ticks are round, within the range and not too many; averages lie among what they average."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from charrnn.report.plot import Axis, around, thinned

numbers = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(numbers, st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_are_round_evenly_spread_in_the_range_and_no_more_than_asked_for(
    low: float, span: float, most: int
) -> None:
    axis = Axis(low, low + span)
    ticks = axis.ticks(most)
    assert 1 <= len(ticks) <= most
    assert all(-1e-6 <= axis.place(tick) <= 1 + 1e-6 for tick in ticks)
    steps = [after - before for before, after in pairwise(ticks)]
    assert all(f"{step:.3e}"[:5] in ("1.000", "2.000", "5.000") for step in steps)


@given(st.floats(1e-6, 1e3), st.floats(11, 1e6), st.integers(2, 12))
def test_ticks_of_a_logarithmic_axis_are_in_its_range_and_no_more_than_asked_for(
    low: float, factor: float, most: int
) -> None:
    axis = Axis(low, low * factor, is_log=True)
    ticks = axis.ticks(most)
    assert 1 <= len(ticks) <= most
    assert all(axis.low <= tick <= axis.high for tick in ticks)


@given(st.lists(numbers, min_size=1))
def test_an_axis_has_room_for_all_its_values(values: list[float]) -> None:
    axis = around(values, may_be_log=True)
    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value in values)
    assert axis.low < axis.high


def test_only_what_spans_a_power_of_ten_and_is_above_zero_is_logarithmic() -> None:
    assert around([1.0, 11.0], may_be_log=True).is_log
    assert not around([1.0, 9.0], may_be_log=True).is_log
    assert not around([0.0, 11.0], may_be_log=True).is_log
    assert around([0.02, 0.1], from_zero=True).low == 0


def test_labels_have_as_many_decimals_as_the_finest_of_them_needs() -> None:
    assert Axis(0, 2).labels([0.5, 1.0, 1.5]) == ["0.5", "1.0", "1.5"]
    assert Axis(0, 4000).labels([0.0, 2000.0]) == ["0", "2,000"]
    assert Axis(0.1, 100, is_log=True).labels([0.5, 10.0]) == ["0.5", "10"]


@given(st.lists(st.integers(0, 1000), min_size=1, unique=True), st.integers(1, 50))
def test_thinned_points_are_few_and_lie_among_those_they_stand_for(steps: list[int], count: int) -> None:
    points = [(step, float(step % 7)) for step in sorted(steps)]
    thin = thinned(points, Axis(0, 1000), count)
    assert len(thin) <= count + 1
    assert [x for x, _ in thin] == sorted(x for x, _ in thin)
    assert all(0 <= y <= 6 for _, y in thin)


def test_a_stretch_is_drawn_at_the_mean_of_its_points() -> None:
    assert thinned([(0, 1.0), (2, 3.0), (9, 5.0)], Axis(0, 10), 2) == [(1.0, 2.0), (9.0, 5.0)]
