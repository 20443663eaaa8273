"""How the commands show themselves: options in sections, headings that stand out, and lines that fit the terminal."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from click.core import ParameterSource

from charrnn.commands import command_line
from charrnn.errors import CharRNNError, shown
from charrnn.report.terminal import bold

_OTHERS = "Other options"
_LEAST_TEXT = 30  # columns of a description beside its option: with fewer it stands below
_WIDTHS = (30, 80)  # of a help page, least and most


class Formatter(click.HelpFormatter):
    """Click's, for terminals of any width, with bold headings."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        least, most = _WIDTHS
        width = width or max(least, min(shutil.get_terminal_size().columns, max_width or most) - 2)
        super().__init__(indent_increment, width, max_width)

    def write_heading(self, heading: str) -> None:
        """Write a section's heading."""
        self.write(f"{'':>{self.current_indent}}{bold(f'{heading}:', sys.stdout)}\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write what is explained, and beside it the explanation, or below where the terminal is narrow."""
        rows = list(rows)
        widest = max(len(first) for first, _ in rows)
        is_narrow = self.width - min(widest, col_max) - col_spacing < _LEAST_TEXT
        super().write_dl(rows, 4 if is_narrow else col_max, col_spacing)


class Context(click.Context):
    """Click's, with this program's help pages."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose help shows its options in sections.

    Parameters
    ----------
    sections : the parameters' names below each heading; what is in none comes last
    """

    context_class = Context

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options."""
        typed = list(args)
        try:
            with _telling_where_values_are_from(ctx):
                return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if files := [word for word in typed if word.startswith(error.option_name) and os.path.lexists(word)]:
                error.add_note(f"to name the file {shown(files[0])}, write {command_line([f'./{files[0]}'])}")
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _telling_where_values_are_from(ctx):
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        params = {param.name: param for param in self.get_params(ctx) if isinstance(param, click.Option)}
        pages = {title: [params.pop(name) for name in names] for title, names in self.sections.items()}
        pages[_OTHERS if pages else "Options"] = list(params.values())
        for title, page in pages.items():
            rows = [record for param in page if (record := param.get_help_record(ctx))]
            with formatter.section(title):
                formatter.write_dl(rows)


@contextmanager
def _telling_where_values_are_from(ctx: click.Context) -> Iterator[None]:
    """Note beside an error what set the options it names, where they were not typed beside the command."""
    try:
        yield
    except (click.BadParameter, CharRNNError) as error:
        message = error.format_message() if isinstance(error, click.BadParameter) else str(error)
        for param in ctx.command.params:
            flag, source = max(param.opts, key=len), ctx.get_parameter_source(param.name or "")
            if not re.search(rf"(?<![\w-]){flag}(?![\w-])", message):
                continue
            if source is ParameterSource.ENVIRONMENT:
                error.add_note(f"{_variable(ctx.command.name or '', flag)} is set")
            elif source is ParameterSource.DEFAULT_MAP:
                error.add_note(f"--config sets {flag}")
        raise


class Group(click.Group):
    """The commands, in the order in which they were added."""

    context_class = Context
    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; where there is none, show the help."""
        return super().parse_args(ctx, args or ["--help"])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - Click's
        """Write the commands, each with the whole of what is said of it: Click ends it with dots."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in self.commands.items()])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is Click's
        """Return the commands' names."""
        return list(self.commands)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, each of whose options can also be given in the environment under its flag's name."""
        for param in cmd.params:
            if isinstance(param, click.Option) and param.envvar is None:
                param.envvar = [_variable(cmd.name or "", flag) for flag in param.opts if flag.startswith("--")]
        super().add_command(cmd, name)


def _variable(command: str, flag: str) -> str:
    return f"CHARRNN_{command}_{flag.removeprefix('--')}".replace("-", "_").upper()
