"""A rank that follows: it does what it is told until all is done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from mpi4py import MPI

from charrnn.nn.parameters import Parameters
from charrnn.text.batches import Cursor
from charrnn.training.mpi.rank import LEADER, NUMBERS, Rank, Task, loss_of_a_rank, memory_of, ranks_on_this_machine
from charrnn.training.mpi.texts import take

if TYPE_CHECKING:
    from charrnn.training.division import Batches
    from charrnn.training.evaluation import ItemEvaluator, Part


def follow() -> None:
    """Do what the leader tells, until it says that all is done.

    Raises
    ------
    WorkerError
        If another rank cannot be reached any more, or a worker process of this one has died.
    """
    ranks_on_this_machine()  # the leader asks, and all must answer
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # the leader looks at what comes out
            Follower().serve()
    except MPI.Exception as error:
        raise loss_of_a_rank(error) from error


def abort(code: int) -> None:
    """End all ranks, and this process, with an exit code."""
    MPI.COMM_WORLD.Abort(code)


class Follower:
    """A rank that does not lead."""

    def __init__(self) -> None:
        self._comm = MPI.COMM_WORLD
        self._streams: Batches
        self._rank: Rank
        self._part: Part | ItemEvaluator | None

    def serve(self) -> None:
        """Do what is told, one thing after another."""
        told = np.empty(NUMBERS)
        while True:
            self._comm.Bcast(told, LEADER)
            task, *numbers = told.tolist()
            match Task(int(task)):
                case Task.TAKE_TEXT:
                    self._streams = take(self._comm)
                case Task.BEGIN:
                    self._begin()
                case Task.TAKE_PART:
                    self._part = self._comm.scatter(None)
                case Task.SCORE:
                    self._score()
                case Task.LEAVE:
                    return
                case task:
                    self._train(task, numbers)

    def _begin(self) -> None:
        plan, (vector, memories, updates, state) = self._comm.bcast(None)
        params = Parameters(plan.model.shapes(), vector)
        self._rank = Rank(self._comm, plan, params, memory_of(params, memories, updates), state)

    def _score(self) -> None:
        vector, part = self._comm.bcast(None), self._part
        self._comm.gather(part.total(Parameters(part.model.shapes(), vector)) if part else 0.0)

    def _train(self, task: Task, numbers: Sequence[float]) -> None:
        rank = self._rank
        match task:
            case Task.COMPUTE | Task.ADD:
                number, scale, epoch, position, length = numbers
                cursor = Cursor(int(epoch), int(position))
                chunk = self._streams.chunk(cursor, int(length), rank.workers.plan.streams)
                rank.compute(task, chunk, int(number), scale)
            case Task.JOIN:
                rank.join()
            case Task.APPLY:
                rank.apply(*numbers[:2])
            case Task.GATHER_MEMORIES:
                rank.gather_memories()
            case Task.GATHER_STATE:
                rank.gather_state(None)
            case Task.RESTORE:
                vector, memories, updates, state = self._comm.bcast(None)
                params = rank.workers.params.like(vector)
                rank.workers.restore(params, memory_of(params, memories, updates), state)
            case Task.END:
                rank.workers.close()
