"""Recurrent layers over whole sequences: a cell of `charrnn.nn`, its weights, and the form of the arrays.

B streams (the batch), T steps, D inputs, H hidden units. Arrays are batch-first, ``(B, T, ·)``, unless a layer was made
with ``batch_first=False``: then they are time-major, ``(T, B, ·)``, as the cells have them.

A layer holds its weights, their gradients, and what its last ``forward`` left for ``backward``. It never holds the
state of a sequence: that goes in and comes out, so that whoever calls decides where one sequence ends.
"""

from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from charrnn.layers.layer import Randomness, TapeError, swapped
from charrnn.nn import gru, lstm, vanilla
from charrnn.nn.cell import Cell
from charrnn.nn.embedding import as_ids
from charrnn.nn.gru import GRUState
from charrnn.nn.lstm import LSTMState
from charrnn.nn.parameters import Array, Parameters
from charrnn.nn.vanilla import VanillaState
from charrnn.one_thread import with_one_thread

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
            If ids are outside 0…D−1, or no integers.
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
        ValueError
            If a shape does not fit.
        """
        if self._tape is None:
            raise TapeError
        ws, x, return_sequences = self._tape
        T, B, H = ws.outputs.shape
        dtype = self.params.vector.dtype
        given = np.asarray(d_outputs, dtype)
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
            x = x.astype(self.params.vector.dtype, copy=False)
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
        ValueError
            If the arrays are not those of this layer's cell, each of shape (B, H).
        """
        fields, H = self.zero_state(1)._fields, self.cell.hidden_size
        shapes = [np.shape(array) for array in state] if np.iterable(state) else []
        streams = B if B is not None or not shapes or len(shapes[0]) != 2 else shapes[0][0]
        if shapes != [(streams, H)] * len(fields):
            wanted = "(B" if B is None else f"({B}"
            raise ValueError(f"{what} must be the arrays ({', '.join(fields)}), each of shape {wanted}, {H})")

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
