"""An order of items has each once, and tells the same of one batch and of all."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.text import items
from charrnn.text.items import ByLength, Items, Order, Shuffled

lengths = st.lists(st.integers(1, 9), min_size=1, max_size=200)


def items_of(lengths: Iterable[int]) -> Items:
    sizes = np.array([*lengths], dtype=np.uint8)
    return Items(np.zeros(0, np.uint8), np.array([0]), np.cumsum(sizes, dtype=np.uint32), sizes)


def order(kind: str, items: Items, batch_size: int, seed: int = 0) -> Order:
    return (
        ByLength(items, batch_size)
        if kind == "by length"
        else Shuffled(items, batch_size, np.random.default_rng([5, seed]))
    )


@pytest.mark.parametrize("kind", ["by length", "shuffled"])
@given(lengths, st.integers(1, 8), st.integers(1, 5), st.integers(1, 3))
def test_each_item_has_one_place_wherever_it_is_asked_for(
    kind: str, lengths: list[int], batch_size: int, pool: int, at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items, "_POOL", pool)
        patch.setattr(items, "_POOLS_AT_ONCE", at_once)
        one = order(kind, items_of(lengths), batch_size)
        rows = [row for batches in one.batches() for row in batches.tolist()]
        assert rows == [one.batch(k).tolist() for k in range(len(rows))]
        assert [one.batch(k).tolist() for k in reversed(range(len(rows)))] == rows[::-1]
    assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
    assert all(len(row) == batch_size for row in rows[:-1])


def test_short_and_long_batches_of_a_pool_come_in_any_order() -> None:
    items = items_of(np.random.default_rng(1).integers(1, 40, 32 * 4))
    trends = []
    for seed in range(200):
        means = [
            items.lengths[row].mean() for batches in order("shuffled", items, 4, seed).batches() for row in batches
        ]
        trends.append(np.corrcoef(means, np.arange(len(means)))[0, 1])
    assert abs(np.mean(trends)) < 0.05
    assert 0.1 < np.std(trends) < 0.25  # 1 / sqrt(31) by chance
