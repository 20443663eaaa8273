"""A whole run, as an iterator of events: it trains, and evaluates, samples and saves when due.

`Run` is the only loop over training steps. It prints nothing: a terminal, a notebook or a test decides what to show.
What it uses follows: the clock of a run that is bounded by time, and the files of a run.
"""

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic

from charrnn import checkpoint
from charrnn.checkpoint import Checkpoint, Progress, Resume
from charrnn.config import BOUNDS, TrainConfig
from charrnn.errors import CheckpointError, DivergedError
from charrnn.files import Lock, sweep_temporaries
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.paths import best_path, kept_path, kept_states
from charrnn.randomness import random_stream
from charrnn.sampling.filters import Filters
from charrnn.sampling.writing import excerpt
from charrnn.scoring.reading import Track, untracked
from charrnn.scoring.yardsticks import Comparison, Figure, Slice, compare
from charrnn.text.corpus import CorpusInfo
from charrnn.text.sources import NOBODY, Watcher
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.data import Part, characters_in, joined_starts, running
from charrnn.training.evaluation import Evaluator
from charrnn.training.events import (
    Beginning,
    Evaluated,
    Event,
    LossRose,
    OutOfPatience,
    RolledBack,
    Sampled,
    Saved,
    SaveFailed,
    StepReport,
    Stopped,
)
from charrnn.training.trainer import ALONE, Team, Trainer


@dataclass(frozen=True)
class Caller:
    """What the command line adds to a run."""

    team: Team = ALONE  # who trains
    watcher: Watcher = NOBODY  # hears how far a long text is read, and how much memory the run takes
    began: float | None = None  # moment of `time.monotonic` from which the run's minutes count; None: its first event
    command: str = ""  # that the user typed, for the checkpoint of a new run


NO_CALLER = Caller()


@dataclass(frozen=True)
class Material:
    """What a run learns from and is judged by."""

    corpus: CorpusInfo  # the text, as the checkpoint describes it
    held_out: Part
    command: str  # that started the run
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    saved_rollbacks: int = 0  # of the checkpoint that is resumed


_ENDING = ("evaluate", "save", "save")  # what comes after the last step: the second save is of the best
_MOST_ROLLBACKS = 5  # to one state: with a rate 32 times lower than at first, something else is wrong
_CALM_WITHIN = 1.0  # nats a character above blind guessing: after a step with a higher loss, no state is a good one
_ALARMING = 3  # how many times the loss of blind guessing a step's loss is when the user is told
_TRIED_CHARACTERS = 16_001  # of the held-out text, to know what an evaluation costs


class Run:
    """A training from its start to its end: an iterator of events. `charrnn.train` and `charrnn.resume` make one.

    You can stop iterating, look at the weights, and iterate further. While a run with a file exists, no other run can
    write to that file.

    Attributes
    ----------
    config : the settings
    corpus : the text, as a checkpoint describes it
    evaluator : scores the held-out part; None where nothing is held out
    held_out_characters : in that part
    notes, warnings : sentences a user should read before the run; warnings also with ``--quiet``
    history : (step, nats a character) of each evaluation so far
    is_fresh : whether it starts anew

    Examples
    --------
    >>> import charrnn
    >>> run = charrnn.train("the lamp went round. " * 50, steps=60, hidden_sizes=(32,))
    >>> losses = [event.loss for event in run if isinstance(event, charrnn.StepReport)]
    >>> losses[0] > 2 > losses[-1]
    True
    >>> charrnn.save("lamp.npz", run.checkpoint())

    """

    def __init__(
        self,
        trainer: Trainer,
        material: Material,
        saving: "Saving | None",
        start: Checkpoint | None = None,
        caller: Caller = NO_CALLER,
    ) -> None:
        self.trainer = trainer
        self.config = trainer.config
        self.corpus = material.corpus
        self.notes, self.warnings = material.notes, material.warnings
        self._material = material
        self.evaluator: Evaluator | None = caller.team.evaluator(trainer.model, material.held_out)
        self.held_out_characters = characters_in(material.held_out)
        self.saving = saving
        self.is_fresh = start is None
        self._past = list(start.progress.history) if start else []
        self.history = _on_schedule(start) if start else []
        earlier = start.progress.elapsed_seconds if start else 0.0
        self.pace = Pace(60 * self.config.minutes, earlier, caller.began)
        if start and saving:
            saving.kept = kept_loss(start, saving.best_path, self.evaluator)
        self._good = start.resume.fallback if start and start.resume else None
        self._has_risen = start is not None and start.progress.has_risen
        self._events: Iterator[Event] | None = None

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        self._events = self._events or self.events()
        return next(self._events)

    @property
    def model(self) -> CharRNN:
        """The network."""
        return self.trainer.model

    @property
    def params(self) -> Parameters:
        """Its weights; the next step changes them in place."""
        return self.trainer.params

    @property
    def vocabulary(self) -> Vocabulary:
        """Its characters."""
        return self.trainer.vocabulary

    @property
    def usage(self) -> Usage:
        """What else is needed to use the model as it was trained: what ends an item, how typed texts are read."""
        return Usage.of(self.config.separator, self.corpus, self.vocabulary)

    @property
    def path(self) -> Path | None:
        """Where the checkpoint is saved, with the best model next to it; None for a run in memory."""
        return self.saving.path if self.saving else None

    def checkpoint(self) -> Checkpoint:
        """Return what `charrnn.save` takes. The arrays are the run's own: save before the next step."""
        trainer, fallback = self.trainer, self._good
        # Left out where it is the same state, and where the clock makes no two runs equal anyway.
        if fallback and (fallback.progress.step == trainer.step or self.config.minutes):
            fallback = None
        return Checkpoint(
            model=trainer.model,
            params=trainer.params,
            vocabulary=trainer.vocabulary,
            corpus=self.corpus,
            config=self.config.to_json(),
            progress=self._progress(),
            resume=Resume(trainer.optimizer_state, trainer.state, fallback),
            machine=trainer.machine,
            command=self._material.command,
        )

    def beginning(self) -> Beginning:
        """Return what a log says of the run before its first event."""
        trainer = self.trainer
        return Beginning(
            step=trainer.step,
            is_fresh=self.is_fresh,
            checkpoint=self.path,
            corpus=asdict(self.corpus) | {"symbols": len(self.vocabulary), "held_out": self.held_out_characters},
            model=asdict(self.model) | {"parameters": self.params.vector.size},
            config=self.config.to_json(),
            total_steps=self.total_steps,
            rollbacks=trainer.rollbacks,
            saved_rollbacks=self._material.saved_rollbacks,
        )

    @property
    def total_steps(self) -> int | None:
        """Step at which the run ends, about there where chunks vary in length; None if only the clock ends it."""
        bounds = []
        if self.config.steps:
            bounds.append(self.config.steps)
        if self.config.epochs:
            bounds.append(-(-self.trainer.streams.chunks_in(self.config.epochs) // self.config.accumulate))
        return min(bounds, default=None)

    @property
    def is_finished(self) -> bool:
        """Whether a bound is reached, or the run's patience is at its end."""
        return self._share_done() >= 1 or self._is_out_of_patience()

    def events(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the end of the run; ask `stop` after each step.

        Raises
        ------
        DivergedError
            If training diverges again and again, at ever lower rates; the checkpoint is then the last one saved.
        CheckpointError
            If the first or the last save fails. One in between yields `SaveFailed`.
        """
        self.pace.begin()
        self.trainer.heed(stop)
        try:
            yield from self._all_events(stop)
        finally:
            self.close()

    def close(self) -> None:
        """End the worker processes, and let other runs write to the checkpoint.

        The run cannot continue then. Its end closes it too, and so does the end of the last reference to it.
        """
        self.trainer.close()
        if self.saving:
            self.saving.close()

    def _all_events(self, stop: Callable[[], bool]) -> Iterator[Event]:
        if self.is_finished and not self.is_fresh:
            self.history = self._past  # there is nothing to do, and the file stays as it is
            yield Stopped(self.trainer.step, interrupted=False)
            return
        yield from self._first_events()
        interrupted = None
        while interrupted is None:
            try:
                interrupted = yield from self._steps(stop)
            except DivergedError as error:
                yield self._roll_back(error)
        if self.saving:
            yield self._save(self.saving)
        yield Stopped(self.trainer.step, interrupted=interrupted)

    def _first_events(self) -> Iterator[Event]:
        if self.saving:
            yield from self._first_save(self.saving)
        if self.is_fresh and self.config.sample_every:
            yield self._sample()
        if self.config.minutes and self.evaluator:
            tried = self.evaluator.beginning(_TRIED_CHARACTERS)
            with self.pace.timing("evaluate", share=tried.transitions / self.evaluator.transitions):
                tried.loss(self.trainer.params)
        self._good = self._good or self.trainer.fallback(self._progress())

    def _first_save(self, saving: "Saving") -> Iterator[Event]:
        sweep_temporaries(saving.path.parent)
        if not self.is_fresh:
            try:
                saving.give_bounds(self.checkpoint())
            except CheckpointError as error:
                yield SaveFailed(self.trainer.step, str(error))
        if self.is_fresh or self.config.minutes:
            # A folder that cannot be written is found before an hour's work is lost to it, and what a save costs.
            saved = self._save(saving)
            if self.is_fresh:
                saving.forget()
            yield saved

    def _steps(self, stop: Callable[[], bool]) -> Generator[Event, None, bool]:
        """Train until the run is finished, or asked to stop; return whether it was asked."""
        while not self.is_finished:
            with self.pace.timing("step"):
                report = self.trainer.train_step(self.trainer.schedule_progress(self._share_done()))
            yield report
            if report.loss > _ALARMING * self.trainer.blind_loss and not self._has_risen:
                self._has_risen = True
                yield LossRose(report.step, report.loss)
            yield from self._on_the_way(report)
            if stop() and not self.is_finished:
                return True
        if self._is_out_of_patience():
            yield OutOfPatience(self.trainer.step, *_best(self.history))
        if self.evaluator and self.trainer.step not in dict(self.history):
            yield from self._evaluate(self.evaluator)
        return False

    def _on_the_way(self, report: StepReport) -> Iterator[Event]:
        step, is_to_evaluate = report.step, _is_due(report.step, self.config.eval_every)
        if self.evaluator and is_to_evaluate and self._has_time_for("evaluate", "save"):
            yield from self._evaluate(self.evaluator)
        is_to_save = _is_due(step, self.config.save_every)
        if (is_to_evaluate or is_to_save) and report.loss < self.trainer.blind_loss + _CALM_WITHIN:
            self._good = self.trainer.fallback(self._progress())
        if _is_due(step, self.config.sample_every) and self._has_time_for("sample"):
            yield self._sample()
        # The last step is saved after its evaluation: a kill in between would leave a finished run without it.
        if self.saving and is_to_save and not self.is_finished and self._has_time_for("save"):
            try:
                yield self._save(self.saving)
            except CheckpointError as error:
                yield SaveFailed(step, str(error))

    def _roll_back(self, error: DivergedError) -> RolledBack:
        """Go back to the last good state and halve the learning rate, or raise if that did not help often enough."""
        good, trainer = self._good, self.trainer
        if good is None:
            raise error
        if trainer.rollbacks - good.progress.rollbacks >= _MOST_ROLLBACKS:
            raise DivergedError(f"{error.reason}, halved {_MOST_ROLLBACKS} times already") from error
        trainer.fall_back(good)
        self.history = list(good.progress.history)
        return RolledBack(trainer.step, error.reason, trainer.full_learning_rate)

    def _evaluate(self, evaluator: Evaluator) -> Iterator[Event]:
        step = self.trainer.step
        with self.pace.timing("evaluate"):
            loss = evaluator.loss(self.trainer.params)
        if not math.isfinite(loss):
            raise DivergedError(f"the held-out loss at step {step} is {loss}")
        is_best = loss < min((earlier for _, earlier in self.history), default=math.inf)
        self.history.append((step, loss))
        yield Evaluated(step, loss, is_best)
        if is_best and self.saving:
            try:
                with self.pace.timing("save"):
                    self.saving.save_if_best(self.checkpoint(), loss)
            except CheckpointError as error:
                yield SaveFailed(step, str(error))

    def _is_out_of_patience(self) -> bool:
        if not (self.config.patience and self.history):
            return False
        return len(self.history) - self.history.index(_best(self.history)) > self.config.patience

    def _sample(self) -> Sampled:
        """Draw a sample; the symbol that rare characters became is never in it."""
        config, step, vocabulary = self.config, self.trainer.step, self.vocabulary
        rng = random_stream(config.rng_seed, "sample", step)
        filters = Filters(banned=self.usage.never_written(vocabulary))
        with self.pace.timing("sample"):
            text = excerpt(self, rng, config.sample_length, filters)
        return Sampled(step, text)

    def _save(self, saving: "Saving") -> Saved:
        with self.pace.timing("save"):
            saving.save(self.checkpoint(), self.config.keep)
        return Saved(self.trainer.step, saving.path)

    def _progress(self) -> Progress:
        elapsed = 0.0
        if self.config.minutes:  # a clock in a run that is bounded by steps would make equal runs differ
            elapsed = self.pace.elapsed + self.pace.cost("save")
            if self.pace.share(*_ENDING) >= 1:
                elapsed = max(elapsed, self.pace.budget)  # what is too short for a step is spent too
        progress = self.trainer.progress(elapsed_seconds=elapsed, history=tuple(self.history))
        return replace(progress, has_risen=self._has_risen)

    def _has_time_for(self, *parts: str) -> bool:
        """Whether these parts leave time for another step."""
        return self.pace.has_time_for(*parts, "step", *_ENDING)

    def _share_done(self) -> float:
        return max(self.pace.share(*_ENDING), self.trainer.share_done)


def _best(history: list[tuple[int, float]]) -> tuple[int, float]:
    """Step and nats a character of the best evaluation: the first of equals."""
    return min(history, key=lambda entry: entry[1])


def _is_due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0


def _on_schedule(start: Checkpoint) -> list[tuple[int, float]]:
    """Return the evaluations so far, without the one that a run made because it ended there.

    The uninterrupted run would not have made that one, and must end in the same bytes.
    """
    history, every = list(start.progress.history), TrainConfig.from_json(start.config).eval_every
    ended_there = history and history[-1][0] == start.progress.step and not _is_due(start.progress.step, every)
    return history[:-1] if ended_there else history


def compare_held_out(run: Run, evaluator: Evaluator, track: Track = untracked) -> Comparison:
    """Compare the best held-out figure of a run that is over with the yardsticks.

    Neither the model nor they predict the first held-out character, or the separator before the first item.
    """
    trainer = run.trainer
    part, training = evaluator.scored, trainer.streams.part
    text, starts = running(part), joined_starts(part)
    given = 1 if starts is None else int(starts[0])
    best = min((loss for _, loss in run.history), default=None)
    model = Figure("the model at its best", evaluator.loss(trainer.params) if best is None else best)
    parts = Slice(
        running(training),
        text[:given],
        text[given:],
        training_starts=joined_starts(training),
        starts=None if starts is None else starts - given,
    )
    return compare(model, parts, trainer.vocabulary, track)


_NEWEST = 0.2  # what the newest measurement counts for: one slow save must not end a run early
_SECONDS_OUTSIDE = 0.3  # that are not measured: the interpreter's start and end, and the end of the workers


class Pace:
    """The clock of a run that is bounded by time.

    Parameters
    ----------
    budget : seconds the whole run may take; 0 for no bound
    earlier : seconds that its earlier parts took
    began : moment of `time.monotonic` from which seconds count; by default when `begin` is called
    """

    def __init__(self, budget: float, earlier: float, began: float | None = None) -> None:
        self.budget = budget
        self.earlier = earlier
        self._began = began
        self._costs: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds spent so far, those of earlier parts included."""
        return self.earlier + (0.0 if self._began is None else monotonic() - self._began)

    def begin(self) -> None:
        """Let time count from now, unless it counts already."""
        if self._began is None:
            self._began = monotonic()

    @contextmanager
    def timing(self, part: str, *, share: float = 1.0) -> Iterator[None]:
        """Measure how long a part of the run takes, or this share of it."""
        started = monotonic()
        yield
        seconds = (monotonic() - started) / share
        before = self._costs.get(part, seconds)
        self._costs[part] = before + _NEWEST * (seconds - before)

    def cost(self, *parts: str) -> float:
        """Seconds that these parts take, as measured; 0 for what was never measured."""
        return sum(self._costs.get(part, 0.0) for part in parts)

    def share(self, *ending: str) -> float:
        """Share of the time for steps that is spent; from 1 on, another step and the `ending` would end too late."""
        if not self.budget:
            return 0.0
        planned = self.budget - self.cost("step", *ending) - _SECONDS_OUTSIDE
        return self.elapsed / planned if planned > 0 else 1.0

    def has_time_for(self, *parts: str) -> bool:
        """Whether there is time for all of these."""
        return not self.budget or self.elapsed + self.cost(*parts) + _SECONDS_OUTSIDE < self.budget


class Saving:
    """The files of one run; the lock keeps other runs off them until `close`."""

    def __init__(self, path: Path, lock: Lock | None) -> None:
        self.path = path
        self.best_path = best_path(path)
        self.kept = math.inf  # held-out figure of the best model on the disk, in nats a character
        self._lock = lock

    def save(self, state: Checkpoint, keep: int = 0) -> None:
        """Save the run's state; also keep the states of the last `keep` saves, each in its own file.

        An older state is removed, by its step, when the new one is on the disk. States of later steps, which a run
        leaves behind when it goes back, stay until it has come that far again.
        """
        checkpoint.save(self.path, state)
        step = state.progress.step
        if keep and step:
            checkpoint.save(kept_path(self.path, step), state)
            for old in sorted(number for number in kept_states(self.path) if number <= step)[:-keep]:
                _remove(kept_path(self.path, old), "a state kept before")

    def save_if_best(self, state: Checkpoint, loss: float) -> None:
        """Keep a model, its weights alone, if its held-out figure beats that of the one on the disk.

        A resumed run may stand before a best that its interrupted predecessor kept: that stays until it is beaten.
        """
        if loss < self.kept:
            checkpoint.save(self.best_path, replace(state, resume=None))
            self.kept = loss

    def forget(self) -> None:
        """Remove the best model and the kept states of the run that this one replaces."""
        _remove(self.best_path, "the best model of the run to be replaced")
        for step in kept_states(self.path):
            _remove(kept_path(self.path, step), "a state of the run to be replaced")

    def give_bounds(self, state: Checkpoint) -> None:
        """Write the bounds of a run that is resumed into its best model and its kept states.

        So all files of a run say the same of it, and are those of one that was to end there from the start.
        """
        bounds = {name: state.config[name] for name in BOUNDS}
        for path in (self.best_path, *(kept_path(self.path, step) for step in kept_states(self.path))):
            try:
                earlier = checkpoint.load(path)
            except CheckpointError:  # missing, or damaged: a better or a later one will replace it
                continue
            config = {**earlier.config, **bounds}
            is_same_run = (earlier.model, earlier.corpus) == (state.model, state.corpus)
            if is_same_run and config != earlier.config:
                checkpoint.save(path, replace(earlier, config=config))

    def close(self) -> None:
        """Let other runs have the checkpoint."""
        if self._lock:
            self._lock.release()


def _remove(path: Path, what: str) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot remove {str(path)!a}, {what}: {error.strerror}; move it away") from error


def kept_loss(run: Checkpoint, best: Path, evaluator: Evaluator | None) -> float:
    """Return the held-out figure of the best model of a run that is resumed; infinity if there is none.

    If it was judged by another text, `evaluator` scores it again.
    """
    try:
        kept = checkpoint.load(best)
    except CheckpointError:
        return math.inf
    if kept.corpus.sha256 != run.corpus.sha256 and evaluator and kept.model == run.model:
        return evaluator.loss(kept.params)
    entry = kept.progress.best
    return entry[1] if entry else math.inf
