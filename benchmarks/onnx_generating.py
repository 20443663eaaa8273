"""A rival: onnxruntime with the .onnx file that charrnn exports, and the draw in NumPy.

Inputs and outputs are bound to arrays made once. Two bindings take turns, so that the states one writes are the states
the other reads, without a copy.
"""

import os
import string
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime
from measure import Answer, answer, measure
from numpy.typing import NDArray

import charrnn
from charrnn.exchange.onnx import as_onnx

_VOCAB_SIZE = 65


class OnnxSampler:
    """One step of the graph, softmax, one draw for each stream."""

    def __init__(self, cell: str, hidden_size: int, streams: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = exported(cell, hidden_size)
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.rng = np.random.default_rng(1)
        self.ids = np.zeros((1, streams), np.int64)
        self.log_probs = np.zeros((1, streams, _VOCAB_SIZE), np.float32)
        bound = onnxruntime.OrtValue.ortvalue_from_numpy  # shares the array's memory
        ids, log_probs = bound(self.ids), bound(self.log_probs)
        names = [value.name.removeprefix("state/") for value in self.session.get_inputs()[1:]]
        states = [{name: bound(np.zeros((streams, hidden_size), np.float32)) for name in names} for _ in range(2)]
        self.bindings = []
        for before, after in (states, states[::-1]):
            binding = self.session.io_binding()
            binding.bind_ortvalue_input("ids", ids)
            binding.bind_ortvalue_output("log_probs", log_probs)
            for name in names:
                binding.bind_ortvalue_input(f"state/{name}", before[name])
                binding.bind_ortvalue_output(f"final_state/{name}", after[name])
            self.bindings.append(binding)
        self.kept = states

    def step(self) -> NDArray[np.int64]:
        """Draw the next character of each stream."""
        self.session.run_with_iobinding(self.bindings[0])
        self.bindings.reverse()
        totals = np.exp(self.log_probs[0], dtype=np.float64).cumsum(axis=-1)
        points = self.rng.random((len(totals), 1)) * totals[:, -1:]
        ids: NDArray[np.int64] = self.ids[0]
        ids[...] = (totals > points).argmax(axis=-1)
        return ids


def exported(cell: str, hidden_size: int) -> bytes:
    """Return an untrained network as the bytes of an .onnx file."""
    text = (string.printable[:_VOCAB_SIZE] * 20)[:1000]
    run = charrnn.train(text, cell=cell, hidden_sizes=(hidden_size,), steps=1, warmup_steps=0)
    for _ in run:
        pass
    return as_onnx(run.checkpoint(), "network")


def sampling_step(cell: str, hidden_size: int, streams: int) -> Callable[[], object]:
    """Return what draws the next characters."""
    return OnnxSampler(cell, hidden_size, streams).step


def run(request: Mapping[str, Any]) -> Answer:
    """Time a character of every stream."""
    return measure(lambda: sampling_step(**request["network"]), request["seconds"])


if __name__ == "__main__":
    answer(run)
