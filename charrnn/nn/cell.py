"""What every recurrent layer offers; `vanilla`, `lstm` and `gru` have their equations in their own files.

A cell is an immutable description. What it computes with are two sets of arrays, each made once and reused:

- *weights*: the parameters arranged as the products want them. They depend on R, not on the length of a sequence.
  `arrange` fills them; it is due whenever the parameters have changed.
- a *workspace* for T steps: `forward` fills it, `backward` reads it and uses it up.

The streams come in S shards of R streams each. Every product and every sum over streams is made shard by shard, and
each shard has a gradient of its own, so that its bits are the same whether it is computed alone or with others.
Everything else is computed for all shards at once.

`params` and `grads` are one layer's arrays by short name, such as ``W_hh``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from charrnn.nn.parameters import Array

Group = Mapping[str, Array]


class Cell(Protocol):
    """D inputs into H hidden units, over T steps of S·R streams."""

    @property
    def input_size(self) -> int:
        """D."""

    @property
    def hidden_size(self) -> int:
        """H."""

    gate_names: ClassVar[tuple[str, ...]]
    """The letters of its gates, the keys of a workspace's ``gates``."""

    def __init__(self, input_size: int, hidden_size: int) -> None: ...

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""

    def initialize(self, params: Group, rng: np.random.Generator, std: float) -> None:
        """Fill the parameters; the weights as `parameters.weights` says."""

    def zero_state(self, B: int, dtype: np.dtype[Any]) -> Any:
        """Return the state before any character, a named tuple of (B, H) arrays."""

    def weights(self, R: int, dtype: np.dtype[Any], *, from_ids: bool) -> Any:
        """Allocate arranged weights, for inputs that are ids or vectors."""

    def arrange(self, params: Group, weights: Any) -> None:
        """Copy the parameters into `weights`."""

    def workspace(self, T: int, R: int, dtype: np.dtype[Any], *, from_ids: bool, S: int = 1) -> Any:
        """Allocate what `forward` and `backward` fill.

        Its ``outputs`` (S, T, R, H) are the hidden states, its ``d_inputs`` (S, T, R, D) the gradient of vector inputs.
        Its ``gates`` say how open each gate was, 0 to 1, (S, T, R, H) by its letter, until `backward` uses them up.
        """

    def forward(self, weights: Any, ws: Any, inputs: Array, state: Any) -> Any:
        """Run the whole sequence; the hidden states are then in ``ws.outputs``.

        Parameters
        ----------
        inputs : (S, T, R) ids or (S, T, R, D) vectors
        state : initial state of the S·R streams, read

        Returns
        -------
        The state after the last input, in arrays of its own.
        """

    def backward(
        self, weights: Any, ws: Any, grads: Sequence[Group], inputs: Array, d_outputs: Array, d_state: Any = None
    ) -> Any:
        """Run the sequence backwards from what `forward` left in `ws`.

        Parameters
        ----------
        grads : of each shard; every array is overwritten
        inputs : as given to `forward`
        d_outputs : (S, T, R, H), gradient of the hidden states, read
        d_state : gradient of the final state, if anything depends on it beyond `d_outputs`

        Returns
        -------
        The gradient of the initial state, in arrays of its own. That of vector inputs is then in ``ws.d_inputs``.
        """
