"""Softmax cross-entropy for anyone's arrays, by `charrnn.nn.loss`."""

import numpy as np
from numpy.typing import ArrayLike

from charrnn.nn.embedding import as_ids
from charrnn.nn.loss import cross_entropy, cross_entropy_backward
from charrnn.nn.parameters import Array


def softmax_cross_entropy(logits: ArrayLike, targets: ArrayLike, *, reduction: str = "mean") -> tuple[float, Array]:
    """Nats that scores lose on targets, which are given apart from whatever the scores were computed from.

    Parameters
    ----------
    logits : (..., V), read
    targets : (...), integers in 0…V−1
    reduction : ``"mean"`` over all targets, or ``"sum"``

    Returns
    -------
    loss : nats, ``−log softmax(logits)[target]`` averaged or summed; in bits it is ``loss / log 2``
    d_logits : its gradient, in the logits' shape, fresh

    Raises
    ------
    ValueError
        If the shapes do not fit, or the reduction is another.
    IndexError, TypeError
        If targets are outside 0…V−1, or no integers.

    Examples
    --------
    A guess that holds two of four symbols for equally likely costs one bit if it is one of them:

    >>> import charrnn, math
    >>> loss, d_logits = charrnn.softmax_cross_entropy([[0.0, 0.0, -1e9, -1e9]], [1])
    >>> round(loss / math.log(2), 6), d_logits
    (1.0, array([[ 0.5, -0.5,  0. ,  0. ]]))

    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f'the reduction must be "mean" or "sum", not {reduction!r}')
    probs = np.array(logits)
    probs = probs if probs.dtype.kind == "f" else probs.astype(np.float64)
    if probs.ndim < 1 or np.shape(targets) != probs.shape[:-1] or not probs.size:
        raise ValueError(f"targets must have the shape {probs.shape[:-1]} of the logits, not {np.shape(targets)}")
    rows = probs.reshape(-1, 1, probs.shape[-1])
    ids = as_ids(targets, probs.shape[-1]).reshape(-1, 1)
    losses = cross_entropy(rows, ids)
    scale = 1 / ids.size if reduction == "mean" else 1.0
    cross_entropy_backward(rows, ids, scale)
    return scale * float(losses.sum(dtype=np.float64)), rows.reshape(probs.shape)
