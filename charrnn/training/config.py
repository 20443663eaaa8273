"""Everything that can be set about a training run.

Defaults stand here and nowhere else: the command line reads them from these fields. No NumPy is imported, so that
``charrnn --help`` stays quick.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral, Real
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
MOST_LAYERS = 32  # more would not fit in a checkpoint's directory (see `charrnn.archive.layout`)
# Far beyond what any machine has the memory for (see `charrnn.training.memory`), and not beyond what can be counted.
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
