"""``charrnn export``."""

from pathlib import Path

import click

from charrnn.cli import options
from charrnn.cli.completion import CheckpointPath
from charrnn.cli.help import Command
from charrnn.errors import shown
from charrnn.paths import PRETRAINED

_HELP = """\
Write a model as a file that works without this program.

A name that ends in .html becomes a page with the whole model in it, which writes text in any browser: with a seed
text, a temperature and a random seed, with which it writes what `charrnn sample` does. One in .safetensors becomes
tensors with PyTorch's names and layout, one in .onnx a graph for onnxruntime and its like, one in .json lists that
every language reads. CHECKPOINT is by default the newest in ./checkpoints, or else the model that comes with the
program.
"""


@click.command(cls=Command, epilog="Example: charrnn export checkpoints/kafka-best.npz -o kafka.onnx", help=_HELP)
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=CheckpointPath())
@options.output("model.html", "The file to write, over an older one; its suffix says what.")
@options.quiet
def export(checkpoint: Path | None, output: Path, quiet: bool) -> None:
    """Write a model as a file that works without this program."""
    from charrnn.checkpoint import load
    from charrnn.paths import newest
    from charrnn.report.export import FORMATS
    from charrnn.report.export import export as write_model
    from charrnn.report.pages import check_suffix
    from charrnn.report.tables import describe_model
    from charrnn.report.terminal import say

    check_suffix(output, tuple(FORMATS))
    path = checkpoint or newest() or PRETRAINED
    trained = load(path)
    if not quiet:
        say(describe_model(trained, path))
    size = write_model(trained, output, path.stem)
    if not quiet:
        say(f"wrote {shown(str(output))} ({size / 1e6:,.1f} MB): {FORMATS[output.suffix.lower()].use}")
