"""What must be set before anything else is imported: the module path and the number of BLAS threads.

Modules are never imported from the current folder, which may have a ``random.py`` of the user's.

One thread computes each matrix product. The products of a step are short, and OpenBLAS's threads wait for each other in
every one of them; on a busy machine a thread that has lost its core delays the others thousands of times a second. (On
two cores, next to a test suite, 3,000 steps of an LSTM of 256 took 7 min 20 s with two threads, and 300 steps 7 s with
one.)

Only `os` and `sys` are imported here, which Python has loaded already.
"""

import os
import sys


def leave_out_current_folder() -> None:
    """Remove the current folder from this program's module path, where ``python -m`` or ``PYTHONPATH`` put it."""
    sys.path[:] = safe_path()


def safe_path() -> list[str]:
    """Return the module path without the current folder.

    The folder of this package comes last, so that the package is found even if that is the current folder.
    """
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is not loaded yet
    try:
        here = os.path.realpath(os.getcwd())  # noqa: PTH109
    except OSError:  # it was deleted
        here = ""
    kept = [entry for entry in sys.path if os.path.isabs(entry) and os.path.realpath(entry) != here]  # noqa: PTH117
    return kept if home in kept else [*kept, home]


THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# The environment of our processes that must have one thread, whatever their parent's environment says.
ONE_THREAD = dict.fromkeys((*THREAD_VARIABLES, "OMP_NUM_THREADS", "BLIS_NUM_THREADS"), "1")


def use_one_thread(*, always: bool = False) -> None:
    """Set the variables that BLAS libraries read when they are loaded.

    Parameters
    ----------
    always : also if the environment asks for another number of threads
    """
    if always:
        os.environ.update(ONE_THREAD)
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
