"""A loss that explodes is told once in a run."""

from typing import Any

import charrnn
from charrnn.training.events import Event, LossRose

# A rate at which the loss rises at once.
WILD: dict[str, Any] = {
    "hidden_sizes": (8,),
    "optimizer": "sgd",
    "learning_rate": 100.0,
    "warmup_steps": 0,
    "schedule": "constant",
    "val_fraction": 0,
    "sample_every": 0,
}
TEXT = "the lamp went round. " * 50


def risen(events: list[Event], blind: float) -> list[LossRose]:
    told = [event for event in events if isinstance(event, LossRose)]
    assert all(event.loss > 3 * blind for event in told)
    return told


def test_it_is_told_once_also_when_the_run_is_resumed() -> None:
    run = charrnn.train(TEXT, steps=30, clip_norm=0.0, **WILD)
    blind = run.trainer.blind_loss
    assert len(risen(list(run), blind)) == 1
    events = list(charrnn.resume(run.checkpoint(), TEXT, steps=40, learning_rate=100.0))
    assert any(isinstance(event, charrnn.StepReport) and event.loss > 3 * blind for event in events)
    assert risen(events, blind) == []


def test_a_text_of_one_character_rises_nowhere() -> None:
    run = charrnn.train("a" * 200, steps=3, **WILD)
    assert risen(list(run), 0.0) == []
