"""``charrnn view``."""

from pathlib import Path

import click

from charrnn.cli import options
from charrnn.cli.completion import TextName
from charrnn.cli.help import Command
from charrnn.errors import shown
from charrnn.paths import PRETRAINED

_HELP = """\
Write a page that shows what the cells look at while the model reads TEXT.

The page is one file for any browser. It shows the text coloured by a cell's activation, by surprise or by how open a
gate is, cells ranked by simple things they track, and what the model expected at each character. If the first argument
ends in .npz, it is the CHECKPOINT. The default is the newest one in ./checkpoints, or the model that comes with the
program. TEXT is files, - for stdin, or the name of a bundled text; without it the page shows the part of the model's
own text that it was not trained on. A model trained on items (with --by-line, for example) reads each item separately.
"""


@click.command(
    cls=Command,
    short_help="Write a page that shows what the cells look at.",
    epilog="Example: charrnn view book.txt -o book.html",
    help=_HELP,
)
@click.argument("words", metavar="[CHECKPOINT] [TEXT]...", nargs=-1, type=TextName(or_checkpoint=True))
@options.output("view.html", "Output file (overwritten).")
@click.option(
    "-n",
    "--length",
    default=10_000,
    show_default=True,
    type=options.WholeNumber(min=1),
    help="Characters of the text to show, at most 50,000.",
)
@click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the text.")
@options.quiet
def view(words: tuple[str, ...], output: Path, length: int, encoding: str, quiet: bool) -> None:
    """Write a page that shows what the cells look at while the model reads TEXT."""
    from charrnn.checkpoint import load
    from charrnn.paths import newest
    from charrnn.report.pages import check_suffix, choose_passage, shorten, view_page, write_file
    from charrnn.report.progress import Preparation
    from charrnn.report.samples import describe_model
    from charrnn.report.terminal import say

    check_suffix(output, (".html", ".htm"))
    has_checkpoint = bool(words) and words[0].endswith(".npz")
    path = Path(words[0]) if has_checkpoint else newest() or PRETRAINED
    trained = load(path)
    with Preparation(is_quiet=quiet) as watcher:
        passage = choose_passage(trained, path, words[has_checkpoint:], encoding, watcher)
    passage, note = shorten(passage, trained, length)
    if not quiet:
        for line in filter(None, (describe_model(trained, path), *passage.notes, note)):
            say(line)
    size = write_file(output, view_page(trained, passage, path.stem).encode())
    if not quiet:
        say(f"wrote {shown(str(output))} ({size / 1e6:,.1f} MB): open it in a browser")
