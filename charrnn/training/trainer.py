"""One step of training after another: the next chunk of text, its gradient, the clip, the update.

`Trainer.train_step` is the whole step. For the gradient and the update it calls `OneProcess`, or an object with the
same methods that shares the work among processes (`charrnn.training.workers`) or machines (`charrnn.training.mpi`).
Nothing here prints or opens a file.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from charrnn.checkpoint import Checkpoint, Fallback, Progress, Resume
from charrnn.config import TrainConfig
from charrnn.errors import ConfigError, DivergedError
from charrnn.machine import describe_numerics, one_thread, with_one_thread
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Parameters
from charrnn.optim import (
    OPTIMIZERS,
    OptimizerState,
    clip_norm,
    clip_value,
    global_norm,
    learning_rate,
    optimizer_of,
    to_train,
    to_use,
)
from charrnn.randomness import random_stream
from charrnn.text.streams import Chunk, Cursor
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.data import Batches, Part, batches_of, chunk_length, dropout_of
from charrnn.training.evaluation import Evaluator, evaluator_for
from charrnn.training.events import StepReport
from charrnn.training.workers import Plan, Workers, copy_of, shard_count

RANKS, SHARDS = "MPI ranks", "shards"  # what a checkpoint calls their numbers
# The smoothed loss forgets a thousandth every 25 characters: min-char-rnn's .999/.001, whatever the size of a chunk.
_SMOOTHING = 0.999 ** (1 / 25)
# Training is lost when the smoothed loss is this much, in nats a character, above that of blind guessing. Strange
# passages cannot do that: they count for what they are of the last 25,000 characters. Adagrad without a warm-up comes
# 3.8 above it at first. The best loss so far is no measure: where a text is known by heart it is next to nothing.
_LOST_ABOVE = 5.0


class OneProcess:
    """The gradient and the update of a step in this process: an `Engine`.

    Parameters
    ----------
    config, model : of the training
    params, optimizer_state, state : to start from, copied; `state` is that of all B streams
    """

    def __init__(
        self, config: TrainConfig, model: CharRNN, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> None:
        self.config = config
        self.params, self.grads = params.copy(), params.like()
        memories = {name: memory.copy() for name, memory in optimizer_state.memories.items()}
        self.optimizer_state = OptimizerState(memories, optimizer_state.updates)
        self.state, self._zero = copy_of(state), model.zero_state(config.batch_size, config.dtype)
        self._optimizer = optimizer_of(config.optimizer, config.average)
        self._dropout = dropout_of(config)
        self._session = model.session(self.params, config.batch_size, dropout=self._dropout)
        self._chunk_grads = params.like() if config.accumulate > 1 else self.grads

    def gradient(self, chunks: Sequence[Chunk], number: int, scale: float) -> tuple[float, float]:
        """Fill `grads` with the gradient of `scale` times the summed loss of the chunks; return loss and norm."""
        total = 0.0
        for k, chunk in enumerate(chunks):
            if chunk.is_first:
                self.state = self._zero
            rng = random_stream(self.config.rng_seed, "dropout", number + k) if self._dropout else None
            grads = self.grads if k == 0 else self._chunk_grads
            result = self._session.gradient(chunk.inputs, chunk.targets, self.state, grads, scale=scale, rng=rng)
            if k > 0:
                self.grads.vector += grads.vector
            self.state = result.state
            total += float(result.losses.sum(dtype=np.float64))
        return total, global_norm(self.grads.vector)

    def update(self, rate: float, norm: float) -> bool:
        """Clip the gradient, whose length is `norm`, and step along it; return whether all weights are finite."""
        if self.config.clip_value:
            clip_value(self.grads.vector, self.config.clip_value)
        if self.config.clip_norm:
            clip_norm(self.grads.vector, norm, self.config.clip_norm)
        self._optimizer.update(self.params, self.grads, self.optimizer_state, rate)
        return math.isfinite(np.dot(self.params.vector, self.params.vector))

    def restore(self, params: Parameters, optimizer_state: OptimizerState, state: State) -> None:
        """Copy weights, the optimizer's memory and the state of all streams over the present ones."""
        self.params.vector[...] = params.vector
        self.params.changed()
        for name, memory in self.optimizer_state.memories.items():
            memory.vector[...] = optimizer_state.memories[name].vector
        self.optimizer_state.updates = optimizer_state.updates
        self.state = copy_of(state)

    def heed(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Nobody else is waited for."""

    def close(self) -> None:
        """Nothing is held."""


class Engine(Protocol):
    """What computes a step's gradient and makes the update: `OneProcess`, `Workers`, or the leader of many ranks.

    `params` and `grads` change in place. Sums are over all streams of the batch, in a fixed order.
    """

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
        """What ends the processes that helped."""

    def gradient(self, chunks: Sequence[Chunk], number: int, scale: float) -> tuple[float, float]:
        """Fill `grads` with the gradient of ``scale`` times the summed loss of some chunks, one after the other.

        Parameters
        ----------
        number : of the first chunk in the run, for the masks of dropout

        Returns
        -------
        loss, norm : that sum, in nats, and the length of the gradient
        """

    def update(self, rate: float, norm: float) -> bool:
        """Clip the gradient, step along it, and say whether all weights are finite."""

    def restore(self, params: Parameters, optimizer_state: OptimizerState, state: State) -> None:
        """Copy these over the present ones."""

    def heed(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Ask this while waiting for another process that is late."""


class Team(Protocol):
    """Who trains together: `ALONE`, or all ranks of an MPI (`charrnn.training.mpi.Ranks`)."""

    ranks: int
    ranks_here: int
    """Those on the machine that the first is on."""

    def engine(
        self, plan: Plan, streams: Batches, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> Engine:
        """Return what computes the steps of a training that starts here; `streams` are those of the whole text."""

    def evaluator(self, model: CharRNN, part: Part) -> Evaluator | None:
        """Return what scores a held-out part, if there is anything in it."""


class Alone:
    """One machine, with as many processes as a step is worth."""

    ranks = ranks_here = 1
    evaluator = staticmethod(evaluator_for)

    def engine(
        self, plan: Plan, _streams: Batches, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> Engine:
        """Return this process alone, or with its workers."""
        if plan.shards == 1:
            return OneProcess(plan.config, plan.model, params, optimizer_state, state)
        return Workers(plan, params, optimizer_state, state)


ALONE: Team = Alone()


class Lesson(NamedTuple):
    """What one update learns from."""

    chunks: Sequence[Chunk]
    number: int
    """Of the first chunk in the run: for what is drawn anew for each."""
    weight: float
    """What a stream was to read in a chunk, as a share of what is usual; an epoch's last chunk may have less."""
    cursor: Cursor
    """Where the text continues."""

    @property
    def characters(self) -> int:
        """Those of all streams."""
        return sum(chunk.characters for chunk in self.chunks)


def next_lesson(config: TrainConfig, streams: Batches, step: int, cursor: Cursor, own: range | None = None) -> Lesson:
    """Return what the update after so many steps learns from: `config.accumulate` chunks.

    Parameters
    ----------
    own : which streams are read here, by default all
    """
    number = step * config.accumulate
    chunks, weights = [], 0.0
    for k in range(number, number + config.accumulate):
        length = chunk_length(config, k)
        chunk = streams.chunk(cursor, length, own)
        chunks.append(chunk)
        weights, cursor = weights + length / config.seq_length * chunk.share, streams.advance(cursor, length)
    return Lesson(chunks, number, weights / config.accumulate, cursor)


class Trainer:
    """A model in training: its weights, the optimizer's memory, and its place in the text.

    A `charrnn.training.run.Run` has one, and calls `train_step` until its end.

    Parameters
    ----------
    config : how to train
    vocabulary : the characters, or `Vocabulary.of_integers(n)` for data that is not text
    ids : (N,) integers in 0…V−1, all of which are trained on; or items, as `charrnn.text.items` has them
    start : checkpoint to resume from; by default a fresh model
    source : checkpoint whose weights a fresh model starts from
    team : who shares each step

    Attributes
    ----------
    known : characters of the vocabulary that `source` knew
    blind_loss : nats a character of guessing each symbol with the same probability
    plan : how each step is divided among ranks, and into the shards of each

    Raises
    ------
    ConfigError
        If there are more ranks than streams.
    """

    step: int
    smoothed_loss: float
    cursor: Cursor

    def __init__(
        self,
        config: TrainConfig,
        vocabulary: Vocabulary,
        ids: Part,
        start: Checkpoint | None = None,
        source: Checkpoint | None = None,
        team: Team = ALONE,
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.streams = batches_of(ids, config)
        self.known, self.blind_loss = 0, math.log(len(vocabulary))
        if start and start.resume:
            self.model, state, progress = start.model, start.resume.state, start.progress
            params, optimizer_state = to_train(start.params, start.resume.optimizer_state)
        else:
            self.model = build_model(config, len(vocabulary))
            rng = random_stream(config.rng_seed, "init")
            params = self.model.initialize(rng, std=config.init_std, dtype=config.dtype)
            if source:
                self.known = transfer(source, self.model, params, vocabulary)
            optimizer_state = optimizer_of(config.optimizer, config.average).init(params)
            state = self.model.zero_state(config.batch_size, config.dtype)
            progress = Progress(smoothed_loss=self.blind_loss)
        self._stand_at(progress)
        self.rollbacks = progress.rollbacks
        if config.batch_size < team.ranks:
            raise ConfigError(
                "a batch of {streams} streams cannot be divided among {ranks} ranks; give a larger {}, or start fewer",
                "batch_size",
                streams=config.batch_size,
                ranks=team.ranks,
            )
        shards = kept_shards(start) or shard_count(config, self.model, team.ranks)
        self.plan = Plan(config, self.model, shards, ranks=team.ranks)
        self.engine = team.engine(self.plan, self.streams, params, optimizer_state, state)
        self.params, self.grads = self.engine.params, self.engine.grads  # both change in place

    @with_one_thread
    @np.errstate(over="ignore", invalid="ignore")  # the checks below find what overflows, and say so
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
        lesson = self._next_lesson()
        loss, norm = self.gradient(lesson)
        rate = self._learning_rate(progress, lesson.weight)
        keep = _SMOOTHING**lesson.characters
        smoothed_loss = keep * self.smoothed_loss + (1 - keep) * loss
        is_lost = not smoothed_loss < self.blind_loss + _LOST_ABOVE  # NaN is not below anything
        if is_lost or not math.isfinite(norm):
            raise self._divergence(f"loss {loss:.4g}, gradient norm {norm:.4g}", rate)
        if not self.engine.update(rate, norm):
            raise self._divergence("its update made weights that are not finite", rate)
        self.step, self.smoothed_loss, self.cursor = self.step + 1, smoothed_loss, lesson.cursor
        return StepReport(self.step, self.epoch, lesson.characters, loss, smoothed_loss, norm, rate)

    def _next_lesson(self) -> Lesson:
        return next_lesson(self.config, self.streams, self.step, self.cursor, self.plan.streams)

    def gradient(self, lesson: Lesson) -> tuple[float, float]:
        """Fill ``self.grads`` for one update; return the mean loss, nats a character, and the gradient's length."""
        scale = 1.0 if self.config.reduction == "sum" else 1 / lesson.characters
        loss, norm = self.engine.gradient(lesson.chunks, lesson.number, scale)
        return loss / lesson.characters, norm

    @property
    def optimizer_state(self) -> OptimizerState:
        """What the optimizer remembers; the next step changes it in place."""
        return self.engine.optimizer_state

    @property
    def state(self) -> State:
        """The state of all streams; the next step changes it in place."""
        return self.engine.state

    def to_use(self) -> tuple[Parameters, OptimizerState]:
        """Return the weights to use, an average if the run has one, and with them what else the optimizer keeps."""
        params, optimizer_state = to_use(self.params, self.optimizer_state)
        params.changed()  # by other processes, maybe
        return params, optimizer_state

    @property
    def epoch(self) -> float:
        """Passes over the training text so far."""
        return self.cursor.epoch + self.cursor.position / self.streams.length

    @property
    def share_done(self) -> float:
        """Share of the configured steps or epochs that is done, whichever is more; from 1 on the run is over."""
        return self._share_of(self.config)

    @cached_property
    @with_one_thread
    def machine(self) -> Mapping[str, str]:
        """What decides the last bits of its sums."""
        with one_thread(always=self.plan.is_shared):
            numerics = describe_numerics()
        return {**numerics, SHARDS: str(self.plan.most_shards), RANKS: str(self.plan.ranks)}

    @property
    def full_learning_rate(self) -> float:
        """What the schedule scales: the rate asked for, or the optimizer's own, halved at each rollback."""
        return (
            self.config.learning_rate or OPTIMIZERS[self.config.optimizer].default_learning_rate
        ) * 0.5**self.rollbacks

    def next_rate(self, config: TrainConfig, minutes: float = 0.0) -> float:
        """Return the learning rate of the next step where the schedule and the bounds are those of `config`.

        Parameters
        ----------
        config : whose schedule to follow; the full learning rate is the trainer's own
        minutes : that the run has taken so far
        """
        done = max(self._share_of(config), minutes / config.minutes if config.minutes else 0.0)
        return self._scheduled_rate(config, self._schedule_progress(config, done))

    def schedule_progress(self, done: float) -> float:
        """Where the learning rate's schedule stands, 0 to 1, when this share of the run is done."""
        return self._schedule_progress(self.config, done)

    def progress(self, *, elapsed_seconds: float = 0.0, history: tuple[tuple[int, float], ...] = ()) -> Progress:
        """Say how far training has come, after so many seconds and evaluations (see `charrnn.checkpoint.Progress`)."""
        return Progress(
            step=self.step,
            epoch=self.cursor.epoch,
            position=self.cursor.position,
            smoothed_loss=self.smoothed_loss,
            elapsed_seconds=elapsed_seconds,
            history=history,
            rollbacks=self.rollbacks,
        )

    def fallback(self, progress: Progress) -> Fallback:
        """Copy the present state, to go back to; `progress` is the run's."""
        params, live = self.to_use()
        memories = {name: memory.copy() for name, memory in live.memories.items()}
        resume = Resume(OptimizerState(memories, live.updates), copy_of(self.state))
        return Fallback(params.copy(), progress, resume)

    def fall_back(self, fallback: Fallback) -> None:
        """Stand where `fallback` was made, at half the present learning rate."""
        self.engine.restore(*to_train(fallback.params, fallback.resume.optimizer_state), fallback.resume.state)
        self._stand_at(fallback.progress)
        self.rollbacks += 1

    @with_one_thread
    def measure_speed(self, seconds: float) -> float:
        """Characters a second that gradients are computed at, tried on the next chunk without learning from it."""
        lesson = self._next_lesson()
        state = copy_of(self.state)
        self.gradient(lesson)  # the first time also touches fresh memory
        started = time.perf_counter()
        count, spent = 0, 0.0
        while spent < seconds:
            self.gradient(lesson)
            count, spent = count + 1, time.perf_counter() - started
        self.engine.restore(self.params, self.optimizer_state, state)
        return lesson.characters * count / spent

    def close(self) -> None:
        """End the processes of the other cores; the trainer cannot continue afterwards."""
        self.engine.close()

    def heed(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Ask this while waiting for a worker process that is late, and raise KeyboardInterrupt where it says so."""
        self.engine.heed(is_asked_to_stop)

    def _stand_at(self, progress: Progress) -> None:
        self.step, self.smoothed_loss = progress.step, progress.smoothed_loss
        self.cursor = Cursor(progress.epoch, progress.position)

    def _share_of(self, config: TrainConfig) -> float:
        """Share of a configuration's steps or epochs that is done."""
        steps, epochs = config.steps, config.epochs
        return max(self.step / steps if steps else 0.0, self.epoch / epochs if epochs else 0.0)

    def _schedule_progress(self, config: TrainConfig, done: float) -> float:
        return self.step / config.schedule_steps if config.schedule_steps else done

    def _learning_rate(self, progress: float, weight: float) -> float:
        rate = self._scheduled_rate(self.config, progress)
        # A mean over fewer characters is as large as one over many, and less sure; a sum is smaller already.
        return rate * weight if self.config.reduction == "mean" else rate

    def _scheduled_rate(self, config: TrainConfig, progress: float) -> float:
        return learning_rate(
            self.full_learning_rate,
            config.schedule,
            step=self.step,
            epoch=self.epoch,
            progress=progress,
            warmup_steps=config.warmup_steps,
            decay_factor=config.decay_factor,
            decay_every=config.decay_every,
        )

    def _divergence(self, what: str, rate: float) -> DivergedError:
        return DivergedError(f"training diverged at step {self.step + 1}: {what}, learning rate {rate:.4g}")


def build_model(config: TrainConfig, vocab_size: int) -> CharRNN:
    """Return the network that a configuration describes."""
    return CharRNN(vocab_size, config.cell, config.hidden_sizes, config.embedding_size, config.tied)


def kept_shards(start: Checkpoint | None) -> int:
    """Return in how many shards a checkpoint's run is computed; 0 where it does not say."""
    kept = start.machine.get(SHARDS, "") if start else ""
    return int(kept) if kept.isdecimal() and len(kept) < 4 else 0


def transfer(source: Checkpoint, model: CharRNN, params: Parameters, vocabulary: Vocabulary) -> int:
    """Overwrite fresh parameters with those of a trained model; return how many characters were known to it.

    A character has a row of the table that is looked up (the embedding, or the first cell's ``W_xh``), a column of
    ``W_hy`` and a number of ``b_y``. Those of a character that `source` never saw stay as they are.

    Parameters
    ----------
    source : a model of the same cell and sizes
    model : of `params`
    params : fresh, changed in place
    vocabulary : of `params`
    """
    _, old, new = np.intersect1d(
        list(source.vocabulary.characters), list(vocabulary.characters), assume_unique=True, return_indices=True
    )
    table = "embedding.W_e" if model.embedding_size else "cells.0.W_xh"
    for name, fresh in params.items():
        array = source.params[name]
        if name == table:
            array, trained = fresh.copy(), array
            array[new] = trained[old]
        elif name in ("linear.W_hy", "linear.b_y"):
            array, trained = fresh.copy(), array
            array[..., new] = trained[..., old]
        params[name] = array
    return len(new)
