"""Curves as a picture: one small SVG file, sharp at any size, light or dark as whoever looks at it has it."""

from collections.abc import Sequence
from html import escape

from charrnn.errors import shown
from charrnn.report.plot import STRETCHES, Axis, Curves, Line, Panel, all_panels, steps_axis, thinned
from charrnn.report.terminal import bits, describe_loss

_WIDTH, _LEFT, _RIGHT = 760, 64, 64
_PLOT = _WIDTH - _LEFT - _RIGHT
_HEIGHTS = (260, 84, 84)  # of the loss, and of what is below it
_GAP = 48  # from one panel to the next: the next one's title
_MOST_DOTS = 60
# (light, dark) of each run: blue, orange, green, purple, red, teal, each 3 to 1 or more on its ground.
_COLOURS = (
    ("#2563c9", "#79aeff"),
    ("#c2500a", "#ff9d57"),
    ("#15803d", "#5fd38a"),
    ("#8b3fd1", "#c79bff"),
    ("#c4264f", "#ff8aa5"),
    ("#0f766e", "#4fd1c5"),
)
_SIZE = f'width="{_WIDTH}" style="max-width: 100%; height: auto"'
_STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2933 }
.ground { fill: #ffffff }
.name { font-size: 15px; font-weight: 600 }
.panel { font-weight: 600 }
.faint { fill: #65707c }
.grid { stroke: #e3e7eb }
.axis { stroke: #aab3bd }
.training { fill: none; stroke: currentColor; stroke-width: 1.4; stroke-linejoin: round; opacity: .55 }
.held { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round }
.dot { fill: currentColor }
.best { fill: #ffffff; stroke: currentColor; stroke-width: 2 }
.key { color: #65707c }
"""
_DARK_STYLE = """
text { fill: #e4e8ec }
.ground, .best { fill: #14181d }
.faint { fill: #98a3af }
.grid { stroke: #2a313a }
.axis { stroke: #5b6672 }
.key { color: #98a3af }
"""


def as_svg(curves: Sequence[Curves]) -> bytes:
    """Draw runs one over the other."""
    steps = steps_axis(curves)
    parts, top = _header(curves)
    for number, panel in enumerate(all_panels(curves, steps)):
        parts += _Plot(panel, steps, top, _HEIGHTS[number]).elements(f"clip{number}")
        top += _HEIGHTS[number] + _GAP
    bottom = top - _GAP
    parts += _step_labels(steps, bottom)
    height = bottom + 52
    names = escape(", ".join(shown(run.name) for run in curves))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {_SIZE} role="img">',
            f"<title>{names}: loss, learning rate and gradient norm over the steps of training</title>",
            f"<style>{_style(len(curves))}</style>",
            '<rect class="ground" width="100%" height="100%"/>',
            *parts,
            "</svg>\n",
        ]
    ).encode()


class _Plot:
    """One panel at its place in the picture."""

    def __init__(self, panel: Panel, steps: Axis, top: int, height: int) -> None:
        self.panel, self.steps, self.top, self.height = panel, steps, top, height
        self.is_loss = panel.unit == "nats/char"

    def elements(self, clip: str) -> list[str]:
        """Return title and grid, and the lines over them."""
        area = f'x="{_LEFT}" y="{self.top - 4}" width="{_PLOT + 8}" height="{self.height + 8}"'
        held_out = [line for line in self.panel.lines if line.is_held_out]
        return [
            *self._grid(),
            f'<clipPath id="{clip}"><rect {area}/></clipPath>',
            f'<g clip-path="url(#{clip})">',
            *(self._line(line) for line in self.panel.lines),
            *(dot for line in held_out for dot in self._dots(line)),
            "</g>",
        ]

    def _grid(self) -> list[str]:
        panel, right, bottom = self.panel, _LEFT + _PLOT, self.top + self.height
        parts = [_text(_LEFT, self.top - 14, f"{panel.title}, {panel.unit}" if panel.unit else panel.title, "panel")]
        if self.is_loss:
            parts.append(_text(right, self.top - 14, "bits/char", "panel", "end"))
        ticks = panel.axis.ticks(10 if self.is_loss else 3)
        for tick, label in zip(ticks, panel.axis.labels(ticks), strict=True):
            y = self._y(tick)
            parts += [_rule(_LEFT, y, right, y, "grid"), _text(_LEFT - 9, y + 4, label, "faint", "end")]
            if self.is_loss:
                parts.append(_text(right + 9, y + 4, f"{bits(tick):.2f}", "faint"))
        return [*parts, _rule(_LEFT, bottom, right, bottom, "axis")]

    def _line(self, line: Line) -> str:
        drawn = line.points if line.is_held_out else thinned(line.points, self.steps, STRETCHES)
        points = " ".join(f"{_short(self._x(x))},{_short(self._y(y))}" for x, y in drawn)
        return f'<polyline class="{"held" if line.is_held_out else "training"} run{line.run}" points="{points}"/>'

    def _dots(self, line: Line) -> list[str]:
        """Mark evaluations, each of which tells its figures to who points at it, and the best above all."""
        best = min(line.points, key=lambda point: point[1])
        shown_dots = line.points if len(line.points) <= _MOST_DOTS else []
        return [self._dot(line.run, point, "dot") for point in shown_dots] + [self._dot(line.run, best, "best")]

    def _dot(self, run: int, point: tuple[int, float], kind: str) -> str:
        step, loss = point
        place = f'cx="{_short(self._x(step))}" cy="{_short(self._y(loss))}" r="{4 if kind == "best" else 2.4}"'
        return f'<circle class="{kind} run{run}" {place}><title>step {step:,}: {describe_loss(loss)}</title></circle>'

    def _x(self, step: float) -> float:
        return _LEFT + self.steps.place(step) * _PLOT

    def _y(self, value: float) -> float:
        return self.top + (1 - min(self.panel.axis.place(value), 2)) * self.height


def _header(curves: Sequence[Curves]) -> tuple[list[str], int]:
    """Say which runs these are and how far they came; return that, and where the first panel begins."""
    parts, y = [], 14
    for number, run in enumerate(curves):
        y += 22
        parts.append(f'<circle class="dot run{number}" cx="{_LEFT + 5}" cy="{y - 5}" r="5"/>')
        name = f'<tspan class="name">{escape(shown(run.name))}</tspan>'
        figures = f'<tspan class="faint" dx="12">{escape(_figures(run))}</tspan>'
        parts.append(f'<text x="{_LEFT + 18}" y="{y}">{name}{figures}</text>')
    y += 32
    parts += _key(y, has_training=any(run.training for run in curves))
    return parts, y + 48


def _figures(run: Curves) -> str:
    figures = []
    if run.best:
        figures.append(f"held out {describe_loss(run.best[1])} at step {run.best[0]:,}")
    if run.training:
        figures.append(f"training {run.training[-1][1]:.3f}")
    return "; ".join(figures)


def _key(y: int, *, has_training: bool) -> list[str]:
    x = _LEFT
    parts = []
    if has_training:
        parts += [_key_line(x, y, "training"), _text(x + 34, y, "training, averaged", "faint")]
        x += 170
    parts += [_key_line(x, y, "held"), f'<circle class="dot key" cx="{x + 13}" cy="{y - 4}" r="2.4"/>']
    parts += [_text(x + 34, y, "held out", "faint")]
    x += 110
    return [
        *parts,
        f'<circle class="best key" cx="{x + 5}" cy="{y - 4}" r="4"/>',
        _text(x + 17, y, "its best", "faint"),
    ]


def _key_line(x: int, y: int, kind: str) -> str:
    return f'<line class="{kind} key" x1="{x}" y1="{y - 4}" x2="{x + 26}" y2="{y - 4}"/>'


def _step_labels(steps: Axis, bottom: int) -> list[str]:
    ticks, parts = steps.ticks(10), []
    for tick, label in zip(ticks, steps.labels(ticks), strict=True):
        x = _LEFT + steps.place(tick) * _PLOT
        parts += [_rule(x, bottom, x, bottom + 5, "axis"), _text(x, bottom + 20, label, "faint", "middle")]
    return [*parts, _text(_LEFT + _PLOT / 2, bottom + 40, "step", "faint", "middle")]


def _style(runs: int) -> str:
    light, dark = ("".join(_colour(number, shade) for number in range(runs)) for shade in (0, 1))
    return f"{_STYLE}{light}@media (prefers-color-scheme: dark) {{{_DARK_STYLE}{dark}}}\n"


def _colour(run: int, shade: int) -> str:
    return f".run{run} {{ color: {_COLOURS[run % len(_COLOURS)][shade]} }}\n"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{_short(x)}" y="{_short(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{_short(x1)}" y1="{_short(y1)}" x2="{_short(x2)}" y2="{_short(y2)}"/>'


def _short(place: float) -> str:
    return f"{round(place, 1):g}"
