"""Optimizers: ``init(params)`` makes the memory, ``update(params, grads, state, learning_rate)`` takes a step in place.

An optimizer is an immutable description; what it remembers is an `OptimizerState` of the parameters' own form. Each
update walks the flat vectors in blocks that stay in the second-level cache, so a step allocates nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_BLOCK_NUMBERS = 24_576


class Flat(Protocol):
    """Numbers in one flat vector."""

    @property
    def vector(self) -> Array:
        """The storage."""

    def changed(self) -> None:
        """Hear that numbers in the vector have changed."""


class Named(Flat, Protocol):
    """Named views into one flat vector; `charrnn.nn.parameters.Parameters` is one."""

    def like(self) -> Self:
        """Return the same names and shapes over zeros."""


@dataclass
class OptimizerState:
    """What an optimizer remembers between updates."""

    memories: dict[str, Any]  # each of the parameters' own form
    updates: int = 0


def _blocks(*vectors: Array) -> Iterator[tuple[Array, ...]]:
    """Walk flat vectors side by side, a cache-sized block at a time, with a scratch block at the end."""
    scratch = np.empty(min(_BLOCK_NUMBERS, vectors[0].size), vectors[0].dtype)
    for start in range(0, vectors[0].size, _BLOCK_NUMBERS):
        block = [vector[start : start + _BLOCK_NUMBERS] for vector in vectors]
        yield (*block, scratch[: block[0].size])


class _Memories:
    """What every optimizer here starts from: one zero for each weight in each of its memories."""

    memories: ClassVar[tuple[str, ...]]

    def _begin(self, params: Flat, grads: Flat, state: OptimizerState) -> None:
        """Check that all arrays of an update go together, and count it.

        Raises
        ------
        ValueError
            If `grads` or a memory of `state` is of another size, or `state` is another optimizer's.
        """
        if set(state.memories) != set(self.memories):
            own, theirs = (", ".join(sorted(names)) for names in (self.memories, state.memories))
            raise ValueError(f"state must have the memories {own}, which init makes, not {theirs}")
        size = params.vector.shape
        for name, given in (("grads", grads), *((f"state.memories[{m!r}]", v) for m, v in state.memories.items())):
            if given.vector.shape != size:
                raise ValueError(f"{name} must have {size[0]:,} numbers, as params has, not {given.vector.size:,}")
        state.updates += 1
        params.changed()

    def init(self, params: Named) -> OptimizerState:
        """Return an empty memory for `params`."""
        return OptimizerState({name: params.like() for name in self.memories})


@dataclass(frozen=True)
class Adagrad(_Memories):
    """Adagrad: each weight's own rate falls with the squares of the gradients it has seen.

    ::

        sum_squares += g²
        p −= learning_rate · g / √(sum_squares + eps)

    `eps` stands inside the root, as in min-char-rnn; PyTorch adds it outside. The difference is felt only where a
    gradient is tiny: with rate 0.1, eps 1e-8 and g = 1e-10 this step is 1e-7, PyTorch's form would make it 1e-3.
    A float32 sum of squares stops growing once it is 2²⁴ times a new square.

    Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011.

    Examples
    --------
    One step on one weight, whose gradient is 2:

    >>> import charrnn
    >>> params = charrnn.Parameters({"w": (1,)}, dtype="float64")
    >>> grads = params.like()
    >>> grads["w"] = 2
    >>> optimizer = charrnn.Adagrad()
    >>> optimizer.update(params, grads, optimizer.init(params), learning_rate=0.1)
    >>> params["w"].round(4)
    array([-0.1])

    """

    eps: float = 1e-8
    memories: ClassVar = ("sum_squares",)
    default_learning_rate: ClassVar[float] = 0.1

    def update(self, params: Flat, grads: Flat, state: OptimizerState, learning_rate: float) -> None:
        """Take one step in place; shapes as `params`.

        Raises
        ------
        ValueError
            If `grads` or `state` do not fit `params`; nothing is changed then.
        """
        self._begin(params, grads, state)
        for p, g, m, s in _blocks(params.vector, grads.vector, state.memories["sum_squares"].vector):
            np.multiply(g, g, out=s)
            np.add(m, s, out=m)
            np.add(m, self.eps, out=s)
            np.sqrt(s, out=s)
            np.divide(g, s, out=s)
            np.multiply(s, learning_rate, out=s)
            np.subtract(p, s, out=p)


@dataclass(frozen=True)
class RMSProp(_Memories):
    """RMSProp: Adagrad with a moving average, so that old gradients are forgotten.

    ::

        mean_square = decay · mean_square + (1 − decay) · g²
        p −= learning_rate · g / (√mean_square + eps)

    Tieleman & Hinton, "Lecture 6.5: RMSProp", 2012; eps outside the root, as in PyTorch.

    Examples
    --------
    One step on one weight, whose gradient is 2:

    >>> import charrnn
    >>> params = charrnn.Parameters({"w": (1,)}, dtype="float64")
    >>> grads = params.like()
    >>> grads["w"] = 2
    >>> optimizer = charrnn.RMSProp()
    >>> optimizer.update(params, grads, optimizer.init(params), learning_rate=0.1)
    >>> params["w"].round(4)
    array([-0.4472])

    """

    decay: float = 0.95
    eps: float = 1e-8
    memories: ClassVar = ("mean_square",)
    default_learning_rate: ClassVar[float] = 0.003

    def update(self, params: Flat, grads: Flat, state: OptimizerState, learning_rate: float) -> None:
        """Take one step in place; shapes as `params`.

        Raises
        ------
        ValueError
            If `grads` or `state` do not fit `params`; nothing is changed then.
        """
        self._begin(params, grads, state)
        for p, g, m, s in _blocks(params.vector, grads.vector, state.memories["mean_square"].vector):
            np.multiply(g, g, out=s)
            np.multiply(s, 1 - self.decay, out=s)
            np.multiply(m, self.decay, out=m)
            np.add(m, s, out=m)
            np.sqrt(m, out=s)
            np.add(s, self.eps, out=s)
            np.divide(g, s, out=s)
            np.multiply(s, learning_rate, out=s)
            np.subtract(p, s, out=p)


@dataclass(frozen=True)
class Adam(_Memories):
    """Adam: momentum over a moving average of squares, both corrected for their empty start.

    ::

        mean = beta1 · mean + (1 − beta1) · g
        mean_square = beta2 · mean_square + (1 − beta2) · g²
        p −= learning_rate / (1 − beta1ᵗ) · mean / (√mean_square / √(1 − beta2ᵗ) + eps)

    Kingma & Ba, "Adam: a method for stochastic optimization", 2015. The correction is never applied to the stored
    means themselves: dividing those in place is the classic mistake, and stops learning within ten steps.

    Examples
    --------
    One step on one weight, whose gradient is 2:

    >>> import charrnn
    >>> params = charrnn.Parameters({"w": (1,)}, dtype="float64")
    >>> grads = params.like()
    >>> grads["w"] = 2
    >>> optimizer = charrnn.Adam()
    >>> optimizer.update(params, grads, optimizer.init(params), learning_rate=0.1)
    >>> params["w"].round(4)
    array([-0.1])

    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    memories: ClassVar = ("mean", "mean_square")
    default_learning_rate: ClassVar[float] = 0.004

    def update(self, params: Flat, grads: Flat, state: OptimizerState, learning_rate: float) -> None:
        """Take one step in place; shapes as `params`.

        Raises
        ------
        ValueError
            If `grads` or `state` do not fit `params`; nothing is changed then.
        """
        self._begin(params, grads, state)
        # √(v / c) + eps = (√v + eps √c) / √c: the corrections are numbers, and cost no pass over the weights.
        root_correction = (1 - self.beta2**state.updates) ** 0.5
        rate = learning_rate * root_correction / (1 - self.beta1**state.updates)
        eps = self.eps * root_correction
        means, squares = (state.memories[name].vector for name in self.memories)
        for p, g, m, v, s in _blocks(params.vector, grads.vector, means, squares):
            np.subtract(g, m, out=s)
            np.multiply(s, 1 - self.beta1, out=s)
            np.add(m, s, out=m)
            np.multiply(g, g, out=s)
            np.subtract(s, v, out=s)
            np.multiply(s, 1 - self.beta2, out=s)
            np.add(v, s, out=v)
            np.sqrt(v, out=s)
            np.add(s, eps, out=s)
            np.divide(m, s, out=s)
            np.multiply(s, rate, out=s)
            np.subtract(p, s, out=p)


@dataclass(frozen=True)
class SGD(_Memories):
    """Stochastic gradient descent with momentum (Polyak, 1964; PyTorch's form).

    ::

        velocity = momentum · velocity + g
        p −= learning_rate · velocity

    Examples
    --------
    One step on one weight, whose gradient is 2:

    >>> import charrnn
    >>> params = charrnn.Parameters({"w": (1,)}, dtype="float64")
    >>> grads = params.like()
    >>> grads["w"] = 2
    >>> optimizer = charrnn.SGD(momentum=0.0)
    >>> optimizer.update(params, grads, optimizer.init(params), learning_rate=0.1)
    >>> params["w"].round(4)
    array([-0.2])

    """

    momentum: float = 0.9
    memories: ClassVar = ("velocity",)
    default_learning_rate: ClassVar[float] = 0.5

    def update(self, params: Flat, grads: Flat, state: OptimizerState, learning_rate: float) -> None:
        """Take one step in place; shapes as `params`.

        Raises
        ------
        ValueError
            If `grads` or `state` do not fit `params`; nothing is changed then.
        """
        self._begin(params, grads, state)
        for p, g, v, s in _blocks(params.vector, grads.vector, state.memories["velocity"].vector):
            np.multiply(v, self.momentum, out=v)
            np.add(v, g, out=v)
            np.multiply(v, learning_rate, out=s)
            np.subtract(p, s, out=p)


Optimizer = Adagrad | RMSProp | Adam | SGD

OPTIMIZERS: Mapping[str, type[Optimizer]] = MappingProxyType(
    {"adagrad": Adagrad, "rmsprop": RMSProp, "adam": Adam, "sgd": SGD}
)
