"""What one worker does in a training step: the gradient of its streams, then its stretch of the update.

The memory that all workers share holds the weights, a gradient for each worker, the optimizer's memories, and the ids
and states of all streams. A step has three parts, and no worker begins one before all have ended the one before: each
writes the gradient of its own streams; each adds up all the gradients along its own stretch of the flat vector; each
updates a stretch of the weights.

Where other machines train too, all of this is one rank's: some of the batch's streams, and the update of a stretch of
the weights (see `charrnn.training.mpi`).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from charrnn.nn.dropout import Dropout
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Array, Parameters, named_views
from charrnn.optim.clipping import clip_norm, clip_value, global_norm
from charrnn.optim.optimizers import OPTIMIZERS, Optimizer, OptimizerState
from charrnn.training.randomness import random_stream


@dataclass(frozen=True)
class Update:
    """How a gradient becomes new weights."""

    optimizer: str = "adagrad"  # its name
    clip_value: float = 0.0  # 0: no clipping by value
    clip_norm: float = 0.0  # 0: no clipping by norm

    @cached_property
    def rule(self) -> Optimizer:
        """The optimizer."""
        return OPTIMIZERS[self.optimizer]()


class Stretch(NamedTuple):
    """Part of a flat vector, for an optimizer to update."""

    vector: Array

    def changed(self) -> None:
        """Nothing reads a stretch but the optimizer."""


def share(size: int, index: int, count: int) -> range:
    """Return which of so many things are those of one of `count`: a stretch, as long as the others' or one longer."""
    return range(index * size // count, (index + 1) * size // count)


@dataclass(frozen=True)
class Plan:
    """What every worker must know to find its part of the memory."""

    model: CharRNN
    dtype: str
    batch_size: int  # of all ranks together
    seq_length: int
    workers: int
    dropout: Dropout
    rng_seed: int
    update: Update
    rank: int = 0  # the machine, or the process of MPI, that this memory is in
    ranks: int = 1

    @property
    def size(self) -> int:
        """Numbers in the flat vector of the weights."""
        return sum(prod(shape) for shape in self.model.shapes().values())

    @property
    def is_shared(self) -> bool:
        """Whether several processes compute a step."""
        return self.workers > 1 or self.ranks > 1

    @property
    def streams(self) -> range:
        """The streams of the batch that are this rank's."""
        return share(self.batch_size, self.rank, self.ranks)

    def numbers(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is shared in the model's type.

        Weights, a gradient for each worker, what the optimizer remembers, all streams' states.
        """
        size = self.size
        states = {
            f"state.{layer}.{name}": array.shape
            for layer, state in enumerate(self.model.zero_state(len(self.streams)))
            for name, array in state._asdict().items()
        }
        grads = {f"grads.{k}": (size,) for k in range(self.workers)}
        memories = {f"memory.{name}": (size,) for name in self.update.rule.memories}
        return {"params": (size,)} | grads | memories | states

    def ids(self) -> dict[str, tuple[int, ...]]:
        """Shapes of a chunk's inputs and targets."""
        shape = (self.seq_length, len(self.streams))
        return {"inputs": shape, "targets": shape}

    def bytes_needed(self) -> int:
        """Size of the shared memory."""
        return _count(self.ids()) * np.dtype(np.intp).itemsize + _count(self.numbers()) * np.dtype(self.dtype).itemsize


class Memory:
    """The arrays of a plan over one block of memory; the ids come first, where any type is aligned."""

    def __init__(self, plan: Plan, block: Any) -> None:
        ids = np.frombuffer(block, np.intp, _count(plan.ids()))
        numbers = np.frombuffer(block, plan.dtype, _count(plan.numbers()), offset=ids.nbytes)
        self.ids, self.numbers = named_views(plan.ids(), ids), named_views(plan.numbers(), numbers)


class Shard:
    """One worker's streams, in whichever process it lives."""

    def __init__(self, plan: Plan, memory: Memory, index: int) -> None:
        self.plan = plan
        own = share(len(plan.streams), index, plan.workers)
        self.streams = plan.streams[own.start : own.stop]
        self.params, self.grads = (
            Parameters(plan.model.shapes(), memory.numbers[name]) for name in ("params", f"grads.{index}")
        )
        self.state = stream_state(plan, memory, slice(own.start, own.stop))
        self.inputs, self.targets = (memory.ids[name][:, own.start : own.stop] for name in ("inputs", "targets"))
        added = _slice(share(plan.size, index, plan.workers))
        self._parts = [memory.numbers[f"grads.{k}"][added] for k in range(plan.workers)]
        of_rank = share(plan.size, plan.rank, plan.ranks)
        own = share(len(of_rank), index, plan.workers)
        updated = _slice(of_rank[own.start : own.stop])
        self._params, self._grads = (Stretch(memory.numbers[name][updated]) for name in ("params", "grads.0"))
        memories = {name: Stretch(memory.numbers[f"memory.{name}"][updated]) for name in plan.update.rule.memories}
        self._optimizer_state = OptimizerState(memories)
        self._session = plan.model.session(self.params, plan.batch_size, dropout=plan.dropout, streams=self.streams)
        self._chunk_grads: Parameters | None = None

    def compute(self, number: int, T: int, scale: float, *, is_first: bool = True) -> float:
        """Fill this worker's gradient for the first T steps of the ids; return its summed loss, in nats.

        Parameters
        ----------
        number : of the chunk in the run, for the masks of dropout
        is_first : whether the update begins with this chunk; the gradient of a later one is added
        """
        rng = random_stream(self.plan.rng_seed, "dropout", number) if self.plan.dropout else None
        grads = self.grads
        if is_first:
            self.params.changed()  # by all workers, in the shared memory
        else:
            grads = self._chunk_grads = self._chunk_grads or self.grads.like(np.empty_like(self.grads.vector))
        inputs, targets = self.inputs[:T], self.targets[:T]
        result = self._session.gradient(inputs, targets, self.state, grads, scale=scale, rng=rng)
        if grads is not self.grads:
            np.add(self.grads.vector, grads.vector, out=self.grads.vector)
        copy_state(result.state, self.state)
        return float(result.losses.sum(dtype=np.float64))

    def join(self) -> float:
        """Add the gradients along this worker's stretch, in the order of the workers; return the sum's norm."""
        total, *others = self._parts
        for part in others:
            np.add(total, part, out=total)
        return global_norm(total)

    def apply(self, updates: int, rate: float, norm: float) -> bool:
        """Clip this worker's stretch of the gradient and update the weights there; return whether all are finite.

        Parameters
        ----------
        updates : made before this one
        norm : of the whole gradient
        """
        update = self.plan.update
        if update.clip_value:
            clip_value(self._grads.vector, update.clip_value)
        if update.clip_norm:
            clip_norm(self._grads.vector, norm, update.clip_norm)
        self._optimizer_state.updates = updates
        update.rule.update(self._params, self._grads, self._optimizer_state, rate)
        self.params.changed()
        return math.isfinite(np.dot(self._params.vector, self._params.vector))


_ALL = slice(None)


def stream_state(plan: Plan, memory: Memory, streams: slice = _ALL) -> State:
    """View the states of some streams, by default all, in the shared memory."""
    return tuple(
        type(layer)(*(memory.numbers[f"state.{k}.{name}"][streams] for name in layer._fields))
        for k, layer in enumerate(plan.model.zero_state(1))
    )


def copy_state(source: State, target: State, streams: range | None = None) -> None:
    """Copy a state's numbers, or those of some of its streams, into another's arrays."""
    rows = _slice(streams) if streams is not None else _ALL
    for layer, values in zip(target, source, strict=True):
        for array, value in zip(layer, values, strict=True):
            array[...] = value[rows]


def copy_of(state: State) -> State:
    """Return a state's numbers in arrays of its own."""
    return tuple(type(layer)(*(array.copy() for array in layer)) for layer in state)


def _slice(places: range) -> slice:
    return slice(places.start, places.stop)


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(prod(shape) for shape in shapes.values())
