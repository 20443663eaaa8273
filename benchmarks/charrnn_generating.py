"""A rival: charrnn's sampler."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from measure import Answer, answer, measure

from charrnn.nn.model import CharRNN
from charrnn.sampling.sampler import sample

_VOCAB_SIZE = 65


def sampling_step(hidden_size: int) -> Callable[[], object]:
    """Return what draws the next character."""
    model = CharRNN(_VOCAB_SIZE, "lstm", (hidden_size,))
    params = model.initialize(np.random.default_rng(0))
    return partial(next, sample(model, params, np.array([0]), np.random.default_rng(1)))


def run(request: Mapping[str, Any]) -> Answer:
    """Time a character."""
    return measure(lambda: sampling_step(request["hidden_size"]), request["seconds"])


if __name__ == "__main__":
    answer(run)
