"""Every gradient against two independent differences.

*Complex step* (Squire & Trapp, 1998): for a function that accepts complex numbers, ``Im f(x + iε) / ε`` is the
derivative without subtraction, hence without cancellation; with ε = 1e-30 it is right to machine precision.
*Central differences*: ``(f(x + ε) − f(x − ε)) / 2ε`` with ε = 2e-5, good to about 1e-8, and needing nothing of f.

A mistake in a derivation shows as an error near 1; rounding shows near 1e-16 and 1e-9. The gates lie far from both.
Errors are norm-wise: the length of the difference over the larger of the two lengths, for one array at a time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.nn.dropout import Dropout
from charrnn.nn.embedding import Ids
from charrnn.nn.model import CELLS, NOTHING, CharRNN, State
from charrnn.nn.parameters import Array, Parameters

COMPLEX_STEP_GATE = 1e-12
DIFFERENCE_GATE = 1e-7
# With a checkpoint: characters of text, and entries of each array (an entry takes three runs of the network).
SLICE_LENGTH = 33
_ENTRIES_OF_A_CHECKPOINT = 8
_COMPLEX_STEP = 1e-30
_DIFFERENCE_STEP = 2e-5

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
    worst_numeric: float  # what the complex step says there

    @property
    def passed(self) -> bool:
        """Whether both errors are within their gates (a NaN is not)."""
        return self.complex_step_error <= COMPLEX_STEP_GATE and self.difference_error <= DIFFERENCE_GATE


def check(
    loss: Loss,
    arrays: Mapping[str, Array],
    gradients: Mapping[str, Array],
    *,
    model: str = "",
    entries: int = 0,
) -> Iterator[Row]:
    """Compare the gradient of `loss` by each array with its differences.

    Parameters
    ----------
    loss : function of the arrays (by name) that returns one number; it must accept complex arrays, and must not keep
        or change them
    arrays : float64, where to differentiate
    gradients : what the backward pass says, the same names and shapes
    model : a label for the rows
    entries : how many entries of a large array to check, half of them where the gradient is largest and half spread
        evenly over it; 0 checks all

    Yields
    ------
    One row an array.
    """
    for name, array in arrays.items():
        chosen = _choose(gradients[name].reshape(-1), entries)
        derived = gradients[name].reshape(-1)[chosen]
        exact = np.array([_complex_step(loss, arrays, name, index) for index in chosen])
        rough = np.array([_central_difference(loss, arrays, name, index) for index in chosen])
        worst = int(np.argmax(np.abs(derived - exact)))
        yield Row(
            model=model,
            array=name,
            size=array.size,
            checked=len(chosen),
            complex_step_error=relative_error(derived, exact),
            difference_error=relative_error(derived, rough),
            worst_index=tuple(int(i) for i in np.unravel_index(chosen[worst], array.shape)),
            worst_derived=float(derived[worst]),
            worst_numeric=float(exact[worst]),
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


def check_model(
    model: CharRNN,
    params: Parameters,
    inputs: Ids,
    targets: Ids,
    state: State,
    *,
    label: str,
    entries: int = 0,
    dropout: Dropout = NOTHING,
) -> Iterator[Row]:
    """Check every parameter array and the initial state of a whole network.

    Parameters
    ----------
    model, params : the network, in float64
    inputs, targets : (T, B) ids
    state : initial state, float64; zeros would hide mistakes
    label, entries : see `check`
    dropout : what is dropped, always the same numbers
    """
    B, grads = inputs.shape[1], params.like()
    session = model.session(params, B, dropout=dropout)
    d_state = session.gradient(inputs, targets, state, grads, scale=1 / inputs.size, rng=_masks()).d_state
    moved = {np.dtype(kind): params.astype(kind) for kind in (np.float64, np.complex128)}
    sessions = {kind: model.session(values, B, dropout=dropout) for kind, values in moved.items()}

    def loss(arrays: Mapping[str, Array]) -> Any:
        dtype = np.result_type(*arrays.values())
        for name in params:
            moved[dtype][name] = arrays[name]
        start = tuple(
            type(layer)(**{name: arrays[f"state.{k}.{name}"] for name in layer._fields})
            for k, layer in enumerate(state)
        )
        losses, _ = sessions[dtype].losses(inputs, targets, start, _masks())
        return losses.mean()

    yield from check(
        loss,
        dict(params) | _by_name(state),
        dict(grads) | _by_name(d_state),
        model=label,
        entries=entries,
    )


def _masks() -> np.random.Generator:
    """Return what draws the same masks each time."""
    return np.random.default_rng(0)


def _by_name(state: State) -> dict[str, Array]:
    return {f"state.{k}.{name}": array for k, layer in enumerate(state) for name, array in layer._asdict().items()}


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


def small_models() -> Iterator[tuple[str, CharRNN, Dropout]]:
    """Every kind of network, small: each cell, one and two layers of different sizes, one-hot and embedding, dropout.

    Dropout comes with two layers alone, of which the lower's masked outputs are the upper's inputs.
    """
    for cell in CELLS:
        yield f"{cell} 5", CharRNN(6, cell, (5,)), NOTHING
        yield f"{cell} 5 embedding 3", CharRNN(6, cell, (5,), 3), NOTHING
        yield f"{cell} 5,4", CharRNN(6, cell, (5, 4)), NOTHING
        yield f"{cell} 5,4 embedding 3", CharRNN(6, cell, (5, 4), 3), NOTHING
        yield f"{cell} 5,4 tied", CharRNN(6, cell, (5, 4), 4, tied=True), NOTHING
        yield f"{cell} 5,4 dropout", CharRNN(6, cell, (5, 4)), Dropout(outputs=0.4)
        yield f"{cell} 5,4 weight-drop", CharRNN(6, cell, (5, 4)), Dropout(0.3, 0.4, locked=True)


def check_small_models(rng: np.random.Generator) -> Iterator[Row]:
    """Check every entry of every kind of network on random characters, random weights and a random initial state."""
    T, B = 12, 3  # more positions than the one-hot product of `nn.embedding` takes
    for label, model, dropout in small_models():
        text = rng.integers(0, model.vocab_size, (T + 1, B))
        params = model.initialize(rng, std=0.3, dtype=np.float64)
        state = random_state(model, B, rng)
        yield from check_model(model, params, text[:-1], text[1:], state, label=label, dropout=dropout)


def random_state(model: CharRNN, B: int, rng: np.random.Generator) -> State:
    """Return an initial state that is not zero, float64."""
    zero = model.zero_state(B, np.float64)
    return tuple(type(layer)(*(rng.normal(0, 0.5, array.shape) for array in layer)) for layer in zero)


def check_checkpoint(
    model: CharRNN, params: Parameters, text: NDArray[np.integer], rng: np.random.Generator
) -> Iterator[Row]:
    """Check a trained network at its own sizes on a slice of text, a few entries of each array.

    Parameters
    ----------
    model, params : the network, in any floating type (checked in float64)
    text : (n,) ids, n ≥ 2, split into two streams where it is long enough
    rng : for the initial state
    """
    B = min(2, len(text) - 1)
    T = (len(text) - 1) // B
    streams = np.stack([text[b * T : (b + 1) * T + 1] for b in range(B)], axis=1).astype(np.intp)
    state = random_state(model, B, rng)
    wide = params.astype(np.float64)
    yield from check_model(
        model, wide, streams[:-1], streams[1:], state, label="checkpoint", entries=_ENTRIES_OF_A_CHECKPOINT
    )
