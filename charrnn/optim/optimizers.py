"""Optimizers: ``init(params)`` makes the memory, ``update(params, grads, state, learning_rate)`` takes a step in place.

An optimizer is an immutable description; what it remembers is an `OptimizerState`, whose memories have the form of the
parameters. An update walks the flat vectors in blocks that stay in the second-level cache, and allocates one block.
In the code p, g are weights and their gradient, m and v the memories, s room to work in.
"""

from collections.abc import Callable, Mapping
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
        """Take note that numbers in the vector have changed."""


class Named(Flat, Protocol):
    """Named views into one flat vector; `charrnn.nn.parameters.Parameters` is one."""

    def like(self) -> Self:
        """Return the same names and shapes over zeros."""


@dataclass
class OptimizerState:
    """What an optimizer remembers between updates."""

    memories: dict[str, Any]  # each of the parameters' own form
    updates: int = 0


class _Base:
    """What all optimizers share: the memories, the checks, and the walk over the blocks."""

    memories: ClassVar[tuple[str, ...]]
    # Takes the rate, the number of updates with this one, and a block of p, g, each memory in order, and s.
    _step: ClassVar[Callable[..., None]]

    def init(self, params: Named) -> OptimizerState:
        """Return the memory before the first update: zeros."""
        return OptimizerState({name: params.like() for name in self.memories})

    def update(self, params: Flat, grads: Flat, state: OptimizerState, learning_rate: float) -> None:
        """Take one step in place.

        Parameters
        ----------
        params : changed
        grads : read; as many numbers as `params`
        state : as `init` made it, changed

        Raises
        ------
        ValueError
            If `grads` or a memory has another size, or `state` is another optimizer's; nothing is changed then.
        """
        if set(state.memories) != set(self.memories):
            own, theirs = (", ".join(sorted(names)) for names in (self.memories, state.memories))
            raise ValueError(f"state must have the memories {own}, which init makes, not {theirs}")
        size = params.vector.size
        for name, given in (("grads", grads), *((f"state.memories[{m!r}]", v) for m, v in state.memories.items())):
            if given.vector.size != size:
                raise ValueError(f"{name} must have {size:,} numbers, as params has, not {given.vector.size:,}")
        state.updates += 1
        vectors = params.vector, grads.vector, *(state.memories[name].vector for name in self.memories)
        scratch = np.empty(min(_BLOCK_NUMBERS, size), params.vector.dtype)
        for start in range(0, size, _BLOCK_NUMBERS):
            block = [vector[start : start + _BLOCK_NUMBERS] for vector in vectors]
            self._step(learning_rate, state.updates, *block, scratch[: len(block[0])])
        params.changed()


@dataclass(frozen=True)
class Adagrad(_Base):
    """Adagrad: each weight's own rate falls with the squares of the gradients it has seen.

    ::

        sum_squares += g²
        p −= learning_rate · g / √(sum_squares + eps)

    `eps` stands inside the root, as in min-char-rnn; PyTorch adds it outside. That matters only where a gradient is
    tiny: with rate 0.1, eps 1e-8 and g = 1e-10 this step is 1e-7, PyTorch's is 1e-3. A float32 sum of squares stops
    growing once it is 2²⁴ times a new square.

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

    def _step(self, learning_rate: float, _: int, p: Array, g: Array, m: Array, s: Array) -> None:
        np.multiply(g, g, out=s)
        np.add(m, s, out=m)
        np.add(m, self.eps, out=s)
        np.sqrt(s, out=s)
        np.divide(g, s, out=s)
        np.multiply(s, learning_rate, out=s)
        np.subtract(p, s, out=p)


@dataclass(frozen=True)
class RMSProp(_Base):
    """RMSProp: Adagrad with a moving average, which forgets old gradients.

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

    def _step(self, learning_rate: float, _: int, p: Array, g: Array, m: Array, s: Array) -> None:
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
class Adam(_Base):
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

    def _step(self, learning_rate: float, t: int, p: Array, g: Array, m: Array, v: Array, s: Array) -> None:
        # √(v / c) + eps = (√v + eps √c) / √c: the corrections are numbers, and cost no pass over the weights.
        root_correction = (1 - self.beta2**t) ** 0.5
        rate = learning_rate * root_correction / (1 - self.beta1**t)
        np.subtract(g, m, out=s)
        np.multiply(s, 1 - self.beta1, out=s)
        np.add(m, s, out=m)
        np.multiply(g, g, out=s)
        np.subtract(s, v, out=s)
        np.multiply(s, 1 - self.beta2, out=s)
        np.add(v, s, out=v)
        np.sqrt(v, out=s)
        np.add(s, self.eps * root_correction, out=s)
        np.divide(m, s, out=s)
        np.multiply(s, rate, out=s)
        np.subtract(p, s, out=p)


@dataclass(frozen=True)
class SGD(_Base):
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

    def _step(self, learning_rate: float, _: int, p: Array, g: Array, v: Array, s: Array) -> None:
        np.multiply(v, self.momentum, out=v)
        np.add(v, g, out=v)
        np.multiply(v, learning_rate, out=s)
        np.subtract(p, s, out=p)


Optimizer = Adagrad | RMSProp | Adam | SGD

OPTIMIZERS: Mapping[str, type[Optimizer]] = MappingProxyType(
    {"adagrad": Adagrad, "rmsprop": RMSProp, "adam": Adam, "sgd": SGD}
)
