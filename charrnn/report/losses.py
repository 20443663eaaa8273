"""The losses of a training in memory as a drawing, as `charrnn plot` draws those of runs with files."""

import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

from charrnn.report.curves import Curves
from charrnn.report.drawing import Drawing


def draw_losses(losses: Mapping[str, Iterable[float]], stream: TextIO | None = None, *, height: int = 8) -> str:
    """Draw losses over the steps, several trainings one over the other, and a table of where they end.

    Parameters
    ----------
    losses : by the training's name one loss for each step, from step 1, in nats a character; of a trainer's reports
        the ``smoothed_loss`` is the one to look at. Those that are not finite are left out
    stream : where the drawing is to be printed: it is as wide as that, and has colours where that is a terminal; by
        default stdout
    height : lines of the drawing, at least 1

    Returns
    -------
    Lines without the last line end.

    Raises
    ------
    ValueError
        If there is nothing to draw, or the height is below 1.

    Examples
    --------
    >>> import charrnn
    >>> losses = {"slow": [3 * 0.99**step for step in range(100)], "fast": [3 * 0.96**step for step in range(100)]}
    >>> lines = charrnn.draw_losses(losses, height=4).splitlines()
    >>> len(lines), lines[-2].split(), lines[-1].split()  # the table: name and last loss; nothing was held out
    (10, ['a', 'slow', '1.109', '-'], ['b', 'fast', '0.053', '-'])

    """
    if height < 1:
        raise ValueError(f"a drawing needs at least one line, not {height}")
    curves = [Curves.of_losses(name, values) for name, values in losses.items()]
    if not any(run.training for run in curves):
        raise ValueError("there is no loss to draw")
    return "\n".join(Drawing(stream or sys.stdout).losses(curves, height))
