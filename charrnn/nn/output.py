"""The output layer and the loss.

*Scores*: ``logits = h W_hy + b_y``, all T·B rows in one product. (`np.dot` takes half a microsecond less than
`np.matmul` for the same, which at batch 1 is a tenth of this layer.)

*Softmax cross-entropy*, in nats, over scores shifted by their maximum. With ``z = logits − max``, ``s = Σ exp z`` and
target t: ``−log p_t = log s − z_t``, and its gradient by the logits is ``p − one_hot(t)``. The shift keeps ``exp`` from
overflowing, and the logarithm of the sum keeps a probability that underflows from becoming ``log 0``. A target below 0
means that there is nothing to guess: no loss, and no gradient.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from charrnn.nn.embedding import Ids
from charrnn.nn.parameters import Array


@dataclass(frozen=True)
class OutputLayer:
    """H hidden units into V scores."""

    hidden_size: int
    vocab_size: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""
        return {"W_hy": (self.hidden_size, self.vocab_size), "b_y": (self.vocab_size,)}

    def forward(self, params: Mapping[str, Array], hidden: Array, logits: Array) -> None:
        """Write the scores (T, B, V) of the hidden states (T, B, H) into `logits`."""
        T, B, H = hidden.shape
        np.dot(hidden.reshape(T * B, H), params["W_hy"], out=logits.reshape(T * B, self.vocab_size))
        logits += params["b_y"]

    def backward(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        hidden: Array,
        d_logits: Array,
        d_hidden: Array,
    ) -> None:
        """Write both gradients, and that of the hidden states into `d_hidden` (T, B, H)."""
        T, B, H = hidden.shape
        flat = d_logits.reshape(T * B, self.vocab_size)
        np.dot(hidden.reshape(T * B, H).T, flat, out=grads["W_hy"])
        np.dot(np.ones(T * B, flat.dtype), flat, out=grads["b_y"])
        np.dot(flat, params["W_hy"].T, out=d_hidden.reshape(T * B, H))


def _shift(logits: Array) -> None:
    # `.real`: gradcheck sends complex numbers through, and the shift is a constant to the derivative.
    logits -= np.maximum.reduce(logits.real, axis=-1, keepdims=True)


def log_softmax(logits: Array) -> Array:
    """Log-probabilities of scores along the last axis; fresh, same shape, nats.

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> charrnn.log_softmax(np.array([1000.0, 1000.0])) / np.log(2)
    array([-1., -1.])

    """
    shifted = logits.copy()
    _shift(shifted)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def cross_entropy(logits: Array, targets: Ids) -> Array:
    """Nats lost on each target; turns the logits into probabilities in place.

    Parameters
    ----------
    logits : (..., V), overwritten with the softmax probabilities, ready for `cross_entropy_backward`
    targets : (...) integers in 0…V−1, or below 0 where there is none

    Returns
    -------
    (...) array, fresh: ``−log p[target]``, 0 without a target
    """
    V = logits.shape[-1]
    _shift(logits)
    losses = -logits.reshape(-1)[_flat_index(targets, V)]
    np.exp(logits, out=logits)
    total = np.add.reduce(logits, axis=-1, keepdims=True)
    losses += np.log(total).reshape(-1)
    logits /= total
    losses = losses.reshape(targets.shape)
    if _has_gaps(targets):
        losses[targets < 0] = 0
    return losses


def cross_entropy_backward(probs: Array, targets: Ids, scale: float) -> None:
    """Turn the probabilities (..., V) into the gradient ``scale · (p − one_hot(target))`` in place.

    `scale` is 1 for the sum over all targets, ``1/(T·B)`` for their mean.
    """
    gaps = None
    if _has_gaps(targets):
        gaps, targets = targets < 0, np.maximum(targets, 0)  # any target will do there, as nothing of it is left
    probs.reshape(-1)[_flat_index(targets, probs.shape[-1])] -= 1
    probs *= scale
    if gaps is not None:
        probs[gaps] = 0


def _has_gaps(targets: Ids) -> bool:
    """Whether some places have nothing to guess; asked first, so that the usual sequence without any pays little."""
    return bool(np.minimum.reduce(targets, axis=None) < 0)


def _flat_index(targets: Ids, V: int) -> Ids:
    """Where each target's entry lies in the flattened scores."""
    return np.arange(0, targets.size * V, V) + targets.reshape(-1)
