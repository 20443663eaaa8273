"""Items that are blank are never learned, and so they are never written: their end cannot be drawn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.sampling.filters import Floats, Shaper, ban


class NoBlankItems:
    """What shapes a distribution, but for the end of an item that is still blank: it has a probability of 0.

    It must hear of every character that is drawn, by `take`.

    Parameters
    ----------
    shaper : what shapes the distribution otherwise
    characters : the character of each id
    separator : what ends an item; empty for a running text, which stays as it is
    items : of each stream, the beginning that its item has already
    """

    def __init__(self, shaper: Shaper, characters: str, separator: str, items: Sequence[str]) -> None:
        self._shaper, self._characters, self._separator = shaper, characters, separator
        self._end = characters.index(separator[-1]) if separator else 0
        # Streams whose item is blank so far, and that item: one that is not blank can end whenever it wants.
        self._blank = {stream: item for stream, item in enumerate(items) if separator and self._is_blank(item)}

    def apply(self, logits: NDArray[np.floating]) -> Floats:
        """Return probabilities for scores (B, V), same shape."""
        ending = [stream for stream, item in self._blank.items() if item.endswith(self._separator[:-1])]
        if not ending:
            return self._shaper.apply(logits)
        scores = logits.astype(np.float64)
        scores[ending] = ban(scores[ending], np.array([self._end]))
        return self._shaper.apply(scores)

    def take(self, ids: Sequence[int]) -> None:
        """Hear which character each stream has drawn."""
        for stream, item in list(self._blank.items()):
            longer = item + self._characters[ids[stream]]
            if self._is_blank(longer):
                self._blank[stream] = longer
            else:
                del self._blank[stream]

    def _is_blank(self, item: str) -> bool:
        """Whether an item is blank if the separator has begun at its end."""
        return not item[: max(len(item) - len(self._separator) + 1, 0)].strip()
