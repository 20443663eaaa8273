"""Curves as a PNG picture, by matplotlib, which is not among what this program needs: only this module imports it."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from charrnn.errors import shown
from charrnn.report.plot import STRETCHES, Axis, Curves, Panel, all_panels, steps_axis, thinned
from charrnn.report.terminal import bits

_INCHES = (8.0, 2.6)  # width; height for a panel
_DOTS_AN_INCH = 150


def as_png(curves: Sequence[Curves]) -> bytes:
    """Draw runs one over the other."""
    steps = steps_axis(curves)
    panels = all_panels(curves, steps)
    figure = Figure(figsize=(_INCHES[0], _INCHES[1] * (len(panels) + 1) / 2), layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=[3, 1, 1][: len(panels)])
    for axes, panel in zip(grid[:, 0], panels, strict=True):
        _draw(axes, panel, steps, curves)
    grid[-1, 0].set_xlabel("step")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False)
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=_DOTS_AN_INCH)
    return stream.getvalue()


def _draw(axes: Axes, panel: Panel, steps: Axis, curves: Sequence[Curves]) -> None:
    for line in panel.lines:
        points = line.points if line.is_held_out else thinned(line.points, steps, STRETCHES)
        xs, ys = zip(*points, strict=True)
        kind = "held out" if line.is_held_out else "training"
        style: dict[str, Any] = {"marker": "o", "markersize": 3} if line.is_held_out else {"alpha": 0.55}
        axes.plot(xs, ys, color=f"C{line.run}", label=f"{shown(curves[line.run].name)}, {kind}", **style)
    axes.set_title(panel.title, loc="left", fontsize="medium")
    axes.set_yscale("log" if panel.axis.is_log else "linear")
    axes.set_ylim(panel.axis.low, panel.axis.high)
    axes.set_xlim(steps.low, steps.high)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.unit:
        axes.set_ylabel(panel.unit)
        axes.secondary_yaxis("right", functions=(_to_bits, _to_nats)).set_ylabel("bits/char")


def _to_bits(nats: Any) -> Any:
    return nats * bits(1.0)


def _to_nats(amount: Any) -> Any:
    return amount / bits(1.0)
