"""Layers without a state: embedding, linear, dropout. What they compute is that of `charrnn.nn`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from charrnn.layers.layer import Randomness, TapeError, as_rows, swapped
from charrnn.nn import dropout, embedding, initializers, linear
from charrnn.nn.embedding import as_ids
from charrnn.nn.parameters import Array, Parameters
from charrnn.one_thread import with_one_thread


class Embedding:
    """A learned vector for each id: row ``ids`` of the table ``W_e`` (V, E).

    Parameters
    ----------
    vocab_size : distinct ids, V
    embedding_size : numbers in a vector, E
    rng : generator, or its seed, that the table is drawn from
    std : standard deviation of its numbers
    dtype : of table and outputs

    Examples
    --------
    >>> import charrnn
    >>> layer = charrnn.Embedding(26, 20, rng=0)
    >>> layer.forward([[0, 1, 2], [2, 1, 0]]).shape
    (2, 3, 20)

    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        *,
        rng: Randomness,
        std: float = 1.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.table = embedding.Embedding(vocab_size, embedding_size)
        params = Parameters(self.table.shapes(), dtype=np.float64)
        initializers.weights(params.group("").values(), np.random.default_rng(rng), std, embedding_size)
        self.params = params.astype(dtype)
        self.grads = self.params.like()
        self._tape: tuple[embedding.EmbeddingWorkspace, Array] | None = None

    def forward(self, ids: ArrayLike) -> Array:
        """Look up the vectors of ids of any shape: (..., E), fresh.

        Raises
        ------
        IndexError, TypeError
            If ids are outside 0…V−1, or no integers.
        """
        found = as_ids(ids, self.table.vocab_size)
        ws = self.table.workspace(found.size, 1, self.params.vector.dtype)
        self.table.forward(self.params, ws, found.reshape(-1, 1))
        self._tape = ws, found
        return ws.outputs.reshape(*found.shape, -1).copy()

    def backward(self, d_outputs: ArrayLike) -> None:
        """Overwrite ``grads`` with the table's gradient, given that of the outputs (..., E). Ids have none.

        Raises
        ------
        RuntimeError
            If there was no ``forward`` since the last ``backward``.
        ValueError
            If the shape is not that of the outputs.
        """
        if self._tape is None:
            raise TapeError
        ws, ids = self._tape
        rows = as_rows(d_outputs, self.table.embedding_size, self.params, "d_outputs")
        if np.shape(d_outputs)[:-1] != ids.shape:
            shape = (*ids.shape, self.table.embedding_size)
            raise ValueError(f"d_outputs must have the outputs' shape {shape}, not {np.shape(d_outputs)}")
        self._tape = None
        self.table.backward(self.grads.group(""), ws, rows, ids.reshape(-1, 1))


class Linear:
    """Every vector times one matrix: ``y = x W_hy + b_y``.

    Parameters
    ----------
    input_size : width of the inputs, H
    output_size : width of the outputs, V
    rng : generator, or its seed, that the weights are drawn from
    std : their standard deviation, or 0 for U(±1/√H); the bias is 0
    dtype : of weights and outputs

    Attributes
    ----------
    params, grads : `charrnn.Parameters` with ``W_hy`` (H, V) and ``b_y`` (V,)

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> layer = charrnn.Linear(100, 26, rng=0)
    >>> layer.forward(np.ones((5, 12, 100))).shape
    (5, 12, 26)
    >>> layer.backward(np.ones((5, 12, 26))).shape, layer.grads["b_y"][0]
    ((5, 12, 100), np.float32(60.0))

    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        rng: Randomness,
        std: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.product = linear.Linear(input_size, output_size)
        params = Parameters(self.product.shapes(), dtype=np.float64)
        initializers.weights((params.group("")["W_hy"],), np.random.default_rng(rng), std, input_size)
        self.params = params.astype(dtype)
        self.grads = self.params.like()
        self._tape: tuple[Array, tuple[int, ...]] | None = None

    @with_one_thread
    def forward(self, inputs: ArrayLike) -> Array:
        """Map vectors (..., H) to (..., V), fresh.

        Raises
        ------
        ValueError
            If the inputs are not H wide.
        """
        x = as_rows(inputs, self.product.hidden_size, self.params, "inputs")
        outputs = np.empty((len(x), 1, self.product.vocab_size), x.dtype)
        self.product.forward(self.params, x, outputs)
        outputs = outputs.reshape(*np.shape(inputs)[:-1], self.product.vocab_size)
        self._tape = x, outputs.shape
        return outputs

    @with_one_thread
    def backward(self, d_outputs: ArrayLike) -> Array:
        """Overwrite ``grads``, and return the gradient of the inputs (..., H), given that of the outputs (..., V).

        Raises
        ------
        RuntimeError
            If there was no ``forward`` since the last ``backward``.
        ValueError
            If the shape is not that of the outputs.
        """
        if self._tape is None:
            raise TapeError
        x, shape = self._tape
        d_rows = as_rows(d_outputs, self.product.vocab_size, self.params, "d_outputs")
        if np.shape(d_outputs) != shape:
            raise ValueError(f"d_outputs must have the outputs' shape {shape}, not {np.shape(d_outputs)}")
        self._tape = None
        d_inputs = np.empty_like(x)
        self.product.backward(self.params, self.grads.group(""), x, d_rows, d_inputs)
        return d_inputs.reshape(*shape[:-1], self.product.hidden_size)


class _Masks(NamedTuple):
    ws: dropout.DropoutWorkspace | None  # None: nothing was dropped
    shape: tuple[int, ...]


class Dropout:
    """Sets a share of its inputs to 0 while a network learns, and divides the others by the share that is kept.

    There is no mode to switch: what is given a generator drops, what is given none passes all on.
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Parameters
    ----------
    share : what is dropped, from 0 to below 1
    locked : whether all steps of a sequence lose the same units (Gal & Ghahramani, 2016)
    batch_first : whether sequences are (B, T, ·); else they are (T, B, ·)

    Raises
    ------
    ValueError
        If the share is outside its range.

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> layer = charrnn.Dropout(0.5)
    >>> ones = np.ones((1, 1, 6))
    >>> layer.forward(ones, rng=4)
    array([[[0., 2., 0., 2., 0., 2.]]])
    >>> layer.backward(3 * ones)
    array([[[0., 6., 0., 6., 0., 6.]]])
    >>> layer.forward(ones)
    array([[[1., 1., 1., 1., 1., 1.]]])

    """

    def __init__(self, share: float, *, locked: bool = False, batch_first: bool = True) -> None:
        if not 0 <= share < 1:
            raise ValueError(f"the share that is dropped must be at least 0 and below 1, not {share}")
        self.share, self.locked, self.batch_first = share, locked, batch_first
        self.params = Parameters({})
        self.grads = Parameters({})
        self._masks: _Masks | None = None

    def forward(self, inputs: ArrayLike, rng: Randomness | None = None) -> Array:
        """Drop from inputs (B, T, H), or (B, H) of one step; the same shape, fresh.

        Parameters
        ----------
        rng : generator, or its seed, that the masks are drawn from; without one nothing is dropped

        Raises
        ------
        ValueError
            If the inputs have another number of axes.
        """
        x = np.asarray(inputs)
        x = x if x.dtype.kind in "fc" else x.astype(np.float64)
        if x.ndim not in (2, 3):
            raise ValueError(f"inputs must have the shape (B, T, H) or (B, H), not {x.shape}")
        self._masks = _Masks(None, x.shape)
        if rng is None or not self.share:
            return x.copy()
        steps = swapped(x, batch_first=self.batch_first) if x.ndim == 3 else x[None]
        T, B, H = steps.shape
        plan = dropout.Dropout(self.share, locked=self.locked)
        ws = dropout.DropoutWorkspace.allocate(plan, [(H, H)], range(B), T, B, steps.dtype)
        ws.draw(np.random.default_rng(rng))
        ws.mask_outputs(0, steps)
        self._masks = _Masks(ws, x.shape)
        return self._turned(ws.outputs[0], x.ndim)

    def backward(self, d_outputs: ArrayLike) -> Array:
        """Return the gradient of the inputs of the last ``forward``, given that of the outputs; same shape, fresh.

        Raises
        ------
        RuntimeError
            If there was no ``forward``.
        ValueError
            If the shape is not that of the outputs.
        """
        d = np.array(d_outputs)
        if self._masks is None:
            raise TapeError
        if d.shape != self._masks.shape:
            raise ValueError(f"d_outputs must have the outputs' shape {self._masks.shape}, not {d.shape}")
        if self._masks.ws is None:
            return d
        steps = swapped(d, batch_first=self.batch_first) if d.ndim == 3 else d[None]
        self._masks.ws.output_gradient(0, steps)
        return self._turned(steps, d.ndim)

    def _turned(self, steps: Array, dimensions: int) -> Array:
        return swapped(steps, batch_first=self.batch_first) if dimensions == 3 else steps[0].copy()
