"""What a model writes at a moment of its training, to be looked at: a stretch of running text, or a few items."""

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.sampling.blank import NoBlankItems
from charrnn.sampling.ending import Bounds, Ending, Reason
from charrnn.sampling.filters import Shaper
from charrnn.sampling.sampler import DEFAULT_FILTERS, line_start, sample
from charrnn.text.vocabulary import Vocabulary


def excerpt(
    model: CharRNN,
    params: Parameters,
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    characters: int,
    separator: str = "",
    filters: Shaper = DEFAULT_FILTERS,
) -> str:
    """Write so many characters from a line start.

    With a separator it is items that are written, each from its beginning, until they have so many together: one that
    has no end by then is left out, but for a single one, so that there is always something to see.
    """
    seed = vocabulary.encode(line_start(vocabulary, rng, separator))
    if not separator:
        return vocabulary.decode(list(islice(sample(model, params, seed, rng, filters), characters)))
    items: list[str] = []
    left = characters
    while left > 0:
        item, is_whole = _item(model, params, vocabulary, seed, rng, left, separator, filters)
        if is_whole or not items:
            items.append(item)
        left = left - len(item) - len(separator) if is_whole else 0
    return separator.join(items)


def _item(
    model: CharRNN,
    params: Parameters,
    vocabulary: Vocabulary,
    seed: NDArray[np.intp],
    rng: np.random.Generator,
    most: int,
    separator: str,
    filters: Shaper,
) -> tuple[str, bool]:
    """Write one item of at most so many characters, and say whether it has come to its end."""
    shaper = NoBlankItems(filters, vocabulary.characters, separator, [""])
    item, ending, drawn = "", Ending(Bounds(most, separator=separator)), sample(model, params, seed, rng, shaper)
    while not ending.reason:
        number = next(drawn)
        shaper.take([number])
        item += ending.take(vocabulary.characters[number])
    return item, ending.reason is Reason.ITEM
