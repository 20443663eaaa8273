"""Samples on stdout: one as it is drawn, several apart or in columns, or as JSON lines.

Items on stdout, one a line or as their separator parts them, and whether the model has seen them before.
"""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from charrnn.checkpoint import Checkpoint
from charrnn.errors import TextError, counted
from charrnn.report.terminal import NARROWEST, TextWriter, bits, cells, column_width, side_by_side, visible
from charrnn.sampling.writing import Reason, Sample
from charrnn.text.items import Items
from charrnn.text.vocabulary import MOST_LISTED, Fitted
from charrnn.training.data import learned

INTERRUPTED = "interrupted"


class Display:
    """What one of the displays below is; a context manager that shows what is still to be shown, also at Ctrl-C.

    Parameters
    ----------
    samples : what is written
    echo : the text to show before each
    writer : what writes it
    keep : whether to keep the texts; one alone can be shown without, and may then be endless
    """

    def __init__(self, samples: Sequence[Sample], echo: str, writer: TextWriter, *, keep: bool = True) -> None:
        self.samples, self.echo, self.writer, self.keep = samples, echo, writer, keep
        self.pieces: list[list[str]] = [[] for _ in samples]
        """What each sample has so far, where it is kept."""

    def follow(self, steps: Iterable[Sequence[str]]) -> None:
        """Show samples that grow, from their first character to their end."""
        with self:
            for gained in steps:
                self.take(gained)

    def __enter__(self) -> Self:
        self.writer.__enter__()
        self.begin()
        return self

    def take(self, gained: Sequence[str]) -> None:
        """Take by what each sample has grown."""
        if self.keep:
            for pieces, piece in zip(self.pieces, gained, strict=True):
                pieces.append(piece)
        self.show(gained)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind in (None, KeyboardInterrupt):
            self.end()
        self.writer.__exit__(kind, error, traceback)

    def begin(self) -> None:
        """Show what comes before the first character."""

    def show(self, gained: Sequence[str]) -> None:
        """Show what can be shown by now."""

    def end(self) -> None:
        """Show the rest."""


class Apart(Display):
    """Each sample as it is drawn; of several, one after the other, and those that wait for their turn are kept.

    Parameters
    ----------
    samples, echo, writer, keep : see `Display`
    is_quiet : several have no headings
    """

    def __init__(
        self, samples: Sequence[Sample], echo: str, writer: TextWriter, *, keep: bool = True, is_quiet: bool = False
    ) -> None:
        super().__init__(samples, echo, writer, keep=keep)
        self._has_headings = len(samples) > 1 and not is_quiet
        self._current = 0

    def begin(self) -> None:
        """Show the current sample as far as it is written."""
        if self._has_headings:
            self.writer.heading(_title(self.samples, self._current))
        self.writer.write(self.echo + "".join(self.pieces[self._current]))

    def show(self, gained: Sequence[str]) -> None:
        """Show the current sample's piece, and go on to the next where it has ended."""
        self.writer.write(gained[self._current])
        while self.samples[self._current].ending.reason and self._current + 1 < len(self.samples):
            self._next()

    def end(self) -> None:
        """Show the others as far as they are written."""
        while self._current + 1 < len(self.samples):
            self._next()
        if len(self.samples) > 1:
            self.writer.end_line()

    def _next(self) -> None:
        self.writer.end_line()
        if self._has_headings:
            self.writer.write("\n")
        self._current += 1
        self.begin()


class Columns(Display):
    """The temperatures in columns, and one row of columns for each random seed; on a terminal, when all are written."""

    def end(self) -> None:
        """Show all."""
        temperatures = list(dict.fromkeys(sample.temperature for sample in self.samples))
        num = len(self.samples) // len(temperatures)
        width = shutil.get_terminal_size().columns
        for k in range(num):
            if k:
                self.writer.write("\n")
            if num > 1:
                self.writer.heading(f"── --rng-seed {self.samples[k].rng_seed} ──")
            row = range(k, len(self.samples), num)
            titles = [f"temperature {self.samples[number].temperature:g}" for number in row]
            for title in side_by_side(titles, width):
                self.writer.heading(title)
            texts = [visible("".join([self.echo, *self.pieces[number]]).expandtabs(4)) for number in row]
            for line in side_by_side(texts, width):
                self.writer.write(f"{line}\n")


class JsonLines(Display):
    """One JSON object a sample, a line feed after it and none in it.

    Parameters
    ----------
    samples, echo, writer : see `Display`; here the echo is a field of its own
    checkpoint : where the model is
    label : what to call a text, seed and all, beside its sample; by default nothing
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        echo: str,
        writer: TextWriter,
        checkpoint: Path,
        label: Callable[[str, Sample], str | None] | None = None,
    ) -> None:
        super().__init__(samples, echo, writer)
        self._checkpoint, self._label = checkpoint, label
        self._shown = 0

    def show(self, gained: Sequence[str]) -> None:  # noqa: ARG002 - the pieces are kept by now
        """Show the samples that have ended, in their order."""
        while self._shown < len(self.samples) and self.samples[self._shown].ending.reason:
            self._show_next()

    def end(self) -> None:
        """Show the others as far as they are written."""
        while self._shown < len(self.samples):
            self._show_next()

    def _show_next(self) -> None:
        sample, text = self.samples[self._shown], "".join(self.pieces[self._shown])
        log_probs = sample.log_probs[: len(text)]
        nats = -sum(log_probs) / len(text) if text else None
        values = {
            "checkpoint": str(self._checkpoint),
            "rng_seed": sample.rng_seed,
            "temperature": sample.temperature,
            "seed": self.echo,
            "text": text,
            "ended": sample.ending.reason or INTERRUPTED,
            "nats_per_char": nats,
            "bits_per_char": None if nats is None else bits(nats),
            "log_probs": log_probs,
        }
        if self._label:
            values["label"] = self._label(self.echo + text, sample)
        self.writer.write(json.dumps(values) + "\n")
        self._shown += 1


def choose_display(
    samples: Sequence[Sample],
    seed: str,
    writer: TextWriter,
    *,
    json_of: Path | None,
    echo: bool,
    is_quiet: bool,
    keep: bool,
) -> Display:
    """Return how to show samples: as JSON that names a checkpoint, in columns where they fit a terminal, or apart."""
    if json_of:
        return JsonLines(samples, seed, writer, json_of)
    shown = seed if echo else ""
    temperatures = len({sample.temperature for sample in samples})
    width = shutil.get_terminal_size().columns
    if sys.stdout.isatty() and temperatures > 1 and column_width(temperatures, width) >= NARROWEST:
        return Columns(samples, shown, writer)
    return Apart(samples, shown, writer, keep=keep, is_quiet=is_quiet)


def describe_fitting(fitted: Fitted) -> list[str]:
    """Say which characters of a text that the model never saw were replaced, and which left out; nothing where none."""
    pairs = [f"{_name(old)} by {new!r}" for old, new in fitted.replaced.items() if new]
    gone = [_name(old) for old, new in fitted.replaced.items() if not new]
    lines = [f"replaced {_list(pairs)}"] * bool(pairs) + [f"left out {_list(gone)}"] * bool(gone)
    return [f"not known to the model: {line}" for line in lines]


def _title(samples: Sequence[Sample], number: int) -> str:
    sample = samples[number]
    parts = [
        f"temperature {sample.temperature:g}" if len({s.temperature for s in samples}) > 1 else "",
        f"--rng-seed {sample.rng_seed}" if len({s.rng_seed for s in samples}) > 1 else "",
    ]
    return f"── {', '.join(filter(None, parts))} ──"


def _name(characters: str) -> str:
    return f"{characters!r} ({' '.join(f'U+{ord(c):04X}' for c in characters)})"


def _list(words: Sequence[str]) -> str:
    return ", ".join(words[:MOST_LISTED]) + " ..." * (len(words) > MOST_LISTED)


SEEN, NEW, CUT = "seen", "new", "cut off"
_LABEL_COLUMN = 30  # where labels stand on a terminal, if the item leaves room


class Labels:
    """Tells of an item whether the model learned from that very one.

    Parameters
    ----------
    trained : a model of items, whose training text is read again

    Attributes
    ----------
    missing : why there are no labels; empty where there are
    """

    def __init__(self, trained: Checkpoint) -> None:
        self.missing = ""
        self._vocabulary, self._items = trained.vocabulary, None
        try:
            part = learned(trained)
            self._items = part if isinstance(part, Items) else None
        except TextError as error:
            self.missing = f"no labels that say what is seen and what new: {error}"

    def label(self, item: str, sample: Sample) -> str | None:
        """Return ``seen`` for an item that was trained on, ``new`` for any other, ``cut off`` if it has no end yet.

        None where the training text is not at hand.
        """
        if sample.ending.reason is not Reason.ITEM:
            return CUT
        item = item[: len(item) - sample.ending.overlap]  # the end of a seed may have begun the separator
        if self._items is None:
            return None
        return SEEN if self._items.has(self._vocabulary.encode(item)) else NEW

    def summary(self, display: Display, seed: str) -> str:
        """Count the labels of the items of a display, each of which begins with a seed, or say why there are none."""
        if self.missing:
            return self.missing
        texts = [seed + "".join(pieces) for pieces in display.pieces]
        counts = Counter(map(self.label, texts, display.samples))
        parts = [f"{counts[label]:,} {label}" for label in (NEW, SEEN, CUT) if counts[label]]
        return f"{counted(len(texts), 'item')}: {', '.join(parts)}"


class ItemLines(Display):
    """Items one after the other, as they are drawn, each with the separator that ends it.

    To a pipe go the items alone, in the form of the text they were learned from; a terminal has labels beside them.

    Parameters
    ----------
    samples, echo, writer : see `Display`
    separator : what stands after each
    labels : for a terminal
    seed : what each begins with, be it echoed or not
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        echo: str,
        writer: TextWriter,
        *,
        separator: str,
        labels: Labels | None,
        seed: str,
        is_quiet: bool,
    ) -> None:
        super().__init__(samples, echo, writer)
        self._separator, self._labels, self._seed = separator, labels, seed
        self._has_headings = len({sample.temperature for sample in samples}) > 1 and not is_quiet
        self._current = 0

    def begin(self) -> None:
        """Show the current item as far as it is written."""
        sample, before = self.samples[self._current], self.samples[max(self._current - 1, 0)]
        if self._has_headings and (not self._current or sample.temperature != before.temperature):
            self.writer.end_line()
            self.writer.heading(f"── temperature {sample.temperature:g} ──")
        self.writer.write(self.echo + "".join(self.pieces[self._current]))

    def show(self, gained: Sequence[str]) -> None:
        """Show the current item's piece, and go on to the next where it has ended."""
        if self._current < len(self.samples):
            self.writer.write(gained[self._current])
            self._go_on()

    def end(self) -> None:
        """Leave out the items that wait for their turn and have no end yet."""
        self._go_on()

    def _go_on(self) -> None:
        while self._current < len(self.samples) and self.samples[self._current].ending.reason:
            self._finish()
            self._current += 1
            if self._current < len(self.samples):
                self.begin()

    def _finish(self) -> None:
        """Show what comes after the current item."""
        item = "".join(self.pieces[self._current])
        label = self._labels and self._labels.label(self._seed + item, self.samples[self._current])
        if label and "\n" not in item:
            gap = max(2, _LABEL_COLUMN - cells(visible(self.echo + item)))
            self.writer.aside(f"{' ' * gap}{label}")
        self.writer.write(self._separator[self.samples[self._current].ending.overlap if self.echo else 0 :])
        if label and "\n" in item:
            self.writer.end_line()
            self.writer.heading(f"── {label} ──")


def display_for(
    trained: Checkpoint,
    samples: Sequence[Sample],
    seed: str,
    writer: TextWriter,
    *,
    by_turns: bool,
    json_of: Path | None,
    echo: bool,
    is_quiet: bool,
    keep: bool,
) -> tuple[Display, Labels | None]:
    """Return how to show samples (see `choose_display`), and the labels of items, if anybody will see those."""
    if by_turns or not trained.separator:
        running = choose_display(samples, seed, writer, json_of=json_of, echo=echo, is_quiet=is_quiet, keep=keep)
        return running, None
    is_terminal, separator = sys.stdout.isatty(), trained.separator
    labels = Labels(trained) if json_of or is_terminal or not is_quiet else None
    if json_of:
        return JsonLines(samples, seed, writer, json_of, labels.label if labels else None), labels
    beside, shown = labels if is_terminal else None, seed if echo else ""
    return ItemLines(samples, shown, writer, separator=separator, labels=beside, seed=seed, is_quiet=is_quiet), labels
