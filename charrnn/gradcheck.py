"""Every gradient against three witnesses.

*Complex step* (Squire & Trapp, 1998): for a function that accepts complex numbers, ``Im f(x + iε) / ε`` is the
derivative without subtraction, hence without cancellation; with ε = 1e-30 it is right to machine precision.
*Central differences*: ``(f(x + ε) − f(x − ε)) / 2ε`` with ε = 2e-5, right to about 1e-8 for any f.
*Equations*: the gradient of `charrnn.nn.equations`, the plain network that shares no code with the fast one.

A mistake in a derivation makes an error near 1; rounding makes one near 1e-16 or 1e-9. The gates lie far from both.
Errors are norm-wise: the length of the difference over the larger of the two lengths, for one array at a time.

The fast cells go back in blocks of steps, and cut large products into tiles. So small networks, entry by entry, are not
enough: `check_long` takes sequences of several blocks, and compares the whole gradient at once.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.layers import Layer
from charrnn.nn import equations
from charrnn.nn.arrangement import block_steps
from charrnn.nn.dropout import DropoutRates, DropoutWorkspace
from charrnn.nn.embedding import Ids
from charrnn.nn.model import CELLS, NO_DROPOUT, CharRNN, State
from charrnn.nn.parameters import Array, Parameters

COMPLEX_STEP_GATE = 1e-12
DIFFERENCE_GATE = 1e-7
EQUATIONS_GATE = 1e-12
# Of a checkpoint: characters of text; entries of each array, as each takes three runs of the network; and streams of
# the longer slice, many so that a block has few steps.
_SLICE_LENGTH, _ENTRIES_OF_A_CHECKPOINT, _STREAMS_OF_A_CHECKPOINT = 33, 8, 8
_MASKS = 0  # seed of the masks of dropout, which are the same each time
_COMPLEX_STEP = 1e-30
_DIFFERENCE_STEP = 2e-5
# Enough units and streams that the fast cells cut a step's product both ways, and that a block is three steps: in a
# block of two, a step counted from the wrong end could be the right one.
_WIDE, _WIDE_EMBEDDING, _STREAMS_OF_WIDE = 300, 150, 36

# What a mistake in a cell may raise.
_MISTAKES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError
)  # fmt: skip

Loss = Callable[[Mapping[str, Array]], Any]


@dataclass(frozen=True)
class Row:
    """The verdict on one array."""

    model: str
    array: str
    size: int
    checked: int
    complex_step_error: float
    difference_error: float
    worst_index: tuple[int, ...]  # entry farthest from its complex step
    worst_derived: float  # what the backward pass says there
    worst_numeric: float  # what the complex step says there, or the equations where only they disagree
    equations_error: float | None = None  # None where there are no equations, as for anyone's own layer
    raised: str | None = None  # the exception, where the network could not even be run

    @property
    def passed(self) -> bool:
        """Whether all errors are within their gates (a NaN is not)."""
        return (
            self.complex_step_error <= COMPLEX_STEP_GATE
            and self.difference_error <= DIFFERENCE_GATE
            and (self.equations_error is None or self.equations_error <= EQUATIONS_GATE)
        )

    @classmethod
    def failed(cls, model: str, array: str, error: Exception) -> "Row":
        """Return the verdict on a network that raised an exception."""
        nan = math.nan
        return cls(model, array, 0, 0, nan, nan, (), nan, nan, raised=f"{type(error).__name__}: {error}")


def check(
    loss: Loss,
    arrays: Mapping[str, Array],
    gradients: Mapping[str, Array],
    *,
    plain: Mapping[str, Array] | None = None,
    model: str = "",
    entries: int = 0,
) -> Iterator[Row]:
    """Compare the gradient of `loss` by each float64 array with its differences, a row an array.

    The loss must accept complex arrays, and must not keep or change them. Every entry of `plain`, the gradient by plain
    equations, is compared. Of a large array so many `entries` are differentiated, half of them where the gradient is
    largest and half spread evenly over it; 0 means all.
    """
    for name, array in arrays.items():
        chosen = _choose(gradients[name].reshape(-1), entries)
        derived = gradients[name].reshape(-1)[chosen]
        exact = np.array([_complex_step(loss, arrays, name, index) for index in chosen])
        rough = np.array([_central_difference(loss, arrays, name, index) for index in chosen])
        worst = int(np.argmax(np.abs(derived - exact)))
        at, numeric, error = int(chosen[worst]), float(exact[worst]), relative_error(derived, exact)
        equations_error = None
        if plain is not None:
            equations_error = relative_error(gradients[name], plain[name])
            if error <= COMPLEX_STEP_GATE and not equations_error <= EQUATIONS_GATE:
                at = int(np.argmax(np.abs(gradients[name] - plain[name])))
                numeric = float(plain[name].reshape(-1)[at])
        yield Row(
            model=model,
            array=name,
            size=array.size,
            checked=len(chosen),
            complex_step_error=error,
            difference_error=relative_error(derived, rough),
            worst_index=tuple(int(i) for i in np.unravel_index(at, array.shape)),
            worst_derived=float(gradients[name].reshape(-1)[at]),
            worst_numeric=numeric,
            equations_error=equations_error,
        )


def _choose(gradient: Array, entries: int) -> NDArray[np.intp]:
    if not 0 < entries < gradient.size:
        return np.arange(gradient.size)
    largest = np.argsort(-np.abs(gradient), kind="stable")[: entries - entries // 2]
    spread = np.linspace(0, gradient.size - 1, entries // 2).astype(np.intp)
    return np.union1d(largest, spread)


def relative_error(a: Array, b: Array) -> float:
    """Length of the difference over the larger length; 0 where both are zero."""
    scale = max(np.linalg.norm(a), np.linalg.norm(b))
    return float(np.linalg.norm(a - b) / scale) if scale else 0.0


def _complex_step(loss: Loss, arrays: Mapping[str, Array], name: str, index: int) -> float:
    moved = arrays[name].astype(np.complex128, order="C")  # so that `reshape` is a view
    moved.reshape(-1)[index] += 1j * _COMPLEX_STEP
    return float(loss({**arrays, name: moved}).imag / _COMPLEX_STEP)


def _central_difference(loss: Loss, arrays: Mapping[str, Array], name: str, index: int) -> float:
    losses = []
    for sign in (1, -1):
        moved = arrays[name].copy()
        moved.reshape(-1)[index] += sign * _DIFFERENCE_STEP
        losses.append(float(loss({**arrays, name: moved})))
    return (losses[0] - losses[1]) / (2 * _DIFFERENCE_STEP)


# --- whole networks ---


class _Problem(NamedTuple):
    """A network with what it is to learn, its loss as a function, and two gradients of it."""

    loss: Loss
    arrays: dict[str, Array]  # parameters and initial state
    gradients: dict[str, Array]  # by the fast backward pass
    plain: dict[str, Array]  # by `equations`

    @classmethod
    def of(
        cls, model: CharRNN, params: Parameters, inputs: Ids, targets: Ids, state: State, dropout: DropoutRates
    ) -> "_Problem":
        T, B = inputs.shape
        grads, scale = params.like(), 1 / inputs.size
        session = model.session(params, B, dropout=dropout)
        _, _, d_state = session.gradient(inputs, targets, state, grads, scale=scale, rng=np.random.default_rng(_MASKS))
        shapes = [cell.shapes()["W_hh"] for cell in model.cells]
        drawn = DropoutWorkspace.allocate(dropout, shapes, range(B), T, B, np.dtype(np.float64))
        drawn.draw(np.random.default_rng(_MASKS))
        masks = equations.Masks(drawn.masks, drawn.weight_masks)
        _, plain, d_plain = equations.network_gradients(
            params, model.cell, inputs, targets, state, scale=scale, masks=masks
        )
        d_plain_state = tuple(type(layer)(*arrays) for layer, arrays in zip(state, d_plain, strict=True))
        moved = {np.dtype(kind): params.astype(kind) for kind in (np.float64, np.complex128)}
        sessions = {dtype: model.session(values, B, dropout=dropout) for dtype, values in moved.items()}

        def loss(arrays: Mapping[str, Array]) -> Any:
            dtype = np.result_type(*arrays.values())
            for name in params:
                moved[dtype][name] = arrays[name]
            start = tuple(
                type(layer)(**{name: arrays[f"state.{k}.{name}"] for name in layer._fields})
                for k, layer in enumerate(state)
            )
            losses, _ = sessions[dtype].losses(inputs, targets, start, np.random.default_rng(_MASKS))
            return losses.mean()

        return cls(
            loss, dict(params) | _by_name(state), dict(grads) | _by_name(d_state), plain | _by_name(d_plain_state)
        )


def _by_name(state: State) -> dict[str, Array]:
    return {f"state.{k}.{name}": array for k, layer in enumerate(state) for name, array in layer._asdict().items()}


def check_model(
    model: CharRNN,
    params: Parameters,
    inputs: Ids,
    targets: Ids,
    state: State,
    *,
    label: str,
    entries: int = 0,
    dropout: DropoutRates = NO_DROPOUT,
) -> Iterator[Row]:
    """Check every parameter array and the initial state of a network in float64 on ids (T, B).

    An initial state of zeros would hide mistakes.
    """
    try:
        problem = _Problem.of(model, params, inputs, targets, state, dropout)
        yield from check(
            problem.loss, problem.arrays, problem.gradients, plain=problem.plain, model=label, entries=entries
        )
    except _MISTAKES as error:
        yield Row.failed(label, "every array", error)


def check_long(
    model: CharRNN, params: Parameters, text: NDArray[np.integer], B: int, rng: np.random.Generator, *, label: str
) -> Row:
    """Check a whole network on sequences of two of its longest blocks of steps and a remainder, all arrays in one row.

    One run for each entry would take too long. The differences are taken along one direction, the sum of the gradient's
    and a random one, in which every entry has a share; the equations are compared entry by entry.
    """
    T = 2 * max(block_steps(sys.maxsize, B, H) for H in model.hidden_sizes) + 1
    streams = np.resize(text[: B * (T + 1)], (B, T + 1)).T.astype(np.intp)
    state = random_state(model, B, rng)
    try:
        problem = _Problem.of(model, params, streams[:-1], streams[1:], state, NO_DROPOUT)
        return _check_at_once(problem, rng, label)
    except _MISTAKES as error:
        return Row.failed(label, "all at once", error)


def _check_at_once(problem: _Problem, rng: np.random.Generator, label: str) -> Row:
    gradient, plain, start = (
        np.concatenate([arrays[name].reshape(-1) for name in problem.arrays])
        for arrays in (problem.gradients, problem.plain, problem.arrays)
    )
    own, random = gradient, rng.standard_normal(gradient.size)
    direction = own / (np.linalg.norm(own) or 1) + random / np.linalg.norm(random)

    def along(step: complex) -> Any:
        return problem.loss(_split(start + step * direction, problem.arrays))

    derived = gradient @ direction
    exact = along(1j * _COMPLEX_STEP).imag / _COMPLEX_STEP
    rough = (along(_DIFFERENCE_STEP) - along(-_DIFFERENCE_STEP)) / (2 * _DIFFERENCE_STEP)
    errors = {name: relative_error(problem.gradients[name], problem.plain[name]) for name in problem.arrays}
    worst = int(np.argmax(np.abs(gradient - plain)))
    return Row(
        model=label,
        array="all at once",
        size=gradient.size,
        checked=gradient.size,
        complex_step_error=relative_error(derived, exact),
        difference_error=relative_error(derived, rough),
        worst_index=(worst,),
        worst_derived=float(gradient[worst]),
        worst_numeric=float(plain[worst]),
        equations_error=float(np.max(list(errors.values()))),
    )


def _split(vector: Array, like: Mapping[str, Array]) -> dict[str, Array]:
    """Cut a vector into arrays of the names and shapes of others."""
    ends = np.cumsum([array.size for array in like.values()])
    return {
        name: part.reshape(array.shape)
        for (name, array), part in zip(like.items(), np.split(vector, ends[:-1]), strict=True)
    }


def small_models() -> Iterator[tuple[str, CharRNN, DropoutRates]]:
    """Yield every kind of network, small; dropout with two layers, where the upper one reads the masked outputs."""
    for cell in CELLS:
        yield f"{cell} 4", CharRNN(5, cell, (4,)), NO_DROPOUT
        yield f"{cell} 4 embedding 3", CharRNN(5, cell, (4,), 3), NO_DROPOUT
        yield f"{cell} 4,3", CharRNN(5, cell, (4, 3)), NO_DROPOUT
        yield f"{cell} 4,3 embedding 3", CharRNN(5, cell, (4, 3), 3), NO_DROPOUT
        yield f"{cell} 4,3 tied", CharRNN(5, cell, (4, 3), 3, tied=True), NO_DROPOUT
        yield f"{cell} 4,3 dropout", CharRNN(5, cell, (4, 3)), DropoutRates(outputs=0.4)
        yield f"{cell} 4,3 weight-drop", CharRNN(5, cell, (4, 3)), DropoutRates(0.3, 0.4, locked=True)


def check_cell(name: str, rng: np.random.Generator, *, label: str) -> Iterator[Row]:
    """Check a cell alone, on vectors, with a loss that reads its final state as well as its outputs.

    In a network that state is a constant to the gradient, so `check_model` sees neither it nor its way back.
    """
    T, B, D, H = 5, 3, 3, 4
    cell = CELLS[name](D, H)
    params = {key: rng.normal(0, 0.5, shape) for key, shape in cell.shapes().items()}
    inputs, d_outputs = rng.standard_normal((T, B, D)), rng.standard_normal((T, B, H))
    kind = type(cell.zero_state(B, np.dtype(np.float64)))
    state, d_final = (kind(*rng.standard_normal((len(kind._fields), B, H))) for _ in range(2))

    def run(arrays: Mapping[str, Array]) -> tuple[Any, Any, Any]:
        dtype = np.result_type(*arrays.values())
        weights, ws = cell.weights(B, dtype, from_ids=False), cell.workspace(T, B, dtype, from_ids=False)
        cell.arrange(arrays, weights)
        before = kind(*(arrays[f"state.{key}"] for key in kind._fields))
        return weights, ws, cell.forward(weights, ws, arrays["inputs"][None], before)

    def loss(arrays: Mapping[str, Array]) -> Any:
        _, ws, final = run(arrays)
        return (ws.outputs[0] * d_outputs).sum() + sum((a * d_a).sum() for a, d_a in zip(final, d_final, strict=True))

    def with_state(arrays: Mapping[str, Array], before: Any) -> dict[str, Array]:
        return {**arrays, **{f"state.{key}": array for key, array in zip(kind._fields, before, strict=True)}}

    arrays = with_state({**params, "inputs": inputs}, state)
    weights, ws, _ = run(arrays)
    grads, plain = ({key: np.zeros_like(array) for key, array in params.items()} for _ in range(2))
    d_state = cell.backward(weights, ws, [grads], inputs[None], d_outputs[None], d_final)
    steps = equations.layer_forward(name, params, inputs, state)
    d_inputs, d_plain = equations.layer_backward(name, params, plain, steps, d_outputs, d_final)
    derived = with_state({**grads, "inputs": ws.d_inputs[0]}, d_state)
    expected = with_state({**plain, "inputs": d_inputs}, d_plain)
    yield from check(loss, arrays, derived, plain=expected, model=label)


def check_small_models(rng: np.random.Generator) -> Iterator[Row]:
    """Check every kind of network on random characters, random weights and a random initial state.

    That is small networks, every entry of every array, on a short text with one target missing; each cell alone; and
    for each cell a wide network, on sequences that the fast cells cut into blocks and tiles.
    """
    for label, model, dropout in small_models():
        # one layer takes more positions than the one-hot product of `nn.embedding`
        T, B = 11 if len(model.hidden_sizes) == 1 else 5, 3
        text = rng.integers(0, model.vocab_size, (T + 1, B))
        targets = text[1:].copy()
        targets[-1, -1] = -1
        params = model.initialize(rng, std=0.3, dtype=np.float64)
        state = random_state(model, B, rng)
        yield from check_model(model, params, text[:-1], targets, state, label=label, dropout=dropout)
    for cell in CELLS:
        yield from check_cell(cell, rng, label=f"{cell} 4 alone")
    for cell in CELLS:
        model = CharRNN(3, cell, (_WIDE,), _WIDE_EMBEDDING)
        params = model.initialize(rng, dtype=np.float64)
        text = rng.integers(0, model.vocab_size, 997)
        label = f"{cell} {_WIDE} embedding {_WIDE_EMBEDDING}"
        yield check_long(model, params, text, _STREAMS_OF_WIDE, rng, label=label)


def random_state(model: CharRNN, B: int, rng: np.random.Generator) -> State:
    """Return an initial state that is not zero, float64."""
    zero = model.zero_state(B, np.float64)
    return tuple(type(layer)(*(rng.normal(0, 0.5, array.shape) for array in layer)) for layer in zero)


def check_checkpoint(
    model: CharRNN, params: Parameters, text: NDArray[np.integer], rng: np.random.Generator
) -> Iterator[Row]:
    """Check a trained network at its own sizes: a few entries of each array on a slice of text, and a longer slice."""
    piece = text[:_SLICE_LENGTH]
    B = min(2, len(piece) - 1)
    T = (len(piece) - 1) // B
    streams = np.stack([piece[b * T : (b + 1) * T + 1] for b in range(B)], axis=1).astype(np.intp)
    state, wide, entries = random_state(model, B, rng), params.astype(np.float64), _ENTRIES_OF_A_CHECKPOINT
    yield from check_model(model, wide, streams[:-1], streams[1:], state, label="checkpoint", entries=entries)
    yield check_long(model, wide, text, _STREAMS_OF_A_CHECKPOINT, rng, label="checkpoint, longer")


# --- anyone's layer ---


def check_layer(
    layer: Layer, inputs: ArrayLike, state: Any = None, *, rng_seed: int = 0, entries: int = 0, **options: Any
) -> list[Row]:
    """Compare a layer's backward pass with the complex step and with central differences.

    The loss is the sum of all outputs, and of the final state where there is one, each number times a random weight:
    so every path through the layer counts. It is computed in float64; the layer's own weights are left alone.

    Parameters
    ----------
    layer : any object with ``params`` and ``grads``, mappings of arrays by name, ``forward(inputs)`` and
        ``backward(d_outputs)``; or, as in the recurrent layers, ``forward(inputs, state) → (outputs, state)`` and
        ``backward(d_outputs, d_state) → (d_inputs, d_state)``. It must accept complex numbers and keep them complex
    inputs : what ``forward`` takes; integers have no gradient
    state : initial state, a named tuple or a tuple of named tuples; zeros would hide mistakes
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
    """List the arrays of a nest of tuples, without those that are None."""
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
    """Return named arrays in the form of a layer's own."""
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
