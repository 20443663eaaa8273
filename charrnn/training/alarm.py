"""When a loss is worth a warning."""

import math

# char-rnn's measure of an exploding loss: so many times the first.
_ALARMING = 3.0


class Alarm:
    """Rings once in a run, at the first loss that is three times that of the run's start.

    Parameters
    ----------
    blind_loss : of guessing blindly. A run that goes on starts low, and a strange passage is no explosion: the start
        counts for no less than this.
    """

    def __init__(self, blind_loss: float) -> None:
        self._start = blind_loss
        self._limit: float | None = None

    def rings(self, loss: float) -> bool:
        """Whether to warn of a step that had this loss."""
        if self._limit is None:
            self._limit = _ALARMING * max(loss, self._start)
        if not loss > self._limit:
            return False
        self._limit = math.inf
        return True
