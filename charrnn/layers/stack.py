"""Layers of any kinds and sizes, one on top of the other, over one flat vector of parameters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from charrnn.layers.layer import Layer, Randomness
from charrnn.layers.plain import Dropout
from charrnn.layers.recurrent import Recurrent
from charrnn.nn.parameters import Array, Parameters

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
    if len(states) != len(layers):
        raise ValueError(f"{what} must be as many as the recurrent layers, {len(layers)}, not {len(states)}")
    for k, (state, layer) in enumerate(zip(states, layers, strict=True)):
        if state is not None:
            layer.check_state(state, f"{what}[{k}]")
    return list(states)


def _is_stacked(layer: Layer) -> bool:
    """Whether a layer's parameters are a view of others."""
    return bool(layer.params) and layer.params.vector.base is not None
