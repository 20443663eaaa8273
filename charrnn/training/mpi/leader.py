"""The rank that leads: to the trainer it is a reducer like any other, and it tells the other ranks what to do."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from mpi4py import MPI

from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Parameters
from charrnn.optim.optimizers import OptimizerState
from charrnn.text.batches import Chunk
from charrnn.training.division import Batches, Part
from charrnn.training.evaluation import AnyEvaluator, evaluator_for
from charrnn.training.mpi.rank import LEADER, NUMBERS, Rank, Task, loss_of_a_rank, plain, ranks_on_this_machine
from charrnn.training.mpi.texts import give
from charrnn.training.shard import Plan


class Reducer:
    """The leader's `charrnn.training.team.Reducer`: it tells the other ranks, and does its own part."""

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
    """All ranks, for the one that leads them: a `charrnn.training.team.Team`.

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
