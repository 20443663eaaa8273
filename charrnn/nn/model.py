"""The network: embedding (or one-hot rows) → stacked cells → output layer → loss, forwards and backwards.

A `CharRNN` is an immutable description of it. Its weights are a `Parameters`; what it remembers of the text is a tuple
with one state a layer. A `Session` runs it, and owns the arrays that a sequence fills.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from charrnn.nn import parameters
from charrnn.nn.cell import Cell
from charrnn.nn.dropout import DropoutRates, DropoutWorkspace
from charrnn.nn.embedding import EmbeddingTable, EmbeddingWorkspace, Ids
from charrnn.nn.gru import GRUCell, GRUState
from charrnn.nn.lstm import LSTMCell, LSTMState
from charrnn.nn.output import OutputLayer, cross_entropy, cross_entropy_backward
from charrnn.nn.parameters import Array, Parameters, empty
from charrnn.nn.vanilla import VanillaCell, VanillaState

# One named tuple per layer; the checkpoint stores its fields by name.
State = tuple[VanillaState | LSTMState | GRUState, ...]

CELLS: Mapping[str, type[Cell]] = MappingProxyType({"vanilla": VanillaCell, "lstm": LSTMCell, "gru": GRUCell})

NO_DROPOUT = DropoutRates()

# Workspaces that a session keeps: one for the usual length of a chunk and one for the last chunk of a text. Keeping one
# for every length of a text in items would take too much memory.
_MOST_WORKSPACES = 2


@dataclass(frozen=True)
class CharRNN:
    """A character-level recurrent network.

    Parameters
    ----------
    vocab_size : distinct characters, V
    cell : ``"lstm"``, ``"gru"`` or ``"vanilla"``
    hidden_sizes : hidden units of each layer, lowest first
    embedding_size : width of a learned embedding, or 0 for one-hot input
    tied : whether the output's weights are the embedding's, ``W_hy = W_eᵀ`` (Press & Wolf, 2017); the embedding must
        then be as wide as the last layer

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> model = charrnn.CharRNN(26, "lstm", (128, 64))
    >>> params = model.initialize(np.random.default_rng(0))
    >>> session = model.session(params, batch_size=2)
    >>> inputs = np.arange(25).repeat(2).reshape(25, 2)  # (T, B): the alphabet in two streams
    >>> losses, state = session.losses(inputs, inputs + 1, model.zero_state(2))
    >>> losses.shape, state[1].c.shape
    ((25, 2), (2, 64))
    >>> grads = params.like()
    >>> _ = session.gradient(inputs, inputs + 1, model.zero_state(2), grads, scale=1 / losses.size)
    >>> grads["linear.W_hy"].shape
    (64, 26)

    """

    vocab_size: int
    cell: str = "lstm"
    hidden_sizes: tuple[int, ...] = (128,)
    embedding_size: int = 0
    tied: bool = False

    @cached_property
    def embedding(self) -> EmbeddingTable | None:
        """The embedding, or None where the input is one-hot."""
        return EmbeddingTable(self.vocab_size, self.embedding_size) if self.embedding_size else None

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The recurrent layers, lowest first."""
        inputs = (self.embedding_size or self.vocab_size, *self.hidden_sizes)
        kind = CELLS[self.cell]
        return tuple(kind(D, H) for D, H in zip(inputs, self.hidden_sizes, strict=False))

    @cached_property
    def linear(self) -> OutputLayer:
        """The output layer."""
        return OutputLayer(self.hidden_sizes[-1], self.vocab_size)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter, in storage order."""
        layers: list[tuple[str, EmbeddingTable | Cell | OutputLayer]] = [
            *([("embedding", self.embedding)] if self.embedding else []),
            *((f"cells.{k}", cell) for k, cell in enumerate(self.cells)),
            ("linear", self.linear),
        ]
        shapes = {f"{prefix}.{name}": shape for prefix, layer in layers for name, shape in layer.shapes().items()}
        if self.tied:
            del shapes["linear.W_hy"]
        return shapes

    def initialize(self, rng: np.random.Generator, *, std: float = 0.0, dtype: DTypeLike = np.float32) -> Parameters:
        """Return fresh parameters.

        The numbers are drawn in float64 whatever `dtype`, so that a float32 and a float64 model of one seed agree.

        Parameters
        ----------
        rng : generator to draw from
        std : standard deviation of the weights, or 0 for U(±1/√H) (see `parameters.weights`)
        dtype : of the parameters
        """
        params = Parameters(self.shapes(), dtype=np.float64)
        if self.embedding:
            # Tied, it is an output layer's weights, which must start small.
            parameters.weights(
                (params.group("embedding")["W_e"],), rng, std or (not self.tied) * 1.0, self.embedding_size
            )
        for k, cell in enumerate(self.cells):
            cell.initialize(params.group(f"cells.{k}"), rng, std)
        if not self.tied:
            parameters.weights((params.group("linear")["W_hy"],), rng, std, self.hidden_sizes[-1])
        return params.astype(dtype)

    def zero_state(self, B: int, dtype: DTypeLike = np.float32) -> State:
        """Return the state of B streams before any character."""
        return tuple(cell.zero_state(B, np.dtype(dtype)) for cell in self.cells)

    def session(
        self,
        params: Parameters,
        batch_size: int,
        *,
        dropout: DropoutRates = NO_DROPOUT,
        streams: range | None = None,
        shards: int = 1,
    ) -> "Session":
        """Return what runs this network with these parameters; see `Session`."""
        return Session(self, params, batch_size, dropout, streams, shards)


class Gradient(NamedTuple):
    """What `Session.gradient` returns besides the gradient of the parameters."""

    losses: Array
    """(T, B): nats lost on each target."""
    state: State
    """After the last input."""
    d_state: State
    """The gradient of the initial state."""


@dataclass
class _Workspace:
    """All that a sequence of T steps in B streams fills, layer by layer."""

    embedding: EmbeddingWorkspace | None
    cells: tuple[Any, ...]  # each cell's own workspace type
    dropout: DropoutWorkspace
    inputs: list[Array]  # what each cell read, lowest first, and at the end what the output layer read
    logits: Array  # (S, T, R, V); `cross_entropy` turns them into probabilities, and `gradient` into their gradient
    d_hidden: Array  # (S, T, R, H), gradient of what the output layer read


class Session:
    """A model at work on B streams.

    It allocates the arrays that a sequence fills, once for each length. It arranges the weights once, and again
    whenever `params` has changed, so that no caller can read with old ones.

    Parameters
    ----------
    model : the network
    params : its parameters, only read
    batch_size : streams in a batch, B
    dropout : what `losses` and `gradient` drop where they are given a generator
    streams : which streams of the batch are computed here, by default all. B is then their number, and a stream's masks
        do not depend on which session computes it
    shards : S, the number of equal parts that the streams are computed in. Each has a gradient of its own, whose bits
        do not depend on how many shards a session has

    """

    def __init__(
        self,
        model: CharRNN,
        params: Parameters,
        batch_size: int,
        dropout: DropoutRates = NO_DROPOUT,
        streams: range | None = None,
        shards: int = 1,
    ) -> None:
        self.model, self.params = model, params
        self._batch_size, self._dropout = batch_size, dropout
        self._streams = range(batch_size) if streams is None else streams
        self._shards, self._rows = shards, len(self._streams) // shards  # S and R
        self._cells = [params.group(f"cells.{k}") for k in range(len(model.cells))]
        self._output = params.group("linear")
        # (H, V) of each shard, gradient of W_hy where the output's weights are the embedding's
        self._d_outputs: list[Array] = []
        if model.tied:
            self._output = {**self._output, "W_hy": params["embedding.W_e"].T}
            self._d_outputs = [np.empty_like(self._output["W_hy"], order="C") for _ in range(shards)]
        self._weights = [
            cell.weights(self._rows, params.vector.dtype, from_ids=self._from_ids(k))
            for k, cell in enumerate(model.cells)
        ]
        self._arranged: int | None = None  # the version of `params` in `_weights`; None where some are dropped
        self._workspaces: dict[int, _Workspace] = {}  # by T, the one used last at the end

    def logits(self, inputs: Ids, state: State) -> tuple[Array, State]:
        """Score every character that may follow each input.

        Parameters
        ----------
        inputs : (T, B) ids
        state : before the first of them

        Returns
        -------
        logits : (T, B, V), overwritten by the next call
        state : after the last input, in arrays of its own
        """
        ws = self._prepare(len(inputs), None)
        state = self._forward(ws, self._cut(inputs), state)
        return _join(ws.logits), state

    def losses(
        self, inputs: Ids, targets: Ids, state: State, rng: np.random.Generator | None = None
    ) -> tuple[Array, State]:
        """Score the guesses at some targets.

        Parameters
        ----------
        inputs, targets : (T, B) ids; a target below 0 means that there is nothing to guess, and costs nothing
        state : before the first input
        rng : draws what is dropped; without it nothing is

        Returns
        -------
        losses : (T, B), fresh: nats lost on each target
        state : after the last input, in arrays of its own
        """
        ws = self._prepare(len(inputs), rng)
        state = self._forward(ws, self._cut(inputs), state)
        return _join(cross_entropy(ws.logits, self._cut(targets))), state

    def gradient(
        self,
        inputs: Ids,
        targets: Ids,
        state: State,
        grads: Parameters | Sequence[Parameters],
        *,
        scale: float,
        rng: np.random.Generator | None = None,
    ) -> Gradient:
        """Overwrite `grads` with the gradient of ``scale`` times the sum of the losses.

        The final state counts as a constant: gradients do not cross from the next chunk into this one.

        Parameters
        ----------
        inputs, targets, state, rng : as in `losses`
        grads : of the parameters' names and shapes; where there are several shards, one for each
        scale : 1 for the gradient of the sum, ``1/(T·B)`` for that of the mean
        """
        losses, final = self.losses(inputs, targets, state, rng)
        each = [grads] if isinstance(grads, Parameters) else grads
        d_state = self._backward(self._last(), self._cut(inputs), self._cut(targets), each, scale)
        return Gradient(losses, final, d_state)

    def hidden(self, layer: int) -> Array:
        """Return a layer's hidden states (T, B, H) in the last sequence read; the next one overwrites them."""
        return _join(self._last().cells[layer].outputs)

    def gates(self, layer: int) -> Mapping[str, Array]:
        """Return how open a layer's gates were in the last sequence read, 0 to 1, (T, B, H) by their letters."""
        return {name: _join(gate) for name, gate in self._last().cells[layer].gates.items()}

    def _cut(self, ids: Ids) -> Ids:
        """Cut (T, B) into shards, (S, T, R)."""
        T, S = len(ids), self._shards
        return ids[None] if S == 1 else np.ascontiguousarray(ids.reshape(T, S, self._rows).swapaxes(0, 1))

    def _forward(self, ws: _Workspace, inputs: Ids, state: State) -> State:
        """Run the network over a sequence; the scores are then in ``ws.logits``."""
        model, x = self.model, inputs
        if model.embedding and ws.embedding:
            model.embedding.forward(self.params.group("embedding"), ws.embedding, inputs)
            x = ws.embedding.outputs
        ws.inputs.clear()
        final: list[Any] = []
        for k, cell in enumerate(model.cells):
            ws.inputs.append(x)
            final.append(cell.forward(self._weights[k], ws.cells[k], x, state[k]))
            x = ws.dropout.forward(k, ws.cells[k].outputs)
        ws.inputs.append(x)
        for shard in range(self._shards):
            model.linear.forward(self._output, x[shard], ws.logits[shard])
        return tuple(final)

    def _backward(self, ws: _Workspace, ids: Ids, targets: Ids, grads: Sequence[Parameters], scale: float) -> State:
        """Fill each shard's gradient from what `losses` left; return the gradient of the initial state."""
        model = self.model
        *inputs, top = ws.inputs
        cross_entropy_backward(ws.logits, targets, scale)
        for shard, d_params in enumerate(grads):
            d_linear = d_params.group("linear")
            if self._d_outputs:
                d_linear = {**d_linear, "W_hy": self._d_outputs[shard]}
            model.linear.backward(self._output, d_linear, top[shard], ws.logits[shard], ws.d_hidden[shard])
        d_x = ws.d_hidden
        d_state: list[Any] = []
        for k in reversed(range(len(model.cells))):
            d_cells = [d_params.group(f"cells.{k}") for d_params in grads]
            ws.dropout.backward(k, d_x)
            d_state.append(model.cells[k].backward(self._weights[k], ws.cells[k], d_cells, inputs[k], d_x))
            for d_cell in d_cells:
                ws.dropout.weights_backward(k, d_cell)
            d_x = ws.cells[k].d_inputs
        if model.embedding and ws.embedding:
            for shard, d_params in enumerate(grads):
                d_table = d_params.group("embedding")
                model.embedding.backward(ws.embedding, d_table, ids[shard], d_x[shard])
                if self._d_outputs:
                    d_table["W_e"] += self._d_outputs[shard].T
        return tuple(reversed(d_state))

    def bytes_for(self, T: int) -> int:
        """Count the bytes of all arrays that a sequence of T steps fills; none of them is touched or kept."""
        arrays: dict[int, Array] = {}
        _collect(self._allocate(T), arrays)
        _collect(tuple(self._weights), arrays)
        return sum(array.nbytes for array in arrays.values())

    def _prepare(self, T: int, rng: np.random.Generator | None) -> _Workspace:
        """Return the workspace for T steps, with this sequence's masks in it, and see that the weights are right."""
        ws = self._workspaces.pop(T, None) or self._allocate(T)
        self._workspaces[T] = ws
        if len(self._workspaces) > _MOST_WORKSPACES:
            del self._workspaces[next(iter(self._workspaces))]
        ws.dropout.draw(rng)
        if ws.dropout.drops_weights or self._arranged != self.params.version:
            for k, cell in enumerate(self.model.cells):
                cell.arrange(ws.dropout.weights(k, self._cells[k]), self._weights[k])
            self._arranged = None if ws.dropout.drops_weights else self.params.version
        return ws

    def _allocate(self, T: int) -> _Workspace:
        model, dtype, S, R = self.model, self.params.vector.dtype, self._shards, self._rows
        shapes = [cell.shapes()["W_hh"] for cell in model.cells]
        return _Workspace(
            embedding=model.embedding.workspace((S, T, R), dtype) if model.embedding else None,
            cells=tuple(
                cell.workspace(T, R, dtype, from_ids=self._from_ids(k), S=S) for k, cell in enumerate(model.cells)
            ),
            dropout=DropoutWorkspace.allocate(self._dropout, shapes, self._streams, T, self._batch_size, dtype, S),
            inputs=[],
            logits=empty((S, T, R, model.vocab_size), dtype),
            d_hidden=empty((S, T, R, model.hidden_sizes[-1]), dtype),
        )

    def _from_ids(self, layer: int) -> bool:
        return layer == 0 and not self.model.embedding

    def _last(self) -> _Workspace:
        return next(reversed(self._workspaces.values()))


def _join(shards: Array) -> Array:
    """Put (S, T, R, ...) together again, (T, B, ...); a view where there is one shard."""
    S, T, R, *rest = shards.shape
    return shards[0] if S == 1 else shards.swapaxes(0, 1).reshape(T, S * R, *rest)


def _collect(value: Any, arrays: dict[int, Array]) -> None:
    """Find the arrays in a workspace and its parts, each once: of a view, the array that has the memory."""
    if isinstance(value, np.ndarray):
        while isinstance(value.base, np.ndarray):
            value = value.base
        arrays[id(value)] = value
    elif isinstance(value, tuple | list):
        for item in value:
            _collect(item, arrays)
    elif is_dataclass(value):
        for field in fields(value):
            _collect(getattr(value, field.name), arrays)
