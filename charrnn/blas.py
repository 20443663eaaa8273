"""One thread for each matrix product, asked for before NumPy is imported.

The products of a step are short, and OpenBLAS's threads wait for one another in every one of them: where anything else
runs on the machine, a thread that has lost its core holds up the others thousands of times a second. (On two cores,
beside a test suite, 3,000 steps of an LSTM of 256 took 7 min 20 s with two threads, and 300 steps 7 s with one.)
"""

import os

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# What a process of ours is started with that must have one thread, whatever its parent's environment says.
ONE_THREAD = dict.fromkeys((*THREAD_VARIABLES, "OMP_NUM_THREADS", "BLIS_NUM_THREADS"), "1")


def use_one_thread(*, always: bool = False) -> None:
    """Set the variables that the usual libraries read when they are loaded.

    Parameters
    ----------
    always : whether to do so also where the environment asks for another number of threads
    """
    if always:
        os.environ.update(ONE_THREAD)
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
