"""How often a run will read its text: what decides whether it learns it by heart."""

import math

from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import TrainConfig
from charrnn.training.division import Part, batches_of, characters_in
from charrnn.training.team import ALONE, Team
from charrnn.training.trainer import Trainer

_SECONDS_OF_MEASURING = 0.25


def planned_passes(config: TrainConfig, vocabulary: Vocabulary, part: Part, team: Team = ALONE) -> float:
    """Return how many passes over a text the bounds of a run leave it, whichever of them comes first.

    A run whose schedule is spread over a number of steps is a part of one so long, and those are what counts. Where the
    clock is a bound, what this machine computes in a moment is measured.

    Parameters
    ----------
    vocabulary, part : of the text to train on
    team : who will train
    """
    passes = [config.epochs or math.inf]
    if steps := config.schedule_steps or config.steps:
        characters = steps * config.accumulate * batches_of(part, config).characters_per_chunk
        passes.append(characters / characters_in(part))
    if config.schedule_steps:
        return passes[-1]
    if config.minutes:
        trainer = Trainer(config, vocabulary, part, team=team)
        passes.append(60 * config.minutes * trainer.measure_speed(_SECONDS_OF_MEASURING) / characters_in(part))
        trainer.close()
    return min(passes)
