"""Every number that a run takes can be saved and read again as it is, or is refused in a line."""

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint
from charrnn.config import TrainConfig
from charrnn.errors import ConfigError
from charrnn.training.start import train
from tests.conftest import TEXT, TINY, Charrnn

NUMBERS = [field.name for field in fields(TrainConfig) if type(field.default) in (int, float)]
FRACTIONS = [field.name for field in fields(TrainConfig) if type(field.default) is float]
VALUES: list[float] = [
    *(10**5000, -(10**5000), 10**1001, 10**400, 1 << 128, (1 << 128) - 1, 10**15, 1 << 53, 1, 0, -1),
    *(1e308, 1e-320, 0.5, math.nan, math.inf, -math.inf, -0.5),
]
SMALL: dict[str, Any] = {
    "hidden_sizes": (8,),
    "batch_size": 2,
    "seq_length": 10,
    "steps": 3,
    "warmup_steps": 0,
    "dropout": 0.0,
    "weight_drop": 0.0,
    "learning_rate": 0.1,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_can_be_read_again_as_it_was_given_or_is_refused(name: str) -> None:
    for value in VALUES:
        if name == "threads" and value not in (0, 1) and 0 < value <= 256:
            continue  # that many processes would start
        try:
            run = train(TEXT, **{**SMALL, name: value})
        except ConfigError as error:
            assert len(str(error)) < 300  # noqa: PT017
            continue
        run.close()
        checkpoint.save("run.npz", run.checkpoint())
        config = TrainConfig.from_json(checkpoint.load("run.npz").config)
        assert config == run.config
        if name not in ("batch_size", "seq_length"):  # which shrink to what the text fills
            assert getattr(config, name) == type(getattr(config, name))(value)


@pytest.mark.parametrize("digits", [42, 1001, 5000])
def test_a_random_seed_that_could_not_be_read_again_is_refused(charrnn: Charrnn, text_file: Path, digits: int) -> None:
    outcome = charrnn("train", str(text_file), *TINY, "--steps", "1", "--rng-seed", digits * "7")
    assert outcome.code == 2
    assert len(outcome.error_lines) == 1
    assert len(outcome.err) < 400
    assert "--rng-seed" in outcome.err
    assert not Path("checkpoints").exists()


@pytest.mark.parametrize("name", FRACTIONS[::5])
def test_a_fraction_too_small_to_be_told_from_zero_is_refused(charrnn: Charrnn, text_file: Path, name: str) -> None:
    option = name.replace("_", "-")
    outcome = charrnn("train", str(text_file), f"--{option}", "1e-400")
    assert outcome.code == 2
    assert "'1e-400' is too small" in outcome.err
    Path("run.toml").write_text(f"{option} = 1e-400\n")
    outcome = charrnn("train", str(text_file), "--config", "run.toml")
    assert outcome.code == 2
    assert "'1e-400' is too small" in outcome.err


@pytest.mark.parametrize("toml", ["rng-seed = " + 5000 * "7", "rng-seed = " + 2000 * "[" + 2000 * "]"])
def test_a_config_file_that_python_cannot_read_is_one_short_line(charrnn: Charrnn, toml: str) -> None:
    Path("run.toml").write_text(toml)
    outcome = charrnn("train", "--config", "run.toml")
    assert outcome.code == 2
    assert len(outcome.error_lines) == 1
    assert "run.toml" in outcome.err
    assert len(outcome.err) < 400
