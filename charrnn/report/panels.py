"""The three drawings of a plot, whatever they are drawn with: loss, learning rate and gradient norm."""

from collections.abc import Sequence
from dataclasses import dataclass

from charrnn.report.axes import STRETCHES, Axis, around, thinned
from charrnn.report.curves import Curves, Points

# In its first steps a loss falls from that of blind guessing; an axis with room for that has little for all the rest.
_FALL = 0.04


@dataclass(frozen=True)
class Line:
    """One curve of one run."""

    run: int  # its number among those drawn
    points: Points
    is_held_out: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves of one kind over the same steps; what is above its axis is not drawn."""

    title: str
    unit: str
    lines: list[Line]
    axis: Axis


def steps_axis(curves: Sequence[Curves]) -> Axis:
    """Return the axis of steps: from 0, or from where all begin, if that is late."""
    steps = [step for run in curves for points in (run.training, run.held_out) for step, _ in points]
    first, last = min(steps), max(steps)
    low = first if first > last / 2 else 0
    return Axis(low, last if last > low else low + 1)


def loss_panel(curves: Sequence[Curves], steps: Axis) -> Panel:
    """Return the panel of losses, training and held out."""
    lines = [Line(number, run.training) for number, run in enumerate(curves) if run.training]
    lines += [Line(number, run.held_out, is_held_out=True) for number, run in enumerate(curves) if run.held_out]
    return Panel("loss", "nats/char", lines, around(_after_the_fall(lines, steps)))


def all_panels(curves: Sequence[Curves], steps: Axis) -> list[Panel]:
    """Return the panels that there is something to draw in."""
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
    """Return the values that an axis must have room for, averaged as they will be drawn."""
    drawn = [point for line in lines for point in thinned(line.points, steps, STRETCHES)]
    return [value for step, value in drawn if steps.place(step) >= _FALL] or [value for _, value in drawn]
