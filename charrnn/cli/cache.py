"""``charrnn cache``."""

import click

from charrnn.cli import options
from charrnn.cli.completion import TextName
from charrnn.cli.help import Command

_HELP = """\
List cached texts.

A text of more than 32 MB is encoded once and kept in a folder for later runs. The last line names the folder;
CHARRNN_CACHE sets another. With TEXT, list only that text.
"""


@click.command(
    cls=Command,
    epilog="Example: charrnn cache --clear wiki.txt",
    help=_HELP,
)
@click.argument("texts", metavar="[TEXT]...", nargs=-1, type=TextName())
@click.option("--clear", is_flag=True, help="Remove them. A text is encoded again when it is next used.")
@options.json
def cache(texts: tuple[str, ...], clear: bool, as_json: bool) -> None:
    """List or clear cached texts."""
    from charrnn.cache import cache_folder, entries, named, remove
    from charrnn.report import tables

    kept = named(entries(), texts) if texts else entries()
    if clear:
        remove(kept)
    if as_json:
        click.echo(tables.cache_as_json(kept), nl=False)
    else:
        click.echo(tables.cache_table(kept, cache_folder(), were_removed=clear), nl=False)
