"""Whole configurations by name, what each reaches, and what the default ones choose by the text."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from charrnn.training.config import LINE_END, TrainConfig


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
