"""Layers for anyone's arrays: the cells and tables of `charrnn.nn` with weights of their own, alone or in a stack.

B streams (the batch), T steps, D inputs, H hidden units. Arrays are batch-first, ``(B, T, ·)``, unless a layer was made
with ``batch_first=False``: then they are time-major, ``(T, B, ·)``, as inside `charrnn.nn`.

A layer holds its weights, their gradients, and what its last ``forward`` left for ``backward``. It does not hold the
state of a sequence: that goes in and comes out, so that the caller decides where one sequence ends.

All layers refuse wrong arguments alike, and change nothing then. TypeError: something is not a number, or ids are not
integers. ValueError: a shape does not fit. IndexError: an id is out of range. RuntimeError: ``backward`` without a
``forward`` since the last ``backward``.
"""

from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from charrnn.machine import with_one_thread
from charrnn.nn import parameters
from charrnn.nn.cell import Cell
from charrnn.nn.dropout import DropoutRates, DropoutWorkspace
from charrnn.nn.embedding import EmbeddingTable, EmbeddingWorkspace, as_ids
from charrnn.nn.gru import GRUCell, GRUState
from charrnn.nn.lstm import LSTMCell, LSTMState
from charrnn.nn.output import OutputLayer, cross_entropy, cross_entropy_backward
from charrnn.nn.parameters import Array, Parameters
from charrnn.nn.vanilla import VanillaCell, VanillaState

# A generator, or the seed of one; a seed gives the same numbers each time.
Randomness = np.random.Generator | int


class Layer(Protocol):
    """What `Stack` and `charrnn.check_layer` need of a layer; a `Recurrent` one takes and returns a state as well.

    ``backward`` belongs to the ``forward`` before it, and overwrites ``grads``. ``forward`` computes in the data type
    of the weights.
    """

    params: Any  # the weights by name: a `Parameters`, or for `check_layer` any mapping of arrays
    grads: Any  # their gradients, likewise

    def forward(self, inputs: Any, /) -> Any:
        """Return the outputs."""

    def backward(self, d_outputs: Any, /) -> Any:
        """Return the gradient of the inputs, given that of the outputs."""


# --- what the layers here have in common ---


def _numbers(values: ArrayLike, dtype: DTypeLike, what: str) -> Array:
    """Return real numbers in a data type, uncopied where they have it; complex ones only where the type is complex."""
    found = np.asarray(values)
    if not np.can_cast(found.dtype, dtype, "same_kind"):
        raise TypeError(f"{what} must be numbers that fit {np.dtype(dtype)}, not {found.dtype}")
    return found.astype(dtype, copy=False)


def _rows(array: Array) -> Array:
    """View (..., width) as (n, 1, width), contiguous."""
    return np.ascontiguousarray(array).reshape(-1, 1, array.shape[-1])


def _swapped(array: Array, *, batch_first: bool) -> Array:
    """Return (B, T, ·) as (T, B, ·) or the other way round where `batch_first`; a fresh array, contiguous."""
    return np.array(array.swapaxes(0, 1) if batch_first else array, order="C")


_NO_FORWARD = "backward needs a forward before it, and uses up what that left: call forward again"
_Tape = TypeVar("_Tape")


class _Weighted(Generic[_Tape]):
    """Weights, their gradients, and a tape: what ``forward`` leaves for ``backward``."""

    def __init__(
        self, shapes: parameters.Shapes, dtype: DTypeLike, initialize: Callable[[Mapping[str, Array]], None]
    ) -> None:
        # drawn in float64 whatever `dtype`, so that layers of one seed agree
        params = Parameters(shapes, dtype=np.float64)
        initialize(params.group(""))
        self.params = params.astype(dtype)
        self.grads = self.params.like()
        self._tape: _Tape | None = None

    @property
    def _dtype(self) -> np.dtype[Any]:
        return self.params.vector.dtype

    def _recorded(self) -> _Tape:
        if self._tape is None:
            raise RuntimeError(_NO_FORWARD)
        return self._tape

    def _gradient(self, d_outputs: ArrayLike, shape: tuple[int, ...]) -> Array:
        """Check the gradient of the outputs, whose shape is given; use up the tape."""
        d = _numbers(d_outputs, self._dtype, "d_outputs")
        _check_gradient(d, shape)
        self._tape = None
        return d


def _check_gradient(d_outputs: Array, shape: tuple[int, ...]) -> None:
    if d_outputs.shape != shape:
        raise ValueError(f"d_outputs must have the outputs' shape {shape}, not {d_outputs.shape}")


# --- recurrent layers ---

S = TypeVar("S", VanillaState, LSTMState, GRUState)


class _SequenceTape(NamedTuple):
    weights: Any
    ws: Any
    inputs: Array  # (T, B) ids or (T, B, D)
    return_sequences: bool


class Recurrent(_Weighted[_SequenceTape], Generic[S]):
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
        self.cell = cell = self.cell_type(input_size, hidden_size)
        self.batch_first = batch_first
        super().__init__(cell.shapes(), dtype, lambda params: cell.initialize(params, np.random.default_rng(rng), std))
        self._room: tuple[Any, Any, Any] = (None, None, None)

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
        state : after the last step, fresh: give it to the next call to continue the sequence
        """
        x = self._time_major(inputs)
        steps, B = x.shape[:2]
        before = self._state(state, B, "state")
        weights, ws = self._prepare(steps, B, from_ids=x.ndim == 2)
        self.cell.arrange(self.params.group(""), weights)
        final: S = self.cell.forward(weights, ws, x[None], before)
        self._tape = _SequenceTape(weights, ws, x, return_sequences)
        if return_sequences:
            return _swapped(ws.outputs[0], batch_first=self.batch_first), final
        return ws.outputs[0, -1].copy(), final

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
        """
        weights, ws, x, return_sequences = self._recorded()
        _, steps, B, H = ws.outputs.shape
        d_final = self._state(d_state, B, "d_state")
        if return_sequences:
            d = self._gradient(d_outputs, (B, steps, H) if self.batch_first else (steps, B, H))
            d_h = _swapped(d, batch_first=self.batch_first)
        else:
            d = self._gradient(d_outputs, (B, H))
            d_h = np.zeros((steps, B, H), self._dtype)
            d_h[-1] = d
        d_initial: S = self.cell.backward(weights, ws, [self.grads.group("")], x[None], d_h[None], d_final)
        d_inputs = None if x.ndim == 2 else _swapped(ws.d_inputs[0], batch_first=self.batch_first)
        return d_inputs, d_initial

    def zero_state(self, B: int) -> S:
        """Return the state of B streams before any step."""
        zero: S = self.cell.zero_state(B, self._dtype)
        return zero

    def check_state(self, state: S, what: str, B: int | None = None) -> None:
        """Check the form of a state, or of its gradient, which the error calls `what`; B may be any number."""
        fields, H = self.zero_state(1)._fields, self.cell.hidden_size
        shapes = [np.shape(array) for array in state] if np.iterable(state) else []
        streams = B if B is not None or not shapes or len(shapes[0]) != 2 else shapes[0][0]
        if shapes != [(streams, H)] * len(fields):
            wanted = "(B" if B is None else f"({B}"
            raise ValueError(f"{what} must be the arrays ({', '.join(fields)}), each of shape {wanted}, {H})")
        for array in state:
            _numbers(array, self._dtype, what)

    def _state(self, state: S | None, B: int, what: str) -> S:
        """Check a state and return it in the layer's data type; zeros for None."""
        zero = self.zero_state(B)
        if state is None:
            return zero
        self.check_state(state, what, B)
        return type(zero)(*(np.asarray(array, self._dtype) for array in state))

    def _time_major(self, inputs: ArrayLike) -> Array:
        """Check inputs, and return (T, B) ids or (T, B, D) vectors."""
        D, axes = self.cell.input_size, "(B, T" if self.batch_first else "(T, B"
        x = np.asarray(inputs)
        if x.ndim == 2:
            x = as_ids(x, D)
        elif x.ndim == 3 and x.shape[2] == D:
            x = _numbers(x, self._dtype, "inputs")
        else:
            raise ValueError(f"inputs must be {axes}, {D}) vectors or {axes}) ids, not an array of shape {x.shape}")
        if not x.size:
            raise ValueError(f"inputs need at least one stream and one step, not the shape {x.shape}")
        return np.ascontiguousarray(x.swapaxes(0, 1) if self.batch_first else x)

    def _prepare(self, steps: int, B: int, *, from_ids: bool) -> tuple[Any, Any]:
        """Return room for the weights and a workspace, those of the last call if they fit."""
        form = (steps, B, self._dtype, from_ids)
        if self._room[0] != form:
            weights = self.cell.weights(B, self._dtype, from_ids=from_ids)
            self._room = form, weights, self.cell.workspace(steps, B, self._dtype, from_ids=from_ids)
        return self._room[1:]


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

    cell_type = VanillaCell


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

    cell_type = LSTMCell


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

    cell_type = GRUCell


# --- layers without a state ---


class Embedding(_Weighted[tuple[EmbeddingWorkspace, Array]]):
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
        self.table = EmbeddingTable(vocab_size, embedding_size)
        super().__init__(
            self.table.shapes(),
            dtype,
            lambda params: parameters.weights(params.values(), np.random.default_rng(rng), std, embedding_size),
        )

    def forward(self, ids: ArrayLike) -> Array:
        """Look up the vectors of ids of any shape: (..., E), fresh."""
        found = as_ids(ids, self.table.vocab_size)
        ws = self.table.workspace((found.size, 1), self._dtype)
        self.table.forward(self.params, ws, found.reshape(-1, 1))
        self._tape = ws, found
        return ws.outputs.reshape(*found.shape, self.table.embedding_size)

    def backward(self, d_outputs: ArrayLike) -> None:
        """Overwrite ``grads`` with the table's gradient, given that of the outputs (..., E). Ids have none."""
        ws, ids = self._recorded()
        d = self._gradient(d_outputs, (*ids.shape, self.table.embedding_size))
        self.table.backward(ws, self.grads.group(""), ids.reshape(-1, 1), _rows(d))


class Linear(_Weighted[tuple[Array, tuple[int, ...]]]):
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
        def initialize(params: Mapping[str, Array]) -> None:
            parameters.weights((params["W_hy"],), np.random.default_rng(rng), std, input_size)

        self.product = OutputLayer(input_size, output_size)
        super().__init__(self.product.shapes(), dtype, initialize)

    @with_one_thread
    def forward(self, inputs: ArrayLike) -> Array:
        """Map vectors (..., H) to (..., V), fresh."""
        x, H, V = _numbers(inputs, self._dtype, "inputs"), self.product.hidden_size, self.product.vocab_size
        if x.shape[-1:] != (H,):
            raise ValueError(f"inputs must have the shape (..., {H}), not {x.shape}")
        rows, outputs = _rows(x), np.empty((*x.shape[:-1], V), x.dtype)
        self.product.forward(self.params, rows, _rows(outputs))
        self._tape = rows, outputs.shape
        return outputs

    @with_one_thread
    def backward(self, d_outputs: ArrayLike) -> Array:
        """Overwrite ``grads``, and return the gradient of the inputs (..., H), given that of the outputs (..., V)."""
        rows, shape = self._recorded()
        d_rows = _rows(self._gradient(d_outputs, shape))
        d_inputs = np.empty_like(rows)
        self.product.backward(self.params, self.grads.group(""), rows, d_rows, d_inputs)
        return d_inputs.reshape(*shape[:-1], self.product.hidden_size)


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
        self._tape: tuple[DropoutWorkspace | None, tuple[int, ...]] | None = None  # masks, if any, and the shape

    def forward(self, inputs: ArrayLike, rng: Randomness | None = None) -> Array:
        """Drop from inputs (B, T, H), or (B, H) of one step; the same shape, fresh.

        Parameters
        ----------
        rng : generator, or its seed, that the masks are drawn from; without one nothing is dropped
        """
        x = _floating(inputs, "inputs")
        if x.ndim not in (2, 3):
            raise ValueError(f"inputs must have the shape (B, T, H) or (B, H), not {x.shape}")
        if rng is None or not self.share:
            self._tape = None, x.shape
            return x.copy()
        steps = self._time_major(x)
        T, B, H = steps.shape
        rates = DropoutRates(self.share, locked=self.locked)
        masks = DropoutWorkspace.allocate(rates, [(H, H)], range(B), T, B, steps.dtype)
        masks.draw(np.random.default_rng(rng))
        self._tape = masks, x.shape
        return self._as_given(masks.forward(0, steps[None])[0], x.ndim)

    def backward(self, d_outputs: ArrayLike) -> Array:
        """Return the gradient of the inputs of the last ``forward``, given that of the outputs; same shape, fresh.

        It may be asked for more than once.
        """
        if self._tape is None:
            raise RuntimeError(_NO_FORWARD)
        masks, shape = self._tape
        d = _floating(d_outputs, "d_outputs")
        _check_gradient(d, shape)
        if masks is None:
            return d.copy()
        steps = self._time_major(d)
        masks.backward(0, steps[None])
        return self._as_given(steps, d.ndim)

    def _time_major(self, x: Array) -> Array:
        return _swapped(x, batch_first=self.batch_first) if x.ndim == 3 else x[None].copy()

    def _as_given(self, steps: Array, dimensions: int) -> Array:
        return _swapped(steps, batch_first=self.batch_first) if dimensions == 3 else steps[0]


def _floating(values: ArrayLike, what: str) -> Array:
    """Return real or complex numbers as they are, and others, such as integers, as float64."""
    x = np.asarray(values)
    return x if x.dtype.kind in "fc" else _numbers(x, np.float64, what)


# --- the loss ---


def softmax_cross_entropy(logits: ArrayLike, targets: ArrayLike, *, reduction: str = "mean") -> tuple[float, Array]:
    """Nats that scores lose on targets, and the gradient of that loss.

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
        If the shapes do not fit, or the reduction is unknown.
    IndexError, TypeError
        If targets are outside 0…V−1 or not integers, or the logits not numbers.

    Examples
    --------
    To think two of four symbols equally likely costs one bit if it is one of them:

    >>> import charrnn, math
    >>> loss, d_logits = charrnn.softmax_cross_entropy([[0.0, 0.0, -1e9, -1e9]], [1])
    >>> round(loss / math.log(2), 6), d_logits
    (1.0, array([[ 0.5, -0.5,  0. ,  0. ]]))

    """
    if reduction not in ("mean", "sum"):
        raise ValueError(f'the reduction must be "mean" or "sum", not {reduction!r}')
    probs = np.array(logits)
    probs = probs if probs.dtype.kind == "f" else _numbers(probs, np.float64, "logits")
    if probs.ndim < 1 or np.shape(targets) != probs.shape[:-1] or not probs.size:
        raise ValueError(f"targets must have the shape {probs.shape[:-1]} of the logits, not {np.shape(targets)}")
    rows = probs.reshape(-1, 1, probs.shape[-1])
    ids = as_ids(targets, probs.shape[-1]).reshape(-1, 1)
    losses = cross_entropy(rows, ids)
    scale = 1 / ids.size if reduction == "mean" else 1.0
    cross_entropy_backward(rows, ids, scale)
    return scale * float(losses.sum(dtype=np.float64)), rows.reshape(probs.shape)


# --- layers on top of each other ---

States = tuple[Any, ...]  # one state for each recurrent layer, lowest first


class Stack:
    """Layers, each of which reads what the one before it gives.

    Parameters
    ----------
    layers : lowest first: those of `charrnn`, or any others whose ``params`` and ``grads`` are `charrnn.Parameters`,
        of one data type. They become views of the stack's, so a layer belongs to one stack.

    Attributes
    ----------
    params, grads : of all layers in one vector, for an optimizer: ``"1.W_hh"`` is the second layer's ``W_hh``

    Raises
    ------
    ValueError
        If there are no layers, one is in a stack already, or their data types differ.

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
        self._shapes = {
            f"{k}.{name}": shape for k, layer in enumerate(self.layers) for name, shape in layer.params.shapes.items()
        }
        params = Parameters(self._shapes, dtype=min(dtypes, default=np.dtype(np.float32)))
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
        self._hand_out(params, "params")
        self._params = params

    @property
    def grads(self) -> Parameters:
        """Their gradients, after `backward`."""
        return self._grads

    @grads.setter
    def grads(self, grads: Parameters) -> None:
        self._hand_out(grads, "grads")
        self._grads = grads

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
        return_sequences : whether the last recurrent layer returns every step, or its last; those below it always
            return every step
        rng : generator, or its seed, for the dropout layers; without one nothing is dropped

        Returns
        -------
        outputs : of the last layer
        states : after the last step, one for each recurrent layer
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
        d_states : gradients of the final states, one for each recurrent layer, lowest first; None stands for zeros

        Returns
        -------
        d_inputs : of the inputs; None where they were ids
        d_states : of the initial states, one for each recurrent layer
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

    def _hand_out(self, arrays: Parameters, what: str) -> None:
        """Give each layer its part of the `params` or `grads` of all."""
        if arrays.shapes != self._shapes:
            raise ValueError(f"{what} must have the names and shapes of this stack's own: use params.like() or copy()")
        start = 0
        for layer in self.layers:
            stop = start + layer.params.vector.size
            setattr(layer, what, Parameters(layer.params.shapes, arrays.vector[start:stop]))
            start = stop

    def _recurrent(self) -> list[Recurrent[Any]]:
        return [layer for layer in self.layers if isinstance(layer, Recurrent)]


def _one_each(states: States | None, layers: list[Recurrent[Any]], what: str) -> list[Any]:
    """Return one state for each layer, each of its layer's form, or None for zeros."""
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
