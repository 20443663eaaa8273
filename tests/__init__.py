"""The tests, whose matrix products one thread computes: they are tiny, and several threads wait for each other."""

import os

from charrnn.environment import THREAD_VARIABLES

_unset = [name for name in THREAD_VARIABLES if name not in os.environ]
os.environ.update(dict.fromkeys(_unset, "1"))
import numpy as np  # noqa: E402, F401 - a BLAS library reads the variables when it is loaded

for _name in _unset:  # the processes that tests start decide anew
    del os.environ[_name]
