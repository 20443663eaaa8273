"""A running text that a person and the network write by turns."""

from collections.abc import Generator
from dataclasses import replace

import numpy as np

from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.sampling.blank import NoBlankItems
from charrnn.sampling.ending import Bounds, Ending, Reason
from charrnn.sampling.filters import Shaper
from charrnn.sampling.sampler import Streams, line_start
from charrnn.text.vocabulary import Vocabulary


class Turns:
    """The network's side of it: all that either has written is kept in its state.

    Parameters
    ----------
    model, params, vocabulary : the trained network
    filters : what shapes the distribution before each draw
    bounds : where a turn of the network ends
    rng : one uniform number is drawn for each character
    separator : what ends an item, where the model learned those: whoever writes it, the next item begins from nothing
    """

    def __init__(
        self,
        model: CharRNN,
        params: Parameters,
        vocabulary: Vocabulary,
        filters: Shaper,
        bounds: Bounds,
        rng: np.random.Generator,
        separator: str = "",
    ) -> None:
        self._vocabulary, self._filters, self._bounds, self._rng = vocabulary, filters, bounds, rng
        self._separator, self._item = separator, ""
        self._streams = Streams(model, params, 1)
        self._line_end = "\n" if "\n" in vocabulary.characters else ""
        self._streams.read(vocabulary.encode(line_start(vocabulary, rng, separator))[:, None])
        self._beginning = self._streams.mark()
        self._is_within_line = False

    def read(self, text: str) -> None:
        """Take in what was written, all of it in known characters."""
        if not text:
            return
        self._is_within_line = not text.endswith("\n")
        if self._separator:
            *ended, self._item = (self._item + text).split(self._separator)
            if ended:
                self._streams.rewind(self._beginning)
                text = self._item
                self._is_within_line = self._is_within_line and bool(text)  # a new item begins a line
        self._streams.read(self._vocabulary.encode(text)[:, None])

    def read_line(self, text: str, *, is_finished: bool = True) -> None:
        """Take in what the person has typed as a line of its own, or its beginning; nothing where it is empty."""
        if text:
            before, after = self._line_end * self._is_within_line, self._line_end * is_finished
            self.read(before + text + after)

    def write(self) -> Generator[str]:
        """Yield the network's turn, piece by piece.

        When it ends, or is ended by closing the iterator, the state is that after the pieces that were yielded, and a
        stop text is forgotten.
        """
        characters, ending, written = self._vocabulary.characters, Ending(self._bounds, self._item), ""
        start = self._streams.mark()
        shaper = NoBlankItems(self._filters, characters, self._separator, [self._item])
        drawn = self._streams.write(self._rng, shaper)
        try:
            while not ending.reason:
                number = int(next(drawn)[0])
                shaper.take([number])
                piece = ending.take(characters[number])
                written += piece
                yield piece
                if ending.reason is Reason.LINES and not written.strip():  # blank lines are no turn
                    left = None if self._bounds.length is None else self._bounds.length - len(written)
                    ending = Ending(replace(self._bounds, length=left), self._item + written)
        finally:
            self._streams.rewind(start)
            self.read(written + self._separator[ending.overlap :] * (ending.reason is Reason.ITEM))
