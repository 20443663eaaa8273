"""``charrnn info``."""

from pathlib import Path

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath
from charrnn.cli.help import Command
from charrnn.paths import PRETRAINED

_HELP = """\
Show a checkpoint's details.

These are its model, its size and its loss, the text it was trained on, for how long, and with what command. CHECKPOINT
is by default the newest in ./checkpoints, or else the model that comes with the program.
"""


@click.command(
    cls=Command,
    epilog="Example: charrnn info --json checkpoints/book.npz",
    help=_HELP,
)
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=CheckpointPath())
@options.json
def info(checkpoint: Path | None, as_json: bool) -> None:
    """Show a checkpoint's details."""
    from charrnn.paths import newest
    from charrnn.report import tables as report
    from charrnn.report.terminal import stdout_width

    values = report.info_values(checkpoint or newest() or PRETRAINED)
    click.echo(report.info_json(values) if as_json else report.info_text(values, stdout_width()), nl=False)
