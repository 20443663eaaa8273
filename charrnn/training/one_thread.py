"""One thread for each matrix product, where NumPy was loaded before anybody could ask for that (see `charrnn.blas`)."""

import os
from collections.abc import Callable
from contextlib import ContextDecorator
from functools import cache
from typing import Any

from charrnn.blas import THREAD_VARIABLES
from charrnn.machine import openblas


class OneThread(ContextDecorator):
    """Keeps OpenBLAS to one thread for a while, and gives it back those it had.

    What somebody has chosen in the environment is left alone; so the command, which does, has nothing done here.
    """

    def __enter__(self) -> None:
        self._before, functions = 1, _functions()
        if functions:
            get, set_ = functions
            self._before = get()
            if self._before > 1:
                set_(1)

    def __exit__(self, *_: object) -> None:
        functions = _functions()
        if functions and self._before > 1:
            functions[1](self._before)


@cache
def _functions() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """Return what says, and what sets, how many threads OpenBLAS has; None where that is not to be touched."""
    if any(name in os.environ for name in THREAD_VARIABLES):
        return None
    found = openblas("get_num_threads", "set_num_threads")
    return (found[0], found[1]) if found else None
