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


@dataclass(frozen=True)
class Workspace:
    """All that one sequence of T steps in B streams fills, layer by layer."""

    embedding: EmbeddingWorkspace | None
    cells: tuple[Any, ...]  # each cell's own workspace type
    logits: Array  # (T, B, V); after `loss` the probabilities, after `backward` their gradient
    d_hidden: Array  # (T, B, H), gradient of the top layer's hidden states


@dataclass(frozen=True)
class CharRNN:
    """A character-level recurrent network.

    Parameters
    ----------
    vocab_size : distinct characters, V
    cell : ``"lstm"``, ``"gru"`` or ``"vanilla"``
    hidden_sizes : hidden units of each layer, lowest first
    embedding_size : width of a learned embedding, or 0 for one-hot input
    """

    vocab_size: int
    cell: str = "lstm"
    hidden_sizes: tuple[int, ...] = (128,)
    embedding_size: int = 0

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
        return {f"{prefix}.{name}": shape for prefix, layer in layers for name, shape in layer.shapes().items()}

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
            initializers.weights((params["embedding.W_e"],), rng, std or 1.0, self.embedding_size)
        for k, cell in enumerate(self.cells):
            cell.initialize(params.group(f"cells.{k}"), rng, std)
        initializers.weights((params["linear.W_hy"],), rng, std, self.hidden_sizes[-1])
        return params.astype(dtype)

    def zero_state(self, B: int, dtype: DTypeLike = np.float32) -> State:
        """Return the state of B streams before any character."""
        return tuple(cell.zero_state(B, np.dtype(dtype)) for cell in self.cells)

    def workspace(self, T: int, B: int, dtype: DTypeLike = np.float32) -> Workspace:
        """Allocate room for sequences of T steps in B streams."""
        dtype = np.dtype(dtype)
        return Workspace(
            embedding=self.embedding.workspace(T, B, dtype) if self.embedding else None,
            cells=tuple(
                cell.workspace(T, B, dtype, from_ids=k == 0 and not self.embedding) for k, cell in enumerate(self.cells)
            ),
            logits=np.empty((T, B, self.vocab_size), dtype),
            d_hidden=np.empty((T, B, self.hidden_sizes[-1]), dtype),
        )

    def arrange(self, params: Parameters, ws: Workspace) -> None:
        """Copy the weights into the workspace as the cells want them; due whenever the parameters have changed."""
        for k, cell in enumerate(self.cells):
            cell.arrange(params.group(f"cells.{k}"), ws.cells[k])

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
        final = tuple(
            cell.forward(params.group(f"cells.{k}"), cell_ws, x, state[k])
            for k, (cell, cell_ws, x) in enumerate(zip(self.cells, ws.cells, self._inputs(ws, inputs), strict=True))
        )
        self.linear.forward(params.group("linear"), ws.cells[-1].outputs, ws.logits)
        return final

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
        self.linear.backward(
            params.group("linear"), grads.group("linear"), ws.cells[-1].outputs, ws.logits, ws.d_hidden
        )
        d_outputs = ws.d_hidden
        d_state: list[Any] = []
        for k, x in reversed(list(enumerate(self._inputs(ws, inputs)))):
            group = f"cells.{k}"
            d_state.append(self.cells[k].backward(params.group(group), grads.group(group), ws.cells[k], x, d_outputs))
            d_outputs = ws.cells[k].d_inputs
        if self.embedding and ws.embedding:
            self.embedding.backward(grads.group("embedding"), ws.embedding, d_outputs, inputs)
        return tuple(reversed(d_state))

    def _inputs(self, ws: Workspace, ids: Ids) -> list[Array]:
        """List what each cell reads: ids or their embeddings, then the hidden states of the cell below."""
        first = ws.embedding.outputs if ws.embedding else ids
        return [first, *(cell_ws.outputs for cell_ws in ws.cells[:-1])]
