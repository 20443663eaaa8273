"""Where charrnn's step goes on one thread: matrix products, the Python around the calls, and elementwise work.

- *Products* is the time inside `np.matmul` and `np.dot`. (The vanilla cell's recurrent products are calls of an array's
  own `dot`, which nothing can watch: their way in and out counts as Python, their arithmetic as elementwise work.)
- *Python* is the number of other NumPy calls times what one costs where there is nothing to compute: the same network
  shrunk to one unit, one stream and two characters makes the same kinds of calls on arrays of about one number, so its
  time divided by its number of calls counts the views, loops and operators around them too.
- *Elementwise* is the rest.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from charrnn_step import training_step
from measure import Answer, answer, median_ms
from workload import Shape

_STEPS = 5


@dataclass
class Tally:
    """What NumPy was asked for."""

    calls: int = 0  # other than matrix products
    product_seconds: float = 0.0


class Watched:
    """Stands in for NumPy, or for one of its functions: does what that does, and keeps the tally."""

    def __init__(self, target: Any, tally: Tally) -> None:
        self._target = target
        self._tally = tally

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        return Watched(value, self._tally) if callable(value) and not isinstance(value, type) else value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function that this stands in for."""
        start = perf_counter()
        result = self._target(*args, **kwargs)
        if self._target in (np.matmul, np.dot):
            self._tally.product_seconds += perf_counter() - start
        else:
            self._tally.calls += 1
        return result


@contextmanager
def watching(tally: Tally) -> Iterator[None]:
    """Let every module of charrnn see a watched NumPy for a while."""
    modules = [module for name, module in sys.modules.items() if name.startswith("charrnn.") and hasattr(module, "np")]
    try:
        for module in modules:
            setattr(module, "np", Watched(np, tally))  # noqa: B010 - mypy knows no attribute of a module found by name
        yield
    finally:
        for module in modules:
            setattr(module, "np", np)  # noqa: B010 - as above


def profile(step: Callable[[], object]) -> tuple[float, int]:
    """Return milliseconds inside matrix products and the number of other NumPy calls, of one step."""
    tallies = []
    for _ in range(_STEPS):
        tallies.append(Tally())
        with watching(tallies[-1]):
            step()
    return 1e3 * median(tally.product_seconds for tally in tallies), round(median(tally.calls for tally in tallies))


def run(request: Mapping[str, Any]) -> Answer:
    """Return a step's milliseconds of each kind, and its number of NumPy calls other than products."""
    shape = Shape(*request["shape"])
    seconds = request["seconds"]
    small_step = training_step(shape._replace(batch_size=1, hidden_size=1, vocab_size=2))
    small_ms = median_ms(small_step, seconds)
    small_products, small_calls = profile(small_step)
    step = training_step(shape)
    ms = median_ms(step, seconds)
    products, calls = profile(step)
    python = calls * (small_ms - small_products) / small_calls
    return {"products": products, "python": python, "elementwise": ms - products - python, "ms": ms, "calls": calls}


if __name__ == "__main__":
    answer(run)
