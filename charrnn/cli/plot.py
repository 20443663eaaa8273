"""``charrnn plot``."""

from pathlib import Path

import click

from charrnn.bundled import PRETRAINED
from charrnn.cli import options
from charrnn.errors import ConfigError


@click.command(epilog="Example: charrnn plot checkpoints/kafka.npz checkpoints/kafka-2.npz -o loss.svg")
@click.argument("runs", metavar="[CHECKPOINT|LOG]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Draw a picture instead: FILE ends in .svg, or in .png if matplotlib is installed.",
)
@options.quiet
def plot(runs: tuple[Path, ...], output: Path | None, quiet: bool) -> None:
    """Draw loss, learning rate and gradient norm over the steps of one run, or of several.

    Each is a checkpoint whose log stands beside it, or a log; by default it is the newest checkpoint in ./checkpoints,
    or else the model that comes with the program. The lines are the loss in training, averaged over the last 25,000
    characters or so; the letters are the loss on the part held out. Without a picture the drawing goes to stdout, as wide
    as the terminal.
    """
    import sys

    from charrnn.checkpoint import newest
    from charrnn.report.curves import read_curves
    from charrnn.report.drawing import Drawing

    curves = [read_curves(path) for path in runs or [newest() or PRETRAINED]]
    click.echo("\n".join(Drawing(sys.stdout).whole(curves)))
