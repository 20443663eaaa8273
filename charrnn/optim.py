"""From gradients to new weights: clipping, and an optimizer's update at the learning rate that a schedule gives.

Clipping works in place on one flat vector. Call `global_norm` first: it is finite only if every number is. Clipping by
value would pass a NaN on, and clipping by the norm would turn one infinity into a vector of NaN.

An optimizer is an immutable description: ``init(params)`` makes its memory, an `OptimizerState` whose memories have the
form of the parameters, and ``update(params, grads, state, learning_rate)`` takes a step in place. An update walks the
flat vectors in blocks that stay in the second-level cache, and allocates one block. In the code p, g are weights and
their gradient, m and v the memories, s room to work in.

A schedule is a pure function of how far the run is, so that a resumed run needs no memory of it.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_BLOCK_NUMBERS = 24_576
# A sum of squares below this may have lost numbers whose squares vanish. Looked up, because `np.finfo` takes 1 µs.
_LEAST_SQUARES = {np.dtype(name): float(np.finfo(name).tiny) * 1e6 for name in ("float32", "float64")}


# --- clipping ---


def global_norm(grads: Array) -> float:
    """Euclidean length of the vector; NaN or infinity if one of its numbers is, or if the length itself overflows.

    Scaled by the largest number where the plain sum of squares would leave the data type's range (in float32 a square
    overflows at 2e19 and vanishes at 1e-23).

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> charrnn.global_norm(np.array([3.0, 4.0]))
    5.0

    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = float(np.dot(grads, grads))
    if math.isfinite(squares) and squares > _LEAST_SQUARES[grads.dtype]:
        return math.sqrt(squares)
    largest = float(np.max(np.abs(grads), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    scaled = grads / grads.dtype.type(largest)
    return largest * math.sqrt(float(np.dot(scaled, scaled)))


def clip_value(grads: Array, limit: float) -> None:
    """Bring every number into [−limit, limit].

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> grads = np.array([3.0, 40.0])  # of a layer or a network it is `grads.vector`
    >>> charrnn.clip_value(grads, 5.0)
    >>> grads
    array([3., 5.])

    """
    np.clip(grads, -limit, limit, out=grads)


def clip_norm(grads: Array, norm: float, max_norm: float) -> None:
    """Shorten the vector, whose length is `norm`, to at most `max_norm`; its direction stays.

    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", 2013.

    Examples
    --------
    >>> import charrnn, numpy as np
    >>> grads = np.array([30.0, 40.0])
    >>> charrnn.clip_norm(grads, charrnn.global_norm(grads), 5.0)
    >>> grads
    array([3., 4.])

    """
    if norm > max_norm:
        np.multiply(grads, max_norm / norm, out=grads)


# --- optimizers ---


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


# --- averages of the weights ---

_AVERAGE, _WEIGHTS = "average", "weights"  # what it is called while a run trains, and the weights in its checkpoint
_EACH_STEP, _EVERY = 100, 10  # steps that are all averaged, and after them one in so many
_FADING = 7


@dataclass(frozen=True)
class Averaging:
    """An optimizer that also averages the weights (Polyak & Juditsky, 1992), exponentially.

    ::

        share = max(1 / horizon, 7 / (updates + 7))
        average += share · (p − average)

    At a constant learning rate the weights wander around a better place, which their average is near. The average is
    that of about the last `horizon` updates and, earlier in a run, of the last seventh of it; so it forgets the first
    weights. After 100 updates every tenth counts, for ten.
    """

    optimizer: Optimizer
    horizon: int

    @property
    def memories(self) -> tuple[str, ...]:
        """Names of what it remembers."""
        return (*self.optimizer.memories, _AVERAGE)

    def init(self, params: Any) -> OptimizerState:
        """Return the memory before the first update: the average is the weights."""
        memories = self.optimizer.init(params).memories
        return OptimizerState({**memories, _AVERAGE: params.copy()})

    def update(self, params: Flat, grads: Flat, state: OptimizerState, learning_rate: float) -> None:
        """Take one step in place, and average; see `Adagrad.update`."""
        average = state.memories[_AVERAGE]
        own = OptimizerState({name: state.memories[name] for name in self.optimizer.memories}, state.updates)
        self.optimizer.update(params, grads, own, learning_rate)
        state.updates = own.updates
        every = 1 if state.updates <= _EACH_STEP else _EVERY
        if state.updates % every == 0:
            share = min(1.0, every * max(1 / self.horizon, _FADING / (state.updates + _FADING)))
            scratch = np.empty(min(_BLOCK_NUMBERS, params.vector.size), params.vector.dtype)
            for start in range(0, params.vector.size, _BLOCK_NUMBERS):
                p, a = (flat.vector[start : start + _BLOCK_NUMBERS] for flat in (params, average))
                step = np.subtract(p, a, out=scratch[: len(p)])
                np.multiply(step, share, out=step)
                np.add(a, step, out=a)
            average.changed()


def optimizer_of(name: str, horizon: int) -> Optimizer | Averaging:
    """Return the optimizer of a run, by its name; with a horizon it averages the weights."""
    optimizer = OPTIMIZERS[name]()
    return Averaging(optimizer, horizon) if horizon else optimizer


def to_use(params: Any, state: OptimizerState) -> tuple[Any, OptimizerState]:
    """Return the weights to use, which are the average if there is one, and a memory with those in training."""
    return _swapped(params, state, _AVERAGE, _WEIGHTS)


def to_train(params: Any, state: OptimizerState) -> tuple[Any, OptimizerState]:
    """Undo `to_use`."""
    return _swapped(params, state, _WEIGHTS, _AVERAGE)


def names_to_use(memories: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the memories that `to_use` returns."""
    return tuple(_WEIGHTS if name == _AVERAGE else name for name in memories)


def _swapped(params: Any, state: OptimizerState, old: str, new: str) -> tuple[Any, OptimizerState]:
    if old not in state.memories:
        return params, state
    others = dict(state.memories)
    found = others.pop(old)
    return found, OptimizerState(others | {new: params}, state.updates)


# --- schedules ---


def cosine(progress: float) -> float:
    """Half a cosine, from 1 at progress 0 to 0 at progress 1 (Loshchilov & Hutter, 2017)."""
    return 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))


def stairs(epoch: float, factor: float, every: float) -> float:
    """Share of the rate after `epoch` passes over the text: `factor` once for every `every` passes.

    As in torch-rnn, ``-lr_decay_every`` and ``-lr_decay_factor``.
    """
    return math.pow(factor, epoch // every)


def learning_rate(
    base: float,
    schedule: str,
    *,
    step: int = 0,
    epoch: float = 0.0,
    progress: float = 0.0,
    warmup_steps: int = 0,
    decay_factor: float = 1.0,
    decay_every: float = 1.0,
) -> float:
    """Learning rate of one update.

    Parameters
    ----------
    base : the rate the schedule scales
    schedule : ``"constant"``, ``"step"`` (see `stairs`) or ``"cosine"``
    step : updates already made; the first `warmup_steps` of them climb from ``base / warmup_steps`` in a straight line
    epoch : passes over the text already made
    progress : share of the whole run already done, 0 to 1
    decay_factor, decay_every : of the ``"step"`` schedule; `decay_every` is in epochs. By default nothing decays

    Examples
    --------
    >>> import charrnn
    >>> [charrnn.learning_rate(0.1, "cosine", progress=step / 4) for step in (0, 2, 4)]
    [0.1, 0.05, 0.0]
    >>> [charrnn.learning_rate(0.1, "step", epoch=e, decay_factor=0.5, decay_every=5) for e in (4.9, 5, 10)]
    [0.1, 0.05, 0.025]
    >>> [charrnn.learning_rate(0.1, "constant", step=step, warmup_steps=2) for step in (0, 1, 2)]
    [0.05, 0.1, 0.1]

    """
    rate = base * min(1.0, (step + 1) / warmup_steps) if warmup_steps else base
    if schedule == "step":
        return rate * stairs(epoch, decay_factor, decay_every)
    return rate * cosine(progress) if schedule == "cosine" else rate
