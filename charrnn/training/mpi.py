"""The same gradient by several machines: ``mpirun -n 4 charrnn train book.txt``.

Every rank has the weights, some of the streams, and the stretch of the text that they read. In a step each rank
computes the gradient of its streams, adds up all ranks' gradients along its stretch of the flat vector, updates that
stretch of the weights, and sends it to the others.

The first rank leads. To its trainer it is an `Engine`. It sends every other rank a message with named fields and
does its own part; the others (`follow`) do what the messages say until `Leave`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from charrnn.cache import scratch
from charrnn.errors import WorkerError
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Array, Parameters
from charrnn.optim import OptimizerState, global_norm
from charrnn.text.storage import GrowingArray, is_mapped, release_pages
from charrnn.text.streams import Chunk, Cursor
from charrnn.training.data import Batches, Part, share
from charrnn.training.evaluation import EvaluationShard, Evaluator, evaluator_for
from charrnn.training.workers import Plan, Workers

LEADER = 0


@dataclass(frozen=True)
class Standing:
    """Where a training stands: plain arrays, to be sent."""

    vector: Array
    memories: Mapping[str, Array]
    updates: int
    state: State  # of all streams

    @classmethod
    def of(cls, params: Parameters, optimizer_state: OptimizerState, state: State) -> "Standing":
        """Take the arrays out of their objects."""
        memories = {name: memory.vector for name, memory in optimizer_state.memories.items()}
        return cls(params.vector, memories, optimizer_state.updates, state)

    def unpack(self, model: CharRNN) -> tuple[Parameters, OptimizerState, State]:
        """Return the objects again."""
        params = Parameters(model.shapes(), self.vector)
        memories = {name: params.like(vector) for name, vector in self.memories.items()}
        return params, OptimizerState(memories, self.updates), self.state


# What the leader tells the other ranks, in the order of a run.


@dataclass(frozen=True)
class TakeText:
    """Receive your part of the text."""


@dataclass(frozen=True)
class BeginTraining:
    """Start a training."""

    plan: Plan
    standing: Standing


@dataclass(frozen=True)
class ComputeChunk:
    """Compute the gradient of a chunk, or add it (not first) to that of the chunks before."""

    cursor: Cursor
    length: int
    number: int
    scale: float
    is_first: bool


@dataclass(frozen=True)
class JoinGradients:
    """Add up the ranks' gradients along your stretch."""


@dataclass(frozen=True)
class ApplyUpdate:
    """Update your stretch of the weights."""

    rate: float
    norm: float


@dataclass(frozen=True)
class GatherMemories:
    """Send the optimizer's memory of your stretch."""


@dataclass(frozen=True)
class GatherState:
    """Send the state of your streams."""


@dataclass(frozen=True)
class Restore:
    """Return to an earlier state."""

    standing: Standing


@dataclass(frozen=True)
class End:
    """End the training, and your worker processes."""


@dataclass(frozen=True)
class TakePart:
    """Receive your share of the held-out part."""


@dataclass(frozen=True)
class Score:
    """Score your share of the held-out part with these weights."""

    vector: Array


@dataclass(frozen=True)
class Leave:
    """Everything is done."""


Message = (
    TakeText
    | BeginTraining
    | ComputeChunk
    | JoinGradients
    | ApplyUpdate
    | GatherMemories
    | GatherState
    | Restore
    | End
    | TakePart
    | Score
    | Leave
)


class Rank:
    """One rank's part of a training: what all ranks do at once, the leader and the others.

    Parameters
    ----------
    comm : of all ranks
    plan : of the training
    standing : to start from
    """

    def __init__(self, comm: MPI.Intracomm, plan: Plan, standing: Standing) -> None:
        self._comm, self._is_leader = comm, comm.rank == LEADER
        self.workers = Workers(plan.of_rank(comm.rank), *standing.unpack(plan.model))
        stretches = [share(plan.size, rank, comm.size) for rank in range(comm.size)]
        self._counts, self._starts = [len(own) for own in stretches], [own.start for own in stretches]
        self._own = slice(stretches[comm.rank].start, stretches[comm.rank].stop)
        self._received = np.empty((comm.size, len(stretches[comm.rank])), plan.config.dtype)
        self._streams = [len(share(plan.config.batch_size, rank, comm.size)) for rank in range(comm.size)]
        self._loss = 0.0

    def compute(self, task: ComputeChunk, chunk: Chunk) -> None:
        """Compute the gradient of this rank's streams."""
        loss = self.workers.compute(chunk, task.number, task.scale, is_first=task.is_first)
        self._loss = loss if task.is_first else self._loss + loss

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

    def update(self, rate: float, norm: float) -> NDArray[np.float64]:
        """Update this rank's stretch of the weights, and get the others'; the leader learns who has finite ones."""
        is_finite = self.workers.update(rate, norm)
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


def ranks_on_this_machine() -> int:
    """Count them; all ranks must ask at once."""
    here = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)
    count: int = here.size
    here.Free()
    return count


def loss_of_a_rank(error: MPI.Exception) -> WorkerError:
    """Say what it means that MPI could not reach a rank."""
    reason = error.Get_error_string().splitlines()[0]
    return WorkerError(f"a rank can no longer be reached ({reason}); resume from the last checkpoint with --resume")


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
                    release_pages(array)


def take(comm: MPI.Intracomm) -> Batches:
    """Receive this rank's part of the text: into memory, what is long and a map there too into a file."""
    make, arrays = comm.recv(source=LEADER)
    batches: Batches = make(*(_receive(comm, *array) for array in arrays))
    return batches


def _receive(comm: MPI.Intracomm, dtype: np.dtype[Any], size: int, is_in_file: bool) -> NDArray[Any]:
    numbers = GrowingArray(dtype, partial(scratch, size * dtype.itemsize) if is_in_file else None)
    block = np.empty(min(_BLOCK, size), dtype)
    for start in range(0, size, _BLOCK):
        here = block[: size - start]
        comm.Recv(here, LEADER)
        numbers.append(here)
    return numbers.finish()


class Leader:
    """What computes the steps for the trainer of the first rank: it tells the others, and does its own part."""

    def __init__(
        self, ranks: "Ranks", plan: Plan, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> None:
        self._ranks = ranks
        begin = BeginTraining(plan, Standing.of(params, optimizer_state, state))
        with ranks.telling(begin):
            self._rank = Rank(ranks.comm, plan, begin.standing)
        self.params, self.grads = self._rank.workers.params, self._rank.workers.grads
        self._state = plan.model.zero_state(plan.config.batch_size, plan.config.dtype)
        self._is_open = True

    @property
    def optimizer_state(self) -> OptimizerState:
        """What the optimizer remembers, brought together here."""
        with self._ranks.telling(GatherMemories()):
            self._rank.gather_memories()
        return self._rank.workers.optimizer_state

    @property
    def state(self) -> State:
        """The state of all streams, brought together here."""
        with self._ranks.telling(GatherState()):
            self._rank.gather_state(self._state)
        return self._state

    def gradient(self, chunks: Sequence[Chunk], number: int, scale: float) -> tuple[float, float]:
        """Let all ranks compute their part of the gradient and add it up; return loss and norm."""
        for k, chunk in enumerate(chunks):
            task = ComputeChunk(chunk.cursor, chunk.length, number + k, scale, is_first=k == 0)
            with self._ranks.telling(task):
                self._rank.compute(task, chunk)
        with self._ranks.telling(JoinGradients()):
            losses, norms = self._rank.join().T.tolist()
        return sum(losses), math.hypot(*norms)

    def update(self, rate: float, norm: float) -> bool:
        """Let each rank update its stretch of the weights; return whether all are finite."""
        with self._ranks.telling(ApplyUpdate(rate, norm)):
            return bool(self._rank.update(rate, norm).all())

    def heed(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Ask this while waiting for a worker of this rank that is late."""
        self._rank.workers.heed(is_asked_to_stop)

    def restore(self, params: Parameters, optimizer_state: OptimizerState, state: State) -> None:
        """Let all ranks return to this state."""
        with self._ranks.telling(Restore(Standing.of(params, optimizer_state, state))):
            self._rank.workers.restore(params, optimizer_state, state)

    def close(self) -> None:
        """End the workers of all ranks."""
        if self._is_open and self._ranks.are_listening:
            self._is_open = False
            with self._ranks.telling(End()):
                self._rank.workers.close()


class Ranks:
    """All ranks, for the one that leads them: a `charrnn.training.trainer.Team`.

    Attributes
    ----------
    ranks, ranks_here : how many there are, and how many of them on this machine
    are_listening : whether the others wait for a message; after an error they may not
    """

    def __init__(self) -> None:
        self.comm = MPI.COMM_WORLD
        self.ranks, self.ranks_here = self.comm.size, ranks_on_this_machine()
        self.are_listening = True
        self._given: tuple[Part | None, int, int] = (None, 0, 0)

    @contextmanager
    def telling(self, message: Message) -> Iterator[None]:
        """Send all others a message; in the context this rank must do its own part of it.

        Raises
        ------
        WorkerError
            If a rank can no longer be reached.
        """
        self.are_listening = False
        try:
            self.comm.bcast(message, LEADER)
            yield
        except MPI.Exception as error:
            raise loss_of_a_rank(error) from error
        self.are_listening = True

    def engine(
        self, plan: Plan, streams: Batches, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> Leader:
        """Start a training on all ranks; what each has of a text is sent to it the first time."""
        given = streams.part, streams.batch_size, plan.config.rng_seed
        if self._given[0] is not given[0] or self._given[1:] != given[1:]:
            with self.telling(TakeText()):
                give(self.comm, streams)
            self._given = given
        return Leader(self, plan, params, optimizer_state, state)

    def evaluator(self, model: CharRNN, part: Part) -> Evaluator | None:
        """Give each rank its share of a part to score; those of an earlier one are forgotten."""
        evaluator = evaluator_for(model, part, self._total)
        if evaluator:
            with self.telling(TakePart()):
                self._part = self.comm.scatter([evaluator.part(rank, self.ranks) for rank in range(self.ranks)])
        return evaluator

    def _total(self, params: Parameters) -> float:
        with self.telling(Score(params.vector)):
            totals: list[float] = self.comm.gather(self._part.total(params) if self._part else 0.0) or []
        return sum(totals)

    def end(self, code: int) -> None:
        """Let the others leave. If they cannot be reached, end all ranks, and this process, with an exit code."""
        if not self.are_listening:
            self.comm.Abort(code)
        with self.telling(Leave()):
            self.are_listening = False


def follow() -> None:
    """Do what the leader tells, until it says that everything is done.

    Raises
    ------
    WorkerError
        If another rank can no longer be reached, or a worker process of this one has died.
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
        self._part: EvaluationShard | None

    def serve(self) -> None:
        """Do what each message says."""
        while not isinstance(message := self._comm.bcast(None, LEADER), Leave):
            match message:
                case TakeText():
                    self._streams = take(self._comm)
                case BeginTraining(plan, standing):
                    self._rank = Rank(self._comm, plan, standing)
                case TakePart():
                    self._part = self._comm.scatter(None)
                case Score(vector):
                    part = self._part
                    self._comm.gather(part.total(Parameters(part.model.shapes(), vector)) if part else 0.0)
                case _:
                    self._train(message)

    def _train(self, message: Message) -> None:
        rank, workers = self._rank, self._rank.workers
        match message:
            case ComputeChunk(cursor, length):
                rank.compute(message, self._streams.chunk(cursor, length, workers.plan.streams))
            case JoinGradients():
                rank.join()
            case ApplyUpdate(rate, norm):
                rank.update(rate, norm)
            case GatherMemories():
                rank.gather_memories()
            case GatherState():
                rank.gather_state(None)
            case Restore(standing):
                workers.restore(*standing.unpack(workers.plan.model))
            case End():
                workers.close()
