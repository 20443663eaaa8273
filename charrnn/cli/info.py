"""``charrnn info``."""

from pathlib import Path

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath
from charrnn.cli.help import Command
from charrnn.paths import PRETRAINED

_HELP = """\
Tell what a checkpoint is, and how good.

Also how big it is, what it was trained on, how far it came, and with what command. CHECKPOINT is by default the
newest in ./checkpoints, or else the model that comes with the program.
"""


@click.command(
    cls=Command,
    short_help="Tell what a checkpoint is and can do.",
    epilog="Example: charrnn info --json checkpoints/kafka.npz",
    help=_HELP,
)
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=CheckpointPath())
@options.json
def info(checkpoint: Path | None, as_json: bool) -> None:
    """Tell what a checkpoint is, and how good."""
    from charrnn.paths import newest
    from charrnn.report import tables as report
    from charrnn.report.terminal import stdout_width

    values = report.gather(checkpoint or newest() or PRETRAINED)
    click.echo(report.info_as_json(values) if as_json else report.as_text(values, stdout_width()), nl=False)
