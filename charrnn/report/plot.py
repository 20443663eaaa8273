"""The curves of runs: loss, learning rate and gradient norm over the steps, and a drawing of them in a terminal.

The losses of a log are in nats per character; drawings show bits per character. Lines are drawn with braille
characters, each a field of 2 × 4 dots; marks stand for evaluations on the held-out part.
"""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from charrnn import checkpoint
from charrnn.errors import LogError, shown
from charrnn.paths import LOG_SUFFIX, log_path
from charrnn.report.terminal import bits, has_colour, pad, terminal_size, text_width, visible
from charrnn.training.log import read_log

# ---- the curves of a run ----

_LARGEST = 1e300  # of a value that can be drawn
Points = list[tuple[int, float]]  # steps and values, sorted by step


@dataclass(frozen=True)
class Curves:
    """One run. Losses are in nats per character."""

    name: str
    training: Points = field(default_factory=list)  # the smoothed loss
    held_out: Points = field(default_factory=list)
    learning_rate: Points = field(default_factory=list)
    grad_norm: Points = field(default_factory=list)  # before clipping

    @property
    def best(self) -> tuple[int, float] | None:
        """The step and the loss of the best evaluation."""
        return min(self.held_out, key=lambda point: point[1], default=None)


def read_runs(paths: Sequence[Path]) -> list[Curves]:
    """Read several runs (see `read_curves`); runs of the same name are named by their paths."""
    runs = [read_curves(path) for path in paths]
    names = [run.name for run in runs]
    return [
        replace(run, name=str(path)) if names.count(run.name) > 1 else run
        for run, path in zip(runs, paths, strict=True)
    ]


def read_curves(path: Path) -> Curves:
    """Read the curves of a log, or of a checkpoint; a checkpoint without a log has only its evaluations."""
    if path.suffix == ".npz":
        log = log_path(path)
        if log.exists():
            return read_curves(log)
        curves = Curves(path.stem, held_out=list(checkpoint.load(path).progress.history))
    else:
        curves = from_records(read_log(path), path.name.removesuffix(LOG_SUFFIX))
    if not (curves.training or curves.held_out):
        raise LogError(f"{shown(str(path))} has no steps and no evaluations: there is nothing to draw")
    return curves


def from_records(records: Sequence[dict[str, Any]], name: str) -> Curves:
    """Return the curves in the records of a log; where the run went back, they go back too."""
    curves = Curves(name)
    for record in records:
        step = record["step"]
        match record["event"]:
            case "progress":
                _add(curves.training, step, record.get("smoothed_loss"))
                _add(curves.learning_rate, step, record.get("learning_rate"))
                _add(curves.grad_norm, step, record.get("grad_norm"))
            case "evaluation":
                _add(curves.held_out, step, record.get("loss"))
            case "start" | "resume" | "rollback":
                for points in (curves.training, curves.held_out, curves.learning_rate, curves.grad_norm):
                    while points and points[-1][0] > step:
                        points.pop()
    return curves


def _add(points: Points, step: int, value: object) -> None:
    """Add a point if its value is a number that can be drawn: a log is a file that anyone may have edited."""
    if not isinstance(value, float | int) or isinstance(value, bool) or not -_LARGEST < value < _LARGEST:
        return
    if not points or step > points[-1][0]:
        points.append((step, float(value)))


# ---- axes ----

STRETCHES = 320  # of the step axis of a picture, one or two pixels each


@dataclass(frozen=True)
class Axis:
    """A range of values, linear or logarithmic."""

    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return the place of a value on the axis: 0 at `low`, 1 at `high`."""
        if self.is_log:
            return math.log(max(value, self.low * 1e-3) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int) -> list[float]:
        """Return at most `most` round values in the range, evenly spaced."""
        if self.is_log:
            return self._log_ticks(most)
        step = _round_up((self.high - self.low) / (most + 1))
        while len(ticks := self._multiples(step)) > most:
            step = _round_up(step * 1.5)
        return ticks

    def _multiples(self, step: float) -> list[float]:
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]

    def labels(self, ticks: Sequence[float]) -> list[str]:
        """Return the labels of ticks, as short as possible; on a linear axis all have the same number of decimals."""
        short = [f"{tick:.6g}" for tick in ticks]
        if self.is_log or any("e" in text for text in short):
            return short
        decimals = max((len(text.partition(".")[2]) for text in short), default=0)
        return [f"{tick:,.{decimals}f}" for tick in ticks]

    def _log_ticks(self, most: int) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            ticks = [digit * 10.0**power for power in powers for digit in digits]
            ticks = [tick for tick in ticks if self.low <= tick <= self.high]
            if len(ticks) <= most:
                break
        return ticks[:: -(-len(ticks) // max(most, 1))] if ticks else []


def _round_up(step: float) -> float:
    """Return the next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= step * (1 - 1e-9))


def around(values: Iterable[float], *, from_zero: bool = False, may_be_log: bool = False) -> Axis:
    """Return an axis that holds all values, which must be finite and at least one, with a little room."""
    values = list(values)
    low, high = min(values), max(values)
    if may_be_log and low > 0 and high > 10 * low:
        return Axis(low / 1.1, high * 1.1, is_log=True)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return Axis(0.0 if from_zero else low - room, high + room)


def thinned(points: Points, axis: Axis, count: int) -> list[tuple[float, float]]:
    """Return the mean point of each of `count` stretches of the step axis."""
    stretches: dict[int, list[tuple[int, float]]] = {}
    for point in points:
        stretches.setdefault(int(axis.place(point[0]) * count), []).append(point)
    return [(_mean([x for x, _ in points]), _mean([y for _, y in points])) for points in stretches.values()]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# ---- panels ----

# A loss first falls from that of blind guessing; an axis with room for all of that would have little for the rest.
_FALL = 0.04  # the part of the steps whose values may be above the axis


@dataclass(frozen=True)
class Line:
    """One curve of one run."""

    run: int  # the number of its run
    points: Points
    is_held_out: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves of one kind over the same steps; values above the axis are not drawn."""

    title: str
    unit: str
    lines: list[Line]
    axis: Axis


def steps_axis(curves: Sequence[Curves]) -> Axis:
    """Return the step axis: from 0, or from the first step if all runs start late."""
    steps = [step for run in curves for points in (run.training, run.held_out) for step, _ in points]
    first, last = min(steps), max(steps)
    low = first if first > last / 2 else 0
    return Axis(low, last if last > low else low + 1)


def loss_panel(curves: Sequence[Curves], steps: Axis) -> Panel:
    """Return the panel of losses, training and held out."""
    lines = [
        Line(number, [(step, bits(loss)) for step, loss in losses], is_held_out=is_held_out)
        for is_held_out in (False, True)
        for number, run in enumerate(curves)
        if (losses := run.held_out if is_held_out else run.training)
    ]
    return Panel("loss", "bits/char", lines, around(_after_the_fall(lines, steps)))


def all_panels(curves: Sequence[Curves], steps: Axis) -> list[Panel]:
    """Return all panels that have something to draw."""
    panels = [loss_panel(curves, steps)]
    rates = [Line(number, run.learning_rate) for number, run in enumerate(curves) if run.learning_rate]
    if rates:
        values = [value for line in rates for _, value in line.points]
        panels.append(Panel("learning rate", "", rates, around(values, from_zero=True)))
    norms = [Line(number, run.grad_norm) for number, run in enumerate(curves) if run.grad_norm]
    if norms:
        panels.append(Panel("gradient norm", "", norms, around(_after_the_fall(norms, steps), may_be_log=True)))
    return panels


def _after_the_fall(lines: Sequence[Line], steps: Axis) -> list[float]:
    """Return the values that must be on the axis, averaged as they will be drawn."""
    drawn = [point for line in lines for point in thinned(line.points, steps, STRETCHES)]
    return [value for step, value in drawn if steps.place(step) >= _FALL] or [value for _, value in drawn]


# ---- a canvas of braille characters ----

# The bit of each dot, by row and column (Unicode's Braille Patterns).
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800
_UPPER, _LOWER = 0x1B, 0xE4  # the dots of the upper and of the lower two rows

Glyph = tuple[str, int | None]  # a character, and the number of the run that drew it last


class Canvas:
    """A grid of characters to draw on, of a width and a height in characters."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._dots = [[0] * width for _ in range(height)]
        self._marks = [[""] * width for _ in range(height)]
        self._owners: list[list[int | None]] = [[None] * width for _ in range(height)]

    def draw(self, points: list[tuple[float, float]], owner: int) -> None:
        """Join points with lines; (0, 0) is bottom left, (1, 1) top right, and points may be outside."""
        dots = [self._dot(x, y) for x, y in points]
        for start, end in zip(dots[:1] + dots, dots, strict=False):
            for column, row in _between(start, end):
                self._set(column, row, owner)

    def mark(self, x: float, y: float, character: str, owner: int) -> None:
        """Put a character at a place."""
        column, row = self._dot(x, y)
        column, row = column // 2, row // 4
        if 0 <= column < self.width and 0 <= row < self.height:
            self._marks[row][column], self._owners[row][column] = character, owner

    def rows(self, *, is_ascii: bool = False) -> Iterator[list[Glyph]]:
        """Yield the rows from the top; with `is_ascii`, without braille."""
        for dots, marks, owners in zip(self._dots, self._marks, self._owners, strict=True):
            characters = [mark or _character(mask, is_ascii=is_ascii) for mask, mark in zip(dots, marks, strict=True)]
            yield list(zip(characters, owners, strict=True))

    def _dot(self, x: float, y: float) -> tuple[int, int]:
        columns, rows = 2 * self.width - 1, 4 * self.height - 1
        return round(min(max(x, -1), 2) * columns), round((1 - min(max(y, -1), 2)) * rows)

    def _set(self, column: int, row: int, owner: int) -> None:
        if 0 <= column < 2 * self.width and 0 <= row < 4 * self.height:
            self._dots[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
            self._owners[row // 4][column // 2] = owner


def _character(mask: int, *, is_ascii: bool) -> str:
    if not mask:
        return " "
    if not is_ascii:
        return chr(_BLANK + mask)
    return ":" if mask & _UPPER and mask & _LOWER else "'" if mask & _UPPER else "."


def _between(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the dots of a straight line."""
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(length + 1):
        yield tuple(round(a + (b - a) * step / length) for a, b in zip(start, end, strict=True))  # type: ignore[misc]


# ---- a drawing ----

_MARKS = "abcdefghijklmnopqrstuvwxyz"
_COLOURS = (36, 33, 35, 32, 34, 31)  # cyan, yellow, magenta, green, blue, red, in the terminal's own palette
_WIDEST, _NARROWEST = 100, 30
_COLUMNS_A_MARK = 3
_MOST_ENDS = 6  # marks next to one row
_ASCII = str.maketrans("┤│└─┬…", "+|+-+~")


class Drawing:
    """Draws for one stream: in its width, with characters and colours that it can show."""

    def __init__(self, stream: TextIO, *, may_colour: bool = True) -> None:
        size = terminal_size(stream)
        self.width = max(_NARROWEST, min(size.columns - 1, _WIDEST))
        self.height = size.lines
        self.is_ascii = not _can_show("⠿┤", stream)
        self.is_coloured = may_colour and has_colour(stream)

    def whole(self, curves: Sequence[Curves]) -> list[str]:
        """Draw all curves of some runs and a table of their last losses, on one screen of 24 lines or more."""
        steps = steps_axis(curves)
        panels = all_panels(curves, steps)
        table = self.table(curves)
        rows = self.height - 1 - len(panels) - 2 - len(table)
        small = min(max(rows // 5, 3), 6)
        heights = [min(max(rows - small * (len(panels) - 1), 6), 18)] + [small] * (len(panels) - 1)
        return [*self._panels(panels, heights, steps, len(curves)), *table]

    def losses(self, curves: Sequence[Curves], height: int) -> list[str]:
        """Draw the losses of some runs in `height` lines."""
        steps = steps_axis(curves)
        return self._panels([loss_panel(curves, steps)], [height], steps, len(curves))

    def _panels(self, panels: Sequence[Panel], heights: Sequence[int], steps: Axis, runs: int) -> list[str]:
        ticks = [panel.axis.ticks(max(height // 2, 3)) for panel, height in zip(panels, heights, strict=True)]
        labels = [panel.axis.labels(values) for panel, values in zip(panels, ticks, strict=True)]
        margin = max(len("step"), *(len(label) for texts in labels for label in texts))
        ends = [_ends(panel, height, runs) for panel, height in zip(panels, heights, strict=True)]
        width = self.width - margin - 2 - max(len(end) for rows in ends for end in [[], *rows.values()])
        lines = []
        for panel, height, values, texts, rows in zip(panels, heights, ticks, labels, ends, strict=True):
            lines.append(_title(panel, margin, runs))
            places = {_row(panel.axis.place(value), height): text for value, text in zip(values, texts, strict=True)}
            for row, drawn in enumerate(self._canvas(panel, width, height, steps, runs).rows(is_ascii=self.is_ascii)):
                side = self._plain("┤" if row in places else "│")
                painted = self._paint([*drawn, *rows.get(row, [])])
                lines.append(f"{places.get(row, ''):>{margin}} {side}{painted}".rstrip())
        return [*lines, *self._steps(steps, margin, width)]

    def _canvas(self, panel: Panel, width: int, height: int, steps: Axis, runs: int) -> Canvas:
        canvas = Canvas(width, height)
        trained = {line.run for line in panel.lines if not line.is_held_out}
        for line in panel.lines:
            stride = -(-len(line.points) * _COLUMNS_A_MARK // width)
            drawn = line.points[::-stride] if line.is_held_out else thinned(line.points, steps, 2 * width)
            points = [(steps.place(x), panel.axis.place(y)) for x, y in drawn]
            if not line.is_held_out or line.run not in trained:
                canvas.draw(points, line.run)
            if line.is_held_out:
                for x, y in points:
                    canvas.mark(x, y, _mark(line.run, runs), line.run)
        return canvas

    def _steps(self, steps: Axis, margin: int, width: int) -> list[str]:
        """Draw the step axis and its labels."""
        ticks = steps.ticks(max(width // 10, 2))
        axis, names = ["─"] * width, ""
        for tick, label in zip(ticks, steps.labels(ticks), strict=True):
            column = round(steps.place(tick) * (width - 1))
            axis[column] = "┬"
            start = min(max(column - len(label) // 2, 0), width - len(label))
            if start >= len(names) + (2 if names else 0):
                names = names.ljust(start) + label
        return [self._plain(f"{'':>{margin}} └{''.join(axis)}"), f"{'step':>{margin}}  {names}"]

    def table(self, curves: Sequence[Curves]) -> list[str]:
        """Return a table of the last training loss and the best evaluation of each run."""
        names = [self._name(run) for run in curves]
        width = max(map(text_width, [*names, "bits/char"]))
        lines = [f"   {'bits/char':<{width}} training held out   step"]
        for number, (name, run) in enumerate(zip(names, curves, strict=True)):
            mark = self._paint([(_mark(number, len(curves)), number)])
            training = f"{bits(run.training[-1][1]):.3f}" if run.training else "-"
            best = run.best
            held_out = f"{bits(best[1]):>8.3f} {best[0]:>6,}" if best else f"{'-':>8}"
            lines.append(f"{mark}  {pad(name, width)} {training:>8} {held_out}")
        return lines

    def _name(self, run: Curves) -> str:
        name = visible(run.name).replace("\n", " ")
        if self.is_ascii:
            name = ascii(name)[1:-1]
        longest = self.width - 28  # what the figures leave
        if text_width(name) <= longest:
            return name
        return self._plain("…") + next((end for k in range(len(name)) if text_width(end := name[k:]) < longest), "")

    def _paint(self, drawn: Sequence[Glyph]) -> str:
        """Join characters, in the colours of their runs if there are colours."""
        text = ""
        for owner, group in groupby(drawn, key=lambda glyph: glyph[1] if glyph[0] != " " else None):
            piece = "".join(character for character, _ in group)
            if self.is_coloured and owner is not None:
                piece = f"\x1b[{_COLOURS[owner % len(_COLOURS)]}m{piece}\x1b[0m"
            text += piece
        return text

    def _plain(self, text: str) -> str:
        return text.translate(_ASCII) if self.is_ascii else text


def _title(panel: Panel, margin: int, runs: int) -> str:
    key = ""
    if any(line.is_held_out for line in panel.lines):
        key = f"; held out: {_mark(0, runs)}" + (f" … {_mark(runs - 1, runs)}" if runs > 1 else "")
    return f"{'':>{margin}}  {panel.title}{f', {panel.unit}' if panel.unit else ''}{key}"


def _ends(panel: Panel, height: int, runs: int) -> dict[int, list[Glyph]]:
    """Return the text next to each row of a panel: of several runs, the marks of those whose lines end there."""
    ends: dict[int, set[int]] = {}
    for line in panel.lines if runs > 1 else ():
        ends.setdefault(_row(panel.axis.place(line.points[-1][1]), height), set()).add(line.run)
    return {
        row: [(" ", None), *((_mark(run, runs), run) for run in sorted(ending)[:_MOST_ENDS])]
        for row, ending in ends.items()
    }


def _mark(run: int, runs: int) -> str:
    return _MARKS[run % len(_MARKS)] if runs > 1 else "o"


def _row(place: float, height: int) -> int:
    return round((1 - place) * (4 * height - 1)) // 4


def _can_show(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def draw_losses(losses: Mapping[str, Iterable[float]], stream: TextIO | None = None, *, height: int = 8) -> str:
    """Draw the losses of trainings over their steps, with a table of the last ones, in bits per character.

    Parameters
    ----------
    losses : for each training's name, one loss for each step, from step 1, in nats per character; of a run's
        `StepReport` events, use ``smoothed_loss``. NaN and infinity are left out
    stream : where the drawing will be printed, which sets its width and, on a terminal, its colours; by default stdout
    height : lines of the drawing, at least 1

    Returns
    -------
    The lines, without a line feed at the end.

    Raises
    ------
    ValueError
        If there is nothing to draw, or the height is below 1.

    Examples
    --------
    >>> import charrnn
    >>> losses = {"slow": [3 * 0.99**step for step in range(100)], "fast": [3 * 0.96**step for step in range(100)]}
    >>> lines = charrnn.draw_losses(losses, height=4).splitlines()
    >>> len(lines), lines[-2].split(), lines[-1].split()  # name, training, held out
    (10, ['a', 'slow', '1.600', '-'], ['b', 'fast', '0.076', '-'])

    """
    if height < 1:
        raise ValueError(f"a drawing needs at least one line, not {height}")
    curves = [Curves(name) for name in losses]
    for run, values in zip(curves, losses.values(), strict=True):
        for step, loss in enumerate(values, 1):
            _add(run.training, step, float(loss))
    if not any(run.training for run in curves):
        raise ValueError("there is no loss to draw")
    drawing = Drawing(stream or sys.stdout)
    return "\n".join([*drawing.losses(curves, height), *drawing.table(curves)])
