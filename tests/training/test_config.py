"""A configuration holds only what can be trained, and survives JSON."""

import copy
import itertools
import json
import math
import re
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from charrnn import config as names
from charrnn import optim
from charrnn.cli.help import Command
from charrnn.cli.options import sections, settings
from charrnn.config import RECIPES, SampleConfig, TrainConfig, flag, option, option_of
from charrnn.errors import ConfigError
from charrnn.nn import model


@pytest.mark.parametrize("recipe", RECIPES)
def test_json_gives_back_the_same_configuration(recipe: str) -> None:
    config = replace(RECIPES[recipe].config, hidden_sizes=(7, 5))
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


FIELDS = sorted(field.name for field in fields(TrainConfig))
ADDED_LATER = {field.name for field in fields(TrainConfig) if option_of(field).added_later}
NUMBERS = [field.name for field in fields(TrainConfig) if type(field.default) in (int, float)]


def test_no_number_is_negative_or_not_finite() -> None:
    for name, value in itertools.product(NUMBERS, (-1, math.nan, math.inf, -math.inf)):
        values: dict[str, Any] = {name: value}
        with pytest.raises(ConfigError, match=f"^{name} must be ") as caught:
            TrainConfig(**values)
        assert caught.value.field == name


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("batch_size", 0, "batch_size must be at least 1, not 0"),
        ("seq_length", 0, "seq_length must be at least 1, not 0"),
        ("hidden_sizes", (4, 0), "hidden_sizes must be at least 1, not 0"),
        ("hidden_sizes", (), "hidden_sizes needs at least one number"),
        ("hidden_sizes", 4, "hidden_sizes must be a list, not 4"),
        ("hidden_sizes", (10**13,), "hidden_sizes must be at most 1,000,000,000,000, not 10000000000000"),
        ("hidden_sizes", (2,) * 33, "hidden_sizes must be at most 32 layers"),
        ("val_fraction", 1.0, "val_fraction must be below 1, not 1.0"),
        ("decay_factor", 0.0, "decay_factor must be above 0, not 0.0"),
        ("decay_factor", 1.5, "decay_factor must be at most 1, not 1.5"),
        ("cell", "rnn", "cell must be one of gru, lstm, vanilla, not 'rnn'"),
        ("steps", -1, "steps must be 0 or more, not -1"),
        pytest.param(
            "steps",
            10**5000,
            "steps must be at most 1,000,000,000,000,000, not a number of more than 40 digits",
            id="long",
        ),
        ("steps", 0, "the run would never end: set steps, epochs or minutes"),
        ("tied", True, "tied needs an embedding as wide as the last layer: embedding_size 384"),
    ],
)
def test_an_unusable_value_is_refused_by_its_name_and_on_the_command_line_by_its_option(
    name: str, value: Any, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**{name: value})
    assert str(caught.value) == str(copy.copy(caught.value)) == sentence
    assert caught.value.field == name
    as_option = caught.value.worded(flag)
    assert flag(name) in as_option
    assert name == flag(name)[2:] or name not in as_option


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("temperatures", (-1.0,)), ("temperatures", 0.5), ("top_p", 0), ("min_p", 2.0), ("top_k", -1), ("num", 0)],
        *[("length", -2), ("lines", -1), ("allow", "ae"), ("stops", (1,)), ("stops", ("",)), ("unknown", "guess")],
    ],
)
def test_the_settings_of_a_sample_are_checked_in_the_same_way(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} ") as caught:
        SampleConfig(**{name: value})
    assert caught.value.field == name


# One field more: this is all that a new setting takes.
@dataclass(frozen=True)
class Warmer(TrainConfig):
    warmth: float = option(0.5, "How warm it is.", section="Model", most=2, unit="degrees", added_later=True)


def test_one_field_more_is_checked_and_read_from_older_files() -> None:
    assert Warmer(warmth=2).warmth == 2.0
    with pytest.raises(ConfigError, match=r"^warmth must be at most 2, not 2\.5$"):
        Warmer(warmth=2.5)
    assert Warmer.from_json(TrainConfig(steps=7).to_json()) == Warmer(steps=7)


def test_one_field_more_is_an_option_in_its_section_of_the_help() -> None:
    command = Command("run", sections=sections(Warmer, {}), callback=lambda **given: click.echo(given["warmth"]))
    command = settings(Warmer)(command)
    runner = CliRunner()
    page = runner.invoke(command, ["--help"]).output
    model = page.split("Model:", 1)[1].split("\n\n", 1)[0]
    assert re.search(r"--warmth DEGREES +How warm it is\.  \[default: 0\.5\]", model)
    assert runner.invoke(command, ["--warmth", "1.5"]).output == "1.5\n"


def test_json_with_a_field_of_another_type_is_refused() -> None:
    values = TrainConfig().to_json()
    for name, wrong in itertools.product(FIELDS, (None, [1.5], {"a": 1}, True, "1", 1, 1.5)):
        right = type(values[name])
        if type(wrong) is not right and not (right is float and type(wrong) is int):
            with pytest.raises(ConfigError):
                TrainConfig.from_json({**values, name: wrong})


def test_a_number_of_another_kind_becomes_the_field_s_own() -> None:
    numbers: dict[str, Any] = {"clip_norm": 5, "epochs": 2, "steps": np.int64(7), "dropout": np.float32(0.5)}
    given = TrainConfig(**numbers, hidden_sizes=[3, np.int64(4)])  # type: ignore[arg-type]
    assert given == TrainConfig(clip_norm=5.0, epochs=2.0, steps=7, dropout=0.5, hidden_sizes=(3, 4))
    assert TrainConfig.from_json(json.loads(json.dumps(given.to_json()))) == given
    for wrong in ({"warmup_steps": 2.0}, {"tied": 1}, {"steps": True}, {"hidden_sizes": (3.0,)}, {"epochs": 10**400}):
        with pytest.raises(ConfigError, match=f"^{min(wrong)} must be "):
            TrainConfig(**wrong)


def test_json_with_a_field_missing_is_refused_unless_older_files_lack_it() -> None:
    for name in FIELDS:
        values = TrainConfig().to_json()
        del values[name]
        if name == "average":  # the last weights were used
            assert TrainConfig.from_json(values) == TrainConfig(average=0)
        elif name in ADDED_LATER:
            assert TrainConfig.from_json(values) == TrainConfig()
        else:
            with pytest.raises(ConfigError, match=name):
                TrainConfig.from_json(values)


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
    assert set(names.OPTIMIZERS) == set(optim.OPTIMIZERS)
