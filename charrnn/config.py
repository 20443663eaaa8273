"""Everything that can be set about a training run.

Defaults stand here and nowhere else: the command line reads them from these fields. No NumPy is imported, so that
``charrnn --help`` stays quick.

Whole configurations by name, what each reaches, and what the default ones choose by the text.

Everything that can be asked of a sample. No NumPy is imported: the command line takes its defaults from here.

What can be chosen when a text is read. No NumPy is imported, so that ``charrnn --help`` stays quick.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Self

from charrnn.errors import ConfigError, shortened

CELLS = ("gru", "lstm", "vanilla")
OPTIMIZERS = ("adagrad", "rmsprop", "adam", "sgd")
SCHEDULES = ("constant", "step", "cosine")
DTYPES = ("float32", "float64")
REDUCTIONS = ("mean", "sum")
LINE_END = "\n"


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    The first bound reached among `steps`, `epochs` and `minutes` ends it; 0 means no such bound.

    Raises
    ------
    ConfigError
        If a value cannot be used.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.TrainConfig(cell="lstm", hidden_sizes=(256, 128), epochs=2.0).optimizer
    'adagrad'

    """

    # The model
    cell: str = "gru"
    hidden_sizes: tuple[int, ...] = (384,)
    embedding_size: int = 0  # 0: one-hot input
    tied: bool = False  # whether the output's weights are the embedding's
    init_std: float = 0.0  # 0: uniform in ±1/√hidden
    dtype: str = "float32"
    # The text
    separator: str = ""  # what stands between two items; empty: one running text
    unique: bool = False  # whether items equal to an earlier one are left out
    val_fraction: float = 0.1
    batch_size: int = 16
    seq_length: int = 50
    bptt_jitter: float = 0.0  # standard deviation of a chunk's length, in characters
    # Each update
    optimizer: str = "adagrad"
    learning_rate: float = 0.0  # 0: the optimizer's own default; the default recipe's: `suited_settings`
    schedule: str = "cosine"
    schedule_steps: int = 0  # 0: the length of the run
    warmup_steps: int = 100
    decay_factor: float = 0.5  # of the step schedule; this and the next are torch-rnn's
    decay_every: float = 5.0  # epochs
    dropout: float = 0.0  # share of each layer's outputs; the default recipe's: `suited_settings`
    locked_dropout: bool = False  # one mask for all steps of a chunk
    weight_drop: float = 0.0  # share of W_hh
    clip_value: float = 0.0  # 0: no clipping by value
    clip_norm: float = 5.0  # 0: no clipping by norm
    reduction: str = "mean"  # the gradient of the mean, or of the sum, over a chunk's characters
    accumulate: int = 1  # chunks whose gradients make one update
    rng_seed: int = 0
    threads: int = 0  # cores to use; 0: all of the machine's
    # How long
    steps: int = 3600
    epochs: float = 0.0
    minutes: float = 0.0
    patience: int = 0  # evaluations in a row without a new best; 0: no end by that
    # What happens on the way, every so many steps; 0: never
    eval_every: int = 200
    sample_every: int = 400
    sample_length: int = 200
    save_every: int = 400
    keep: int = 0  # states of the last saves that are kept beside the newest

    def __post_init__(self) -> None:
        """Raise `ConfigError` for the first value that cannot be used."""
        for field in fields(self):
            object.__setattr__(self, field.name, _typed(field.name, getattr(self, field.name), field.default))
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                raise ConfigError(f"{flag(name)} is one of {', '.join(choices)}, not {shortened(value)!r}")
        self._check_sizes()
        self._check_ranges()
        if any(0xD800 <= ord(c) <= 0xDFFF for c in self.separator):
            raise ConfigError("--separator has a byte that is no character; give it in the terminal's encoding")
        if self.unique and not self.separator:
            raise ConfigError("--unique leaves out repeated items: it goes with --by-line or --separator")
        if not 0 < self.decay_factor <= 1:
            raise ConfigError(f"--decay-factor must be above 0 and at most 1, not {self.decay_factor}")
        if not self.decay_every:
            raise ConfigError("--decay-every must be above 0; for a rate that stays there is --schedule constant")
        if self.patience and not (self.eval_every and self.val_fraction):
            raise ConfigError("--patience counts evaluations; it needs --eval-every and --val-fraction above 0")
        if not (self.steps or self.epochs or self.minutes):
            raise ConfigError("the run has no end: give --steps, --epochs or --minutes")

    def _check_sizes(self) -> None:
        for name in ("batch_size", "seq_length", "accumulate"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{flag(name)} must be at least 1, not {_said(getattr(self, name))}")
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            sizes = ",".join(map(_said, self.hidden_sizes))
            raise ConfigError(f"--hidden-size must be at least 1, not {shortened(sizes)}")
        if max(self.hidden_sizes) > _LARGEST:
            raise ConfigError(f"--hidden-size must be at most {_LARGEST:,}")
        if len(self.hidden_sizes) > MOST_LAYERS:
            raise ConfigError(f"a network has at most {MOST_LAYERS} layers, not {len(self.hidden_sizes):,}")
        if self.tied and self.embedding_size != self.hidden_sizes[-1]:
            raise ConfigError(
                f"--tied needs an embedding as wide as the last layer: --embedding-size {self.hidden_sizes[-1]}"
            )

    def _check_ranges(self) -> None:
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if not 0 <= value < math.inf:  # refuses NaN too; `math.isfinite` fails on a whole number of 400 digits
                raise ConfigError(f"{flag(name)} must be 0 or more, not {_said(value)}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ConfigError(f"{flag(name)} must be at most {int(most):,}")
        for name in _SHARES:
            if getattr(self, name) >= 1:
                raise ConfigError(f"{flag(name)} must be below 1, not {getattr(self, name)}")

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as a checkpoint keeps them."""
        return asdict(self) | {"hidden_sizes": list(self.hidden_sizes)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the configuration that `to_json` described.

        Raises
        ------
        ConfigError
            If a field is missing, unknown, or of another type.
        """
        defaults: dict[str, Any] = {field.name: field.default for field in fields(cls)}
        values = {name: defaults[name] for name in _ADDED_LATER} | dict(values)
        if set(values) != set(defaults):
            raise ConfigError(f"the configuration's fields differ: {sorted(set(values) ^ set(defaults))}")
        return cls(**values)

    def with_bounds(self, bounds: Mapping[str, float]) -> Self:
        """Return this configuration with other bounds, where any is given: those not given then bind no more."""
        if not bounds:
            return self
        all_bounds: dict[str, Any] = {name: bounds.get(name, 0) for name in BOUNDS}
        return replace(self, **all_bounds)


def _said(number: float) -> str:
    """Write a number for a message; of a whole number too long for Python to write, its sign and that."""
    if isinstance(number, int) and abs(number) >= _LONG:
        return f"{'minus ' * (number < 0)}a number of more than {len(str(_LONG)) - 1} digits"
    return str(number)


def _typed(name: str, value: Any, default: Any) -> Any:
    """Return a value as its field has it: a number of another kind that is as large, or a list of sizes, will do."""
    kind = type(default)
    if kind in (int, float) and isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            return kind(value)
    elif kind is tuple and isinstance(value, list | tuple):
        return tuple(_typed(name, size, 1) for size in value)
    elif type(value) is kind:
        return value
    raise ConfigError(f"the configuration's {name} has the wrong type")


# Fields that the first checkpoints lack; what they default to is how those runs were trained.
_ADDED_LATER = (
    *("threads", "tied", "bptt_jitter", "decay_factor", "decay_every"),
    *("dropout", "locked_dropout", "weight_drop", "patience", "keep", "separator", "accumulate", "unique"),
)
MOST_LAYERS = 32  # more would not fit in a checkpoint's directory (see `charrnn.archive.reader`)
# Far beyond what any machine has the memory for (see `charrnn.training.start`), and not beyond what can be counted.
_LARGEST = 10**12
_LONG = 10**40
_MOST = {
    **dict.fromkeys(("embedding_size", "batch_size", "seq_length"), _LARGEST),
    "threads": 256,
    "rng_seed": 10**40,  # above any seed of 128 bits
    "accumulate": 1_000_000,
    "init_std": 1e6,
    "sample_length": 1_000_000,
    **dict.fromkeys(
        ("steps", "warmup_steps", "schedule_steps", "patience", "eval_every", "sample_every", "save_every", "keep"),
        10**15,
    ),
    **dict.fromkeys(("epochs", "minutes", "decay_every"), 1e9),
}
BOUNDS = ("steps", "epochs", "minutes")
_CHOICES = {
    "cell": CELLS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "dtype": DTYPES,
    "reduction": REDUCTIONS,
}
_SHARES = ("val_fraction", "dropout", "weight_drop")
_NOT_NEGATIVE = tuple(
    field.name
    for field in fields(TrainConfig)
    if isinstance(field.default, int | float) and field.name not in ("batch_size", "seq_length")
)


def format_sizes(sizes: tuple[int, ...]) -> str:
    """Write layer sizes as the command line takes them: ``256,128``."""
    return ",".join(map(str, sizes))


def separator_option(separator: str) -> list[str]:
    """Return the command line's words for what stands between two items."""
    return ["--by-line"] if separator == LINE_END else [flag("separator"), separator]


def flag(name: str) -> str:
    """Return the command line's name of a field."""
    return "--hidden-size" if name == "hidden_sizes" else "--" + name.replace("_", "-")


@dataclass(frozen=True)
class Recipe:
    """A configuration with a name."""

    config: TrainConfig
    reaches: str  # what it is, what it reaches and how long it takes, as measured
    is_suited: bool = False  # whether `suited_settings` chooses some of it


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "default": Recipe(
            TrainConfig(),
            "a GRU of 384, 3,600 steps: about a minute on two cores; on The Harbour Clerk 1.28 nats/char held out",
            is_suited=True,
        ),
        "deep": Recipe(
            TrainConfig(
                hidden_sizes=(512, 512),
                batch_size=32,
                seq_length=100,
                optimizer="adam",
                learning_rate=0.002,
                dropout=0.4,
                weight_drop=0.3,
                steps=12_000,
                eval_every=500,
                sample_every=1000,
                save_every=500,
            ),
            "for a million characters: GRUs of 512 and 512, 12,000 steps: about 30 min on two cores; on "
            "tinyshakespeare 1.44 nats/char held out",
        ),
        "items": Recipe(
            TrainConfig(separator=LINE_END, hidden_sizes=(256,), steps=1500),
            "for --by-line: a GRU of 256, 1,500 steps: 4 s on two cores; on 1,200 names 1.74 nats/char held out",
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
            "Karpathy's of 2015, 70,000 steps: 12 s on one core; on The Harbour Clerk 1.74 nats/char, nothing held out",
        ),
    }
)


def usual_recipe(separator: str) -> str:
    """Return the name of the recipe where none is asked for."""
    return "items" if separator else "default"


def suited_settings(passes: float, *, of_items: bool = False) -> dict[str, float]:
    """Return what a default recipe drops, and Adagrad's rate, where a run reads its text so many times.

    A text that is read dozens of times is known by heart, a text that is read a few times is not, and dropout then only
    makes learning slower. What was measured is in benchmarks/README.md: 5 passes want none, 8 to 17 a little, 25 much.
    """
    if passes < 8:
        return {"dropout": 0.0, "weight_drop": 0.0, "learning_rate": 0.15}
    if passes < 20:
        return {"dropout": 0.1, "weight_drop": 0.2, "learning_rate": 0.15}
    drops = {"dropout": 0.5, "weight_drop": 0.4} if of_items else {"dropout": 0.4, "weight_drop": 0.3}
    return {**drops, "learning_rate": 0.1}


DEFAULT_LENGTH = 500
ENDLESS = -1
UNKNOWN = ("error", "skip", "nearest")


@dataclass(frozen=True)
class SampleConfig:
    """What to write from a seed text. The filters' ranges are theirs to check (see `filters.Filters`).

    Raises
    ------
    ConfigError
        If values do not go together.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.SampleConfig(temperatures=(0.7,), top_p=0.9, length=200).most_characters
    200

    """

    # How characters are drawn: one text, or one group of texts, for each temperature
    temperatures: tuple[float, ...] = (1.0,)
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    allow: tuple[str, ...] = ()  # see `characters.in_set`
    ban: tuple[str, ...] = ()
    # Where a text ends; the first bound reached counts
    length: int | None = None  # characters; None: see `most_characters`
    lines: int = 0
    stops: tuple[str, ...] = ()
    # How many
    num: int = 1
    unknown: str = "error"  # what becomes of seed characters that the model never saw

    def __post_init__(self) -> None:
        if "" in self.stops:
            raise ConfigError("--stop is empty: give the text to end before")
        if len(set(self.temperatures)) < len(self.temperatures):
            raise ConfigError("--temperature has the same number twice")
        if self.is_endless and self.is_several:
            raise ConfigError("-n -1 writes one text without end; for several give each an end: -n, --lines or --stop")

    def of_items(self, longest: int) -> Self:
        """Return the same for a model that learned items: a text is one of them, and its usual bound leaves it room.

        Parameters
        ----------
        longest : characters of the longest item it learned

        Raises
        ------
        ConfigError
            If lines are to be counted.
        """
        if self.lines:
            raise ConfigError("--lines does not go with a model that learned items, each for itself: --num K writes K")
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
        """The bound on the length; not given, it is `DEFAULT_LENGTH`, for each line where lines are counted.

        A network that repeats itself may never end a line.
        """
        if self.length is None:
            return DEFAULT_LENGTH * max(1, self.lines)
        return None if self.length == ENDLESS else self.length


ERRORS = ("strict", "replace")
FORMS = ("none", "nfc")
MOST_SYMBOLS = 0x110000  # as many code points as Unicode has
