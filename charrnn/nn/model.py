"""CharRNN: embedding (or one-hot rows) → stacked cells → linear → loss, forward and backward.

A model is an immutable description. Its weights are a `Parameters`, its memory of the text a tuple with one state per
layer, and everything a sequence leaves behind lies in a `Workspace` allocated once for (T, B).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from charrnn.nn import initializers
from charrnn.nn.cell import Cell
from charrnn.nn.dropout import Dropout, DropoutWorkspace
from charrnn.nn.embedding import Embedding, EmbeddingWorkspace, Ids
from charrnn.nn.gru import GRU, GRUState
from charrnn.nn.linear import Linear
from charrnn.nn.loss import cross_entropy, cross_entropy_backward
from charrnn.nn.lstm import LSTM, LSTMState
from charrnn.nn.parameters import Array, Parameters
from charrnn.nn.vanilla import Vanilla, VanillaState

# One named tuple per layer; the checkpoint stores its fields by name.
State = tuple[VanillaState | LSTMState | GRUState, ...]

CELLS: Mapping[str, type[Cell]] = MappingProxyType({"vanilla": Vanilla, "lstm": LSTM, "gru": GRU})


NOTHING = Dropout()


@dataclass(frozen=True)
class Workspace:
    """All that one sequence of T steps in B streams fills, layer by layer."""

    embedding: EmbeddingWorkspace | None
    cells: tuple[Any, ...]  # each cell's own workspace type
    dropout: DropoutWorkspace | None  # its masks are drawn before `arrange`
    logits: Array  # (T, B, V); after `loss` the probabilities, after `backward` their gradient
    d_hidden: Array  # (T, B, H), gradient of the top layer's hidden states
    d_output: Array | None  # (H, V), gradient of W_hy where the output's weights are the embedding's


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
    >>> inputs = np.arange(25).repeat(2).reshape(25, 2)  # (T, B): the alphabet in two streams
    >>> ws = model.workspace(25, 2)
    >>> model.arrange(params, ws)
    >>> losses, state = model.loss(params, ws, inputs, inputs + 1, model.zero_state(2))
    >>> losses.shape, state[1].c.shape
    ((25, 2), (2, 64))
    >>> grads = params.like()
    >>> _ = model.backward(params, grads, ws, inputs, inputs + 1, scale=1 / losses.size)
    >>> grads["linear.W_hy"].shape
    (64, 26)

    """

    vocab_size: int
    cell: str = "lstm"
    hidden_sizes: tuple[int, ...] = (128,)
    embedding_size: int = 0
    tied: bool = False

    @cached_property
    def embedding(self) -> Embedding | None:
        """The embedding, or None where the input is one-hot."""
        return Embedding(self.vocab_size, self.embedding_size) if self.embedding_size else None

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The recurrent layers, lowest first."""
        inputs = (self.embedding_size or self.vocab_size, *self.hidden_sizes)
        kind = CELLS[self.cell]
        return tuple(kind(D, H) for D, H in zip(inputs, self.hidden_sizes, strict=False))

    @cached_property
    def linear(self) -> Linear:
        """The output layer."""
        return Linear(self.hidden_sizes[-1], self.vocab_size)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter, in storage order."""
        layers: list[tuple[str, Embedding | Cell | Linear]] = [
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
        std : standard deviation of the weights, or 0 for U(±1/√H) (see `initializers.weights`)
        dtype : of the parameters
        """
        params = Parameters(self.shapes(), dtype=np.float64)
        if self.embedding:
            # Tied, it is an output layer's weights, which must start small.
            initializers.weights((params["embedding.W_e"],), rng, std or (not self.tied) * 1.0, self.embedding_size)
        for k, cell in enumerate(self.cells):
            cell.initialize(params.group(f"cells.{k}"), rng, std)
        if not self.tied:
            initializers.weights((params["linear.W_hy"],), rng, std, self.hidden_sizes[-1])
        return params.astype(dtype)

    def zero_state(self, B: int, dtype: DTypeLike = np.float32) -> State:
        """Return the state of B streams before any character."""
        return tuple(cell.zero_state(B, np.dtype(dtype)) for cell in self.cells)

    def workspace(
        self, T: int, B: int, dtype: DTypeLike = np.float32, dropout: Dropout = NOTHING, streams: range | None = None
    ) -> Workspace:
        """Allocate room for sequences of T steps.

        Parameters
        ----------
        B : streams in a batch
        dropout : what is dropped, if anything
        streams : which of the B streams are to be computed; by default all
        """
        dtype, streams = np.dtype(dtype), streams or range(B)
        masks = None
        if dropout:
            shapes = [cell.shapes()["W_hh"] for cell in self.cells]
            masks = DropoutWorkspace.allocate(dropout, shapes, streams, T, B, dtype)
        B = len(streams)
        return Workspace(
            embedding=self.embedding.workspace(T, B, dtype) if self.embedding else None,
            cells=tuple(
                cell.workspace(T, B, dtype, from_ids=k == 0 and not self.embedding) for k, cell in enumerate(self.cells)
            ),
            dropout=masks,
            logits=np.empty((T, B, self.vocab_size), dtype),
            d_hidden=np.empty((T, B, self.hidden_sizes[-1]), dtype),
            d_output=np.empty((self.hidden_sizes[-1], self.vocab_size), dtype) if self.tied else None,
        )

    def arrange(self, params: Parameters, ws: Workspace) -> None:
        """Copy the weights into the workspace as the cells want them; due when the parameters or masks have changed."""
        for k, cell in enumerate(self.cells):
            if ws.dropout:
                ws.dropout.mask_weights(k, params.group(f"cells.{k}"))
            cell.arrange(_used(params, ws, k), ws.cells[k])

    def forward(self, params: Parameters, ws: Workspace, inputs: Ids, state: State) -> State:
        """Run the network over a sequence; the scores are in ``ws.logits`` (T, B, V).

        Parameters
        ----------
        params : already arranged in `ws`
        inputs : (T, B) ids
        state : before the first of them

        Returns
        -------
        The state after the last input, in arrays of its own.
        """
        if self.embedding and ws.embedding:
            self.embedding.forward(params.group("embedding"), ws.embedding, inputs)
        final: list[Any] = []
        for k, (cell, x) in enumerate(zip(self.cells, self._inputs(ws, inputs), strict=True)):
            final.append(cell.forward(_used(params, ws, k), ws.cells[k], x, state[k]))
            if ws.dropout:
                ws.dropout.mask_outputs(k, ws.cells[k].outputs)
        self.linear.forward(self._output(params), _seen(ws, -1), ws.logits)
        return tuple(final)

    def loss(self, params: Parameters, ws: Workspace, inputs: Ids, targets: Ids, state: State) -> tuple[Array, State]:
        """Run the network and score its guesses.

        Returns
        -------
        losses : (T, B) array, fresh: nats lost on each target
        state : after the last input

        See Also
        --------
        backward : must follow at once where gradients are wanted; it reads what this leaves in `ws`.
        """
        final = self.forward(params, ws, inputs, state)
        return cross_entropy(ws.logits, targets), final

    def backward(
        self,
        params: Parameters,
        grads: Parameters,
        ws: Workspace,
        inputs: Ids,
        targets: Ids,
        *,
        scale: float,
    ) -> State:
        """Overwrite `grads` with the gradient of ``scale`` times the sum of the losses that `loss` has just returned.

        The chunk's final state counts as a constant: gradients do not cross from the next chunk into this one.

        Returns
        -------
        The gradient of the initial state.
        """
        cross_entropy_backward(ws.logits, targets, scale)
        d_linear = grads.group("linear") if ws.d_output is None else {**grads.group("linear"), "W_hy": ws.d_output}
        self.linear.backward(self._output(params), d_linear, _seen(ws, -1), ws.logits, ws.d_hidden)
        d_outputs = ws.d_hidden
        d_state: list[Any] = []
        for k, x in reversed(list(enumerate(self._inputs(ws, inputs)))):
            d_params = grads.group(f"cells.{k}")
            if ws.dropout:
                ws.dropout.output_gradient(k, d_outputs)
            d_state.append(self.cells[k].backward(_used(params, ws, k), d_params, ws.cells[k], x, d_outputs))
            if ws.dropout:
                ws.dropout.weight_gradient(k, d_params)
            d_outputs = ws.cells[k].d_inputs
        if self.embedding and ws.embedding:
            self.embedding.backward(grads.group("embedding"), ws.embedding, d_outputs, inputs)
            if ws.d_output is not None:
                grads["embedding.W_e"][...] += ws.d_output.T
        return tuple(reversed(d_state))

    def _output(self, params: Parameters) -> Mapping[str, Array]:
        """Return the output layer's parameters."""
        group = params.group("linear")
        return {**group, "W_hy": params["embedding.W_e"].T} if self.tied else group

    def _inputs(self, ws: Workspace, ids: Ids) -> list[Array]:
        """List what each cell reads: ids or their embeddings, then the hidden states of the cell below."""
        first = ws.embedding.outputs if ws.embedding else ids
        return [first, *(_seen(ws, k) for k in range(len(ws.cells) - 1))]


def _used(params: Parameters, ws: Workspace, layer: int) -> Mapping[str, Array]:
    """Return a cell's parameters as this chunk uses them."""
    group = params.group(f"cells.{layer}")
    return ws.dropout.weights(layer, group) if ws.dropout else group


def _seen(ws: Workspace, layer: int) -> Array:
    """Return what the layer above sees of a cell's outputs."""
    masked = ws.dropout.outputs if ws.dropout else ()
    return masked[layer] if masked else ws.cells[layer].outputs
