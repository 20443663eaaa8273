"""A program that loaded NumPy first: one thread for each matrix product, and the program's own number afterwards."""

import os
import subprocess
import sys

import pytest

from charrnn.environment import THREAD_VARIABLES
from charrnn.machine import openblas

TRAINING = """
import numpy as np
from charrnn.machine import openblas
(threads,), (set_threads,) = openblas("get_num_threads"), openblas("set_num_threads")
set_threads(2)
import charrnn
from charrnn.machine import with_one_thread
run = charrnn.train([0, 1] * 9, steps=1, hidden_sizes=(2,), batch_size=1, seq_length=5)
steps = sum(isinstance(event, charrnn.StepReport) for event in run)
print(with_one_thread(threads)(), run.checkpoint().machine["BLAS"][-1], steps, threads())
"""
# Arrays that note how many threads there are at the moment when they are read.
LAYERS = """
import charrnn, numpy as np
from charrnn.machine import openblas

get, set_ = openblas("get_num_threads", "set_num_threads")
set_(2)
seen = []

class Noting:
    def __init__(self, array):
        self.array = array
    def __array__(self, dtype=None, copy=None):
        seen.append(get())
        return np.array(self.array, dtype)
    def __len__(self):
        return len(self.array)
    def __getitem__(self, places):
        if isinstance(places, slice):
            return Noting(self.array[places])
        seen.append(get())
        return self.array[places]

for kind in (charrnn.Vanilla, charrnn.LSTM, charrnn.GRU, charrnn.Linear):
    layer = kind(3, 4, rng=0)
    outputs = layer.forward(Noting(np.ones((2, 5, 3))))
    layer.backward(Noting(np.ones_like(outputs if kind is charrnn.Linear else outputs[0])))
run = charrnn.train("abc" * 99, steps=1, hidden_sizes=(4,))

class NotingParameters(charrnn.Parameters):
    def group(self, prefix):
        seen.append(get())
        return super().group(prefix)

params = NotingParameters(run.params.shapes, run.params.vector)
charrnn.Evaluator(run.model, np.zeros(99, int)).loss(params)
print(*set(seen), len(seen) >= 9, get())
"""


@pytest.mark.skipif(openblas("set_num_threads") is None, reason="NumPy computes with another library")
@pytest.mark.parametrize(("chosen", "said"), [({}, "1 1 1 2"), ({"OPENBLAS_NUM_THREADS": "2"}, "2 2 1 2")])
def test_one_thread_computes_unless_somebody_has_chosen(chosen: dict[str, str], said: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    done = subprocess.run([sys.executable, "-c", TRAINING], env=environment | chosen, check=True, capture_output=True)
    assert done.stdout.decode().strip() == said


@pytest.mark.skipif(openblas("set_num_threads") is None, reason="NumPy computes with another library")
def test_layers_and_evaluations_compute_on_one_thread_and_give_back_the_others() -> None:
    env = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    done = subprocess.run([sys.executable, "-c", LAYERS], env=env, check=True, capture_output=True, text=True)
    assert done.stdout == "1 True 2\n"


@pytest.mark.skipif(openblas("set_num_threads") is None, reason="NumPy computes with another library")
def test_what_the_environment_says_is_left_alone() -> None:
    env = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", LAYERS], env=env, check=True, capture_output=True, text=True)
    assert done.stdout == "2 True 2\n"


# A step of two processes, which notes how many threads a product has while the network computes.
SHARED_STEP = """
import os, sys
import charrnn
from charrnn.machine import openblas

get, _ = openblas("get_num_threads", "set_num_threads")
seen = set()
ids = [0, 1, 2] * 2000
sizes = {"hidden_sizes": (128,), "batch_size": 4, "seq_length": 20, "val_fraction": 0, "sample_every": 0}
run = charrnn.train(ids, steps=2, cell="lstm", **sizes, threads=2)
sys.setprofile(lambda frame, *_: seen.add(get()) if frame.f_code.co_name in ("forward", "backward") else None)
for event in run:
    if isinstance(event, charrnn.StepReport) and event.step == 2:
        break
sys.setprofile(None)
(worker,) = open(f"/proc/self/task/{os.getpid()}/children").read().split()
print(*seen, get(), run.checkpoint().machine["BLAS"][-1], len(os.listdir(f"/proc/{worker}/task")))
run.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="OpenBLAS has one thread anyway")
@pytest.mark.skipif(openblas("set_num_threads") is None, reason="NumPy computes with another library")
@pytest.mark.parametrize("variable", ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"])
def test_where_several_processes_work_each_has_one_thread_whatever_is_chosen(variable: str) -> None:
    env = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES} | {variable: "2"}
    done = subprocess.run([sys.executable, "-c", SHARED_STEP], env=env, check=True, capture_output=True, text=True)
    assert done.stdout == "1 2 1 1\n"
