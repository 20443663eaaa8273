"""Every setting of a training run and of a sample.

A setting is a field of `TrainConfig` or `SampleConfig`, made by `option`. Its default, help text, bounds and choices
are written there and nowhere else: the command line, its help, ``--config``, the checks and a resumed run all read the
field. Adding a setting means adding one field.

The recipes, which are configurations with a name, follow at the end. The module does not import NumPy, so that
``charrnn --help`` is quick.
"""

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import Field, asdict, dataclass, field, fields, replace
from functools import partial
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Self

from charrnn.errors import ConfigError, shortened

CELLS = ("gru", "lstm", "vanilla")
OPTIMIZERS = ("adagrad", "rmsprop", "adam", "sgd")
SCHEDULES = ("constant", "step", "cosine")
DTYPES = ("float32", "float64")
REDUCTIONS = ("mean", "sum")
ERRORS = ("strict", "replace")
FORMS = ("none", "nfc")
UNKNOWN = ("error", "skip", "nearest")
MOST_SYMBOLS = 0x110000  # as many code points as Unicode has
MOST_LAYERS = 32  # more would not fit in a checkpoint's directory (see `charrnn.archive`)
LINE_END = "\n"
DEFAULT_LENGTH = 500
ENDLESS = -1

_LARGEST = 10**12  # far more than any machine has memory for (see `charrnn.training.start`)
_MOST_STEPS = 10**15
_LONG = 10**40  # above any seed of 128 bits; Python refuses to write numbers of thousands of digits


@dataclass(frozen=True)
class Option:
    """What a setting's field says about it."""

    help: str  # one sentence for ``--help``
    section: str  # heading of the help under which it stands
    kind: type  # of the value, or of each element of a tuple
    choices: tuple[str, ...] = ()  # the values allowed
    least: float = 0  # bounds of a number, inclusive
    most: float = math.inf
    above: float = -math.inf  # the same, exclusive
    below: float = math.inf
    unit: str = ""  # of a number
    flags: tuple[str, ...] = ()  # its spelling on the command line, where that is not its name
    metavar: str = ""  # what stands for the value in the help; by default the unit
    default_text: str | None = None  # for the default, where the value does not say enough; "" shows none
    resumable: bool = False  # whether it may change when a run is resumed
    added_later: bool = False  # whether older checkpoints lack it; their runs were trained with the default

    def convert(self, name: str, value: Any, default: Any) -> Any:
        """Return a value as its field holds it, or raise `ConfigError` if it cannot be used."""
        if value is None and default is None:
            return None
        if not isinstance(default, tuple):
            return self._checked(name, value)
        if not isinstance(value, list | tuple):
            raise ConfigError("{} must be a list, not {value}", name, value=_quoted(value))
        if not value and self.kind is not str:
            raise ConfigError("{} needs at least one number", name)
        return tuple(self._checked(name, element) for element in value)

    def _checked(self, name: str, value: Any) -> Any:
        value = self._typed(name, value)
        if self.choices and value not in self.choices:
            choices = ", ".join(self.choices)
            raise ConfigError("{} must be one of {choices}, not {value}", name, choices=choices, value=_quoted(value))
        if self.kind in (int, float) and (bound := self._missed_bound(value)):
            raise ConfigError("{} must be {bound}, not {value}", name, bound=bound, value=_quoted(value))
        return value

    def _typed(self, name: str, value: Any) -> Any:
        """Return a value of the right kind: a NumPy number, or a whole number for a fraction, is converted."""
        if type(value) is self.kind:
            return value
        numbers: dict[type, Any] = {int: Integral, float: Real}
        if isinstance(value, numbers.get(self.kind, ())) and not isinstance(value, bool):
            with suppress(OverflowError):
                return self.kind(value)
        raise ConfigError("{} must be {kind}, not {value}", name, kind=_KINDS[self.kind], value=_quoted(value))

    def _missed_bound(self, value: float) -> str:
        """Say which bound a number is outside of, if any."""
        if isinstance(value, float) and not math.isfinite(value):
            return "a finite number"
        if value <= self.above:
            return f"above {self.above}"
        if value < self.least:
            return "0 or more" if self.least == 0 else f"at least {self.least}"
        if value > self.most:
            return f"at most {self.most:,}"
        return f"below {self.below}" if value >= self.below else ""


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _quoted(value: object) -> str:
    """Write a value for a message; Python cannot write a whole number of thousands of digits."""
    if isinstance(value, int) and abs(value) >= _LONG:
        return f"{'minus ' * (value < 0)}a number of more than {len(str(_LONG)) - 1} digits"
    return shortened(repr(value)) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"


def option(default: Any, help: str, *, section: str, kind: type | None = None, **about: Any) -> Any:  # noqa: A002
    """Return a dataclass field that is a setting; the other parameters are those of `Option`."""
    kind = kind or type(default[0] if isinstance(default, tuple) else default)
    return field(default=default, metadata={"option": Option(help, section, kind, **about)})


def option_of(setting: Field[Any]) -> Option:
    """Return what a setting's field says about it."""
    about: Option = setting.metadata["option"]
    return about


@dataclass(frozen=True)
class Settings:
    """A configuration whose fields are made by `option` and are checked when it is made."""

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = option_of(setting).convert(setting.name, getattr(self, setting.name), setting.default)
            object.__setattr__(self, setting.name, value)
        self.check_together()

    def check_together(self) -> None:
        """Raise `ConfigError` if values that are each allowed do not go together."""


# One function for each section of the help.
_model = partial(option, section="Model")
_text = partial(option, section="Text")
_update = partial(option, section="Optimization")
_end = partial(option, section="How long", resumable=True)
_progress = partial(option, section="Along the way", most=_MOST_STEPS, unit="steps", resumable=True)
_SUITED = "automatic, from the number of epochs"  # see `suited_settings`


@dataclass(frozen=True)
class TrainConfig(Settings):
    """One training run.

    The run ends at the first limit reached among `steps`, `epochs` and `minutes`; 0 means no limit.

    Raises
    ------
    ConfigError
        If a value cannot be used. Its ``field`` is the name of the field.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.TrainConfig(cell="lstm", hidden_sizes=(256, 128), epochs=2.0).optimizer
    'adagrad'

    """

    cell: str = _model("gru", "Recurrent cell.", choices=CELLS)
    hidden_sizes: tuple[int, ...] = _model(
        (384,), "Hidden units; a comma-separated list stacks layers.", least=1, most=_LARGEST, flags=("--hidden-size",)
    )
    embedding_size: int = _model(0, "Size of a learned embedding (0 = one-hot input).", most=_LARGEST, metavar="SIZE")
    tied: bool = _model(False, "Use the embedding matrix in the output layer too.", added_later=True)
    init_std: float = _model(0.0, "Standard deviation of the initial weights (0 = uniform in ±1/√hidden).", most=10**6)
    dtype: str = _model("float32", "Floating-point precision.", choices=DTYPES)

    separator: str = _text(
        "",
        "Train on separate items divided by this string; \\n is a line end, \\t a tab.",
        default_text="none: one running text",
        added_later=True,
    )
    unique: bool = _text(
        False, "Drop repeated items, so that no item is both trained on and held out.", added_later=True
    )
    strip_gutenberg: bool = _text(False, "Leave out the licence of a book from Project Gutenberg.", added_later=True)
    val_fraction: float = _text(
        0.1, "Fraction held out for validation: the end of the text, or randomly chosen items.", below=1
    )
    batch_size: int = _text(
        16, "Streams of text, or items, trained on in parallel.", least=1, most=_LARGEST, unit="streams"
    )
    seq_length: int = _text(
        50, "Characters through which gradients flow back.", least=1, most=_LARGEST, unit="characters"
    )
    bptt_jitter: float = _text(
        0.0, "Vary --seq-length randomly with this standard deviation (0 = off).", unit="characters", added_later=True
    )

    optimizer: str = _update("adagrad", "Optimizer.", choices=OPTIMIZERS)
    learning_rate: float = _update(
        0.0, "Learning rate (0 = the optimizer's default).", default_text=_SUITED, resumable=True
    )
    average: int = _update(
        2000,
        "Average the weights over about the last STEPS steps, at most a seventh of the run (0 = no average).",
        most=_MOST_STEPS,
        unit="steps",
    )
    schedule: str = _update("constant", "Learning-rate schedule.", choices=SCHEDULES)
    schedule_steps: int = _update(
        0,
        "Total planned steps if this run is one part of a longer one; sets schedule and dropout (0 = this run only).",
        most=_MOST_STEPS,
        unit="steps",
        resumable=True,
    )
    warmup_steps: int = _update(
        100, "Steps in which the learning rate rises to its full value.", most=_MOST_STEPS, unit="steps"
    )
    # The defaults of the step schedule are torch-rnn's.
    decay_factor: float = _update(
        0.5,
        "With --schedule step: multiply the learning rate by this at each decay.",
        above=0,
        most=1,
        metavar="FACTOR",
        resumable=True,
        added_later=True,
    )
    decay_every: float = _update(
        5.0,
        "With --schedule step: epochs between decays.",
        above=0,
        most=10**9,
        unit="epochs",
        resumable=True,
        added_later=True,
    )
    dropout: float = _update(
        0.0, "Dropout rate for layer outputs (0 = off).", below=1, default_text=_SUITED, added_later=True
    )
    locked_dropout: bool = _update(False, "Use one dropout mask for all characters of a sequence.", added_later=True)
    weight_drop: float = _update(
        0.0, "Dropout rate for recurrent weights (0 = off).", below=1, default_text=_SUITED, added_later=True
    )
    clip_value: float = _update(0.0, "Clip each gradient to ± this (0 = off).")
    clip_norm: float = _update(5.0, "Clip the gradient norm to this (0 = off).")
    reduction: str = _update(
        "mean", "Follow the gradient of the mean or the sum over a sequence's characters.", choices=REDUCTIONS
    )
    accumulate: int = _update(
        1,
        "Add up the gradients of this many batches before each update.",
        least=1,
        most=10**6,
        unit="batches",
        added_later=True,
    )
    rng_seed: int = _update(0, "Random seed; the same seed gives the same run.", most=_LONG, metavar="SEED")
    threads: int = _update(
        0,
        "CPU cores to use (0 = all, or one per rank under mpirun).",
        most=256,
        unit="cores",
        resumable=True,
        added_later=True,
    )

    steps: int = _end(3600, "Stop after this many updates (0 = no limit).", most=_MOST_STEPS, unit="steps")
    epochs: float = _end(0.0, "Stop after this many passes over the text (0 = no limit).", most=10**9, unit="epochs")
    minutes: float = _end(0.0, "Stop after this many minutes in total (0 = no limit).", most=10**9, unit="minutes")
    patience: int = _end(
        0,
        "Stop after this many evaluations in a row without a new best (0 = never).",
        most=_MOST_STEPS,
        unit="evaluations",
        added_later=True,
    )

    eval_every: int = _progress(200, "Steps between evaluations on the held-out part (0 = only at the end).")
    sample_every: int = _progress(400, "Steps between samples (0 = never).")
    sample_length: int = _progress(200, "Length of each sample.", most=10**6, unit="characters")
    save_every: int = _progress(400, "Steps between saves (0 = only at the start and the end).")
    keep: int = _progress(
        0, "Also keep this many earlier saves, as NAME-step-STEP.npz.", unit="saves", added_later=True
    )

    def check_together(self) -> None:
        """Raise `ConfigError` if values that are each allowed do not go together."""
        if len(self.hidden_sizes) > MOST_LAYERS:
            raise ConfigError("{} must be at most {most} layers", "hidden_sizes", most=MOST_LAYERS)
        if self.tied and self.embedding_size != self.hidden_sizes[-1]:
            width = self.hidden_sizes[-1]
            raise ConfigError(
                "{} needs an embedding as wide as the last layer: {} {width}", "tied", "embedding_size", width=width
            )
        if any(0xD800 <= ord(c) <= 0xDFFF for c in self.separator):
            raise ConfigError("{} has a byte that is not a character; use the terminal's encoding", "separator")
        if self.unique and not self.separator:
            raise ConfigError("{} drops repeated items, so it needs {}", "unique", "separator")
        if self.patience and not (self.eval_every and self.val_fraction):
            raise ConfigError(
                "{} counts evaluations; it needs {} and {} above 0", "patience", "eval_every", "val_fraction"
            )
        if not (self.steps or self.epochs or self.minutes):
            raise ConfigError("the run would never end: set {}, {} or {}", *BOUNDS)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as a checkpoint keeps them."""
        return asdict(self) | {"hidden_sizes": list(self.hidden_sizes)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the configuration that `to_json` described."""
        added_later = {known.name: known.default for known in fields(cls) if option_of(known).added_later}
        values = {"average": 0, **added_later, **values}  # before there was an average, the last weights were used
        if differing := {known.name for known in fields(cls)} ^ values.keys():
            raise ConfigError(f"the configuration's fields differ: {sorted(differing)}")
        return cls(**values)

    def with_bounds(self, bounds: Mapping[str, float]) -> Self:
        """Return this configuration with other limits; if any is given, those not given are removed."""
        if not bounds:
            return self
        all_bounds: dict[str, Any] = {name: bounds.get(name, 0) for name in BOUNDS}
        return replace(self, **all_bounds)


BOUNDS = ("steps", "epochs", "minutes")
RESUMABLE = tuple(setting.name for setting in fields(TrainConfig) if option_of(setting).resumable)


_seed = partial(option, section="Seed text")
_draw = partial(option, section="Sampling")
_stop = partial(option, section="Length")
_output = partial(option, section="Output")
_CLASSES = "letters, upper, lower, digits, space, newline, punctuation, ascii"


@dataclass(frozen=True)
class SampleConfig(Settings):
    """What to write from a seed text.

    Raises
    ------
    ConfigError
        If a value cannot be used. Its ``field`` is the name of the field.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.SampleConfig(temperatures=(0.7,), top_p=0.9, length=200).most_characters
    200

    """

    # One text, or one group of `num` texts, for each temperature
    temperatures: tuple[float, ...] = _draw(
        (0.7,),
        "Lower is safer, higher more varied; 0 always picks the most likely. Several are shown side by side.",
        flags=("-t", "--temperature"),
        metavar="NUMBER[,...]",
    )
    top_k: int = _draw(0, "Keep only the K most likely characters.", metavar="K", default_text="all")
    top_p: float = _draw(
        1.0,
        "Keep the most likely characters that together reach probability P.",
        above=0,
        most=1,
        metavar="P",
        default_text="all",
    )
    min_p: float = _draw(
        0.0, "Keep characters whose probability is at least P × the top one.", most=1, metavar="P", default_text="all"
    )
    allow: tuple[str, ...] = _draw(
        (),
        f"Write only these characters. SET is literal characters, or classes: {_CLASSES}. Repeatable.",
        kind=str,
        metavar="SET",
        default_text="",
    )
    ban: tuple[str, ...] = _draw(
        (), "Never write these characters. Repeatable.", kind=str, metavar="SET", default_text=""
    )
    novel: int = _draw(
        0,
        "Never write more than N characters in a row as they are in the training text, nor one of its items (0 = off).",
        most=10**6,
        metavar="N",
    )
    match: str = _draw(
        "", "For models of items: draw until one matches this regular expression.", metavar="REGEX", default_text=""
    )
    tries: int = _draw(10_000, "With --match: draw at most N items.", least=1, most=10**9, metavar="N")
    # The first limit reached ends a text.
    length: int | None = _stop(
        None,  # see `most_characters`
        "Characters to write (-1 = no limit).",
        kind=int,
        least=ENDLESS,
        flags=("-n", "--length"),
        metavar="N",
        default_text=f"{DEFAULT_LENGTH}; with --lines, {DEFAULT_LENGTH} per line",
    )
    lines: int = _stop(0, "Stop after N lines (0 = no limit).", metavar="N")
    stops: tuple[str, ...] = _stop(
        (), "Stop before TEXT. Repeatable.", kind=str, flags=("--stop",), metavar="TEXT", default_text=""
    )
    num: int = _output(1, "Write K texts.", least=1, most=10_000, metavar="K")
    unknown: str = _seed(
        "error",
        "What to do with seed characters the model never saw.",
        choices=UNKNOWN,
        default_text="error; nearest with -i",
    )

    def check_together(self) -> None:
        """Raise `ConfigError` if values that are each allowed do not go together."""
        if "" in self.stops:
            raise ConfigError("{} is empty: give the text to stop before", "stops")
        if len(set(self.temperatures)) < len(self.temperatures):
            raise ConfigError("{} has the same number twice", "temperatures")
        try:
            re.compile(self.match)
        except (re.error, RecursionError, OverflowError) as error:
            raise ConfigError("{} is not a regular expression: {error}", "match", error=error) from error
        if self.match and len(self.temperatures) > 1:
            raise ConfigError("{} goes with a single {}", "match", "temperatures")
        if self.is_endless and self.is_several:
            raise ConfigError(
                "{} -1 writes one text without end; to write several, limit {}, {} or {}",
                *("length", "length", "lines", "stops"),
            )

    def of_items(self, longest: int) -> Self:
        """Return the same for a model trained on items: a text is one item, with room for twice the longest."""
        if self.lines:
            raise ConfigError(
                "{} does not go with a model trained on items; to write K items, use {} K", "lines", "num"
            )
        return replace(self, length=max(DEFAULT_LENGTH, 2 * longest)) if self.length is None else self

    def read_by(self, read: Callable[[str], str]) -> Self:
        """Return the same with every text in it as a model reads what is typed for it (see `Usage.read`)."""
        allow, ban, stops = (tuple(map(read, texts)) for texts in (self.allow, self.ban, self.stops))
        return replace(self, allow=allow, ban=ban, stops=stops)

    @property
    def is_several(self) -> bool:
        """Whether more than one text is asked for."""
        return self.num * len(self.temperatures) > 1

    @property
    def is_endless(self) -> bool:
        """Whether only Ctrl-C ends it."""
        return self.most_characters is None and not (self.lines or self.stops)

    @property
    def most_characters(self) -> int | None:
        """The limit on the length: by default `DEFAULT_LENGTH`, times the number of lines if lines are counted.

        A network that repeats itself may never end a line.
        """
        if self.length is None:
            return DEFAULT_LENGTH * max(1, self.lines)
        return None if self.length == ENDLESS else self.length


_FLAGS = {
    setting.name: about.flags[-1]
    for config in (TrainConfig, SampleConfig)
    for setting in fields(config)
    if (about := option_of(setting)).flags
}


def flag(name: str) -> str:
    """Return the long option of the command line that sets a field."""
    return _FLAGS.get(name) or "--" + name.replace("_", "-")


def format_sizes(sizes: tuple[float, ...]) -> str:
    """Write layer sizes, or other numbers, as the command line takes them: ``256,128``."""
    return ",".join(str(size).removesuffix(".0") for size in sizes)


@dataclass(frozen=True)
class Recipe:
    """A configuration with a name."""

    config: TrainConfig
    reaches: str  # the model, its measured loss and its training time
    is_suited: bool = False  # whether `suited_settings` chooses its dropout and learning rate


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "default": Recipe(
            TrainConfig(),
            "a GRU of 384, 3,600 steps: about a minute on two cores; on The Harbour Clerk 1.81 bits/char held out",
            is_suited=True,
        ),
        "deep": Recipe(
            TrainConfig(
                hidden_sizes=(512, 512),
                batch_size=32,
                seq_length=100,
                optimizer="adam",
                learning_rate=0.002,
                average=0,
                schedule="cosine",
                dropout=0.4,
                weight_drop=0.3,
                steps=12_000,
                eval_every=500,
                sample_every=1000,
                save_every=500,
            ),
            "for a million characters: two GRUs of 512, 12,000 steps: about 30 min on two cores; on "
            "tinyshakespeare 2.08 bits/char held out",
        ),
        "items": Recipe(
            TrainConfig(separator=LINE_END, hidden_sizes=(256,), average=0, schedule="cosine", steps=1500),
            "for --by-line: a GRU of 256, 1,500 steps: 4 s on two cores; on 1,200 names 2.52 bits/char held out",
            is_suited=True,
        ),
        "min-char-rnn": Recipe(
            TrainConfig(
                cell="vanilla",
                hidden_sizes=(100,),
                init_std=0.01,
                val_fraction=0.0,
                batch_size=1,
                seq_length=25,
                optimizer="adagrad",
                learning_rate=0.1,
                average=0,
                schedule="constant",
                warmup_steps=0,
                clip_value=5.0,
                clip_norm=0.0,
                reduction="sum",
                steps=70_000,
                eval_every=0,
                sample_every=10_000,
                save_every=10_000,
            ),
            "Karpathy's model of 2015, 70,000 steps: 12 s on one core; on The Harbour Clerk 2.51 bits/char in training",
        ),
    }
)


def usual_recipe(separator: str) -> str:
    """Return the name of the recipe to use if the user names none."""
    return "items" if separator else "default"


def suited_settings(passes: float, *, of_items: bool = False) -> dict[str, float]:
    """Return the dropout rates and Adagrad's learning rate of a default recipe, from the number of epochs.

    A model that reads its text dozens of times memorizes it unless dropout prevents that; in a few passes dropout only
    slows learning. As measured in benchmarks/README.md, 5 passes need none, 8 to 17 a little, and 25 a lot.
    """
    if passes < 8:
        return {"dropout": 0.0, "weight_drop": 0.0, "learning_rate": 0.15}
    if passes < 20:
        return {"dropout": 0.1, "weight_drop": 0.2, "learning_rate": 0.15}
    drops = {"dropout": 0.5, "weight_drop": 0.4} if of_items else {"dropout": 0.4, "weight_drop": 0.3}
    return {**drops, "learning_rate": 0.1}
