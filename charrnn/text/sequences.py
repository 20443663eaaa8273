"""One long sequence into many short ones of one length, for whoever trains on rows of their own."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def tokenize(ids: ArrayLike, seq_length: int, *, stride: int | None = None) -> NDArray[np.integer]:
    """Cut a sequence into rows of fixed length, (n, T).

    Targets are cut apart from inputs: those of ``tokenize(ids[:-1], T)`` are ``tokenize(ids[1:], T)``. The ids at the
    end that fill no row are left out. (A `charrnn.Trainer` needs no rows: its streams lose nothing, and carry the
    network's state from one chunk to the next.)

    Parameters
    ----------
    ids : (N,) integers, read; from text `charrnn.Vocabulary.encode` makes them, and `charrnn.Vocabulary.tokenize` does
        both
    seq_length : T
    stride : how far one row begins after the one before it; by default T, so that none overlap

    Returns
    -------
    ``(N − T) // stride + 1`` rows, fresh; none where N < T

    Raises
    ------
    ValueError
        If `ids` has not one dimension, or `seq_length` or `stride` is below 1.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.tokenize([1, 2, 3, 4, 5, 6, 7], 3)
    array([[1, 2, 3],
           [4, 5, 6]])
    >>> charrnn.tokenize([1, 2, 3, 4, 5], 3, stride=1)
    array([[1, 2, 3],
           [2, 3, 4],
           [3, 4, 5]])

    """
    sequence, step = np.asarray(ids), seq_length if stride is None else stride
    if sequence.ndim != 1 or seq_length < 1 or step < 1:
        raise ValueError(
            f"tokenize cuts one sequence (N,) into rows of at least 1 by a stride of at least 1, not an array of shape "
            f"{sequence.shape} by {seq_length} and {step}"
        )
    if len(sequence) < seq_length:
        return np.empty((0, seq_length), sequence.dtype)
    rows: NDArray[np.integer] = np.lib.stride_tricks.sliding_window_view(sequence, seq_length)[::step].copy()
    return rows
