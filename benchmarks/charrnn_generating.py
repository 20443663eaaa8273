"""A rival: charrnn's sampler."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from measure import Answer, answer, measure

from charrnn.nn.model import CharRNN
from charrnn.sampling.sampler import sample_streams

_VOCAB_SIZE = 65


def sampling_step(cell: str, hidden_size: int, streams: int) -> Callable[[], object]:
    """Return what draws the next character of each stream."""
    model = CharRNN(_VOCAB_SIZE, cell, (hidden_size,))
    params = model.initialize(np.random.default_rng(0))
    seeds = np.zeros((1, streams), np.intp)
    return partial(next, sample_streams(model, params, seeds, np.random.default_rng(1)))


def run(request: Mapping[str, Any]) -> Answer:
    """Time a character of every stream."""
    return measure(lambda: sampling_step(**request["network"]), request["seconds"])


if __name__ == "__main__":
    answer(run)
