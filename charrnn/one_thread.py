"""One thread for each matrix product, where NumPy was loaded before anybody could ask for that (see `charrnn.blas`)."""

import os
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from charrnn.blas import THREAD_VARIABLES
from charrnn.machine import openblas

P = ParamSpec("P")
R = TypeVar("R")


def with_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Keep OpenBLAS to one thread while a function runs, and give it back those it had.

    What somebody has chosen in the environment is left alone; so the command, which does, has nothing done here.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        functions = _thread_functions()
        if functions is None:
            return function(*args, **kwargs)
        get, set_ = functions
        before = get()
        set_(1)
        try:
            return function(*args, **kwargs)
        finally:
            set_(before)

    return run


@cache
def _thread_functions() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """Return what says, and what sets, how many threads OpenBLAS has; None where that is not to be touched."""
    if any(name in os.environ for name in THREAD_VARIABLES):
        return None
    found = openblas("get_num_threads", "set_num_threads")
    return (found[0], found[1]) if found else None
