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

The extension of the output file sets the format. An .html page contains the whole model and generates text in any
browser; with the same random seed it writes what `charrnn sample` writes. A .safetensors file has tensors in
PyTorch's names and layout, an .onnx file a graph for onnxruntime and others, and a .json file lists that any language
can read.

CHECKPOINT is by default the newest in ./checkpoints, or else the model that comes with the program.
"""


@click.command(cls=Command, epilog="Example: charrnn export checkpoints/book-best.npz -o book.onnx", help=_HELP)
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]", type=CheckpointPath())
@options.output("model.html", "Output file (overwritten); its extension sets the format.")
@options.quiet
def export(checkpoint: Path | None, output: Path, quiet: bool) -> None:
    """Write a model as a file that works without this program."""
    from charrnn.checkpoint import load
    from charrnn.paths import newest
    from charrnn.report.export import FORMATS
    from charrnn.report.export import export as write_model
    from charrnn.report.pages import check_suffix
    from charrnn.report.samples import describe_model
    from charrnn.report.terminal import say

    check_suffix(output, tuple(FORMATS))
    path = checkpoint or newest() or PRETRAINED
    trained = load(path)
    if not quiet:
        say(describe_model(trained, path))
    size = write_model(trained, output, path.stem)
    if not quiet:
        say(f"wrote {shown(str(output))} ({size / 1e6:,.1f} MB): {FORMATS[output.suffix.lower()].use}")
