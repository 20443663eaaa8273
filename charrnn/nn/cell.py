"""What every recurrent layer offers; `vanilla`, `lstm` and `gru` have their equations in their own files.

A cell is an immutable description. Its arrays live in a workspace made once for (T, B): `arrange` copies the weights
there in the form the products want, `forward` fills it, `backward` reads it. `params` and `grads` are one layer's
arrays by short name, such as ``W_hh``.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np

from charrnn.nn.parameters import Array

Group = Mapping[str, Array]


class Cell(Protocol):
    """D inputs into H hidden units, over T steps of B streams."""

    @property
    def input_size(self) -> int:
        """D."""

    @property
    def hidden_size(self) -> int:
        """H."""

    gate_names: ClassVar[tuple[str, ...]]
    """Letters of its gates, as a workspace's ``gates`` has them."""

    def __init__(self, input_size: int, hidden_size: int) -> None: ...

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""

    def initialize(self, params: Group, rng: np.random.Generator, std: float) -> None:
        """Fill the parameters; the weights as `initializers.weights` says."""

    def zero_state(self, B: int, dtype: np.dtype[Any]) -> Any:
        """Return the state before any character, a named tuple of (B, H) arrays."""

    def workspace(self, T: int, B: int, dtype: np.dtype[Any], *, from_ids: bool) -> Any:
        """Allocate what the other methods fill, for inputs that are ids or vectors.

        Its ``outputs`` (T, B, H) are the hidden states, its ``d_inputs`` (T, B, D) the gradient of vector inputs. Its
        ``gates`` name those that a cell has and say how open each was, 0 to 1, (T, B, H), until `backward` uses them.
        """

    def arrange(self, params: Group, ws: Any) -> None:
        """Copy the weights into the workspace as the products want them; due whenever they have changed."""

    def forward(self, params: Group, ws: Any, inputs: Array, state: Any) -> Any:
        """Run the whole sequence; the hidden states are then in ``ws.outputs``.

        Parameters
        ----------
        params : already arranged in `ws`
        inputs : (T, B) ids or (T, B, D) vectors
        state : initial state, read

        Returns
        -------
        The state after the last input, in arrays of its own.
        """

    def backward(
        self, params: Group, grads: Group, ws: Any, inputs: Array, d_outputs: Array, d_state: Any = None
    ) -> Any:
        """Run the sequence backwards; read, and use up, what `forward` left in `ws`.

        Parameters
        ----------
        grads : every array is overwritten
        inputs : as given to `forward`
        d_outputs : (T, B, H), gradient of the hidden states, read
        d_state : gradient of the final state, if anything depends on it beyond `d_outputs`

        Returns
        -------
        The gradient of the initial state, in arrays of its own. That of vector inputs is then in ``ws.d_inputs``.
        """
