"""What a run drops is chosen by how often it will read its text."""

import math
from pathlib import Path
from typing import Any

import pytest

from charrnn.config import TrainConfig, suited_settings
from charrnn.text.vocabulary import Vocabulary
from charrnn.training import start
from charrnn.training.start import planned_passes, train
from charrnn.training.trainer import Trainer
from tests.conftest import TEXT

VOCABULARY = Vocabulary.from_text(TEXT)
IDS = VOCABULARY.encode(TEXT)
SMALL: dict[str, Any] = {"hidden_sizes": (8,), "batch_size": 2, "seq_length": 10}


@pytest.mark.parametrize(
    ("bounds", "passes"),
    [
        ({"steps": len(IDS)}, 20),
        ({"steps": 0, "epochs": 7.5}, 7.5),
        ({"steps": len(IDS), "epochs": 7.5}, 7.5),
        # a part of a longer run, whatever ends it
        ({"steps": 3, "schedule_steps": len(IDS)}, 20),
        ({"steps": 0, "epochs": 7.5, "schedule_steps": len(IDS)}, 20),
        ({"steps": 0, "minutes": 1.0, "schedule_steps": len(IDS)}, 20),
    ],
)
def test_the_first_bound_reached_says_how_often_a_text_is_read(bounds: dict[str, Any], passes: float) -> None:
    assert planned_passes(TrainConfig(**SMALL, **bounds), VOCABULARY, IDS) == pytest.approx(passes)


def test_where_the_clock_is_the_bound_the_speed_of_this_machine_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "measure_speed", lambda *_: 100.0)
    config = TrainConfig(**SMALL, steps=0, minutes=2)
    assert planned_passes(config, VOCABULARY, IDS) == pytest.approx(12_000 / len(IDS))


@pytest.mark.parametrize("of_items", [False, True])
def test_more_passes_never_drop_less(*, of_items: bool) -> None:
    chosen = [suited_settings(passes, of_items=of_items) for passes in (0, 3, 7, 8, 12, 16, 23, math.inf)]
    for name in ("dropout", "weight_drop"):
        shares = [drop[name] for drop in chosen]
        assert shares == sorted(shares)
        assert shares[0] == 0 < shares[-1] < 1


def test_more_passes_never_learn_faster() -> None:
    rates = [suited_settings(passes)["learning_rate"] for passes in (0, 7, 12, 23, math.inf)]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({"epochs": 2.0}, 0.15),
        ({"epochs": 30.0}, 0.1),
        ({"epochs": 2.0, "learning_rate": 0.0}, 0.0),
        ({"epochs": 2.0, "optimizer": "adam"}, 0.0),
    ],
)
def test_adagrad_s_rate_goes_by_the_passes_and_another_s_does_not(
    text_file: Path, changes: dict[str, Any], rate: float
) -> None:
    assert train([str(text_file)], checkpoint=True, **(SMALL | changes)).config.learning_rate == rate


@pytest.mark.parametrize(
    ("changes", "dropout", "weight_drop"),
    [
        ({"epochs": 2.0}, 0.0, 0.0),
        ({"epochs": 10.0}, 0.1, 0.2),
        ({"epochs": 30.0}, 0.4, 0.3),
        ({"epochs": 30.0, "dropout": 0.2}, 0.2, 0.3),
        ({"epochs": 30.0, "weight_drop": 0.0}, 0.4, 0.0),
        ({"epochs": 2.0, "dropout": 0.2, "weight_drop": 0.1}, 0.2, 0.1),
    ],
)
def test_what_is_asked_for_stands_and_the_rest_is_chosen(
    text_file: Path, changes: dict[str, Any], dropout: float, weight_drop: float
) -> None:
    run = train([str(text_file)], checkpoint=True, **(SMALL | changes))
    assert (run.config.dropout, run.config.weight_drop) == (dropout, weight_drop)


def test_another_recipe_drops_what_it_says_and_measures_nothing(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "planned_passes", None)
    run = train([str(text_file)], checkpoint=True, recipe="min-char-rnn", minutes=1.0)
    assert (run.config.dropout, run.config.weight_drop) == (0.0, 0.0)
