"""A run on the terminal: what will happen, a bar while it does, samples above it, and where it all went.

Everything goes to stderr. Where stderr is no terminal there is no bar, but a plain line now and then, so that a log
shows life.
"""

import math
import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

from charrnn.report.terminal import visible
from charrnn.training.run import Evaluated, Event, Run, Sampled, SaveFailed
from charrnn.training.trainer import StepReport

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_FIGURES = 0.2


def bits(nats: float) -> float:
    """Bits for nats."""
    return nats / math.log(2)


def duration(seconds: float) -> str:
    """A span as a person says it: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe(run: Run, notes: tuple[str, ...], validation_characters: int, speed: float) -> list[str]:
    """Say what was read and what will be done, a few lines.

    Parameters
    ----------
    run : about to start
    notes : what reading the text had to change
    validation_characters : held out
    speed : characters a second, measured
    """
    trainer, config, corpus = run.trainer, run.config, run.corpus
    model, streams = trainer.model, trainer.streams
    training = corpus.characters - validation_characters
    layers = " + ".join(map(str, model.hidden_sizes))
    source = f"embedding {model.embedding_size}" if model.embedding_size else "one-hot"
    total = run.total_steps
    if total is None:
        plan = f"{config.minutes:g} min"
    else:
        seconds = (total - trainer.step) * streams.batch_size * streams.seq_length / speed
        if config.minutes:
            seconds = min(seconds, 60 * config.minutes)
        plan = f"{total:,} steps ({total / streams.chunks_per_epoch:.1f} epochs), about {duration(seconds)}"
    return [
        *notes,
        f"text    {visible(corpus.name)}: {corpus.characters:,} characters, {model.vocab_size} symbols; "
        f"{training:,} train, {validation_characters:,} held out",
        f"model   {model.cell} {layers}, {source} input, {trainer.params.vector.size:,} parameters, {config.dtype}",
        f"train   batch {config.batch_size} × seq {config.seq_length}, {config.optimizer} "
        f"{trainer.base_learning_rate:g} {config.schedule}, {speed:,.0f} characters/s: {plan}",
    ]


class Progress:
    """The display of one run; a context manager that puts the terminal right again.

    Parameters
    ----------
    run : the run to show
    is_quiet : show nothing but what went wrong
    """

    def __init__(self, run: Run, *, is_quiet: bool = False) -> None:
        self.run = run
        self.is_quiet = is_quiet
        self._characters = 0
        self._speed_since = self._figures_at = self._line_at = time.monotonic()
        self._bar: tqdm[None] = tqdm(
            total=run.total_steps,
            initial=run.trainer.step,
            unit="step",
            file=sys.stderr,
            disable=True if is_quiet else None,  # None: only where stderr is a terminal
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {remaining} {postfix}"
            if run.total_steps
            else "{n_fmt} steps {elapsed} {postfix}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.close()

    def say(self, line: str) -> None:
        """Write a line above the bar."""
        if not self.is_quiet:
            tqdm.write(line, file=sys.stderr)

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, StepReport):
            self._step(event)
        elif isinstance(event, Sampled):
            self.say(f"\n── a sample after {event.step:,} steps ──\n{visible(event.text)}\n")
        elif isinstance(event, Evaluated):
            best = ", the best so far" if event.is_best else ""
            self.say(
                f"step {event.step:,}: held-out loss {event.loss:.3f} nats/char = {bits(event.loss):.3f} bits/char{best}"
            )
        elif isinstance(event, SaveFailed):
            tqdm.write(f"warning: {event.reason}; training goes on and tries again", file=sys.stderr)

    def _step(self, report: StepReport) -> None:
        self._characters += report.characters
        self._bar.update()
        if self.is_quiet:
            return
        now = time.monotonic()
        if self._bar.disable:
            if now - self._line_at >= _SECONDS_BETWEEN_LINES:
                self._line_at = now
                self.say(f"step {report.step:,}: {self._figures(report, now)}")
        elif now - self._figures_at >= _SECONDS_BETWEEN_FIGURES:
            self._figures_at = now
            self._bar.set_postfix_str(self._figures(report, now), refresh=False)

    def _figures(self, report: StepReport, now: float) -> str:
        speed = self._characters / max(now - self._speed_since, 1e-9)
        return f"loss {report.smoothed_loss:.3f} = {bits(report.smoothed_loss):.2f} bits/char, {speed:,.0f} chars/s"
