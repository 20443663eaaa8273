"""Options: those made from the fields of a configuration, those that several commands share, and ``--config``.

Defaults, help texts and bounds are those of the fields (see `charrnn.config`). `settings` makes an option of each
field, and `sections` puts it under its heading in the help.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from charrnn.cli.completion import FilePath
from charrnn.cli.help import suggest
from charrnn.config import ERRORS, Settings, flag, format_sizes, option_of
from charrnn.errors import ConfigError, UnreadableTextError, shortened, shown

Command = TypeVar("Command", bound=Callable[..., Any])


class Numbers(click.ParamType[tuple[Any, ...]]):
    """A number, or several separated by commas, such as ``256,128``; `name` is what the help calls them."""

    def __init__(self, kind: type[int] | type[float], name: str) -> None:
        self._kind = kind
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Read ``256,128`` as (256, 128)."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self._kind(number) for number in str(value).split(","))
        except ValueError:
            self.fail(f"expected a number or a comma-separated list, got {value!r}.", param, ctx)


class WholeNumber(click.IntRange):
    """Click's range of integers, under a name that reads well in the help."""

    name = "integer"


class RealNumber(click.types.FloatParamType):
    """Click's float, except that a number too small to represent is refused: as 0 it would mean something else."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read ``1e-3`` as 0.001, and refuse ``1e-400``."""
        number = super().convert(value, param, ctx)
        if not number and any(digit in "123456789" for digit in str(value).lower().partition("e")[0]):
            self.fail(f"{shortened(str(value))!r} is too small.", param, ctx)
        return number


class TextOption(click.types.StringParamType):
    """Any text; an environment variable can hold several, one per line."""

    envvar_list_splitter = "\n"


def settings(config: type[Settings]) -> Callable[[Command], Command]:
    """Return a decorator that adds an option for each field of a configuration; one that is not given is None."""

    def decorate(command: Command) -> Command:
        for setting in reversed(fields(config)):
            command = _option(setting)(command)
        return command

    return decorate


def _option(setting: Field[Any]) -> Callable[[Command], Command]:
    about = option_of(setting)
    spellings = [*(about.flags or [flag(setting.name)]), setting.name]
    if about.kind is bool:
        return click.option(*spellings, is_flag=True, default=None, help=about.help)
    is_list = isinstance(setting.default, tuple)
    return click.option(
        *spellings,
        type=_type(setting),
        multiple=is_list and about.kind is str,
        metavar=about.metavar or about.unit.upper() or None,
        help=about.help + _shown_default(setting),
    )


def _type(setting: Field[Any]) -> Any:
    """Return the Click type of an option; bounds are checked by the configuration."""
    about = option_of(setting)
    if about.choices:
        return click.Choice(about.choices)
    if isinstance(setting.default, tuple) and about.kind is not str:
        return Numbers(about.kind, "SIZES" if about.kind is int else "NUMBERS")
    return {int: click.INT, float: RealNumber(), str: TextOption()}[about.kind]


def _shown_default(setting: Field[Any]) -> str:
    text = option_of(setting).default_text
    if text is None:
        value = setting.default
        text = format_sizes(value if isinstance(value, tuple) else (value,))
    return f"  [default: {text}]" if text else ""


def sections(config: type[Settings], others: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the names of the options under each heading of a command's help.

    `others` has the headings in order, with the options that come first under each: fields or not.
    """
    pages = {title: list(names) for title, names in others.items()}
    placed = {name for names in others.values() for name in names}
    for setting in fields(config):
        if setting.name not in placed:
            pages.setdefault(option_of(setting).section, []).append(setting.name)
    return {title: tuple(names) for title, names in pages.items()}


count = WholeNumber(min=0)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print only warnings and errors.")
errors = click.option(
    "--errors",
    type=click.Choice(ERRORS),
    help="If bytes do not fit the encoding: refuse the text, or read them as U+FFFD.  [default: strict]",
)
json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def output(default: str, text: str) -> Callable[[Command], Command]:
    """Return the option that names the output file."""
    return click.option("-o", "--output", default=default, show_default=True, type=FilePath(), help=text)


def read_into_context(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Read the options of a TOML file: the callback of ``--config``, which Click calls before it reads the others.

    The command line and the environment override the file. A key is an option without its dashes, ``hidden-size`` or
    ``hidden_size``, or ``text``.
    """
    if path is None or ctx.resilient_parsing:  # while a shell completes a line, the file may not exist yet
        return path
    keys = {key: known for known in ctx.command.params if known is not param for key in _keys(known)}
    ctx.default_map = {}
    for written, value in _read(path).items():
        key = written.replace("_", "-")
        if key not in keys:
            near = suggest(key, keys)
            advice = f"keys are the options of `{ctx.command_path}` without their dashes"
            guess = f"did you mean {near[0]}?" if near else advice
            raise ConfigError(f"{shown(str(path))} has an unknown key {shown(written)}; {guess}")
        known = keys[key]
        if known.name in ctx.default_map:
            raise ConfigError(f"{shown(str(path))} has {key} twice")
        ctx.default_map[str(known.name)] = _value(path, key, value, known, ctx)
    return path


def _keys(param: click.Parameter) -> list[str]:
    if isinstance(param, click.Argument):
        return ["text"]
    return [spelling.removeprefix("--") for spelling in param.opts if spelling.startswith("--")]


def _read(path: Path) -> dict[str, Any]:
    import codecs
    import difflib
    import io
    import tomllib

    try:
        written = path.read_bytes()
        # Windows editors put a byte order mark before UTF-8, and some of its shells write UTF-16.
        is_utf16 = written.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = written.decode("utf-16" if is_utf16 else "utf-8-sig")
        # A fraction stays text, so that the option reads what it would read from the command line.
        return tomllib.loads(io.StringIO(text, newline=None).read(), parse_float=str)
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{shown(str(path))} is not TOML because it is not UTF-8 ({error}); save it as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python reads
        raise ConfigError(f"{shown(str(path))} is not TOML: {shown(str(error))}") from error
    except OSError as error:
        near = difflib.get_close_matches(path.name, (file.name for file in path.parent.glob("*.toml")), 1)
        guess = f"; did you mean {shown(str(path.with_name(near[0])))}?" if near else ""
        raise UnreadableTextError(f"{shown(str(path))} cannot be read ({error.strerror}){guess}") from error


def _value(path: Path, key: str, value: Any, param: click.Parameter, ctx: click.Context) -> Any:
    """Return a value as if it had been typed; 3.5 for a whole number is refused."""
    if isinstance(param, click.Argument):
        names = value if isinstance(value, list) else [value]
        if not all(isinstance(name, str) for name in names):
            raise ConfigError(f"{shown(str(path))}: text must be a name or a list of names")
        return tuple(names)
    is_flag = isinstance(param, click.Option) and param.is_flag
    if is_flag != isinstance(value, bool) or isinstance(value, dict):
        kind = "true or false" if is_flag else "a number or a text in quotes"
        raise ConfigError(f"{shown(str(path))}: {key} must be {kind}, not {str(value).lower()}")
    typed = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        return value if is_flag else param.type.convert(typed, param, ctx)
    except click.BadParameter as error:
        raise ConfigError(f"{shown(str(path))}: {key}: {error.message}") from error
