"""One step of training after another. Prints nothing and opens no file.

A step is: the next chunk of text → forward → loss → backward → a finite gradient? → clip → update.
"""

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.checkpoint import Checkpoint
from charrnn.errors import DivergedError
from charrnn.nn.model import CharRNN
from charrnn.optim.clipping import clip_norm, clip_value, global_norm
from charrnn.optim.optimizers import OPTIMIZERS, Optimizer
from charrnn.optim.schedules import learning_rate
from charrnn.text.batches import Chunk, Cursor, Streams
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import TrainConfig
from charrnn.training.parallel import Workers, worker_count

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
            self.model, params = start.model, start.params
            self.optimizer_state, state = start.resume.optimizer_state, start.resume.state
            self.step, self.smoothed_loss = start.progress.step, start.progress.smoothed_loss
            self.cursor = Cursor(start.progress.epoch, start.progress.position)
        else:
            self.model = CharRNN(len(vocabulary), config.cell, config.hidden_sizes, config.embedding_size)
            rng = random_stream(config.rng_seed, "init")
            params = self.model.initialize(rng, std=config.init_std, dtype=config.dtype)
            self.optimizer_state = self.optimizer.init(params)
            state = self.model.zero_state(config.batch_size, config.dtype)
            self.step, self.smoothed_loss = 0, math.log(len(vocabulary))
            self.cursor = Cursor(0, 0)
        count = worker_count(self.model, config.batch_size, config.seq_length, config.threads)
        self._workers = Workers(self.model, params, state, config.seq_length, count)
        # All three change in place.
        self.params, self.grads, self.state = self._workers.params, self._workers.grads, self._workers.state

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
        loss = self._compute_gradient(chunk)
        rate = learning_rate(
            self.base_learning_rate,
            config.schedule,
            step=self.step,
            progress=progress,
            warmup_steps=config.warmup_steps,
        )
        norm = global_norm(self.grads.vector)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self._divergence(loss, norm, rate)
        if config.clip_value:
            clip_value(self.grads.vector, config.clip_value)
        if config.clip_norm:
            clip_norm(self.grads.vector, norm, config.clip_norm)
        self.optimizer.update(self.params, self.grads, self.optimizer_state, rate)
        if not math.isfinite(np.dot(self.params.vector, self.params.vector)):
            raise self._divergence(loss, norm, rate)
        return self._advance(chunk, loss, norm, rate)

    def measure_speed(self, seconds: float) -> float:
        """Characters a second that gradients are computed at, tried on the next chunk without learning from it."""
        chunk = self.streams.chunk(self.cursor)
        state = self._workers.copy_state()
        self._compute_gradient(chunk)  # the first time also touches fresh memory
        started = time.perf_counter()
        count, spent = 0, 0.0
        while spent < seconds:
            self._compute_gradient(chunk)
            count, spent = count + 1, time.perf_counter() - started
        self._workers.set_state(state)
        return chunk.inputs.size * count / spent

    def close(self) -> None:
        """Let the processes go that other cores were used by; the trainer cannot go on afterwards."""
        self._workers.close()

    def _compute_gradient(self, chunk: Chunk) -> float:
        """Fill ``self.grads`` for a chunk and carry the state over it; return the mean loss, nats a character."""
        size = chunk.inputs.size
        scale = 1.0 if self.config.reduction == "sum" else 1 / size
        return self._workers.compute(chunk, scale=scale) / size

    def _divergence(self, loss: float, norm: float, rate: float) -> DivergedError:
        return DivergedError(
            f"training diverged at step {self.step + 1}: loss {loss:.4g}, gradient norm {norm:.4g}, "
            f"learning rate {rate:.4g}; try a lower --learning-rate"
        )

    def _advance(self, chunk: Chunk, loss: float, norm: float, rate: float) -> StepReport:
        self.step += 1
        self.cursor = self.streams.advance(self.cursor)
        keep = _SMOOTHING**chunk.inputs.size
        self.smoothed_loss = keep * self.smoothed_loss + (1 - keep) * loss
        epoch = self.cursor.epoch + self.cursor.position / self.streams.length
        return StepReport(self.step, epoch, chunk.inputs.size, loss, self.smoothed_loss, norm, rate)
