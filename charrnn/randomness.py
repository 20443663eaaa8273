"""Random numbers for each purpose of a run."""

import numpy as np

_STREAMS = ("init", "sample", "length", "dropout", "held out", "items")


def random_stream(rng_seed: int, name: str, *numbers: int) -> np.random.Generator:
    """Return the random stream of one purpose.

    Each purpose has its own, a pure function of the seed (and of the step or the epoch, for what is drawn more than
    once): drawing more samples never changes training, and a resumed run draws what the uninterrupted one would have
    drawn.
    """
    return np.random.default_rng([rng_seed, _STREAMS.index(name), *numbers])
