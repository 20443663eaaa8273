"""What one rank does in a training, and what the ranks tell each other."""

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum, auto
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from charrnn.errors import WorkerError
from charrnn.nn.model import State
from charrnn.nn.parameters import Array, Parameters
from charrnn.optim.clipping import global_norm
from charrnn.optim.optimizers import OptimizerState
from charrnn.text.batches import Chunk
from charrnn.training.parallel import Workers
from charrnn.training.shard import Plan, share


class Task(IntEnum):
    """What the leader tells all ranks to do together."""

    TAKE_TEXT = auto()
    BEGIN = auto()
    COMPUTE = auto()
    ADD = auto()
    JOIN = auto()
    APPLY = auto()
    GATHER_MEMORIES = auto()
    GATHER_STATE = auto()
    RESTORE = auto()
    END = auto()
    TAKE_PART = auto()
    SCORE = auto()
    LEAVE = auto()


NUMBERS = 6  # in what is told: the task, and what it needs
LEADER = 0


class Rank:
    """One rank's part of a training: what is done by all ranks at once, the leader and the others.

    Parameters
    ----------
    comm : of all ranks
    plan : of the training
    params, optimizer_state, state : to start from; the state is that of all streams
    """

    def __init__(
        self, comm: MPI.Intracomm, plan: Plan, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> None:
        self._comm, self._is_leader = comm, comm.rank == LEADER
        self.workers = Workers(replace(plan, rank=comm.rank), params, optimizer_state, state)
        stretches = [share(plan.size, rank, comm.size) for rank in range(comm.size)]
        self._counts, self._starts = [len(own) for own in stretches], [own.start for own in stretches]
        self._own = slice(stretches[comm.rank].start, stretches[comm.rank].stop)
        self._received = np.empty((comm.size, len(stretches[comm.rank])), plan.dtype)
        self._streams = [len(share(plan.batch_size, rank, comm.size)) for rank in range(comm.size)]
        self._loss = 0.0

    def compute(self, task: Task, chunk: Chunk, number: int, scale: float) -> None:
        """Compute the gradient of this rank's streams."""
        loss = self.workers.compute_one(chunk, number, scale, is_first=task == Task.COMPUTE)
        self._loss = loss if task == Task.COMPUTE else self._loss + loss

    def join(self) -> NDArray[np.float64]:
        """Add up the gradients along this rank's stretch, in the order of the ranks.

        Returns
        -------
        (ranks, 2), for the leader alone: each one's loss, and the norm of its stretch of the sum
        """
        self.workers.join()
        grads, here = self.workers.grads.vector, self._received.shape[1]
        total, *others = self._received
        self._comm.Alltoallv([grads, (self._counts, self._starts)], [self._received, [here] * self._comm.size])
        for part in others:
            np.add(total, part, out=total)
        grads[self._own] = total
        return self._gather(self._loss, global_norm(total))

    def apply(self, rate: float, norm: float) -> NDArray[np.float64]:
        """Update this rank's stretch of the weights, and get the others'; the leader learns who has finite ones."""
        is_finite = self.workers.apply(rate, norm)
        self._comm.Allgatherv(MPI.IN_PLACE, [self.workers.params.vector, (self._counts, self._starts)])
        self.workers.params.changed()
        return self._gather(is_finite)

    def gather_memories(self) -> None:
        """Bring what the optimizer remembers together at the leader."""
        for memory in self.workers.optimizer_state.memories.values():
            there = [memory.vector, (self._counts, self._starts)]
            if self._is_leader:
                self._comm.Gatherv(MPI.IN_PLACE, there, LEADER)
            else:
                self._comm.Gatherv(memory.vector[self._own], None, LEADER)

    def gather_state(self, state: State | None) -> None:
        """Bring the states of all streams together in the leader's `state`."""
        for k, layer in enumerate(self.workers.state):
            for name, array in layer._asdict().items():
                counts = [streams * array.shape[1] for streams in self._streams]
                there = [getattr(state[k], name), counts] if state else None
                self._comm.Gatherv(array, there, LEADER)

    def _gather(self, *numbers: float) -> NDArray[np.float64]:
        everyone = np.empty((self._comm.size, len(numbers)))
        self._comm.Gather(np.array(numbers, float), everyone, LEADER)
        return everyone


def plain(params: Parameters, optimizer_state: OptimizerState, state: State) -> tuple[Any, ...]:
    """Return what another rank needs to stand where this one does: arrays without views into them."""
    memories = {name: memory.vector for name, memory in optimizer_state.memories.items()}
    return params.vector, memories, optimizer_state.updates, state


def memory_of(params: Parameters, memories: Mapping[str, Array], updates: int) -> OptimizerState:
    """Return the optimizer's memory that another rank has sent so."""
    return OptimizerState({name: params.like(vector) for name, vector in memories.items()}, updates)


def ranks_on_this_machine() -> int:
    """Count them; all ranks must ask at once."""
    here = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)
    count: int = here.size
    here.Free()
    return count


def loss_of_a_rank(error: MPI.Exception) -> WorkerError:
    """Say what it means that MPI could not reach a rank."""
    reason = error.Get_error_string().splitlines()[0]
    return WorkerError(f"a rank cannot be reached any more ({reason}); go on from the last checkpoint with --resume")
