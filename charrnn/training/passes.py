"""How often a run will read its text: what decides whether it learns it by heart."""

import math

import numpy as np
from numpy.typing import NDArray

from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import TrainConfig
from charrnn.training.team import ALONE, Team
from charrnn.training.trainer import Trainer

_SECONDS_OF_MEASURING = 0.25


def planned_passes(config: TrainConfig, vocabulary: Vocabulary, ids: NDArray[np.integer], team: Team = ALONE) -> float:
    """Return how many passes over a text the bounds of a run leave it, whichever of them comes first.

    Where the clock is a bound, what this machine computes in a moment is measured.

    Parameters
    ----------
    vocabulary, ids : (N,) of the text to train on
    team : who will train
    """
    passes = [config.epochs or math.inf]
    if config.steps:
        passes.append(config.steps * config.accumulate * config.batch_size * config.seq_length / len(ids))
    if config.minutes:
        trainer = Trainer(config, vocabulary, ids, team=team)
        passes.append(60 * config.minutes * trainer.measure_speed(_SECONDS_OF_MEASURING) / len(ids))
        trainer.close()
    return min(passes)
