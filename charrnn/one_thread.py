"""One thread for each matrix product, also where NumPy was loaded before we could ask for it (see `charrnn.blas`)."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from charrnn.blas import THREAD_VARIABLES
from charrnn.machine import thread_functions

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def one_thread(*, always: bool = False) -> Iterator[None]:
    """Keep the BLAS to one thread, and give it back those it had.

    Parameters
    ----------
    always : whether to do so also where the environment asks for a number of threads
    """
    functions = thread_functions()
    if functions is None or not (always or not any(name in os.environ for name in THREAD_VARIABLES)):
        yield
        return
    get, set_ = functions
    before = get()
    set_(1)
    try:
        yield
    finally:
        set_(before)


def with_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Keep the BLAS to one thread while a function runs, unless the environment asks for a number of threads."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with one_thread():
            return function(*args, **kwargs)

    return run
