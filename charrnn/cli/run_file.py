"""``--config run.toml``: options of a command from a file."""

from pathlib import Path
from typing import Any

import click

from charrnn.errors import ConfigError, UnreadableTextError, shown


def read_into_context(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Give the command's options the values of a file; the command line and the environment win over them.

    A key is an option's name without its dashes, ``hidden-size`` or ``hidden_size``, or ``text``. It is the callback of
    an eager option, so that the others find the values when it is their turn.

    Raises
    ------
    ConfigError
        If the file is not TOML, or has a key that is no option or a value that the option cannot be given.
    UnreadableTextError
        If the file is missing or cannot be read.
    """
    if path is None or ctx.resilient_parsing:  # while a shell completes a line, the file may not be there yet
        return path
    import difflib

    keys = {key: known for known in ctx.command.params if known is not param for key in _keys(known)}
    ctx.default_map = {}
    for written, value in _read(path).items():
        key = written.replace("_", "-")
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            keys_are = f"; keys are the options of `{ctx.command_path}` without their dashes"
            guess = f"; did you mean {near[0]}?" if near else keys_are
            raise ConfigError(f"{shown(str(path))} has an unknown key {shown(written)}{guess}")
        known = keys[key]
        if known.name in ctx.default_map:
            raise ConfigError(f"{shown(str(path))} has {key} twice")
        ctx.default_map[str(known.name)] = _value(path, key, value, known, ctx)
    return path


def _keys(param: click.Parameter) -> list[str]:
    if isinstance(param, click.Argument):
        return ["text"]
    return [flag.removeprefix("--") for flag in param.opts if flag.startswith("--")]


def _read(path: Path) -> dict[str, Any]:
    import codecs
    import difflib
    import io
    import tomllib

    try:
        written = path.read_bytes()
        # Windows editors put a mark before UTF-8, and some of its shells write UTF-16.
        is_utf16 = written.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = written.decode("utf-16" if is_utf16 else "utf-8-sig")
        # A fraction stays as it was written, so that the option sees what the command line would have given it.
        return tomllib.loads(io.StringIO(text, newline=None).read(), parse_float=str)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown(str(path))} is not TOML, which is UTF-8 ({error}); save it in UTF-8") from error
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python reads
        raise ConfigError(f"{shown(str(path))} is not TOML: {shown(str(error))}") from error
    except OSError as error:
        near = difflib.get_close_matches(path.name, (file.name for file in path.parent.glob("*.toml")), 1)
        guess = f"; did you mean {shown(str(path.with_name(near[0])))}?" if near else ""
        raise UnreadableTextError(f"{shown(str(path))} cannot be read ({error.strerror}){guess}") from error


def _value(path: Path, key: str, value: Any, param: click.Parameter, ctx: click.Context) -> Any:
    """Check a value as if it had been typed: a number for a word, or 3.5 for a whole number, is refused."""
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
