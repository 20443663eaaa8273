"""Training from Python computes each product with one thread, and leaves NumPy as it was."""

import os
import subprocess
import sys

import pytest

from charrnn.machine import openblas

PROGRAM = """
import numpy as np
from charrnn.machine import openblas
(threads,), (set_threads,) = openblas("get_num_threads"), openblas("set_num_threads")
set_threads(2)
import charrnn
from charrnn.training.one_thread import with_one_thread
trainer = charrnn.start_training([0, 1] * 9, steps=1, hidden_sizes=(2,), batch_size=1, seq_length=5)
print(with_one_thread(threads)(), trainer.machine["BLAS"][-1], len(list(trainer)), threads())
"""


@pytest.mark.skipif(openblas("set_num_threads") is None, reason="NumPy computes with another library")
@pytest.mark.parametrize(("chosen", "said"), [({}, "1 1 1 2"), ({"OPENBLAS_NUM_THREADS": "2"}, "2 2 1 2")])
def test_one_thread_computes_unless_somebody_has_chosen(chosen: dict[str, str], said: str) -> None:
    variables = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in variables}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment | chosen, check=True, capture_output=True)
    assert done.stdout.decode().strip() == said
