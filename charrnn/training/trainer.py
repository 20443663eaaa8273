"""One step of training after another. Prints nothing, reads no clock, opens no file.

A step is: the next chunk of text → forward → loss → backward → a finite gradient? → clip → update.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.checkpoint import Checkpoint
from charrnn.errors import DivergedError
from charrnn.nn.model import CharRNN, State, Workspace
from charrnn.optim.clipping import clip_norm, clip_value, global_norm
from charrnn.optim.optimizers import OPTIMIZERS, Optimizer
from charrnn.optim.schedules import learning_rate
from charrnn.text.batches import Chunk, Cursor, Streams
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import TrainConfig

# The smoothed loss forgets a thousandth every 25 characters: min-char-rnn's .999/.001, whatever the size of a chunk.
_SMOOTHING = 0.999 ** (1 / 25)
_STREAMS = ("init", "sample")


@dataclass(frozen=True)
class StepReport:
    """What one step did. Losses are nats a character."""

    step: int  # updates made so far, this one included
    epoch: float  # passes over the training text so far
    characters: int  # trained in this step
    loss: float  # before the update
    smoothed_loss: float
    grad_norm: float  # before clipping
    learning_rate: float


def random_stream(rng_seed: int, name: str, *numbers: int) -> np.random.Generator:
    """Return the random stream of one purpose.

    Each purpose has its own, a pure function of the seed (and of the step, for sampling): drawing more samples never
    changes training, and a resumed run draws what the uninterrupted one would have drawn.
    """
    return np.random.default_rng([rng_seed, _STREAMS.index(name), *numbers])


class Trainer:
    """A model in training: its weights, the optimizer's memory, and its place in the text.

    Parameters
    ----------
    config : how to train
    vocabulary : characters of the text
    ids : (N,) training text
    start : checkpoint to go on from; by default a fresh model
    """

    def __init__(
        self,
        config: TrainConfig,
        vocabulary: Vocabulary,
        ids: NDArray[np.integer],
        start: Checkpoint | None = None,
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.streams = Streams(ids, config.batch_size, config.seq_length)
        self.optimizer: Optimizer = OPTIMIZERS[config.optimizer]()
        self.base_learning_rate = config.learning_rate or self.optimizer.default_learning_rate
        if start and start.resume:
            self.model, self.params = start.model, start.params
            self.optimizer_state, self.state = start.resume.optimizer_state, start.resume.state
            self.step, self.smoothed_loss = start.progress.step, start.progress.smoothed_loss
            self.cursor = Cursor(start.progress.epoch, start.progress.position)
        else:
            self.model = CharRNN(len(vocabulary), config.cell, config.hidden_sizes, config.embedding_size)
            self.params = self.model.initialize(
                random_stream(config.rng_seed, "init"), std=config.init_std, dtype=config.dtype
            )
            self.optimizer_state = self.optimizer.init(self.params)
            self.state = self.model.zero_state(config.batch_size, config.dtype)
            self.step, self.smoothed_loss = 0, math.log(len(vocabulary))
            self.cursor = Cursor(0, 0)
        self.grads = self.params.like()
        self._workspaces: dict[int, Workspace] = {}

    @np.errstate(over="ignore", invalid="ignore")  # what overflows is met by the finite check, and told in words
    def train_step(self, progress: float) -> StepReport:
        """Learn the next chunk.

        Parameters
        ----------
        progress : share of the run already done, 0 to 1, for the learning rate's schedule

        Raises
        ------
        DivergedError
            If the loss or the gradient is not finite; the weights are then still those of the step before. Also if
            the update itself leaves the range of the numbers.
        """
        config = self.config
        chunk = self.streams.chunk(self.cursor)
        if chunk.is_first:
            self.state = self.model.zero_state(config.batch_size, config.dtype)
        loss, final_state = self.compute_gradients(chunk)
        rate = learning_rate(
            self.base_learning_rate,
            config.schedule,
            step=self.step,
            progress=progress,
            warmup_steps=config.warmup_steps,
        )
        norm = global_norm(self.grads.vector)
        diverged = DivergedError(
            f"training diverged at step {self.step + 1}: loss {loss:.4g}, gradient norm {norm:.4g}, "
            f"learning rate {rate:.4g}; try a lower --learning-rate"
        )
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise diverged
        if config.clip_value:
            clip_value(self.grads.vector, config.clip_value)
        if config.clip_norm:
            clip_norm(self.grads.vector, norm, config.clip_norm)
        self.optimizer.update(self.params, self.grads, self.optimizer_state, rate)
        if not np.isfinite(self.params.vector).all():
            raise diverged
        return self._advance(chunk, loss, final_state, norm, rate)

    def compute_gradients(self, chunk: Chunk) -> tuple[float, State]:
        """Fill ``self.grads`` for a chunk; return its mean loss (nats a character) and the final state."""
        T, B = chunk.inputs.shape
        if T not in self._workspaces:
            self._workspaces[T] = self.model.workspace(T, B, self.config.dtype)
        ws = self._workspaces[T]
        self.model.arrange(self.params, ws)
        losses, final_state = self.model.loss(self.params, ws, chunk.inputs, chunk.targets, self.state)
        scale = 1.0 if self.config.reduction == "sum" else 1 / (T * B)
        self.model.backward(self.params, self.grads, ws, chunk.inputs, chunk.targets, scale=scale)
        return float(losses.mean(dtype=np.float64)), final_state

    def _advance(self, chunk: Chunk, loss: float, state: State, norm: float, rate: float) -> StepReport:
        self.state = state
        self.step += 1
        self.cursor = self.streams.advance(self.cursor)
        keep = _SMOOTHING**chunk.inputs.size
        self.smoothed_loss = keep * self.smoothed_loss + (1 - keep) * loss
        epoch = self.cursor.epoch + self.cursor.position / self.streams.length
        return StepReport(self.step, epoch, chunk.inputs.size, loss, self.smoothed_loss, norm, rate)
