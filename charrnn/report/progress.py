"""The progress of a run and of work on a long text, on stderr: lines, a bar below them, and what to do next.

Where stderr is not a terminal there is no bar, but a plain line now and then, so that a log shows progress.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from charrnn.commands import command
from charrnn.errors import LogError, counted, shown
from charrnn.machine import format_bytes
from charrnn.paths import best_path, log_path
from charrnn.report.plot import Drawing, read_curves
from charrnn.report.tables import describe_batch, describe_division, describe_layers
from charrnn.report.terminal import describe_loss, duration, fold, say, terminal_size, visible
from charrnn.scoring.reading import Piece
from charrnn.text.sources import STDIN, Watcher
from charrnn.training.data import characters_in
from charrnn.training.events import (
    Evaluated,
    Event,
    LossRose,
    OutOfPatience,
    RolledBack,
    Sampled,
    SaveFailed,
    StepReport,
    Stopped,
)
from charrnn.training.run import Run
from charrnn.training.start import estimate_memory

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_FIGURES = 0.2
_SECONDS_BEFORE_A_BAR = 0.5
_SECONDS_OF_MEASURING = 0.25
_INDENT = len("speed  ")
_ROOM_FOR_ALL_FIGURES = 72  # columns; a narrower terminal shows neither the speed nor the step
_FEWEST_STEPS = 20  # of a curve worth drawing


def describe(run: Run, speed: float) -> list[str]:
    """Return a few lines about the text, the model and the training; `speed` is in characters per second."""
    trainer, config, corpus = run.trainer, run.config, run.corpus
    held_out = run.held_out_characters
    network = asdict(trainer.model) | {"parameters": trainer.params.vector.size, "dtype": config.dtype}
    items = asdict(corpus.items) if corpus.items else None
    division = describe_division(corpus.characters - held_out, held_out, items)
    text = f"{shown(corpus.name)}: {trainer.model.vocab_size:,} symbols, {division}"
    scored = run.evaluator.transitions + 1 if run.evaluator and not corpus.items else held_out
    part = f", {scored:,} of them scored each time" if scored < held_out else ""
    rate = f"{config.optimizer} {trainer.full_learning_rate:g} {config.schedule}"
    ranks, streams, workers = trainer.plan.ranks, config.batch_size, trainer.plan.processes
    fewest, most = streams // ranks, -(-streams // ranks)
    each = f"{fewest} to {most}" if fewest < most else str(most)
    processes = f"{workers} process{'es' * (workers > 1)}"
    return [
        f"text   {text}{part}",
        f"model  {describe_layers(network)}",
        f"train  {describe_batch(config)}, {rate}, {_length(run)}",
        *([f"ranks  {ranks:,}, each with {each} streams and {processes}"] if ranks > 1 else []),
        f"speed  {speed:,.0f} characters/s, about {duration(_seconds_left(run, speed))} left",
    ]


def plan(run: Run) -> list[str]:
    """Return what `describe` does, and how much memory the run takes and what it writes; its speed is measured."""
    ranks, characters = run.trainer.plan.ranks, characters_in(run.trainer.streams.part)
    memory = ranks * estimate_memory(run.config, len(run.vocabulary), characters, ranks)
    saved = "nothing: it is in memory"
    if run.path:
        best = f", and its best model to {shown(str(best_path(run.path)))}" if run.evaluator else ""
        saved = f"to {shown(str(run.path))}{best}"
    return [
        *describe(run, run.trainer.measure_speed(_SECONDS_OF_MEASURING)),
        f"memory about {format_bytes(memory)}, besides the text",
        f"saves  {saved}",
    ]


def _length(run: Run) -> str:
    """Return how long a run is, in its own bounds."""
    bounds = []
    if total := run.total_steps:
        epochs = total * run.config.accumulate / run.trainer.streams.chunks_per_epoch
        bounds.append(f"{counted(total, 'step')} = {epochs:.1f} epochs")
    if run.config.minutes:
        bounds.append(f"{run.config.minutes:g} min")
    return " or ".join(bounds)


def _seconds_left(run: Run, speed: float) -> float:
    bounds = []
    if run.total_steps:
        chunks = (run.total_steps - run.trainer.step) * run.config.accumulate
        bounds.append(chunks * run.trainer.streams.characters_per_chunk / speed)
    if run.config.minutes:
        bounds.append(max(0.0, run.pace.budget - run.pace.elapsed))
    return min(bounds)


class ProgressDisplay:
    """The display of one run; a context manager that removes its bar. If quiet, it shows only warnings."""

    def __init__(self, run: Run, *, is_quiet: bool = False) -> None:
        self.run = run
        self.is_quiet = is_quiet
        if not is_quiet and not run.is_finished:
            for note in run.notes:
                self.say(note)
            for line in describe(run, run.trainer.measure_speed(_SECONDS_OF_MEASURING)):
                self.say(line, _INDENT)
        for sentence in () if run.is_finished else run.warnings:
            self.warn(sentence)
        self._characters = 0
        self._speed_since = self._figures_at = self._line_at = time.monotonic()
        self._is_timed = not run.total_steps  # then the bar counts time
        self._is_narrow = sys.stderr.isatty() and terminal_size(sys.stderr).columns < _ROOM_FOR_ALL_FIGURES
        self._bar: tqdm[Any] = tqdm(
            total=run.total_steps or run.pace.budget,
            initial=self._seconds() if self._is_timed else run.trainer.step,
            unit="step",
            file=sys.stderr,
            disable=True if is_quiet or run.is_finished else None,  # None: only where stderr is a terminal
            dynamic_ncols=True,
            # Figures first, so that a narrow terminal cuts the bar.
            bar_format="{percentage:3.0f}%{postfix} |{bar}|" + ("" if self._is_narrow else " step {desc}")
            if self._is_timed
            else "{percentage:3.0f}%, {remaining} left{postfix} |{bar}|" + ("" if self._is_narrow else " step {n_fmt}"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.close()

    def say(self, line: str, indent: int = 0) -> None:
        """Write a line above the bar, cut between words to fit."""
        self._show(fold(visible(line), indent))

    def warn(self, sentence: str) -> None:
        """Write a warning above the bar, even if quiet."""
        _write(fold(visible(f"warning: {sentence}")))

    def _show(self, text: str) -> None:
        """Write a text above the bar without changing its lines: a sample, a drawing, a command to copy."""
        if not self.is_quiet:
            _write(text)

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case StepReport():
                self._step(event)
            case Sampled():
                self._show(f"\n── a sample after {event.step:,} steps ──\n{event.text}\n")
            case Evaluated():
                best = ", the best so far" if event.is_best else ""
                self.say(f"step {event.step:,}: held out {describe_loss(event.loss)}{best}")
            case SaveFailed():
                self.warn(f"{event.reason}; training continues and will try again")
            case LossRose():
                self.warn(
                    f"the loss at step {event.step:,} is {describe_loss(event.loss)}, over three times that of "
                    "guessing blindly; if it stays there, stop and try a lower --learning-rate"
                )
            case RolledBack():
                rate = f"{event.learning_rate:.4g}"
                self.say(f"{event.reason}; went back to step {event.step:,} and halved the learning rate to {rate}")
                if not self._is_timed:
                    self._bar.n = event.step
            case OutOfPatience():
                best = f"{describe_loss(event.best_loss)} at step {event.best_step:,}"
                self.say(f"out of patience at step {event.step:,}: the best held-out loss is still {best}")
            case Stopped():
                self._bar.close()
                self._end(event)

    def _end(self, event: Stopped) -> None:
        path = self.run.path
        if path is None:
            return
        name = shown(str(path))
        if not (self._characters or self.run.is_fresh):
            self.say(f"{name} has finished its run at step {event.step:,}; {self._bound()} to continue")
            return
        self._draw()
        if event.interrupted:
            self.say(f"stopped at step {event.step:,} and saved. To resume:")
            texts = [STDIN] if STDIN in self.run.corpus.sources else []  # a text from stdin has to be piped again
            self._show("  " + command("train", texts, ["--resume", "--checkpoint", str(path)]))
            return
        if not event.step:
            self.warn(f"--minutes {self.run.config.minutes:g} was too short for a single step; {self._bound()}")
            return
        best = best_path(path)
        has_best = bool(self.run.history) and best.exists()
        and_best = f", and the best as {shown(str(best))}" if has_best else ""
        self.say(f"done at step {event.step:,}; saved {name}{and_best}")
        self.say("now try:")
        amount = ["--num", "20"] if self.run.config.separator else ["-n", "400"]
        self._show(f"  {command('sample', [str(best if has_best else path)], amount)}")

    def _draw(self) -> None:
        """Draw the losses of the whole run, with its earlier parts, if it has a log."""
        if self.is_quiet or self.run.path is None:
            return
        with contextlib.suppress(LogError):
            curves = read_curves(log_path(self.run.path))
            if len(curves.training) >= _FEWEST_STEPS:
                self._show("\n".join(["", *Drawing(sys.stderr, may_colour=False).losses([curves], 7), ""]))

    def _bound(self) -> str:
        """Return the options that continue a run beyond its end."""
        config = self.run.config
        ways = {
            "a later --steps": config.steps,
            "more --epochs": config.epochs,
            "more --minutes": config.minutes,
            "a greater --patience": config.patience,
        }
        return "give " + " or ".join(way for way, bound in ways.items() if bound)

    def _step(self, report: StepReport) -> None:
        self._characters += report.characters
        if self._is_timed:
            self._bar.set_description_str(f"{report.step:,}", refresh=False)
        self._bar.update(self._seconds() - self._bar.n if self._is_timed else 1)
        if self.is_quiet:
            return
        now = time.monotonic()
        if self._bar.disable:
            if now - self._line_at >= _SECONDS_BETWEEN_LINES:
                self._line_at = now
                self.say(f"step {report.step:,}: {self._figures(report, now)}")
        elif now - self._figures_at >= _SECONDS_BETWEEN_FIGURES:
            self._figures_at = now
            left = f"{tqdm.format_interval(self.run.pace.budget - self._seconds())} left, " if self._is_timed else ""
            self._bar.set_postfix_str(left + self._figures(report, now), refresh=False)

    def _seconds(self) -> float:
        """Return how much of the run's time is used."""
        return min(self.run.pace.elapsed, self.run.pace.budget)

    def _figures(self, report: StepReport, now: float) -> str:
        loss = f"loss {describe_loss(report.smoothed_loss)}"
        speed = self._characters / max(now - self._speed_since, 1e-9)
        return loss if self._is_narrow else f"{loss}, {speed:,.0f} chars/s"


class TextProgress(Watcher):
    """The display of tasks on a long text: a bar that leaves nothing behind; short tasks are not shown.

    A context manager that removes its bar. `track` is a `charrnn.scoring.reading.Track`.
    """

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._task = ""
        self._bar: tqdm[Any] | None = None
        self._began = self._line_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def track(
        self, task: str, pieces: Iterable[Piece], total: int, size: Callable[[Any], int] = len, /
    ) -> Iterator[Piece]:
        """Yield the pieces of a task and show its progress, in characters."""
        done = 0
        try:
            self._show(task, done, total, "chars")
            for piece in pieces:
                yield piece
                done += size(piece)
                self._show(task, done, total, "chars")
        finally:
            self._end()

    def advance(self, what: str, done: int, total: int) -> None:
        """Show the progress of one task, in bytes; a total of 0 is unknown."""
        self._show(f"{what} the text" if done or total else what, done, total, "B")

    def say(self, sentence: str) -> None:
        """Write a line below what is shown."""
        if not self._is_quiet:
            self._end()
            say(sentence)

    def _show(self, task: str, done: int, total: int, unit: str) -> None:
        if self._is_quiet:
            return
        now = time.monotonic()
        if task != self._task or self._bar is None:
            self._end()
            self._task, self._began, self._line_at = task, now, now
            form = "{desc}: {percentage:3.0f}%, {rate_fmt}, {remaining} left |{bar}|" if total else "{desc}, {elapsed}"
            self._bar = tqdm(
                total=total or None,
                desc=task,
                unit=unit,
                unit_scale=True,
                file=sys.stderr,
                disable=None,
                leave=False,
                delay=_SECONDS_BEFORE_A_BAR,
                dynamic_ncols=True,
                bar_format=form,
            )
        self._bar.update(done - self._bar.n)
        if self._bar.disable and now - self._line_at >= _SECONDS_BETWEEN_LINES:
            self._line_at = now
            figures = [format_bytes(done) if unit == "B" else f"{done:,} {unit}"]
            if total and done:
                left = (now - self._began) * (total - done) / done
                figures = [f"{done / total:.0%}", *figures, f"{duration(left)} left"]
            say(f"{task}: {', '.join(figures)}" if done else task)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _write(line: str) -> None:
    """Write a line above the bars. A full log, or one whose reader is gone, must not end the training."""
    with contextlib.suppress(OSError):
        tqdm.write(visible(line), file=sys.stderr)
