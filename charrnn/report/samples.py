"""Samples on stdout: as they are drawn, in columns, as items with labels, or as JSON lines."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from charrnn.checkpoint import Checkpoint
from charrnn.errors import TextError, counted, shown
from charrnn.nn.model import CharRNN
from charrnn.report.terminal import (
    NARROWEST,
    TextWriter,
    bits,
    column_width,
    cut,
    side_by_side,
    terminal_size,
    text_width,
    visible,
)
from charrnn.sampling.writing import Reason, Sample
from charrnn.text.items import Items
from charrnn.text.vocabulary import MOST_LISTED, Fitted

INTERRUPTED = "interrupted"
SEEN, NEW, CUT = "seen", "new", "cut off"
_LABEL_COLUMN = 30  # of a label on a terminal, if the item leaves room
_INTRODUCTION, _SHORTEST_NAME = 80, 12  # columns of a model's introduction, and those its name has at least


def describe_model(trained: Checkpoint, path: Path) -> str:
    """Describe a model in a line: its file, its size, what it was trained on, and how good it is."""
    text = f"trained on {shown(trained.corpus.name)} for {trained.progress.step:,} steps"
    figure = _held_out_bits(trained)
    return visible(f"{shown(str(path))}: {cell_and_size(trained.model)}, {text}{figure and f', held out {figure}'}")


def introduce(trained: Checkpoint, path: Path, rng_seed: int) -> str:
    """Name the model that writes and the random seed that writes the same text again, in a line of 80 columns."""
    figure = _held_out_bits(trained)
    rest = f": {cell_and_size(trained.model)}{figure and f', {figure}'}, --rng-seed {rng_seed}"
    return cut(visible(shown(path.name)), max(_INTRODUCTION - len(rest), _SHORTEST_NAME)) + rest


def cell_and_size(model: CharRNN) -> str:
    """Name a network's cells and their number, such as ``lstm 512+512``."""
    return f"{model.cell} {'+'.join(map(str, model.hidden_sizes))}"


def _held_out_bits(trained: Checkpoint) -> str:
    """Return the last held-out figure, or nothing if there is none."""
    history = trained.progress.history
    return f"{bits(history[-1][1]):.3f} bits/char" if history else ""


@dataclass(frozen=True)
class Look:
    """How samples are shown."""

    by_turns: bool = False  # a person and the model take turns, and items are running text
    json_of: Path | None = None  # the checkpoint to name in JSON lines; None for text
    echo: bool = True  # show the seed too
    is_quiet: bool = False
    keep: bool = False  # keep the texts (see `Display`)
    read_items: Callable[[Checkpoint], object] = lambda _: None  # reads the training text again, to label items


def display_for(
    trained: Checkpoint, samples: Sequence[Sample], seed: str, writer: TextWriter, look: Look
) -> "tuple[Display, Labels | None]":
    """Return the display of samples that start with `seed`, and the labels of items if they will be shown."""
    is_terminal, shown, is_quiet = writer.is_on_terminal, seed if look.echo else "", look.is_quiet
    if trained.separator and not look.by_turns:
        labels = Labels(trained, look.read_items) if look.json_of or is_terminal or not is_quiet else None
        if look.json_of:
            return JsonLines(samples, seed, writer, look.json_of, labels.label if labels else None), labels
        beside, separator = labels if is_terminal else None, trained.separator
        items = ItemLines(samples, shown, writer, separator=separator, labels=beside, seed=seed, is_quiet=is_quiet)
        return items, labels
    if look.json_of:
        return JsonLines(samples, seed, writer, look.json_of), None
    temperatures = len({sample.temperature for sample in samples})
    if is_terminal and temperatures > 1 and column_width(temperatures, terminal_size(sys.stdout).columns) >= NARROWEST:
        return Columns(samples, shown, writer), None
    return Apart(samples, shown, writer, keep=look.keep, is_quiet=is_quiet), None


class Display:
    """Shows samples as they grow, one after the other; a context manager that shows the rest, also after Ctrl-C.

    `echo` is the text to show before each. A single sample can be shown without keeping its text, and may be endless.
    """

    def __init__(self, samples: Sequence[Sample], echo: str, writer: TextWriter, *, keep: bool = True) -> None:
        self.samples, self.echo, self.writer, self.keep = list(samples), echo, writer, keep
        self.pieces: list[list[str]] = [[] for _ in samples]
        """The text of each sample so far, if it is kept."""
        self._current = 0

    def follow(self, steps: Iterable[Sequence[str]]) -> None:
        """Show samples from their first character to their end."""
        with self:
            for gained in steps:
                self.take(gained)

    def __enter__(self) -> Self:
        self.writer.__enter__()
        if self.samples:
            self.begin()
        return self

    def add(self, sample: Sample, text: str) -> None:
        """Add a whole sample, and show it."""
        self.samples.append(sample)
        self.pieces.append([text])
        self.begin()
        self._go_on()

    def take(self, gained: Sequence[str]) -> None:
        """Add the new text of each sample, and show that of the current one; continue with the next if it has ended."""
        if self.keep:
            for pieces, piece in zip(self.pieces, gained, strict=True):
                pieces.append(piece)
        if self._current < len(self.samples):
            self.grow(gained[self._current])
            self._go_on()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind in (None, KeyboardInterrupt):
            self.end()
        self.writer.__exit__(kind, error, traceback)

    def begin(self) -> None:
        """Show the current sample so far."""

    def grow(self, piece: str) -> None:
        """Show a new piece of the current sample."""

    def finish(self) -> None:
        """Show what follows the current sample, or all of it."""

    def end(self) -> None:
        """Show the other samples so far."""
        self._go_on(to_the_end=True)

    def _go_on(self, *, to_the_end: bool = False) -> None:
        while self._current < len(self.samples) and (to_the_end or self.samples[self._current].ending.reason):
            self.finish()
            self._current += 1
            if self._current < len(self.samples):
                self.begin()


class Apart(Display):
    """One sample after the other, each as it is drawn; under headings, unless quiet."""

    def __init__(
        self, samples: Sequence[Sample], echo: str, writer: TextWriter, *, keep: bool = True, is_quiet: bool = False
    ) -> None:
        super().__init__(samples, echo, writer, keep=keep)
        self._has_headings = len(samples) > 1 and not is_quiet

    def begin(self) -> None:
        """Show the current sample so far, in a new line and under its heading."""
        if self._current:
            self.writer.end_line()
        if self._has_headings:
            self.writer.write("\n" * bool(self._current))
            self.writer.heading(_title(self.samples, self._current))
        self.writer.write(self.echo + "".join(self.pieces[self._current]))

    def grow(self, piece: str) -> None:
        """Show a new piece of the current sample."""
        self.writer.write(piece)

    def end(self) -> None:
        """Show the other samples so far."""
        super().end()
        if len(self.samples) > 1:
            self.writer.end_line()


class Columns(Display):
    """One column for each temperature and one row for each random seed, shown when all samples are written."""

    def end(self) -> None:
        """Show all samples."""
        temperatures = list(dict.fromkeys(sample.temperature for sample in self.samples))
        num = len(self.samples) // len(temperatures)
        width = terminal_size(sys.stdout).columns
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


def _title(samples: Sequence[Sample], number: int) -> str:
    sample = samples[number]
    parts = [
        f"temperature {sample.temperature:g}" if len({s.temperature for s in samples}) > 1 else "",
        f"--rng-seed {sample.rng_seed}" if len({s.rng_seed for s in samples}) > 1 else "",
    ]
    return f"── {', '.join(filter(None, parts))} ──"


class Labels:
    """Labels items by whether they are in the model's training text, which `read_items` reads again."""

    def __init__(self, trained: Checkpoint, read_items: Callable[[Checkpoint], object]) -> None:
        self.missing = ""
        """Why there are no labels; empty if there are."""
        self._vocabulary, self._items = trained.vocabulary, None
        try:
            part = read_items(trained)
            self._items = part if isinstance(part, Items) else None
        except TextError as error:
            self.missing = f"items are not labelled seen or new: {error}"

    def label(self, item: str, sample: Sample) -> str | None:
        """Return ``seen`` for an item of the training text, ``new`` for another, ``cut off`` for one without an end.

        None without the training text.
        """
        if sample.ending.reason is not Reason.ITEM:
            return CUT
        item = item[: len(item) - sample.ending.overlap]  # the seed may end with a part of the separator
        if self._items is None:
            return None
        return SEEN if self._items.has(self._vocabulary.encode(item)) else NEW

    def summary(self, display: Display, seed: str, drawn: int = 0) -> str:
        """Count the labels of a display's items, each of which starts with a seed, or say why there are none.

        `drawn` is how many items were drawn to find these; 0 if that is not worth telling.
        """
        searched = f"; drew {drawn:,} to find {'it' if len(display.pieces) == 1 else 'them'}" if drawn else ""
        if self.missing:
            return self.missing + searched
        texts = [seed + "".join(pieces) for pieces in display.pieces]
        counts = Counter(map(self.label, texts, display.samples))
        parts = [f"{counts[label]:,} {label}" for label in (NEW, SEEN, CUT) if counts[label]]
        return f"{counted(len(texts), 'item')}: {', '.join(parts)}{searched}"


class ItemLines(Display):
    """One item after the other, each as it is drawn, with the separator that ends it.

    A pipe gets items in the form of the training text; a terminal also gets labels. `seed` is the text that each item
    starts with, even if it is not echoed.
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

    def begin(self) -> None:
        """Show the current item so far."""
        sample, before = self.samples[self._current], self.samples[max(self._current - 1, 0)]
        if self._has_headings and (not self._current or sample.temperature != before.temperature):
            self.writer.end_line()
            self.writer.heading(f"── temperature {sample.temperature:g} ──")
        self.writer.write(self.echo + "".join(self.pieces[self._current]))

    def grow(self, piece: str) -> None:
        """Show a new piece of the current item."""
        self.writer.write(piece)

    def end(self) -> None:
        """Show the items that have ended; leave out the rest."""
        self._go_on()

    def finish(self) -> None:
        """Show the separator and the label after the current item."""
        item = "".join(self.pieces[self._current])
        label = self._labels and self._labels.label(self._seed + item, self.samples[self._current])
        if label and "\n" not in item:
            gap = max(2, _LABEL_COLUMN - text_width(visible(self.echo + item)))
            self.writer.aside(f"{' ' * gap}{label}")
        self.writer.write(self._separator[self.samples[self._current].ending.overlap if self.echo else 0 :])
        if label and "\n" in item:
            self.writer.end_line()
            self.writer.heading(f"── {label} ──")


class JsonLines(Display):
    """One JSON object a line for each sample; the echo is a separate field.

    `label` returns the label of a text, including its seed.
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

    def finish(self) -> None:
        """Show the current sample."""
        sample, text = self.samples[self._current], "".join(self.pieces[self._current])
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


def describe_fitting(fitted: Fitted) -> list[str]:
    """Return lines about the unknown characters of a text that were replaced or left out."""
    pairs = [f"{_name(old)} by {new!r}" for old, new in fitted.replaced.items() if new]
    gone = [_name(old) for old, new in fitted.replaced.items() if not new]
    lines = [f"replaced {_list(pairs)}"] * bool(pairs) + [f"left out {_list(gone)}"] * bool(gone)
    return [f"not known to the model: {line}" for line in lines]


def _name(characters: str) -> str:
    return f"{characters!r} ({' '.join(f'U+{ord(c):04X}' for c in characters)})"


def _list(words: Sequence[str]) -> str:
    return ", ".join(words[:MOST_LISTED]) + " ..." * (len(words) > MOST_LISTED)
