"""An order of items has each once, and tells the same of one batch and of all."""

from collections import Counter
from collections.abc import Iterable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.text import items
from charrnn.text.items import ByLength, Items, Order, Permutation, Shuffled

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


# --- a permutation, which draws the order ---


def drawn(size: int, *seed: int) -> Permutation:
    return Permutation(size, np.random.default_rng(seed))


@given(st.integers(1, 300), st.integers(0, 5))
def test_every_number_comes_once(size: int, seed: int) -> None:
    assert sorted(drawn(size, seed)(np.arange(size)).tolist()) == list(range(size))


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1])
def test_of_many_numbers_too(size: int) -> None:
    assert (np.bincount(drawn(size, 1)(np.arange(size)), minlength=size) == 1).all()


@given(st.integers(1, 10**12), st.integers(0, 5))
def test_some_numbers_go_where_they_go_among_all(size: int, seed: int) -> None:
    some = np.random.default_rng(seed).integers(size, size=(3, 4))
    images = drawn(size, seed)(some)
    assert images.shape == (3, 4)
    assert ((images >= 0) & (images < size)).all()
    np.testing.assert_array_equal(images[1, 2], drawn(size, seed)(some[1:2, 2:3])[0, 0])


@pytest.mark.parametrize("size", [3, 4])
def test_no_order_of_a_few_is_likelier_than_another(size: int) -> None:
    orders = list(permutations(range(size)))
    count = 30 * len(orders)
    found = Counter(tuple(drawn(size, 7, seed)(np.arange(size)).tolist()) for seed in range(count))
    # Pearson's statistic, of which 99.99 % are below this much more than the mean (Wilson and Hilferty)
    statistic = sum((found[order] - 30) ** 2 / 30 for order in orders)
    free = len(orders) - 1
    assert statistic < free * (1 - 2 / (9 * free) + 3.72 * np.sqrt(2 / (9 * free))) ** 3


def test_of_a_thousand_no_trace_of_the_order_is_left() -> None:
    size, count = 1000, 300
    orders = np.array([drawn(size, 9, seed)(np.arange(size)) for seed in range(count)])
    error = size / np.sqrt(12 * count)
    assert np.abs(orders.mean(axis=0) - size / 2).max() < 5 * error  # no number has a place that it prefers
    neighbours = np.abs(np.diff(orders, axis=1)) == 1
    assert 1.6 < neighbours.sum(axis=1).mean() < 2.4  # 2 (N-1) / N of them by chance
    assert len({*map(tuple, orders[:, :3].tolist())}) == count


def test_it_stays_as_it_is() -> None:
    """What a run held out, and where in an epoch it stands, is drawn by it again whenever the run goes on."""
    assert drawn(12, 0)(np.arange(12)).tolist() == [2, 3, 9, 0, 4, 10, 1, 8, 11, 7, 5, 6]
    assert drawn(10**6, 0)(np.arange(4)).tolist() == [233698, 637766, 71351, 476932]
