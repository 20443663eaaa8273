"""One flat vector and its named views, and the numbers that first fill it."""

import numpy as np
import pytest

from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters, weights

SHAPES = {"cells.0.W_hh": (2, 3), "cells.0.b_h": (3,), "linear.b_y": (1,), "scalar": ()}
MODEL = CharRNN(9, "lstm", (16, 25), 4)


def counted() -> Parameters:
    return Parameters(SHAPES, np.arange(11.0))


def test_arrays_lie_one_after_another_in_the_order_given() -> None:
    params = counted()
    assert list(params) == list(SHAPES)
    assert len(params) == 4
    assert {name: array.shape for name, array in params.items()} == SHAPES
    np.testing.assert_array_equal(np.concatenate([array.ravel() for array in params.values()]), np.arange(11))


def test_views_and_vector_are_the_same_memory() -> None:
    vector = np.zeros(11)
    params = Parameters(SHAPES, vector)
    assert params.vector is vector
    params["cells.0.W_hh"] = [[0, 0, 0], [0, 0, 7]]
    params.group("cells.0")["b_h"][0] = 8
    np.testing.assert_array_equal(vector, [0, 0, 0, 0, 0, 7, 8, 0, 0, 0, 0])
    vector[9] = 9
    assert params["linear.b_y"][0] == 9


def test_group_is_one_layer_by_short_names() -> None:
    assert {name: array.shape for name, array in counted().group("cells.0").items()} == {"W_hh": (2, 3), "b_h": (3,)}
    assert list(counted().group("")) == ["scalar"]


def test_nothing_given_is_zeros_in_float32() -> None:
    params = Parameters(SHAPES)
    assert params.vector.dtype == np.float32
    assert not params.vector.any()


def test_vector_of_another_size_is_refused() -> None:
    for vector in (np.zeros(10), np.zeros(12), np.zeros((11, 1))):
        with pytest.raises(ValueError, match="need a vector of 11 numbers"):
            Parameters(SHAPES, vector)


def test_copies_stand_on_their_own() -> None:
    params = counted()
    copy, narrow, zeros = params.copy(), params.astype(np.float32), params.like()
    params.vector[...] = -1
    np.testing.assert_array_equal(copy.vector, np.arange(11))
    np.testing.assert_array_equal(narrow.vector, np.arange(11))
    np.testing.assert_array_equal(zeros.vector, np.zeros(11))
    assert [a.vector.dtype.name for a in (copy, narrow, zeros)] == ["float64", "float32", "float64"]
    assert copy.shapes == narrow.shapes == zeros.shapes == SHAPES


def test_repr_says_how_much_there_is() -> None:
    assert repr(counted()) == "Parameters(11 numbers, float64, cells.0.W_hh, cells.0.b_h, linear.b_y, scalar)"


# --- first values ---


def test_one_seed_gives_one_model_in_either_precision() -> None:
    narrow, wide = (MODEL.initialize(np.random.default_rng(3), dtype=dtype) for dtype in (np.float32, np.float64))
    np.testing.assert_array_equal(narrow.vector, wide.vector.astype(np.float32))
    assert narrow.vector.dtype == np.float32
    assert not np.array_equal(wide.vector, MODEL.initialize(np.random.default_rng(4), dtype=np.float64).vector)


def test_each_layers_weights_are_bounded_by_its_own_width() -> None:
    params = MODEL.initialize(np.random.default_rng(0), dtype=np.float64)
    for layer, H in (("cells.0", 16), ("cells.1", 25)):
        for name in ("W_xh", "W_hh"):
            largest = np.abs(params[f"{layer}.{name}"]).max()
            assert 0.98 * H**-0.5 < largest <= H**-0.5
    assert 0.95 * 25**-0.5 < np.abs(params["linear.W_hy"]).max() <= 25**-0.5
    assert not params["linear.b_y"].any()


def test_a_standard_deviation_asked_for_is_what_comes() -> None:
    array = np.empty((200, 200))
    weights([array], np.random.default_rng(0), std=0.01, fan=16)
    assert array.std() == pytest.approx(0.01, rel=0.02)
    assert abs(array.mean()) < 2e-4


def test_uniform_weights_fill_their_whole_interval() -> None:
    arrays = np.empty((2, 100, 100))
    weights(arrays, np.random.default_rng(0), std=0, fan=16)
    assert -0.25 <= arrays.min() < -0.249
    assert 0.249 < arrays.max() <= 0.25
    assert not np.array_equal(*arrays)
