"""Who trains: this process with its workers alone, or many ranks together. The trainer does not know which.

A reducer has the weights, and turns chunks of text into their gradient and the gradient into new weights, whoever
computes the parts and adds them up. A team makes one, and an evaluator.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Parameters
from charrnn.optim.optimizers import OptimizerState
from charrnn.text.batches import Chunk
from charrnn.training.division import Batches, Part
from charrnn.training.evaluation import AnyEvaluator, evaluator_for
from charrnn.training.parallel import Workers
from charrnn.training.shard import Plan


class Reducer(Protocol):
    """What `charrnn.training.parallel.Workers` describes; sums are over all streams, in a fixed order."""

    params: Parameters
    grads: Parameters

    @property
    def optimizer_state(self) -> OptimizerState:
        """What the optimizer remembers."""

    @property
    def state(self) -> State:
        """The state of all streams of the batch."""

    @property
    def close(self) -> Callable[[], object]:
        """What lets those go who helped."""

    def compute(self, chunks: Sequence[Chunk], *, number: int, scale: float) -> tuple[float, float]:
        """Compute the gradient of some chunks' loss."""

    def apply(self, rate: float, norm: float) -> bool:
        """Take a step by it."""

    def heed(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Ask this while waiting for another process that is late."""

    def restore(self, params: Parameters, optimizer_state: OptimizerState, state: State) -> None:
        """Stand where these were."""


class Team(Protocol):
    """Those who train together."""

    ranks: int
    ranks_here: int
    """Those on the machine that the first is on."""

    def reducer(
        self, plan: Plan, streams: Batches, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> Reducer:
        """Return what computes the steps of a training that starts here.

        Parameters
        ----------
        streams : all of the text's; the chunks that are then given have only those that the plan has for this process
        """

    def evaluator(self, model: CharRNN, part: Part) -> AnyEvaluator | None:
        """Return what scores a held-out part, if there is anything in it."""


class Alone:
    """A process with its workers on one machine."""

    ranks = ranks_here = 1
    evaluator = staticmethod(evaluator_for)

    def reducer(
        self, plan: Plan, _streams: Batches, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> Reducer:
        """Return the workers."""
        return Workers(plan, params, optimizer_state, state)


ALONE: Team = Alone()
