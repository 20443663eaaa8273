"""How long the parts of a run take, and so when it must leave its loop to be over in time."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

# The newest measurement counts for a fifth: one slow save must not end a run early, nor be forgotten at once.
_NEWEST = 0.2
# What no clock here sees: the interpreter's start, and after the last save its end and that of the workers.
_SECONDS_OUTSIDE = 0.3


class Pace:
    """The clock of a run that is bounded by time.

    Parameters
    ----------
    budget : seconds the whole run may take; 0 for as long as it likes
    earlier : seconds that its earlier parts took
    """

    def __init__(self, budget: float, earlier: float) -> None:
        self.budget = budget
        self.earlier = earlier
        self.began = monotonic()
        self._costs: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds spent so far, those of earlier parts included."""
        return self.earlier + monotonic() - self.began

    @contextmanager
    def timing(self, part: str, *, share: float = 1.0) -> Iterator[None]:
        """Measure one go at a part of the run, or at this share of it."""
        started = monotonic()
        yield
        seconds = (monotonic() - started) / share
        before = self._costs.get(part, seconds)
        self._costs[part] = before + _NEWEST * (seconds - before)

    def cost(self, *parts: str) -> float:
        """Seconds that these take, going by what they took; 0 for what was never measured."""
        return sum(self._costs.get(part, 0.0) for part in parts)

    def share(self, *ending: str) -> float:
        """Share of the time for steps that is spent; from 1 on, one more step and the `ending` would end too late."""
        if not self.budget:
            return 0.0
        planned = self.budget - self.cost("step", *ending) - _SECONDS_OUTSIDE
        return self.elapsed / planned if planned > 0 else 1.0

    def has_time_for(self, *parts: str) -> bool:
        """Whether there is time for all of these."""
        return not self.budget or self.elapsed + self.cost(*parts) + _SECONDS_OUTSIDE < self.budget
