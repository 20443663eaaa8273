"""Recurrent layers over whole sequences: a cell of `charrnn.nn`, its weights, and the form of the arrays.

B streams (the batch), T steps, D inputs, H hidden units. Arrays are batch-first, ``(B, T, ·)``, unless a layer was made
with ``batch_first=False``: then they are time-major, ``(T, B, ·)``, as the cells have them.

A layer holds its weights, their gradients, and what its last ``forward`` left for ``backward``. It never holds the
state of a sequence: that goes in and comes out, so that whoever calls decides where one sequence ends.

What `Stack` and `check_layer` ask of a layer, whoever wrote it.

Layers without a state: embedding, output, dropout. What they compute is that of `charrnn.nn`.

Softmax cross-entropy for anyone's arrays, by `charrnn.nn.output`.

Layers of any kinds and sizes, one on top of the other, over one flat vector of parameters.
"""

from collections.abc import Sequence, Sized
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from charrnn.machine import with_one_thread
from charrnn.nn import dropout, embedding, gru, lstm, output, parameters, vanilla
from charrnn.nn.cell import Cell
from charrnn.nn.embedding import as_ids
from charrnn.nn.gru import GRUState
from charrnn.nn.lstm import LSTMState
from charrnn.nn.output import cross_entropy, cross_entropy_backward
from charrnn.nn.parameters import Array, Parameters
from charrnn.nn.vanilla import VanillaState

# A generator, or the seed of one; a seed gives the same numbers each time.
Randomness = np.random.Generator | int


class Layer(Protocol):
    """Arrays in, arrays out, and the way back.

    ``backward`` belongs to the ``forward`` before it, and overwrites ``grads``. A layer that keeps no state maps one
    array to one array; `charrnn.layers.Recurrent` takes and gives a state beside it.
    """

    params: Any
    """The weights by name: a `Parameters`, or for `check_layer` any mapping of arrays. ``forward`` computes in their
    data type."""
    grads: Any
    """Their gradients, likewise."""

    def forward(self, inputs: Any, /) -> Any:
        """Return the outputs."""

    def backward(self, d_outputs: Any, /) -> Any:
        """Return the gradient of the inputs, given that of the outputs."""


def as_numbers(values: ArrayLike, dtype: DTypeLike, what: str) -> Array:
    """Return real numbers in a data type, uncopied where they have it.

    Raises
    ------
    TypeError
        If they are not numbers, or complex where the data type is real: a cast would take them for something else.
    """
    found = np.asarray(values)
    if not np.can_cast(found.dtype, dtype, "same_kind"):
        raise TypeError(f"{what} must be numbers that fit {np.dtype(dtype)}, not {found.dtype}")
    return found.astype(dtype, copy=False)


def as_rows(values: ArrayLike, width: int, params: Parameters, what: str) -> Array:
    """Return vectors (..., width) as (n, 1, width), contiguous and in the parameters' data type.

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If they are not so wide.
    """
    rows = np.ascontiguousarray(as_numbers(values, params.vector.dtype, what))
    if rows.shape[-1:] != (width,):
        raise ValueError(f"{what} must have the shape (..., {width}), not {np.shape(values)}")
    return rows.reshape(-1, 1, width)


def swapped(array: Array, *, batch_first: bool) -> Array:
    """Return (B, T, ·) as (T, B, ·) or the other way round where `batch_first`; a fresh array, contiguous."""
    return np.array(array.swapaxes(0, 1) if batch_first else array, order="C")


class TapeError(RuntimeError):
    """A backward pass was asked for without a forward pass before it."""

    def __init__(self) -> None:
        super().__init__("backward needs a forward before it, and uses up what that left: call forward again")


S = TypeVar("S", VanillaState, LSTMState, GRUState)


class _Tape(NamedTuple):
    """What ``forward`` leaves for ``backward``."""

    ws: Any
    inputs: Array  # (T, B) ids or (T, B, D)
    return_sequences: bool


class Recurrent(Generic[S]):
    """What the three recurrent layers have in common.

    Parameters
    ----------
    input_size : width of an input vector, or distinct ids, D
    hidden_size : units, H
    rng : generator, or its seed, that the weights are drawn from
    std : standard deviation of the weights, or 0 for U(±1/√H), PyTorch's choice
    dtype : of weights and outputs
    batch_first : whether arrays are (B, T, ·); else they are (T, B, ·)

    Attributes
    ----------
    params, grads : `charrnn.Parameters` with the arrays of the cell: ``W_xh`` (D, G·H), ``W_hh`` (H, G·H) and ``b_h``
        (G·H,) for its G packed gates, and a GRU's ``b_hn`` (H,). Set weights by name: ``params["b_h"] = 0``.
    """

    cell_type: ClassVar[type[Cell]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rng: Randomness,
        std: float = 0.0,
        dtype: DTypeLike = np.float32,
        batch_first: bool = True,
    ) -> None:
        if input_size < 1 or hidden_size < 1:
            raise ValueError(f"a layer needs at least one input and one unit, not {input_size} and {hidden_size}")
        self.cell = self.cell_type(input_size, hidden_size)
        self.batch_first = batch_first
        params = Parameters(self.cell.shapes(), dtype=np.float64)
        self.cell.initialize(params.group(""), np.random.default_rng(rng), std)
        self.params = params.astype(dtype)
        self.grads = self.params.like()
        self._room: tuple[Any, Any] = (None, None)
        self._tape: _Tape | None = None

    @with_one_thread
    def forward(self, inputs: ArrayLike, state: S | None = None, *, return_sequences: bool = False) -> tuple[Array, S]:
        """Read whole sequences.

        Parameters
        ----------
        inputs : (B, T, D) vectors, or (B, T) integers in 0…D−1, which stand for one-hot vectors; (T, B, ·) if not
            `batch_first`
        state : before the first step, arrays (B, H); by default zeros
        return_sequences : whether to return every step's hidden state, or the last one

        Returns
        -------
        outputs : (B, T, H) in the order of the inputs, or (B, H); fresh
        state : after the last step, fresh: give it to the next call to go on where this one ended

        Raises
        ------
        ValueError
            If a shape does not fit.
        IndexError, TypeError
            If ids are outside 0…D−1, or no integers, or vectors or states are no numbers.
        """
        x = self._time_major(inputs)
        T, B = x.shape[:2]
        dtype, group = self.params.vector.dtype, self.params.group("")
        ws = self._workspace(T, B, dtype, from_ids=x.ndim == 2)
        self.cell.arrange(group, ws)
        final: S = self.cell.forward(group, ws, x, self._state(state, B, dtype, "state"))
        self._tape = _Tape(ws, x, return_sequences)
        if return_sequences:
            return swapped(ws.outputs, batch_first=self.batch_first), final
        return ws.outputs[-1].copy(), final

    @with_one_thread
    def backward(self, d_outputs: ArrayLike, d_state: S | None = None) -> tuple[Array | None, S]:
        """Run the sequences of the last ``forward`` backwards, and overwrite ``grads`` with the weights' gradient.

        Parameters
        ----------
        d_outputs : gradient of the outputs, in their shape
        d_state : gradient of the final state, if anything depends on it; by default zeros

        Returns
        -------
        d_inputs : in the inputs' shape, fresh; None where they were ids
        d_state : of the initial state, fresh

        Raises
        ------
        RuntimeError
            If there was no ``forward`` since the last ``backward``.
        TypeError
            If the gradients are no numbers.
        ValueError
            If a shape does not fit.
        """
        if self._tape is None:
            raise TapeError
        ws, x, return_sequences = self._tape
        T, B, H = ws.outputs.shape
        dtype = self.params.vector.dtype
        given = as_numbers(d_outputs, dtype, "d_outputs")
        expected = ((B, T, H) if self.batch_first else (T, B, H)) if return_sequences else (B, H)
        if given.shape != expected:
            raise ValueError(f"d_outputs must have the outputs' shape {expected}, not {given.shape}")
        if return_sequences:
            d_h = swapped(given, batch_first=self.batch_first)
        else:
            d_h = np.zeros((T, B, H), dtype)
            d_h[-1] = given
        d_final = None if d_state is None else self._state(d_state, B, dtype, "d_state")
        self._tape = None
        d_initial: S = self.cell.backward(self.params.group(""), self.grads.group(""), ws, x, d_h, d_final)
        d_inputs = None if x.ndim == 2 else swapped(ws.d_inputs, batch_first=self.batch_first)
        return d_inputs, d_initial

    def zero_state(self, B: int) -> S:
        """Return the state of B streams before any step."""
        zero: S = self.cell.zero_state(B, self.params.vector.dtype)
        return zero

    def _time_major(self, inputs: ArrayLike) -> Array:
        """Check inputs, and return (T, B) ids or (T, B, D) vectors."""
        D, axes = self.cell.input_size, "(B, T" if self.batch_first else "(T, B"
        x = np.asarray(inputs)
        if x.ndim == 2:
            x = as_ids(x, D)
        elif x.ndim == 3 and x.shape[2] == D:
            x = as_numbers(x, self.params.vector.dtype, "inputs")
        else:
            raise ValueError(f"inputs must be {axes}, {D}) vectors or {axes}) ids, not an array of shape {x.shape}")
        if not x.size:
            raise ValueError(f"inputs need at least one stream and one step, not the shape {x.shape}")
        return np.ascontiguousarray(x.swapaxes(0, 1)) if self.batch_first else np.ascontiguousarray(x)

    def check_state(self, state: S, what: str, B: int | None = None) -> None:
        """Check the form of a state, or of a state's gradient.

        Parameters
        ----------
        state : the arrays of a state
        what : name of the argument, for the error
        B : streams; by default any number

        Raises
        ------
        TypeError
            If they are no numbers.
        ValueError
            If the arrays are not those of this layer's cell, each of shape (B, H).
        """
        fields, H = self.zero_state(1)._fields, self.cell.hidden_size
        shapes = [np.shape(array) for array in state] if np.iterable(state) else []
        streams = B if B is not None or not shapes or len(shapes[0]) != 2 else shapes[0][0]
        if shapes != [(streams, H)] * len(fields):
            wanted = "(B" if B is None else f"({B}"
            raise ValueError(f"{what} must be the arrays ({', '.join(fields)}), each of shape {wanted}, {H})")
        for array in state:
            as_numbers(array, self.params.vector.dtype, what)

    def _state(self, state: S | None, B: int, dtype: np.dtype[Any], what: str) -> S:
        zero: S = self.cell.zero_state(B, dtype)
        if state is None:
            return zero
        self.check_state(state, what, B)
        return type(zero)(*(np.asarray(array, dtype) for array in state))

    def _workspace(self, T: int, B: int, dtype: np.dtype[Any], *, from_ids: bool) -> Any:
        """Return the workspace of the last call, or another where its form was another."""
        form = (T, B, dtype, from_ids)
        if self._room[0] != form:
            self._room = (form, self.cell.workspace(T, B, dtype, from_ids=from_ids))
        return self._room[1]


class Vanilla(Recurrent[VanillaState]):
    """The vanilla recurrent layer (Elman, 1990): ``h = tanh(x W_xh + h₋₁ W_hh + b_h)``, of `charrnn.nn.vanilla`.

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> layer = charrnn.Vanilla(20, 100, rng=0)
    >>> outputs, state = layer.forward(np.ones((5, 12, 20)))
    >>> outputs.shape, state.h.shape
    ((5, 100), (5, 100))

    """

    cell_type = vanilla.Vanilla


class LSTM(Recurrent[LSTMState]):
    """The long short-term memory layer (Hochreiter & Schmidhuber, 1997), gates packed i f g o, of `charrnn.nn.lstm`.

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> layer = charrnn.LSTM(20, 100, rng=0)
    >>> x = np.ones((5, 12, 20))
    >>> outputs, state = layer.forward(x, return_sequences=True)
    >>> outputs.shape, state.h.shape, state.c.shape
    ((5, 12, 100), (5, 100), (5, 100))
    >>> d_x, d_state = layer.backward(np.ones_like(outputs))
    >>> d_x.shape, layer.grads["W_hh"].shape
    ((5, 12, 20), (100, 400))

    """

    cell_type = lstm.LSTM


class GRU(Recurrent[GRUState]):
    """The gated recurrent layer (Cho et al., 2014) in cuDNN's and PyTorch's form, gates r z n, of `charrnn.nn.gru`.

    Examples
    --------
    Ids instead of vectors stand for one-hot vectors; here time-major, and in two parts:

    >>> import charrnn, numpy as np
    >>> layer = charrnn.GRU(26, 8, rng=0, batch_first=False)
    >>> ids = np.arange(26)[:, None]
    >>> whole, _ = layer.forward(ids)
    >>> _, state = layer.forward(ids[:13])
    >>> rest, _ = layer.forward(ids[13:], state)
    >>> np.allclose(whole, rest)
    True

    """

    cell_type = gru.GRU


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
        parameters.weights(params.group("").values(), np.random.default_rng(rng), std, embedding_size)
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
        return ws.outputs.reshape(*found.shape, self.table.embedding_size).copy()

    def backward(self, d_outputs: ArrayLike) -> None:
        """Overwrite ``grads`` with the table's gradient, given that of the outputs (..., E). Ids have none.

        Raises
        ------
        RuntimeError
            If there was no ``forward`` since the last ``backward``.
        TypeError
            If the gradient is no numbers.
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
        self.product = output.Linear(input_size, output_size)
        params = Parameters(self.product.shapes(), dtype=np.float64)
        parameters.weights((params.group("")["W_hy"],), np.random.default_rng(rng), std, input_size)
        self.params = params.astype(dtype)
        self.grads = self.params.like()
        self._tape: tuple[Array, tuple[int, ...]] | None = None

    @with_one_thread
    def forward(self, inputs: ArrayLike) -> Array:
        """Map vectors (..., H) to (..., V), fresh.

        Raises
        ------
        TypeError
            If the inputs are no numbers.
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
        TypeError
            If the gradient is no numbers.
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


def _floating(values: ArrayLike, what: str) -> Array:
    """Return real or complex numbers as they are, and others, such as integers, as float64."""
    x = np.asarray(values)
    return x if x.dtype.kind in "fc" else as_numbers(x, np.float64, what)


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
        TypeError
            If the inputs are no numbers.
        ValueError
            If the inputs have another number of axes.
        """
        x = _floating(inputs, "inputs")
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
        TypeError
            If the gradient is no numbers.
        ValueError
            If the shape is not that of the outputs.
        """
        d = np.array(_floating(d_outputs, "d_outputs"))
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
        If targets are outside 0…V−1, or no integers, or the logits no numbers.

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
    probs = probs if probs.dtype.kind == "f" else as_numbers(probs, np.float64, "logits")
    if probs.ndim < 1 or np.shape(targets) != probs.shape[:-1] or not probs.size:
        raise ValueError(f"targets must have the shape {probs.shape[:-1]} of the logits, not {np.shape(targets)}")
    rows = probs.reshape(-1, 1, probs.shape[-1])
    ids = as_ids(targets, probs.shape[-1]).reshape(-1, 1)
    losses = cross_entropy(rows, ids)
    scale = 1 / ids.size if reduction == "mean" else 1.0
    cross_entropy_backward(rows, ids, scale)
    return scale * float(losses.sum(dtype=np.float64)), rows.reshape(probs.shape)


States = tuple[Any, ...]  # one state for each recurrent layer, lowest first


class Stack:
    """Layers, each of which reads what the one before it gives.

    Parameters
    ----------
    layers : lowest first: those of `charrnn`, or any others whose ``params`` and ``grads`` are `charrnn.Parameters`,
        of one data type. From here on theirs are views of the stack's, so a layer belongs to one stack.

    Attributes
    ----------
    params, grads : of all layers in one vector, for an optimizer: ``"1.W_hh"`` is the second layer's ``W_hh``

    Raises
    ------
    ValueError
        If there are none, one is in a stack already, or their data types differ.

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> net = charrnn.Stack([
    ...     charrnn.Embedding(26, 8, rng=rng),
    ...     charrnn.LSTM(8, 32, rng=rng),
    ...     charrnn.Dropout(0.1),
    ...     charrnn.GRU(32, 16, rng=rng),
    ...     charrnn.Linear(16, 26, rng=rng),
    ... ])
    >>> alphabet = np.arange(26)[None]
    >>> optimizer = charrnn.Adam()
    >>> memory = optimizer.init(net.params)
    >>> for _ in range(100):
    ...     logits, states = net.forward(alphabet[:, :-1], return_sequences=True, rng=rng)
    ...     loss, d_logits = charrnn.softmax_cross_entropy(logits, alphabet[:, 1:])
    ...     _ = net.backward(d_logits)
    ...     optimizer.update(net.params, net.grads, memory, 0.03)
    >>> logits, states = net.forward(alphabet[:, :-1], return_sequences=True)
    >>> bool((logits.argmax(axis=-1) == alphabet[:, 1:]).all())
    True
    >>> [type(state).__name__ for state in states], list(net.params)[:3]
    (['LSTMState', 'GRUState'], ['0.W_e', '1.W_xh', '1.W_hh'])

    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError("a stack needs at least one layer")
        if len({id(layer) for layer in self.layers}) < len(self.layers) or any(map(_is_stacked, self.layers)):
            raise ValueError("a layer belongs to one place in one stack; make another of the same sizes")
        dtypes = {layer.params.vector.dtype for layer in self.layers if layer.params}
        if len(dtypes) > 1:
            raise ValueError(f"the layers' data types differ: {', '.join(sorted(map(str, dtypes)))}")
        shapes = {
            f"{k}.{name}": shape for k, layer in enumerate(self.layers) for name, shape in layer.params.shapes.items()
        }
        self._shapes = shapes
        params = Parameters(shapes, dtype=min(dtypes, default=np.dtype(np.float32)))
        for k, layer in enumerate(self.layers):
            for name, array in layer.params.items():
                params[f"{k}.{name}"] = array
        self.params, self.grads = params, params.like()

    @property
    def params(self) -> Parameters:
        """The weights of all layers."""
        return self._params

    @params.setter
    def params(self, params: Parameters) -> None:
        self._check_form(params, "params")
        self._params = params
        for layer, part in zip(self.layers, self._parts(params), strict=True):
            layer.params = part

    @property
    def grads(self) -> Parameters:
        """Their gradients, after `backward`."""
        return self._grads

    @grads.setter
    def grads(self, grads: Parameters) -> None:
        self._check_form(grads, "grads")
        self._grads = grads
        for layer, part in zip(self.layers, self._parts(grads), strict=True):
            layer.grads = part

    def forward(
        self,
        inputs: ArrayLike,
        states: States | None = None,
        *,
        return_sequences: bool = False,
        rng: Randomness | None = None,
    ) -> tuple[Array, States]:
        """Run all layers.

        Parameters
        ----------
        inputs : what the first layer takes
        states : one for each recurrent layer, lowest first; by default zeros
        return_sequences : whether the last recurrent layer hands on every step, or its last; those below it always
            hand on every step
        rng : generator, or its seed, for the dropout layers; without one nothing is dropped

        Returns
        -------
        outputs : of the last layer
        states : after the last step, one for each recurrent layer

        Raises
        ------
        TypeError
            If the inputs or states are no numbers.
        ValueError
            If a shape does not fit, or `states` are not as many as the recurrent layers.
        """
        recurrent = self._recurrent()
        before = iter(_one_each(states, recurrent, "states"))
        rng = None if rng is None else np.random.default_rng(rng)
        x, after = inputs, []
        for layer in self.layers:
            if isinstance(layer, Recurrent):
                whole = return_sequences or layer is not recurrent[-1]
                x, state = layer.forward(x, next(before), return_sequences=whole)
                after.append(state)
            elif isinstance(layer, Dropout):
                x = layer.forward(x, rng)
            else:
                x = layer.forward(x)
        return np.asarray(x), tuple(after)

    def backward(self, d_outputs: ArrayLike, d_states: States | None = None) -> tuple[Array | None, States]:
        """Run all layers backwards, and overwrite ``grads``.

        Parameters
        ----------
        d_outputs : gradient of the outputs, in their shape
        d_states : gradients of the final states, one for each recurrent layer, lowest first; None for a layer on whose
            final state nothing depends. By default all are zeros

        Returns
        -------
        d_inputs : of the inputs; None where they were ids
        d_states : of the initial states, one for each recurrent layer

        Raises
        ------
        RuntimeError
            If there was no ``forward`` since the last ``backward``.
        TypeError
            If the gradients are no numbers.
        ValueError
            If a shape does not fit, or `d_states` are not as many as the recurrent layers.
        """
        after, before = _one_each(d_states, self._recurrent(), "d_states"), []
        d: Any = d_outputs
        for layer in reversed(self.layers):
            if isinstance(layer, Recurrent):
                d, d_state = layer.backward(d, after.pop())
                before.append(d_state)
            else:
                d = layer.backward(d)
        return d, tuple(reversed(before))

    def _check_form(self, arrays: Parameters, what: str) -> None:
        if arrays.shapes != self._shapes:
            raise ValueError(f"{what} must have the names and shapes of this stack's own: use params.like() or copy()")

    def _recurrent(self) -> list[Recurrent[Any]]:
        return [layer for layer in self.layers if isinstance(layer, Recurrent)]

    def _parts(self, params: Parameters) -> list[Parameters]:
        """View the vector of all layers layer by layer."""
        parts, start = [], 0
        for layer in self.layers:
            stop = start + layer.params.vector.size
            parts.append(Parameters(layer.params.shapes, params.vector[start:stop]))
            start = stop
        return parts


def _one_each(states: States | None, layers: list[Recurrent[Any]], what: str) -> list[Any]:
    """Return one state for each layer, where None stands for zeros, once each is known to be of its layer's form."""
    if states is None:
        return [None] * len(layers)
    if not isinstance(states, Sized):
        raise TypeError(f"{what} must be a tuple of one state for each recurrent layer, not {states!r}")
    if len(states) != len(layers):
        raise ValueError(f"{what} must be as many as the recurrent layers, {len(layers)}, not {len(states)}")
    for k, (state, layer) in enumerate(zip(states, layers, strict=True)):
        if state is not None:
            layer.check_state(state, f"{what}[{k}]")
    return list(states)


def _is_stacked(layer: Layer) -> bool:
    """Whether a layer's parameters are a view of others."""
    return bool(layer.params) and layer.params.vector.base is not None
