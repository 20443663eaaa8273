"""The sampler: an endless iterator of characters, in one stream or in many."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import UnknownCharacterError
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.sampling.filters import Filters, draw
from charrnn.text.vocabulary import Vocabulary

DEFAULT_FILTERS = Filters()


def sample(
    model: CharRNN,
    params: Parameters,
    seed: NDArray[np.intp],
    rng: np.random.Generator,
    filters: Filters = DEFAULT_FILTERS,
) -> Iterator[int]:
    """Yield the ids of characters that follow the seed, without end.

    Parameters
    ----------
    model, params : the trained network; parameters are read when the first id is asked for
    seed : (n,) ids, n ≥ 1, all of which the state takes in before the first draw
    rng : one uniform number is drawn for each character, whatever the filters
    filters : what shapes the distribution before each draw
    """
    for ids in sample_streams(model, params, seed[:, None], rng, filters):
        yield int(ids[0])


def sample_streams(
    model: CharRNN,
    params: Parameters,
    seeds: NDArray[np.intp],
    rng: np.random.Generator,
    filters: Filters = DEFAULT_FILTERS,
) -> Iterator[NDArray[np.intp]]:
    """Yield the next ids (B,) of B streams that go on side by side from seeds (n, B); else as `sample`."""
    B = seeds.shape[1]
    dtype = params.vector.dtype
    ws = model.workspace(1, B, dtype)
    model.arrange(params, ws)
    state = model.zero_state(B, dtype)
    for ids in seeds:
        state = model.forward(params, ws, ids[None], state)
    while True:
        ids = draw(filters.apply(ws.logits[0]), rng.random(B))
        yield ids
        state = model.forward(params, ws, ids[None], state)


def line_start(vocabulary: Vocabulary, rng: np.random.Generator) -> str:
    """Return what to begin from where no seed text is given: a line end, or any character of a text without lines."""
    characters = vocabulary.characters
    return "\n" if "\n" in characters else characters[rng.integers(len(characters))]


def encode_seed(vocabulary: Vocabulary, text: str) -> NDArray[np.intp]:
    """Return the ids of a seed text.

    Raises
    ------
    UnknownCharacterError
        If it has characters the model never saw; where it is a number, the error asks whether a random seed was meant.
    """
    try:
        return vocabulary.encode(text)
    except UnknownCharacterError as error:
        if not text.strip().removeprefix("-").isdigit():
            raise
        raise UnknownCharacterError(f"{error} (--seed is text; for random numbers use --rng-seed {text})") from error
