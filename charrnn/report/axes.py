"""From values to places on a drawing: ranges, round ticks, and as many points as can be told apart."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from charrnn.report.curves import Points

STRETCHES = 320  # that a picture is divided in along its steps, one or two pixels each


@dataclass(frozen=True)
class Axis:
    """A range of values, linear or logarithmic."""

    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value stands: 0 at `low`, 1 at `high`, outside of these beyond them."""
        if self.is_log:
            return math.log(max(value, self.low * 1e-3) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int) -> list[float]:
        """Round values in the range, evenly spread, at most so many."""
        if self.is_log:
            return self._log_ticks(most)
        step = _round_up((self.high - self.low) / (most + 1))
        while len(ticks := self._multiples(step)) > most:
            step = _round_up(step * 1.5)
        return ticks

    def _multiples(self, step: float) -> list[float]:
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]

    def labels(self, ticks: Sequence[float]) -> list[str]:
        """Write ticks with no more digits than it takes; on a linear axis all with equally many decimals."""
        short = [f"{tick:.6g}" for tick in ticks]
        if self.is_log or any("e" in text for text in short):
            return short
        decimals = max((len(text.partition(".")[2]) for text in short), default=0)
        return [f"{tick:,.{decimals}f}" for tick in ticks]

    def _log_ticks(self, most: int) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            ticks = [digit * 10.0**power for power in powers for digit in digits]
            ticks = [tick for tick in ticks if self.low <= tick <= self.high]
            if len(ticks) <= most:
                break
        return ticks[:: -(-len(ticks) // max(most, 1))] if ticks else []


def _round_up(step: float) -> float:
    """Return the next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= step * (1 - 1e-9))


def around(values: Iterable[float], *, from_zero: bool = False, may_be_log: bool = False) -> Axis:
    """Return an axis with all of the values on it, and a little room; there is one at least, and they are finite."""
    values = list(values)
    low, high = min(values), max(values)
    if may_be_log and low > 0 and high > 10 * low:
        return Axis(low / 1.1, high * 1.1, is_log=True)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return Axis(0.0 if from_zero else low - room, high + room)


def thinned(points: Points, axis: Axis, count: int) -> list[tuple[float, float]]:
    """Average the points that fall in the same of `count` stretches of the axis of steps."""
    stretches: dict[int, list[tuple[int, float]]] = {}
    for point in points:
        stretches.setdefault(int(axis.place(point[0]) * count), []).append(point)
    return [(_mean([x for x, _ in points]), _mean([y for _, y in points])) for points in stretches.values()]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
