"""A permutation has every number once, and none of their orders is likelier than another."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.text.items import Permutation


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
