"""The gradient check of `charrnn.gradcheck` for anyone's layer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from charrnn.gradcheck import Row, check
from charrnn.layers.layer import Layer
from charrnn.nn.parameters import Array, Parameters


def check_layer(
    layer: Layer, inputs: ArrayLike, state: Any = None, *, rng_seed: int = 0, entries: int = 0, **options: Any
) -> list[Row]:
    """Compare a layer's backward pass with the complex step and with central differences.

    The loss is the sum of all outputs, and of the final state where there is one, each number times a random weight;
    so every path through the layer is seen. All is computed in float64; the layer's own weights stay as they are.

    Parameters
    ----------
    layer : any object with ``params`` and ``grads``, mappings of arrays by name, ``forward(inputs)`` and
        ``backward(d_outputs)``; or, as the recurrent layers have it, ``forward(inputs, state) → (outputs, state)`` and
        ``backward(d_outputs, d_state) → (d_inputs, d_state)``. It must take complex numbers and keep them complex
    inputs : what ``forward`` takes; the gradient of integers is not asked for
    state : initial state, a named tuple or a tuple of such; zeros would hide mistakes
    rng_seed : of the random weights
    entries : how many entries of a large array to check; 0 for all (see `charrnn.gradcheck.check`)
    options : handed to ``forward``, such as ``return_sequences=True``, or ``rng=1`` for a dropout whose masks stay

    Returns
    -------
    One `charrnn.gradcheck.Row` an array: the parameters by name, ``inputs``, ``state.0``, ``state.1`` …; its ``passed``
    says whether the gradient is right.

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> class Tanh:
    ...     def __init__(self):
    ...         self.params, self.grads = {"scale": np.array([0.5])}, {}
    ...     def forward(self, x):
    ...         self.x, self.y = x, np.tanh(self.params["scale"] * x)
    ...         return self.y
    ...     def backward(self, d_y):
    ...         d_a = d_y * (1 - self.y)  # should be self.y ** 2
    ...         self.grads = {"scale": (d_a * self.x).sum(keepdims=True).reshape(1)}
    ...         return d_a * self.params["scale"]
    >>> for row in charrnn.check_layer(Tanh(), [0.1, 0.2, 0.3]):
    ...     print(row.array, "right" if row.passed else "wrong")
    scale wrong
    inputs wrong

    """
    x = np.asarray(inputs)
    has_gradient = x.dtype.kind in "fc"
    names, leaves = list(layer.params), _leaves(state)
    arrays = {name: np.array(array, np.float64) for name, array in layer.params.items()}
    arrays |= {"inputs": x.astype(np.float64)} if has_gradient else {}
    arrays |= {f"state.{k}": np.array(array, np.float64) for k, array in enumerate(leaves)}

    def run(values: Mapping[str, Array]) -> Any:
        dtype = np.result_type(*values.values(), np.float64)
        layer.params = _like_params(layer.params, {name: values[name].astype(dtype) for name in names})
        layer.grads = _like_params(layer.params, {name: np.zeros_like(values[name], dtype) for name in names})
        given = _rebuilt(state, iter([values[f"state.{k}"] for k in range(len(leaves))]))
        return layer.forward(values.get("inputs", x), *([] if state is None else [given]), **options)

    with _borrowed(layer):
        outputs = run(arrays)
        rng = np.random.default_rng(rng_seed)
        weights = [rng.standard_normal(output.shape) for output in _leaves(outputs)]
        d_outputs = _rebuilt(outputs, iter(weights))
        answer = layer.backward(*(d_outputs if isinstance(outputs, tuple) else [d_outputs]))
        gradients = {name: np.array(layer.grads[name]) for name in names}
        d_inputs, d_state = answer if isinstance(outputs, tuple) else (answer, None)
        gradients |= {"inputs": np.asarray(d_inputs)} if has_gradient else {}
        gradients |= {f"state.{k}": array for k, array in enumerate(_leaves(d_state)[: len(leaves)])}

        def loss(values: Mapping[str, Array]) -> Any:
            return sum((w * y).sum() for w, y in zip(weights, _leaves(run(values)), strict=True))

        return list(check(loss, arrays, gradients, entries=entries))


def _leaves(values: Any) -> list[Array]:
    """List the arrays of a nest of tuples, None being none."""
    if isinstance(values, tuple):
        return [leaf for part in values for leaf in _leaves(part)]
    return [] if values is None else [np.asarray(values)]


def _rebuilt(nest: Any, leaves: Iterator[Array]) -> Any:
    """Return a nest of tuples of the same form around other arrays."""
    if not isinstance(nest, tuple):
        return None if nest is None else next(leaves)
    parts = [_rebuilt(part, leaves) for part in nest]
    return type(nest)(*parts) if hasattr(nest, "_fields") else tuple(parts)


def _like_params(form: Any, arrays: dict[str, Array]) -> Any:
    """Return named arrays in the form in which a layer has its own."""
    if not isinstance(form, Parameters):
        return arrays
    flat = [np.zeros(0), *(array.reshape(-1) for array in arrays.values())]
    return Parameters(form.shapes, np.concatenate(flat))


@contextmanager
def _borrowed(layer: Layer) -> Iterator[None]:
    """Put a layer's weights and gradients back at the end."""
    before = layer.params, layer.grads
    try:
        yield
    finally:
        layer.params, layer.grads = before
