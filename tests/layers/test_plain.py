"""What embedding, linear and dropout layers refuse, and how much is dropped.

What they compute: tests/test_mutants.py.
"""

import numpy as np
import pytest

import charrnn


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    y = charrnn.Dropout(0.25).forward(np.ones((50, 40, 50)), rng=0)
    assert set(np.unique(y)) == {0, 1 / 0.75}
    assert abs(y.mean() - 1) < 0.01
    assert abs((y == 0).mean() - 0.25) < 0.01


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
