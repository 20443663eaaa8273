"""Embedding, linear and dropout, on arrays of any form."""

import numpy as np
import pytest

import charrnn


def test_an_embedding_looks_up_its_rows_whatever_the_form_of_the_ids() -> None:
    layer = charrnn.Embedding(5, 3, rng=0)
    for shape in ((), (4,), (2, 3), (2, 3, 4)):
        ids = np.random.default_rng(0).integers(0, 5, shape)
        np.testing.assert_array_equal(layer.forward(ids), layer.params["W_e"][ids])


def test_the_gradient_of_a_row_is_the_sum_over_where_it_stands() -> None:
    layer = charrnn.Embedding(3, 2, rng=0, dtype=np.float64)
    ids = np.array([[0, 1], [0, 0]])
    d = np.arange(8.0).reshape(2, 2, 2)
    layer.forward(ids)
    layer.backward(d)
    np.testing.assert_array_equal(layer.grads["W_e"], [d[0, 0] + d[1, 0] + d[1, 1], d[0, 1], [0, 0]])


def test_a_linear_layer_is_a_product_and_a_sum() -> None:
    layer = charrnn.Linear(3, 2, rng=0, dtype=np.float64)
    layer.params["b_y"] = [1, 2]
    x = np.random.default_rng(0).normal(size=(4, 5, 3))
    np.testing.assert_allclose(layer.forward(x), x @ layer.params["W_hy"] + [1, 2])
    np.testing.assert_allclose(layer.forward(x[0, 0]), x[0, 0] @ layer.params["W_hy"] + [1, 2])


def test_their_gradients_are_right() -> None:
    rng = np.random.default_rng(0)
    assert all(row.passed for row in charrnn.check_layer(charrnn.Linear(3, 4, rng=0), rng.normal(size=(2, 5, 3))))
    assert all(row.passed for row in charrnn.check_layer(charrnn.Embedding(6, 4, rng=0), rng.integers(0, 6, (2, 5))))
    for dropout in (charrnn.Dropout(0.4), charrnn.Dropout(0.4, locked=True), charrnn.Dropout(0.4, batch_first=False)):
        for shape in ((2, 5, 3), (2, 3)):
            assert all(row.passed for row in charrnn.check_layer(dropout, rng.normal(size=shape), rng=1))


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    y = charrnn.Dropout(0.25).forward(np.ones((50, 40, 50)), rng=0)
    assert set(np.unique(y)) == {0, 1 / 0.75}
    assert abs(y.mean() - 1) < 0.01
    assert abs((y == 0).mean() - 0.25) < 0.01


@pytest.mark.parametrize("batch_first", [True, False])
def test_locked_dropout_drops_the_same_units_at_every_step(batch_first: bool) -> None:
    y = charrnn.Dropout(0.5, locked=True, batch_first=batch_first).forward(np.ones((6, 7, 20)), rng=0)
    steps = y.swapaxes(0, 1) if batch_first else y
    assert (steps == steps[0]).all()
    assert not (steps[0] == steps[0, 0]).all()


def test_without_random_numbers_nothing_is_dropped() -> None:
    layer, x = charrnn.Dropout(0.9), np.ones((2, 3, 4))
    layer.forward(x, rng=0)
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="below 1"):
        charrnn.Dropout(1.0)
    with pytest.raises(IndexError, match=r"0…2"):
        charrnn.Embedding(3, 2, rng=0).forward([3])
    linear = charrnn.Linear(3, 2, rng=0)
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
        linear.forward(np.zeros((2, 2)))
    with pytest.raises(RuntimeError, match="call forward again"):
        linear.backward(np.zeros((2, 2)))
    with pytest.raises(RuntimeError, match="call forward again"):
        charrnn.Embedding(3, 2, rng=0).backward(np.zeros((2, 2)))
    linear.forward(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="outputs' shape"):
        linear.backward(np.zeros((5, 2)))
    embedding, dropout = charrnn.Embedding(3, 2, rng=0), charrnn.Dropout(0.5)
    embedding.forward([0, 1])
    dropout.forward(np.ones((2, 3)), rng=0)
    with pytest.raises(ValueError, match="outputs' shape"):
        embedding.backward(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="outputs' shape"):
        dropout.backward(np.zeros((3, 2)))


@pytest.mark.parametrize("rng", [None, 0])
def test_a_gradient_of_as_many_numbers_in_another_shape_is_refused(rng: int | None) -> None:
    linear, dropout = charrnn.Linear(3, 3, rng=0), charrnn.Dropout(0.5)
    x = np.ones((4, 5, 3))
    linear.forward(x)
    dropout.forward(x, rng)
    for layer in (linear, dropout):
        for shape in ((5, 4, 3), (20, 3), (4, 5, 1)):
            with pytest.raises(ValueError, match=r"d_outputs must have the "):
                layer.backward(np.ones(shape))
        assert layer.backward(x).shape == x.shape
    with pytest.raises(RuntimeError, match="call forward"):
        charrnn.Dropout(0.5).backward(x)
    with pytest.raises(ValueError, match=r"^inputs must have the shape \(B, T, H\) or \(B, H\), not \(3,\)$"):
        dropout.forward(np.ones(3), rng)
