"""What one rank does in a training, and what the ranks tell each other.

Each rank's part of the text: sent to it once, and kept by it until the training ends.

Of a running text that is the stretch which its streams read. Of items it is all, as any may come to any stream.

The rank that leads: to the trainer it is a reducer like any other, and it tells the other ranks what to do.

A rank that follows: it does what it is told until all is done.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import IntEnum, auto
from functools import partial
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from charrnn.cache import scratch
from charrnn.errors import WorkerError
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Array, Parameters
from charrnn.optim.clipping import global_norm
from charrnn.optim.optimizers import OptimizerState
from charrnn.text.storage import Integers, is_mapped, let_go
from charrnn.text.streams import Chunk, Cursor
from charrnn.training.data import Batches, Part, share
from charrnn.training.evaluation import AnyEvaluator, ItemEvaluator, Stretches, evaluator_for
from charrnn.training.workers import Plan, Workers


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


_BLOCK = 1 << 22  # ids sent at once


def give(comm: MPI.Intracomm, streams: Batches) -> None:
    """Send every other rank its part of the text; each must `take` it."""
    for rank in range(comm.size):
        if rank != LEADER:
            arrays, make = streams.cut(share(streams.batch_size, rank, comm.size))
            comm.send((make, [(array.dtype, len(array), is_mapped(array)) for array in arrays]), rank)
            for array in arrays:
                for start in range(0, len(array), _BLOCK):
                    comm.Send(np.ascontiguousarray(array[start : start + _BLOCK]), rank)
                    let_go(array)


def take(comm: MPI.Intracomm) -> Batches:
    """Receive this rank's part of the text: into memory, what is long and a map there too into a file."""
    make, arrays = comm.recv(source=LEADER)
    batches: Batches = make(*(_receive(comm, *array) for array in arrays))
    return batches


def _receive(comm: MPI.Intracomm, dtype: np.dtype[Any], size: int, is_in_file: bool) -> NDArray[Any]:
    numbers = Integers(dtype, partial(scratch, size * dtype.itemsize) if is_in_file else None)
    block = np.empty(min(_BLOCK, size), dtype)
    for start in range(0, size, _BLOCK):
        here = block[: size - start]
        comm.Recv(here, LEADER)
        numbers.append(here)
    return numbers.finish()


class Reducer:
    """The leader's `charrnn.training.workers.Reducer`: it tells the other ranks, and does its own part."""

    def __init__(
        self, ranks: "Ranks", plan: Plan, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> None:
        self._ranks = ranks
        with ranks.telling(Task.BEGIN):
            ranks.comm.bcast((plan, plain(params, optimizer_state, state)))
            self._rank = Rank(ranks.comm, plan, params, optimizer_state, state)
        self.params, self.grads = self._rank.workers.params, self._rank.workers.grads
        self._state = plan.model.zero_state(plan.batch_size, plan.dtype)
        self._is_open = True

    @property
    def optimizer_state(self) -> OptimizerState:
        """What the optimizer remembers, brought together here."""
        with self._ranks.telling(Task.GATHER_MEMORIES):
            self._rank.gather_memories()
        return self._rank.workers.optimizer_state

    @property
    def state(self) -> State:
        """The state of all streams, brought together here."""
        with self._ranks.telling(Task.GATHER_STATE):
            self._rank.gather_state(self._state)
        return self._state

    def compute(self, chunks: Sequence[Chunk], *, number: int, scale: float) -> tuple[float, float]:
        """Let all ranks compute their part of the gradient and add it up; return loss and norm."""
        for k, chunk in enumerate(chunks, number):
            task = Task.COMPUTE if k == number else Task.ADD
            with self._ranks.telling(task, k, scale, *chunk.cursor, chunk.length):
                self._rank.compute(task, chunk, k, scale)
        with self._ranks.telling(Task.JOIN):
            losses, norms = self._rank.join().T.tolist()
        return sum(losses), math.hypot(*norms)

    def apply(self, rate: float, norm: float) -> bool:
        """Let each rank update its stretch of the weights; return whether all are finite."""
        with self._ranks.telling(Task.APPLY, rate, norm):
            return bool(self._rank.apply(rate, norm).all())

    def heed(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Ask this while waiting for a worker of this rank that is late."""
        self._rank.workers.heed(is_asked_to_stop)

    def restore(self, params: Parameters, optimizer_state: OptimizerState, state: State) -> None:
        """Let all ranks stand where these were."""
        with self._ranks.telling(Task.RESTORE):
            self._ranks.comm.bcast(plain(params, optimizer_state, state))
            self._rank.workers.restore(params, optimizer_state, state)

    def close(self) -> None:
        """Let the workers of all ranks go."""
        if self._is_open and self._ranks.are_listening:
            self._is_open = False
            with self._ranks.telling(Task.END):
                self._rank.workers.close()


class Ranks:
    """All ranks, for the one that leads them: a `charrnn.training.workers.Team`.

    Attributes
    ----------
    ranks, ranks_here : how many there are, and how many of them on this machine
    are_listening : whether the others wait for what they are told; an error may come in between
    """

    def __init__(self) -> None:
        self.comm = MPI.COMM_WORLD
        self.ranks, self.ranks_here = self.comm.size, ranks_on_this_machine()
        self.are_listening = True
        self._given: tuple[Part | None, int, int] = (None, 0, 0)

    @contextmanager
    def telling(self, task: Task, *numbers: float) -> Iterator[None]:
        """Tell all others to do something; in the context this rank must do its own part of it.

        Raises
        ------
        WorkerError
            If a rank cannot be reached any more.
        """
        self.are_listening = False
        told = np.zeros(NUMBERS)
        told[: 1 + len(numbers)] = (task, *numbers)
        try:
            self.comm.Bcast(told, LEADER)
            yield
        except MPI.Exception as error:
            raise loss_of_a_rank(error) from error
        self.are_listening = True

    def reducer(
        self, plan: Plan, streams: Batches, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> Reducer:
        """Start a training from here on all ranks; what each has of a text is sent to it the first time."""
        part, *others = self._given
        if part is not streams.part or others != [streams.batch_size, plan.rng_seed]:
            with self.telling(Task.TAKE_TEXT):
                give(self.comm, streams)
            self._given = streams.part, streams.batch_size, plan.rng_seed
        return Reducer(self, plan, params, optimizer_state, state)

    def evaluator(self, model: CharRNN, part: Part) -> AnyEvaluator | None:
        """Give each rank its share of a part to score; those of an earlier one are forgotten."""
        evaluator = evaluator_for(model, part, self._total)
        if evaluator:
            with self.telling(Task.TAKE_PART):
                self._part = self.comm.scatter([evaluator.part(rank, self.ranks) for rank in range(self.ranks)])
        return evaluator

    def _total(self, params: Parameters) -> float:
        with self.telling(Task.SCORE):
            self.comm.bcast(params.vector)
            totals: list[float] = self.comm.gather(self._part.total(params) if self._part else 0.0) or []
        return sum(totals)

    def end(self, code: int) -> None:
        """Let the others go. If they cannot be told any more, end all ranks, and this process, with an exit code."""
        if not self.are_listening:
            self.comm.Abort(code)
        with self.telling(Task.LEAVE):
            self.are_listening = False


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
        self._part: Stretches | ItemEvaluator | None

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
