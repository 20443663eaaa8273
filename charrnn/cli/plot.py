"""``charrnn plot``."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath, FilePath
from charrnn.cli.help import Command
from charrnn.errors import ConfigError, shown
from charrnn.paths import PRETRAINED

_HELP = """\
Draw the curves of one run, or of several.

These are loss, learning rate and gradient norm over the steps. A run is given as a checkpoint whose log stands
beside it, or as a log; by default it is the newest in ./checkpoints, or else the model that comes with the program.

Lines are the loss in training, averaged over the last 25,000 characters or so; letters are the loss on the part
that is held out. Without --output the drawing goes to stdout, as wide as the terminal.
"""


@click.command(
    cls=Command, epilog="Example: charrnn plot checkpoints/kafka.npz checkpoints/kafka-2.npz -o loss.svg", help=_HELP
)
@click.argument("runs", metavar="[CHECKPOINT|LOG]...", nargs=-1, type=CheckpointPath())
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=FilePath(),
    help="Draw a picture instead: FILE ends in .svg, or in .png if matplotlib is installed.",
)
@options.quiet
def plot(runs: tuple[Path, ...], output: Path | None, quiet: bool) -> None:
    """Draw the curves of one run, or of several."""
    from charrnn.paths import newest
    from charrnn.report.pages import write_file
    from charrnn.report.plot import Drawing, read_runs
    from charrnn.report.terminal import say

    draw = _drawer(output) if output else None
    paths = runs or (newest() or PRETRAINED,)
    curves = read_runs(paths)
    if not quiet:
        for run, path in zip(curves, paths, strict=True):
            if not run.training:
                say(f"{shown(str(path))} has no log of its steps: only its evaluations can be drawn")
    if output and draw:
        size = write_file(output, draw(curves))
        if not quiet:
            say(f"wrote {shown(str(output))} ({size / 1e3:,.0f} kB)")
    else:
        click.echo("\n".join(Drawing(sys.stdout).whole(curves)))


def _drawer(output: Path) -> Callable[[Sequence[Any]], bytes]:
    """Return what draws the kind of picture that a file's name asks for, from curves."""
    from charrnn.report.pages import check_suffix

    check_suffix(output, (".svg", ".png"))
    if output.suffix.lower() == ".svg":
        from charrnn.report.svg import as_svg

        return as_svg
    try:
        from charrnn.report.png import as_png
    except ModuleNotFoundError as error:
        raise ConfigError("a .png needs matplotlib: `pip install matplotlib`, or draw an .svg") from error
    return as_png
