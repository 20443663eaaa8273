"""``charrnn cache``."""

import click

from charrnn.cli import options
from charrnn.cli.completion import TextName
from charrnn.cli.help import Command

_HELP = """\
List the long texts that are kept prepared.

A text of more than 32 MB is numbered once, and kept so in a folder for all later runs: the folder is named in the
last line, and CHARRNN_CACHE names another. With TEXT, list that one only.
"""


@click.command(
    cls=Command,
    short_help="List or remove the long texts that are kept prepared.",
    epilog="Example: charrnn cache --clear wiki.txt",
    help=_HELP,
)
@click.argument("texts", metavar="[TEXT]...", nargs=-1, type=TextName())
@click.option("--clear", is_flag=True, help="Remove them; each is prepared again when it is next learned.")
@options.json
def cache(texts: tuple[str, ...], clear: bool, as_json: bool) -> None:
    """List the long texts that are kept prepared."""
    from charrnn.cache import cache_folder, entries, named, remove
    from charrnn.report import tables

    kept = named(entries(), texts) if texts else entries()
    if clear:
        remove(kept)
    if as_json:
        click.echo(tables.cache_as_json(kept), nl=False)
    else:
        click.echo(tables.cache_table(kept, cache_folder(), were_removed=clear), nl=False)
