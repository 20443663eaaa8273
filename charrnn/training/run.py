"""A whole run, as an iterator of events: it trains, and evaluates, samples and saves when due.

It prints nothing. Whoever iterates, a terminal, a notebook or a test, decides what to show.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from charrnn import checkpoint
from charrnn.archive import sweep_temporaries
from charrnn.checkpoint import Checkpoint, CorpusInfo, Progress, Resume
from charrnn.errors import CheckpointError, DivergedError
from charrnn.sampling.sampler import line_start, sample
from charrnn.training.config import TrainConfig
from charrnn.training.evaluation import Evaluator
from charrnn.training.trainer import StepReport, Trainer, random_stream


@dataclass(frozen=True)
class Sampled:
    """A piece of text the network wrote."""

    step: int
    text: str


@dataclass(frozen=True)
class Evaluated:
    """The held-out figure, nats a character."""

    step: int
    loss: float
    is_best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint is safely on the disk."""

    step: int
    path: Path


@dataclass(frozen=True)
class SaveFailed:
    """A checkpoint could not be written; the run goes on and will try again."""

    step: int
    reason: str


@dataclass(frozen=True)
class Stopped:
    """The run is over and saved, because it was done or because it was asked to stop."""

    step: int
    interrupted: bool


Event = StepReport | Sampled | Evaluated | Saved | SaveFailed | Stopped


class Run:
    """A trainer, the bounds of its run, and where it is saved.

    Parameters
    ----------
    trainer : the model in training
    corpus : the text it learns, for the checkpoint
    evaluator : scores the held-out part; None where nothing is held out
    path : the checkpoint's; the best by the held-out figure is kept beside it (see `charrnn.checkpoint.best_path`)
    start : the checkpoint a resumed run goes on from
    """

    def __init__(
        self,
        trainer: Trainer,
        corpus: CorpusInfo,
        evaluator: Evaluator | None,
        path: Path,
        start: Checkpoint | None = None,
    ) -> None:
        self.trainer = trainer
        self.config = trainer.config
        self.corpus = corpus
        self.evaluator = evaluator
        self.path = path
        self.history = _on_schedule(start) if start else []
        self.is_fresh = start is None
        self._earlier_seconds = start.progress.elapsed_seconds if start else 0.0
        self._best_saved = _saved_loss(checkpoint.best_path(path)) if start else math.inf
        self._started = time.monotonic()

    @property
    def total_steps(self) -> int | None:
        """Step at which the run ends; None if only the clock ends it."""
        bounds = []
        if self.config.steps:
            bounds.append(self.config.steps)
        if self.config.epochs:
            bounds.append(math.ceil(self.config.epochs * self.trainer.streams.chunks_per_epoch))
        return min(bounds, default=None)

    @property
    def is_finished(self) -> bool:
        """Whether a bound is reached."""
        return self._share_done() >= 1

    def events(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the end of the run; ask `stop` after each step.

        Raises
        ------
        DivergedError
            If a step is not finite; the checkpoint is then the last one saved.
        CheckpointError
            If the first or the last save fails. One in between yields `SaveFailed`.
        """
        self._started = time.monotonic()
        try:
            yield from self._all_events(stop)
        finally:
            self.trainer.close()

    def _all_events(self, stop: Callable[[], bool]) -> Iterator[Event]:
        trainer = self.trainer
        if self.is_finished and not self.is_fresh:
            yield Stopped(trainer.step, interrupted=False)  # there is nothing to do, and the file stays as it is
            return
        sweep_temporaries(self.path.parent)
        if self.is_fresh:
            # Saving at step 0 finds a folder that cannot be written before an hour's work is lost to it.
            yield self._save()
            # A best model that stands here is that of the run just replaced.
            checkpoint.best_path(self.path).unlink(missing_ok=True)
            if self.config.sample_every:
                yield self._sample()
        while not self.is_finished:
            yield trainer.train_step(self._schedule_progress())
            yield from self._on_the_way()
            if stop() and not self.is_finished:
                yield self._save()
                yield Stopped(trainer.step, interrupted=True)
                return
        if self.evaluator and not self._is_evaluated():
            yield from self._evaluate()
        yield self._save()
        yield Stopped(trainer.step, interrupted=False)

    def _on_the_way(self) -> Iterator[Event]:
        config, step = self.config, self.trainer.step
        if self.evaluator and _is_due(step, config.eval_every):
            yield from self._evaluate()
        if _is_due(step, config.sample_every):
            yield self._sample()
        if _is_due(step, config.save_every):
            try:
                yield self._save()
            except CheckpointError as error:
                yield SaveFailed(step, str(error))

    def _evaluate(self) -> Iterator[Event]:
        if self.evaluator is None:
            return
        loss = self.evaluator.loss(self.trainer.params)
        if not math.isfinite(loss):
            raise DivergedError(f"the held-out loss at step {self.trainer.step} is {loss}; try a lower --learning-rate")
        is_best = loss < min((earlier for _, earlier in self.history), default=math.inf)
        self.history.append((self.trainer.step, loss))
        yield Evaluated(self.trainer.step, loss, is_best)
        # A resumed run may stand before a best that its interrupted predecessor kept: never replace it by a worse one.
        if is_best and loss < self._best_saved:
            try:
                checkpoint.save(checkpoint.best_path(self.path), replace(self._checkpoint(), resume=None))
                self._best_saved = loss
            except CheckpointError as error:
                yield SaveFailed(self.trainer.step, str(error))

    def _is_evaluated(self) -> bool:
        return bool(self.history) and self.history[-1][0] == self.trainer.step

    def _sample(self) -> Sampled:
        trainer, config = self.trainer, self.config
        rng = random_stream(config.rng_seed, "sample", trainer.step)
        seed = trainer.vocabulary.encode(line_start(trainer.vocabulary, rng))
        ids = itertools.islice(sample(trainer.model, trainer.params, seed, rng), config.sample_length)
        return Sampled(trainer.step, trainer.vocabulary.decode(list(ids)))

    def _save(self) -> Saved:
        checkpoint.save(self.path, self._checkpoint())
        return Saved(self.trainer.step, self.path)

    def _checkpoint(self) -> Checkpoint:
        trainer = self.trainer
        progress = Progress(
            step=trainer.step,
            epoch=trainer.cursor.epoch,
            position=trainer.cursor.position,
            smoothed_loss=trainer.smoothed_loss,
            # A clock in a run that is bounded by steps would make equal runs differ.
            elapsed_seconds=self._elapsed() if self.config.minutes else 0.0,
            history=tuple(self.history),
        )
        return Checkpoint(
            model=trainer.model,
            params=trainer.params,
            vocabulary=trainer.vocabulary,
            corpus=self.corpus,
            config=self.config.to_json(),
            progress=progress,
            resume=Resume(trainer.optimizer_state, trainer.state),
        )

    def _elapsed(self) -> float:
        return self._earlier_seconds + time.monotonic() - self._started

    def _share_done(self) -> float:
        shares = [0.0]
        if self.total_steps:
            shares.append(self.trainer.step / self.total_steps)
        if self.config.minutes:
            shares.append(self._elapsed() / (60 * self.config.minutes))
        return max(shares)

    def _schedule_progress(self) -> float:
        if self.config.schedule_steps:
            return self.trainer.step / self.config.schedule_steps
        return self._share_done()


def _is_due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0


def _on_schedule(start: Checkpoint) -> list[tuple[int, float]]:
    """Return the evaluations so far, without the one a run makes because it ends.

    The uninterrupted run would not have made that one, and must end in the same bytes.
    """
    every = TrainConfig.from_json(start.config).eval_every
    return [(step, loss) for step, loss in start.progress.history if _is_due(step, every)]


def _saved_loss(path: Path) -> float:
    """Held-out figure of the best model on the disk; infinity where there is none to lose."""
    try:
        best = checkpoint.load(path).progress.best
    except CheckpointError:
        return math.inf
    return best[1] if best else math.inf
