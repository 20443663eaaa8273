"""A configuration holds only what can be trained, and survives JSON."""

import json
import math
import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from charrnn import config as names
from charrnn.config import RECIPES, TrainConfig, flag
from charrnn.errors import ConfigError
from charrnn.nn import model
from charrnn.optim import optimizers, schedules


@pytest.mark.parametrize("recipe", RECIPES)
def test_json_gives_back_the_same_configuration(recipe: str) -> None:
    config = replace(RECIPES[recipe].config, hidden_sizes=(7, 5))
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


FIELDS = sorted(field.name for field in fields(TrainConfig))
NUMBERS = [field.name for field in fields(TrainConfig) if type(field.default) in (int, float)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, -math.inf])
def test_no_number_is_negative_or_not_finite(name: str, value: Any) -> None:
    if isinstance(getattr(TrainConfig(), name), int) and value != -1:
        return  # it is of the wrong type
    with pytest.raises(ConfigError, match=flag(name)):
        TrainConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("batch_size", 0, "--batch-size must be at least 1, not 0"),
        ("seq_length", 0, "--seq-length must be at least 1, not 0"),
        ("hidden_sizes", (4, 0), "--hidden-size must be at least 1, not 4,0"),
        ("hidden_sizes", (), "--hidden-size must be at least 1, not "),
        ("val_fraction", 1.0, "--val-fraction must be below 1, not 1.0"),
        ("cell", "rnn", "--cell is one of gru, lstm, vanilla, not 'rnn'"),
        ("steps", 0, "the run has no end: give --steps, --epochs or --minutes"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_its_option(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**{name: value})
    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", FIELDS)
def test_json_with_a_field_of_another_type_is_refused(name: str) -> None:
    values = TrainConfig().to_json()
    right = type(values[name])
    for wrong in (None, [1.5], {"a": 1}, True, "1", 1, 1.5):
        if type(wrong) is not right and not (right is float and type(wrong) is int):
            with pytest.raises(ConfigError):
                TrainConfig.from_json({**values, name: wrong})


def test_a_number_of_another_kind_becomes_the_field_s_own() -> None:
    numbers: dict[str, Any] = {"clip_norm": 5, "epochs": 2, "steps": np.int64(7), "dropout": np.float32(0.5)}
    given = TrainConfig(**numbers, hidden_sizes=[3, np.int64(4)])  # type: ignore[arg-type]
    assert given == TrainConfig(clip_norm=5.0, epochs=2.0, steps=7, dropout=0.5, hidden_sizes=(3, 4))
    assert TrainConfig.from_json(json.loads(json.dumps(given.to_json()))) == given
    for wrong in ({"warmup_steps": 2.0}, {"tied": 1}, {"steps": True}, {"hidden_sizes": (3.0,)}, {"epochs": 10**400}):
        with pytest.raises(ConfigError, match=f"{min(wrong)} has the wrong type"):
            TrainConfig(**wrong)


# What the first checkpoints lack, and how those runs were trained.
LATER = {
    "threads": 0,
    "tied": False,
    "bptt_jitter": 0.0,
    "dropout": 0.0,
    "locked_dropout": False,
    "weight_drop": 0.0,
    "patience": 0,
    "keep": 0,
    "separator": "",
    "unique": False,
    "accumulate": 1,
    "decay_factor": 0.5,
    "decay_every": 5.0,
}


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in LATER])
def test_json_with_a_field_missing_is_refused(name: str) -> None:
    values = TrainConfig().to_json()
    del values[name]
    with pytest.raises(ConfigError, match=name):
        TrainConfig.from_json(values)


def test_the_first_checkpoints_go_on_as_they_were_trained() -> None:
    values = {name: value for name, value in TrainConfig().to_json().items() if name not in LATER}
    assert TrainConfig.from_json(values).to_json() == values | LATER
    assert TrainConfig.from_json({**values, "epochs": 3}).epochs == 3.0  # a whole number then
    with pytest.raises(ConfigError, match="epochs"):
        TrainConfig.from_json({**values, "epochs": 10**400})


def test_json_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match="momentum"):
        TrainConfig.from_json({**TrainConfig().to_json(), "momentum": 0.9})


def test_a_bound_that_is_given_replaces_all_bounds_and_keeps_their_types() -> None:
    config = TrainConfig(steps=10, epochs=2.0, minutes=1.0)
    assert config.with_bounds({}) == config
    assert config.with_bounds({"steps": 5}) == replace(config, steps=5, epochs=0.0, minutes=0.0)
    assert TrainConfig.from_json(config.with_bounds({"minutes": 3}).to_json()).minutes == 3.0


def test_the_recipe_of_min_char_rnn_is_its_published_numbers() -> None:
    recipe = RECIPES["min-char-rnn"].config
    assert (recipe.cell, recipe.hidden_sizes, recipe.embedding_size) == ("vanilla", (100,), 0)
    assert (recipe.batch_size, recipe.seq_length, recipe.val_fraction) == (1, 25, 0.0)
    assert (recipe.optimizer, recipe.learning_rate, recipe.schedule, recipe.warmup_steps) == (
        "adagrad",
        0.1,
        "constant",
        0,
    )
    assert (recipe.clip_value, recipe.clip_norm, recipe.reduction, recipe.init_std) == (5.0, 0.0, "sum", 0.01)


def test_the_configuration_is_read_without_numpy() -> None:
    code = "import sys, charrnn.config; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_name_the_configuration_offers_is_one_that_something_answers_to() -> None:
    # The names are written again in the configuration because it must not import NumPy.
    assert set(names.CELLS) == set(model.CELLS)
    assert set(names.OPTIMIZERS) == set(optimizers.OPTIMIZERS)
    assert set(names.SCHEDULES) == set(schedules.SCHEDULES)
