"""Option groups shared by the commands, and the train options made from the configuration's fields.

A default stands in the configuration alone: an option that is not given is None here, and the help shows what the
configuration says.

``--config run.toml``: options of a command from a file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from charrnn.cli.completion import FilePath
from charrnn.config import (
    CELLS,
    DTYPES,
    ERRORS,
    OPTIMIZERS,
    REDUCTIONS,
    SCHEDULES,
    TrainConfig,
    flag,
    format_sizes,
    suited_settings,
)
from charrnn.errors import ConfigError, UnreadableTextError, shortened, shown

Command = TypeVar("Command", bound=Callable[..., Any])


class Numbers(click.ParamType[tuple[Any, ...]]):
    """One number, or several with commas between them, as in ``256,128``.

    Parameters
    ----------
    kind : of each number
    name : what to call them in the help
    """

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
            self.fail(f"{value!r} is not a number, nor numbers with commas between them.", param, ctx)


class WholeNumber(click.IntRange):
    """Click's range of integers, by a name that a help page can show."""

    name = "integer"


class RealNumber(click.types.FloatParamType):
    """Click's fraction, but for one so small that it would be read as 0, which means another thing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read ``1e-3`` as 0.001, and refuse ``1e-400``."""
        number = super().convert(value, param, ctx)
        if not number and any(digit in "123456789" for digit in str(value).lower().partition("e")[0]):
            self.fail(f"{shortened(str(value))!r} is too small a number.", param, ctx)
        return number


count = WholeNumber(min=0)
real = RealNumber()
quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing but what went wrong.")
errors = click.option(
    "--errors", type=click.Choice(ERRORS), help="Refuse what is not in the encoding, or read U+FFFD.  [default: strict]"
)
json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def output(default: str, text: str) -> Callable[[Command], Command]:
    """Return the option that names the file to write."""
    return click.option("-o", "--output", default=default, show_default=True, type=FilePath(), help=text)


_CONFIG_HELP: dict[str, tuple[Any, str]] = {
    "cell": (click.Choice(CELLS), "Kind of recurrent cell."),
    "hidden_sizes": (Numbers(int, "SIZES"), "Hidden units; with commas, those of each layer."),
    "embedding_size": (int, "Width of a learned embedding; 0 for one-hot input."),
    "tied": (bool, "Use the embedding's weights for the output too."),
    "init_std": (float, "Standard deviation of the first weights; 0 for uniform in ±1/√hidden."),
    "dtype": (click.Choice(DTYPES), "Precision of the numbers."),
    "separator": (
        str,
        "Learn items, each separately: this text, which may be a line end, stands between two of a file.",
    ),
    "unique": (bool, "Leave out items equal to an earlier one, which might be held out and trained on at once."),
    "val_fraction": (float, "Share of the text, at its end, held out to validate; of items, a choice by --rng-seed."),
    "batch_size": (int, "Streams of text, or items, read side by side."),
    "seq_length": (int, "Characters a gradient reaches back."),
    "bptt_jitter": (float, "Vary that length from step to step, with this standard deviation; 0 for one length."),
    "optimizer": (click.Choice(OPTIMIZERS), "How gradients become steps."),
    "learning_rate": (float, "Size of the steps; 0 for the optimizer's own default."),
    "schedule": (click.Choice(SCHEDULES), "How the learning rate goes over the run."),
    "schedule_steps": (
        int,
        "Steps of the whole run that this is a part of, for the schedule and what is dropped; 0 for its own length.",
    ),
    "warmup_steps": (int, "Steps in which the learning rate climbs to its full size."),
    "decay_factor": (float, "Multiply the learning rate by this at each stair of --schedule step."),
    "decay_every": (float, "Passes over the text from one stair to the next."),
    "dropout": (float, "Share of each layer's outputs to do without while learning; 0 for none."),
    "locked_dropout": (bool, "Drop the same outputs at all characters of a sequence."),
    "weight_drop": (float, "Share of the recurrent weights to do without while learning; 0 for none."),
    "clip_value": (float, "Bring each gradient into ± this; 0 for no such limit."),
    "clip_norm": (float, "Shorten the whole gradient to this length; 0 for no such limit."),
    "reduction": (click.Choice(REDUCTIONS), "Follow the gradient of the mean or the sum over a chunk."),
    "accumulate": (int, "Chunks whose gradients are added up before each update, which --steps counts."),
    "rng_seed": (count, "Random seed; the same seed gives the same run."),
    "threads": (int, "Cores to use; 0 for all of the machine's, or one for each rank under mpirun."),
    "steps": (int, "End after this many updates; 0 for no such end."),
    "epochs": (float, "End after this many passes over the text; 0 for no such end."),
    "minutes": (float, "End after this much time, all counted; 0 for no such end."),
    "patience": (int, "End after this many evaluations in a row without a new best; 0 for never."),
    "eval_every": (int, "Steps between evaluations on the held-out part; 0 for none but at the end."),
    "sample_every": (int, "Steps between samples shown; 0 for none."),
    "sample_length": (int, "Characters in each of those samples."),
    "save_every": (int, "Steps between saves; 0 for none but at the start and the end."),
    "keep": (int, "Keep the states of this many saves too, as NAME-step-STEP.npz."),
}
TRAIN_SECTIONS = {
    "The model": ("cell", "hidden_sizes", "num_layers", "embedding_size", "tied", "init_std", "dtype"),
    "The text": (
        *("encoding", "errors", "normalize", "max_vocab", "by_line", "separator", "unique", "val_fraction"),
        *("batch_size", "seq_length", "bptt_jitter"),
    ),
    "Each update": (
        *("optimizer", "learning_rate", "schedule", "schedule_steps", "warmup_steps", "decay_factor", "decay_every"),
        *("dropout", "locked_dropout", "weight_drop", "clip_value", "clip_norm", "reduction", "accumulate"),
    ),
    "How long": ("steps", "epochs", "minutes", "patience"),
    "On the way": ("eval_every", "sample_every", "sample_length", "save_every", "keep"),
    "From what, and where to": ("checkpoint", "overwrite", "resume", "allow_new_text", "init_from", "recipe", "config"),
}
_DEFAULTS = TrainConfig()


def train_config(command: Command) -> Command:
    """Add an option for each field of the training configuration."""
    for name, (kind, text) in reversed(_CONFIG_HELP.items()):
        if kind is bool:
            command = click.option(flag(name), name, is_flag=True, default=None, help=text)(command)
            continue
        default = getattr(_DEFAULTS, name)
        shown = format_sizes(default) if isinstance(default, tuple) else str(default).removesuffix(".0")
        shown = "none: one running text" if name == "separator" else shown
        shown = "by how often the text is read" if name in suited_settings(0) else shown
        type_ = real if kind is float else kind
        command = click.option(flag(name), name, type=type_, help=f"{text}  [default: {shown}]")(command)
    return command


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
