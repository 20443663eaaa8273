"""Items on stdout, one a line or as their separator parts them, and whether the model has seen them before."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from charrnn.checkpoint import Checkpoint
from charrnn.errors import TextError, counted
from charrnn.report.columns import cells
from charrnn.report.samples import Display, JsonLines, choose_display
from charrnn.report.terminal import TextWriter, visible
from charrnn.sampling.ending import Reason
from charrnn.sampling.writing import Sample
from charrnn.text.items import Items
from charrnn.training.trained_on import learned

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
