"""``charrnn plot``."""

import sys
from pathlib import Path

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath, FilePath
from charrnn.cli.help import Command
from charrnn.errors import shown
from charrnn.paths import PRETRAINED

_HELP = """\
Draw the curves of one run, or of several.

They are the loss, the learning rate and the gradient norm at each step. A run is a checkpoint with its log next to
it, or a log; by default the newest in ./checkpoints, or else the model that comes with the program.

Lines show the training loss, averaged over about the last 25,000 characters; letters mark the loss on the held-out
part. Without --output, the drawing goes to stdout and is as wide as the terminal.
"""


@click.command(
    cls=Command, epilog="Example: charrnn plot checkpoints/book.npz checkpoints/book-2.npz -o loss.svg", help=_HELP
)
@click.argument("runs", metavar="[CHECKPOINT|LOG]...", nargs=-1, type=CheckpointPath())
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=FilePath(),
    help="Write an SVG picture instead; FILE ends in .svg.",
)
@options.quiet
def plot(runs: tuple[Path, ...], output: Path | None, quiet: bool) -> None:
    """Draw the curves of one run, or of several."""
    from charrnn.paths import newest
    from charrnn.report.pages import check_suffix, write_file
    from charrnn.report.plot import Drawing, read_runs
    from charrnn.report.svg import as_svg
    from charrnn.report.terminal import say

    if output:
        check_suffix(output, (".svg",))
    paths = runs or (newest() or PRETRAINED,)
    curves = read_runs(paths)
    if not quiet:
        for run, path in zip(curves, paths, strict=True):
            if not run.training:
                say(f"{shown(str(path))} has no log of its steps: only its evaluations can be drawn")
    if output:
        size = write_file(output, as_svg(curves))
        if not quiet:
            say(f"wrote {shown(str(output))} ({size / 1e3:,.0f} kB)")
    else:
        click.echo("\n".join(Drawing(sys.stdout).whole(curves)))
