"""First values of the weights; biases start at zero unless a cell says otherwise."""

from collections.abc import Iterable

import numpy as np

from charrnn.nn.parameters import Array


def weights(arrays: Iterable[Array], rng: np.random.Generator, std: float, fan: int) -> None:
    """Fill weights, in place and in order.

    Parameters
    ----------
    arrays : of any shapes
    rng : generator to draw from
    std : draw from N(0, std²), as min-char-rnn (Karpathy, 2015) does with 0.01; with 0, draw from
        U(−1/√fan, 1/√fan), PyTorch's choice for recurrent layers
    fan : hidden units
    """
    bound = fan**-0.5
    for array in arrays:
        array[...] = std * rng.standard_normal(array.shape) if std else rng.uniform(-bound, bound, array.shape)
