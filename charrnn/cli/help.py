"""Help pages: options in sections, bold headings, lines that fit the terminal; and commands imported when used."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource

from charrnn.commands import command_line
from charrnn.config import flag
from charrnn.errors import CharRNNError, shown
from charrnn.report.terminal import BOLD, styled

_OTHERS = "Other options"
_LEAST_TEXT = 30  # columns of a description next to its option; if there are fewer, it goes below
_WIDTHS = (30, 80)  # columns of a help page, least and most


class Formatter(click.HelpFormatter):
    """Click's formatter, for terminals of any width, with bold headings."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        least, most = _WIDTHS
        width = width or max(least, min(shutil.get_terminal_size().columns, max_width or most) - 2)
        super().__init__(indent_increment, width, max_width)

    def write_heading(self, heading: str) -> None:
        """Write a section's heading."""
        self.write(f"{'':>{self.current_indent}}{styled(f'{heading}:', BOLD, sys.stdout)}\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms and their explanations, below one another if the terminal is narrow."""
        rows = list(rows)
        widest = max(len(first) for first, _ in rows)
        is_narrow = self.width - min(widest, col_max) - col_spacing < _LEAST_TEXT
        super().write_dl(rows, 4 if is_narrow else col_max, col_spacing)


class Context(click.Context):
    """Click's context, with this program's help pages."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose help shows its options in sections.

    Parameters
    ----------
    sections : names of the parameters under each heading; those in no section come last
    """

    context_class = Context

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options."""
        typed = list(args)
        try:
            with _naming_sources(ctx):
                return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if files := [word for word in typed if word.startswith(error.option_name) and os.path.lexists(word)]:
                error.add_note(f"to name the file {shown(files[0])}, write {command_line([f'./{files[0]}'])}")
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _naming_sources(ctx):
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
def _naming_sources(ctx: click.Context) -> Iterator[None]:
    """Note in an error whether the environment or ``--config`` set the options that it names."""
    try:
        yield
    except (click.BadParameter, CharRNNError) as error:
        message = error.format_message() if isinstance(error, click.BadParameter) else error.worded(flag)
        for param in ctx.command.params:
            spelling, source = max(param.opts, key=len), ctx.get_parameter_source(param.name or "")
            if not re.search(rf"(?<![\w-]){spelling}(?![\w-])", message):
                continue
            if source is ParameterSource.ENVIRONMENT:
                error.add_note(f"{_variable(ctx.command.name or '', spelling)} is set")
            elif source is ParameterSource.DEFAULT_MAP:
                error.add_note(f"--config sets {spelling}")
        raise


class LazyCommands(Mapping[str, click.Command]):
    """Commands by name, in the order of the help; the module of each is imported when the command is asked for."""

    def __init__(self, commands: Mapping[str, tuple[str, str]]) -> None:
        self._commands = commands

    def __getitem__(self, name: str) -> click.Command:
        where, short_help = self._commands[name]
        module, _, attribute = where.partition(".")
        command: click.Command = getattr(import_module(f"charrnn.cli.{module}"), attribute or name)
        command.short_help = short_help
        for param in command.params:
            if isinstance(param, click.Option):  # it can also be given in the environment, in each long spelling
                param.envvar = [_variable(name, spelling) for spelling in param.opts if spelling.startswith("--")]
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)


class Group(click.Group):
    """A group of commands that are imported when they are used.

    Parameters
    ----------
    commands : for each command, its module in `charrnn.cli`, with a dot and its name there if that is another, and its
        line in the list of commands
    """

    context_class = Context

    def __init__(self, *args: Any, commands: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands = LazyCommands(commands)  # type: ignore[assignment]
        self._short_helps = [(name, text) for name, (_, text) in commands.items()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; without any, show the help."""
        return super().parse_args(ctx, args or ["--help"])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - Click's
        """List the commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(self._short_helps)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is Click's
        """Return the commands' names in the order of the help."""
        return list(self.commands)


def _variable(command: str, spelling: str) -> str:
    return f"CHARRNN_{command}_{spelling.removeprefix('--')}".replace("-", "_").upper()
