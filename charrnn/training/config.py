"""Everything that can be set about a training run, and the named recipes.

Defaults stand here and nowhere else: the command line reads them from these fields. No NumPy is imported, so that
``charrnn --help`` stays quick.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Self

from charrnn.errors import ConfigError

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
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(f"{flag(name)} is one of {', '.join(choices)}, not {getattr(self, name)!r}")
        self._check_sizes()
        self._check_ranges()
        if any(0xD800 <= ord(c) <= 0xDFFF for c in self.separator):
            raise ConfigError("--separator has a byte that is no character; give it in the terminal's encoding")
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
                raise ConfigError(f"{flag(name)} must be at least 1, not {getattr(self, name)}")
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise ConfigError(f"--hidden-size must be at least 1, not {format_sizes(self.hidden_sizes)}")
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
                raise ConfigError(f"{flag(name)} must be 0 or more, not {value}")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise ConfigError(f"{flag(name)} must be at most {most:,.0f}")
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
        defaults = {field.name: field.default for field in fields(cls)}
        values = {name: defaults[name] for name in _ADDED_LATER} | dict(values)
        if set(values) != set(defaults):
            raise ConfigError(f"the configuration's fields differ: {sorted(set(values) ^ set(defaults))}")
        clean: dict[str, Any] = {}
        for name, default in defaults.items():
            value = values[name]
            if name == "hidden_sizes" and isinstance(value, list) and all(type(size) is int for size in value):
                clean[name] = tuple(value)
            elif type(value) is type(default):
                clean[name] = value
            elif name in ("epochs", "minutes") and type(value) is int and abs(value) <= _LARGEST:  # whole at first
                clean[name] = float(value)
            else:
                raise ConfigError(f"the configuration's {name} has the wrong type")
        return cls(**clean)

    def with_bounds(self, bounds: Mapping[str, float]) -> Self:
        """Return this configuration with other bounds, where any is given: those not given then bind no more."""
        if not bounds:
            return self
        all_bounds: dict[str, Any] = {name: type(getattr(self, name))(bounds.get(name, 0)) for name in BOUNDS}
        return replace(self, **all_bounds)


# Fields that the first checkpoints lack; what they default to is how those runs were trained.
_ADDED_LATER = (
    *("threads", "tied", "bptt_jitter", "decay_factor", "decay_every"),
    *("dropout", "locked_dropout", "weight_drop", "patience", "keep", "separator", "accumulate"),
)
MOST_LAYERS = 32  # more would not fit in a checkpoint's directory (see `charrnn.archive.layout`)
# Far beyond what any machine has the memory for (see `charrnn.training.memory`), and not beyond what can be counted.
_LARGEST = 10**12
_MOST = {
    **dict.fromkeys(("embedding_size", "batch_size", "seq_length"), _LARGEST),
    "threads": 256,
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
            "for a million characters: GRUs of 512 and 512, 12,000 steps: about 27 min on two cores; on "
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


def format_sizes(sizes: tuple[int, ...]) -> str:
    """Write layer sizes as the command line takes them: ``256,128``."""
    return ",".join(map(str, sizes))


def separator_option(separator: str) -> list[str]:
    """Return the command line's words for what stands between two items."""
    return ["--by-line"] if separator == LINE_END else [flag("separator"), separator]


def flag(name: str) -> str:
    """Return the command line's name of a field."""
    return "--hidden-size" if name == "hidden_sizes" else "--" + name.replace("_", "-")
