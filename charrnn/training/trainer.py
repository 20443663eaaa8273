"""One step of training after another. Prints nothing and opens no file.

A step is: the next chunk of text → forward → loss → backward → a finite gradient? → clip → update.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.checkpoint import Checkpoint, Fallback, Progress, Resume
from charrnn.errors import ConfigError, DivergedError
from charrnn.nn.dropout import Dropout
from charrnn.nn.model import CharRNN, State
from charrnn.optim.optimizers import OptimizerState
from charrnn.optim.schedules import learning_rate
from charrnn.text.batches import Chunk, Cursor, Streams
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import TrainConfig
from charrnn.training.parallel import worker_count
from charrnn.training.randomness import random_stream
from charrnn.training.shard import Plan, Update
from charrnn.training.team import ALONE, Team
from charrnn.training.transfer import transfer

RANKS = "MPI ranks"  # what a checkpoint calls their number
# The smoothed loss forgets a thousandth every 25 characters: min-char-rnn's .999/.001, whatever the size of a chunk.
_SMOOTHING = 0.999 ** (1 / 25)
# Training is lost when the smoothed loss is this much, in nats a character, above that of blind guessing. Strange
# passages cannot do that: they count for what they are of the last 25,000 characters. Adagrad's first steps without a
# warm-up come 3.8 above it, and find back. Nothing is measured by the best loss so far, which is next to nothing where
# a short text is known by heart.
_LOST_ABOVE = 5.0
_SHORTEST = 5  # characters in a chunk whose length is drawn
_HALVED = 0.05  # share of the chunks that are about half as long


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


def build_model(config: TrainConfig, vocab_size: int) -> CharRNN:
    """Return the network that a configuration describes."""
    return CharRNN(vocab_size, config.cell, config.hidden_sizes, config.embedding_size, config.tied)


def chunk_length(config: TrainConfig, number: int) -> int:
    """Characters a stream reads in one chunk: `seq_length`, or around it where it is to vary.

    Then it is drawn from a normal distribution around `seq_length`, once in twenty around half of it, so that the
    gradient is not cut at the same places in each epoch. A pure function of the seed and the chunk's number. Merity,
    Keskar & Socher, "Regularizing and optimizing LSTM language models", 2018.
    """
    if not config.bptt_jitter:
        return config.seq_length
    rng = random_stream(config.rng_seed, "length", number)
    usual = config.seq_length / 2 if rng.random() < _HALVED else config.seq_length
    drawn = rng.normal(usual, config.bptt_jitter)
    return int(np.clip(drawn, min(_SHORTEST, config.seq_length), longest_chunk(config)))


def longest_chunk(config: TrainConfig) -> int:
    """Return the longest that `chunk_length` may be: two standard deviations more, at most twice `seq_length`."""
    return config.seq_length + math.ceil(min(2 * config.bptt_jitter, config.seq_length))


class Trainer:
    """A model in training: its weights, the optimizer's memory, and its place in the text.

    Parameters
    ----------
    config : how to train
    vocabulary : characters of the text
    ids : (N,) training text
    start : checkpoint to go on from; by default a fresh model
    source : checkpoint whose weights a fresh model starts from
    team : who shares each step

    Attributes
    ----------
    known : characters of the vocabulary that `source` knew
    blind_loss : nats a character that a guess costs which holds all symbols for equally likely
    workers : processes that share each step on this machine, or of each rank, this one included
    """

    step: int
    smoothed_loss: float
    cursor: Cursor

    def __init__(
        self,
        config: TrainConfig,
        vocabulary: Vocabulary,
        ids: NDArray[np.integer],
        start: Checkpoint | None = None,
        source: Checkpoint | None = None,
        team: Team = ALONE,
    ) -> None:
        if config.batch_size < team.ranks:
            raise ConfigError(
                f"a batch of {config.batch_size} streams cannot be divided among {team.ranks} ranks; "
                "give a larger --batch-size, or start fewer"
            )
        self.config = config
        self.vocabulary = vocabulary
        self.streams = Streams(ids, config.batch_size, config.seq_length)
        self._update = Update(config.optimizer, config.clip_value, config.clip_norm)
        self.known = 0
        self.blind_loss = math.log(len(vocabulary))
        if start and start.resume:
            self.model, params = start.model, start.params
            optimizer_state, state = start.resume.optimizer_state, start.resume.state
            progress = start.progress
        else:
            self.model = build_model(config, len(vocabulary))
            rng = random_stream(config.rng_seed, "init")
            params = self.model.initialize(rng, std=config.init_std, dtype=config.dtype)
            if source:
                self.known = transfer(source, self.model, params, vocabulary)
            optimizer_state = self._update.rule.init(params)
            state = self.model.zero_state(config.batch_size, config.dtype)
            progress = Progress(smoothed_loss=self.blind_loss)
        self._stand_at(progress)
        self.rollbacks = progress.rollbacks
        batch_size, self.ranks = config.batch_size, team.ranks
        self.workers = worker_count(self.model, batch_size, config.seq_length, config.threads, team.ranks)
        plan = Plan(
            self.model,
            dtype=config.dtype,
            batch_size=batch_size,
            seq_length=longest_chunk(config),
            workers=self.workers,
            dropout=Dropout(config.dropout, config.weight_drop, config.locked_dropout),
            rng_seed=config.rng_seed,
            update=self._update,
            ranks=team.ranks,
        )
        self._reducer = team.reducer(plan, params, optimizer_state, state)
        self.params, self.grads = self._reducer.params, self._reducer.grads  # both change in place

    @property
    def optimizer_state(self) -> OptimizerState:
        """What the optimizer remembers; the next step changes it in place."""
        return self._reducer.optimizer_state

    @property
    def state(self) -> State:
        """The state of all streams; the next step changes it in place."""
        return self._reducer.state

    @property
    def epoch(self) -> float:
        """Passes over the training text so far."""
        return self.cursor.epoch + self.cursor.position / self.streams.length

    @property
    def full_learning_rate(self) -> float:
        """What the schedule scales: the rate asked for, or the optimizer's own, halved at each rollback."""
        return (self.config.learning_rate or self._update.rule.default_learning_rate) * 0.5**self.rollbacks

    @np.errstate(over="ignore", invalid="ignore")  # what overflows is met by the finite check, and told in words
    def train_step(self, progress: float) -> StepReport:
        """Learn the next chunk.

        Parameters
        ----------
        progress : share of the run already done, 0 to 1, for the learning rate's schedule

        Raises
        ------
        DivergedError
            If the loss or the gradient is not finite, or the smoothed loss far above blind guessing; the weights are
            then still those of the step before. Also if the update itself leaves the range of the numbers.
        """
        chunks, length, cursor = self._next_chunks()
        loss, norm = self._compute_gradient(chunks)
        rate = self._learning_rate(progress, length)
        characters = _characters(chunks)
        keep = _SMOOTHING**characters
        smoothed_loss = keep * self.smoothed_loss + (1 - keep) * loss
        if not (math.isfinite(norm) and smoothed_loss < self.blind_loss + _LOST_ABOVE):  # NaN is not below anything
            raise self._divergence(loss, norm, rate)
        if not self._reducer.apply(rate, norm):
            raise self._divergence(loss, norm, rate)
        self.step, self.smoothed_loss = self.step + 1, smoothed_loss
        self.cursor = cursor
        return StepReport(self.step, self.epoch, characters, loss, smoothed_loss, norm, rate)

    def fallback(self, progress: Progress) -> Fallback:
        """Copy the present state, to go back to; `progress` is the run's."""
        live = self.optimizer_state
        memories = {name: memory.copy() for name, memory in live.memories.items()}
        resume = Resume(OptimizerState(memories, live.updates), _copy(self.state))
        return Fallback(self.params.copy(), progress, resume)

    def fall_back(self, fallback: Fallback) -> None:
        """Stand where `fallback` was made, at half the present learning rate."""
        self._reducer.restore(fallback.params, fallback.resume.optimizer_state, fallback.resume.state)
        self._stand_at(fallback.progress)
        self.rollbacks += 1

    def measure_speed(self, seconds: float) -> float:
        """Characters a second that gradients are computed at, tried on the next chunk without learning from it."""
        chunks = [self.streams.chunk(self.cursor)] * self.config.accumulate
        state = _copy(self.state)
        self._compute_gradient(chunks)  # the first time also touches fresh memory
        started = time.perf_counter()
        count, spent = 0, 0.0
        while spent < seconds:
            self._compute_gradient(chunks)
            count, spent = count + 1, time.perf_counter() - started
        self._reducer.restore(self.params, self.optimizer_state, state)
        return _characters(chunks) * count / spent

    def close(self) -> None:
        """Let the processes go that other cores were used by; the trainer cannot go on afterwards."""
        self._reducer.close()

    def _next_chunks(self) -> tuple[list[Chunk], int, Cursor]:
        """Return what the next update learns from, its length as it was to be, and where the text goes on."""
        chunks, lengths, cursor = [], 0, self.cursor
        for k in range(self.config.accumulate):
            length = chunk_length(self.config, self._number + k)
            chunks.append(self.streams.chunk(cursor, length))
            lengths, cursor = lengths + length, self.streams.advance(cursor, length)
        return chunks, lengths, cursor

    @property
    def _number(self) -> int:
        """Chunks before the next update: for what is drawn anew for each."""
        return self.step * self.config.accumulate

    def _compute_gradient(self, chunks: Sequence[Chunk]) -> tuple[float, float]:
        """Fill ``self.grads`` for the chunks of one update and carry the state over them.

        Returns
        -------
        loss, norm : mean loss, nats a character, and the gradient's length
        """
        size = _characters(chunks)
        scale = 1.0 if self.config.reduction == "sum" else 1 / size
        loss, norm = self._reducer.compute(chunks, number=self._number, scale=scale)
        return loss / size, norm

    def _stand_at(self, progress: Progress) -> None:
        self.step, self.smoothed_loss = progress.step, progress.smoothed_loss
        self.cursor = Cursor(progress.epoch, progress.position)

    def _learning_rate(self, progress: float, length: int) -> float:
        config = self.config
        rate = learning_rate(
            self.full_learning_rate,
            config.schedule,
            step=self.step,
            epoch=self.epoch,
            progress=progress,
            warmup_steps=config.warmup_steps,
            decay_factor=config.decay_factor,
            decay_every=config.decay_every,
        )
        # A mean over fewer characters is as large as one over many, and less sure; a sum is smaller already.
        usual = config.seq_length * config.accumulate
        return rate * (length / usual) if config.reduction == "mean" else rate

    def _divergence(self, loss: float, norm: float, rate: float) -> DivergedError:
        return DivergedError(
            f"training diverged at step {self.step + 1}: loss {loss:.4g}, gradient norm {norm:.4g}, "
            f"learning rate {rate:.4g}"
        )


def _characters(chunks: Sequence[Chunk]) -> int:
    return sum(chunk.inputs.size for chunk in chunks)


def _copy(state: State) -> State:
    return tuple(type(layer)(*(array.copy() for array in layer)) for layer in state)
