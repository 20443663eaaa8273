"""Clipping keeps a gradient in bounds and does nothing else to it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from charrnn.optim import Array, clip_norm, clip_value, global_norm
from tests import reference

vectors = hnp.arrays(np.float64, st.integers(0, 20), elements=st.floats(-1e6, 1e6))
limits = st.floats(1e-3, 1e6)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def norm_clipped(vector: Array, limit: float) -> Array:
    clipped = vector.copy()
    clip_norm(clipped, global_norm(clipped), limit)
    return clipped


def value_clipped(vector: Array, limit: float) -> Array:
    clipped = vector.copy()
    clip_value(clipped, limit)
    return clipped


@given(vectors, limits)
def test_clipping_equals_the_slow_reference(vector: Array, limit: float) -> None:
    shortened, norm = reference.clip_by_norm({"p": vector}, limit)
    assert global_norm(vector) == pytest.approx(norm, rel=1e-12)
    np.testing.assert_allclose(norm_clipped(vector, limit), shortened["p"], rtol=1e-12)
    np.testing.assert_array_equal(value_clipped(vector, limit), reference.clip_by_value({"p": vector}, limit)["p"])


@dtypes
@pytest.mark.parametrize("size", [1e30, 1.0, 1e-22, 1e-30, 1e-36, 0.0])
def test_norm_is_right_at_every_size(dtype: type, size: float) -> None:
    vector: Array = np.array([3 * size, 0, -4 * size], dtype)
    with np.errstate(all="raise", under="ignore"):
        assert global_norm(vector) == pytest.approx(5 * size, rel=1e-6, abs=0)
    if dtype is np.float64:
        assert global_norm(vector) == pytest.approx(5 * size, rel=1e-14, abs=0)


def test_small_numbers_count_beside_each_other() -> None:
    vector: Array = np.full(10_000, 1e-25, np.float32)  # no square of theirs is above zero in float32
    assert global_norm(vector) == pytest.approx(1e-23, rel=1e-5)


@dtypes
@pytest.mark.parametrize("place", [0, 1, 2])
def test_norm_is_finite_only_if_every_number_is(dtype: type, place: int) -> None:
    for bad in (np.nan, np.inf, -np.inf):
        vector: Array = np.array([1, 1e30, 0], dtype)
        vector[place] = bad
        with np.errstate(all="raise"):
            assert not math.isfinite(global_norm(vector))
    assert math.isnan(global_norm(np.array([np.inf, np.nan], dtype)))
