"""Curves as text: braille lines for the training loss, marks for the held-out loss, as wide as the terminal."""

import os
from collections.abc import Sequence
from itertools import groupby
from typing import TextIO

from charrnn.report.axes import Axis, thinned
from charrnn.report.braille import Canvas, Cell
from charrnn.report.columns import cells, padded, terminal_size
from charrnn.report.curves import Curves
from charrnn.report.panels import Panel, all_panels, loss_panel, steps_axis
from charrnn.report.terminal import visible
from charrnn.report.units import bits

_MARKS = "abcdefghijklmnopqrstuvwxyz"
_COLOURS = (36, 33, 35, 32, 34, 31)  # cyan, yellow, magenta, green, blue, red: as the terminal's own palette has them
_WIDEST, _NARROWEST = 100, 30
_COLUMNS_A_MARK = 3
_MOST_ENDS = 6  # marks beside one row
_ASCII = str.maketrans("┤│└─┬…", "+|+-+~")


class Drawing:
    """Draws for one stream: as wide as it, and with what it can show.

    Parameters
    ----------
    stream : where the lines will be written
    may_colour : whether each run may have a colour of its own, where the stream is a terminal
    """

    def __init__(self, stream: TextIO, *, may_colour: bool = True) -> None:
        size = terminal_size(stream)
        self.width = max(_NARROWEST, min(size.columns - 1, _WIDEST))
        self.height = size.lines
        self.is_ascii = not _can_show("⠿┤", stream)
        wants_none = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        self.is_coloured = may_colour and stream.isatty() and not wants_none

    def whole(self, curves: Sequence[Curves]) -> list[str]:
        """Draw all there is of some runs, and a table of how far they came; one screen of 24 lines or more."""
        steps = steps_axis(curves)
        panels = all_panels(curves, steps)
        table = self._table(curves)
        rows = self.height - 1 - len(panels) - 2 - len(table)
        small = min(max(rows // 5, 3), 6)
        heights = [min(max(rows - small * (len(panels) - 1), 6), 18)] + [small] * (len(panels) - 1)
        return [*self._panels(panels, heights, steps, len(curves)), *table]

    def small(self, curves: Curves) -> list[str]:
        """Draw the losses of one run, a few lines."""
        return self._losses([curves], 7)

    def losses(self, curves: Sequence[Curves], height: int) -> list[str]:
        """Draw the losses of some runs in so many lines, and a table of how far they came."""
        return [*self._losses(curves, height), *self._table(curves)]

    def _losses(self, curves: Sequence[Curves], height: int) -> list[str]:
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
        """Draw the axis of steps and its labels."""
        ticks = steps.ticks(max(width // 10, 2))
        axis, names = ["─"] * width, ""
        for tick, label in zip(ticks, steps.labels(ticks), strict=True):
            column = round(steps.place(tick) * (width - 1))
            axis[column] = "┬"
            start = min(max(column - len(label) // 2, 0), width - len(label))
            if start >= len(names) + (2 if names else 0):
                names = names.ljust(start) + label
        return [self._plain(f"{'':>{margin}} └{''.join(axis)}"), f"{'step':>{margin}}  {names}"]

    def _table(self, curves: Sequence[Curves]) -> list[str]:
        names = [self._name(run) for run in curves]
        width = max(map(cells, [*names, "nats/char"]))
        lines = [self._plain(f"   {'nats/char':<{width}} training held out  (bits)  step")]
        for number, (name, run) in enumerate(zip(names, curves, strict=True)):
            mark = self._paint([(_mark(number, len(curves)), number)])
            training = f"{run.training[-1][1]:.3f}" if run.training else "-"
            best = run.best
            held_out = f"{best[1]:>8.3f} {f'({bits(best[1]):.3f})':>7} {best[0]:>6,}" if best else f"{'-':>8}"
            lines.append(f"{mark}  {padded(name, width)} {training:>8} {held_out}")
        return lines

    def _name(self, run: Curves) -> str:
        name = visible(run.name).replace("\n", " ")
        if self.is_ascii:
            name = ascii(name)[1:-1]
        longest = self.width - 36  # what is left beside the figures
        if cells(name) <= longest:
            return name
        return self._plain("…") + next((end for k in range(len(name)) if cells(end := name[k:]) < longest), "")

    def _paint(self, drawn: Sequence[Cell]) -> str:
        """Join characters, in the colours of their curves where colours are wanted."""
        text = ""
        for owner, group in groupby(drawn, key=lambda cell: cell[1] if cell[0] != " " else None):
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


def _ends(panel: Panel, height: int, runs: int) -> dict[int, list[Cell]]:
    """Return what stands beside a panel's rows: the marks of the runs, of several, whose lines end in each."""
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
