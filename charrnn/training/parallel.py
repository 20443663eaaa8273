"""The gradient of a chunk, on one core or on several: each worker takes some of the B streams.

A chunk's loss is a sum over its streams, and so is its gradient: every worker computes the gradient of its own streams
from the same weights, and the parts are added in the order of the workers, always the same. So k workers equal one
worker on the whole batch to rounding, and equal themselves bit for bit.

Workers are processes, not threads, because most of a step's calls are too short for the interpreter lock to change
hands. Weights, gradients, ids and states lie in memory that all of them share; a pipe only says that a chunk is ready,
and what its loss was. The first worker is this process itself, so one worker needs no other process. The memory is a
file without a name, and a worker leaves when its pipe closes, whatever ended the other side: nothing stays behind, not
even after SIGKILL.
"""

import contextlib
import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import weakref
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from charrnn.errors import WorkerError
from charrnn.nn.dropout import Dropout
from charrnn.nn.model import NOTHING, CharRNN, State, Workspace
from charrnn.nn.parameters import Parameters
from charrnn.text.batches import Chunk
from charrnn.training.randomness import random_stream

# Multiplications by a weight in a step below which a second process costs more than it computes.
_LEAST_WORK = 5_000_000
# One for the usual chunk and one for an epoch's last. Where lengths vary, a new one costs less than keeping them all.
_MOST_WORKSPACES = 2
_TASK = struct.Struct("=qqd")  # step of the run, steps in the chunk, scale of the gradient
_LOSS = struct.Struct("=d")
_PACKAGE = Path(__file__).resolve().parents[1]
_RAM = Path("/dev/shm")  # noqa: S108 - the file made there has no name, so nobody else can open it


def worker_count(model: CharRNN, batch_size: int, seq_length: int, threads: int) -> int:
    """Decide how many workers serve a shape: one where a step is short, else one for each thread.

    A rule by shape, not a timing, so that a run computes the same bits each time.

    Parameters
    ----------
    threads : at most so many; 0 for all the cores this process may use
    """
    if sys.platform == "win32":  # a file cannot be handed on without a name there
        return 1
    weights = sum(prod(shape) for shape in model.shapes().values())
    if batch_size * seq_length * weights < _LEAST_WORK:
        return 1
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(threads or cores, batch_size)


@dataclass(frozen=True)
class _Plan:
    """What every worker must know to find its part of the memory."""

    model: CharRNN
    dtype: str
    batch_size: int
    seq_length: int
    workers: int
    dropout: Dropout
    rng_seed: int

    def numbers(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is shared in the model's type: weights, a gradient for each worker, all streams' states."""
        size = sum(prod(shape) for shape in self.model.shapes().values())
        states = {
            f"state.{layer}.{name}": array.shape
            for layer, state in enumerate(self.model.zero_state(self.batch_size))
            for name, array in state._asdict().items()
        }
        return {"params": (size,)} | {f"grads.{k}": (size,) for k in range(self.workers)} | states

    def ids(self) -> dict[str, tuple[int, ...]]:
        """Shapes of a chunk's inputs and targets."""
        shape = (self.seq_length, self.batch_size)
        return {"inputs": shape, "targets": shape}

    def bytes_needed(self) -> int:
        """Size of the shared memory."""
        return _count(self.ids()) * np.dtype(np.intp).itemsize + _count(self.numbers()) * np.dtype(self.dtype).itemsize


class _Memory:
    """The arrays of a plan over one block of memory; the ids come first, where any type is aligned."""

    def __init__(self, plan: _Plan, block: Any) -> None:
        self.ids = Parameters(plan.ids(), np.frombuffer(block, np.intp, _count(plan.ids())))
        numbers = np.frombuffer(block, plan.dtype, _count(plan.numbers()), offset=self.ids.vector.nbytes)
        self.numbers = Parameters(plan.numbers(), numbers)


class _Shard:
    """One worker's streams, in whichever process it lives."""

    def __init__(self, plan: _Plan, memory: _Memory, index: int) -> None:
        first, last = (k * plan.batch_size // plan.workers for k in (index, index + 1))
        self.streams = range(first, last)
        self.plan = plan
        self.params, self.grads = (
            Parameters(plan.model.shapes(), memory.numbers[name]) for name in ("params", f"grads.{index}")
        )
        self.state = _state(plan, memory, slice(first, last))
        self.inputs, self.targets = (memory.ids[name][:, first:last] for name in ("inputs", "targets"))
        self._workspaces: dict[int, Workspace] = {}

    def compute(self, step: int, T: int, scale: float) -> float:
        """Fill this worker's gradient for the first T steps of the ids; return its summed loss, in nats."""
        if T not in self._workspaces:
            if len(self._workspaces) == _MOST_WORKSPACES:
                del self._workspaces[next(iter(self._workspaces))]  # the oldest
            self._workspaces[T] = self._make_workspace(T)
        ws, model = self._workspaces[T], self.plan.model
        if ws.dropout:
            ws.dropout.draw(random_stream(self.plan.rng_seed, "dropout", step))
        inputs, targets = self.inputs[:T], self.targets[:T]
        model.arrange(self.params, ws)
        losses, final = model.loss(self.params, ws, inputs, targets, self.state)
        model.backward(self.params, self.grads, ws, inputs, targets, scale=scale)
        _copy_state(final, self.state)
        return float(losses.sum(dtype=np.float64))

    def _make_workspace(self, T: int) -> Workspace:
        plan = self.plan
        return plan.model.workspace(T, plan.batch_size, plan.dtype, plan.dropout, self.streams)


class Workers:
    """Computes the gradients of chunks; holds weights, gradient and the streams' state, which all change in place.

    Parameters
    ----------
    model, params, state : of the B streams; the arrays are copied into `self.params` and `self.state`
    seq_length : of the longest chunk
    count : workers, at most B
    dropout, rng_seed : what is dropped, and the seed of the masks, which differ from step to step

    Attributes
    ----------
    close : function without arguments that lets the worker processes go
    """

    def __init__(
        self,
        model: CharRNN,
        params: Parameters,
        state: State,
        seq_length: int,
        count: int,
        dropout: Dropout = NOTHING,
        rng_seed: int = 0,
    ) -> None:
        dtype, batch_size = params.vector.dtype.name, len(state[0].h)
        self._plan = plan = _Plan(model, dtype, batch_size, seq_length, count, dropout, rng_seed)
        self._processes: list[subprocess.Popen[bytes]] = []
        if count == 1:
            memory = _Memory(plan, bytearray(plan.bytes_needed()))
        else:
            with tempfile.TemporaryFile(dir=_RAM if _RAM.is_dir() else None) as file:
                file.truncate(plan.bytes_needed())
                memory = _Memory(plan, mmap.mmap(file.fileno(), 0))
                self._processes = [_start(plan, file, index) for index in range(1, count)]
        # Also where nobody calls `close`: a worker must not outlive what it works for.
        self.close = weakref.finalize(self, _let_go, self._processes)
        self._shard = _Shard(plan, memory, 0)
        self._others = [memory.numbers[f"grads.{k}"] for k in range(1, count)]
        self._ids = memory.ids
        self.params, self.grads, self.state = self._shard.params, self._shard.grads, _state(plan, memory, slice(None))
        self.params.vector[...] = params.vector
        _copy_state(state, self.state)

    def copy_state(self) -> State:
        """Return the present state of all streams in arrays of its own."""
        return tuple(type(layer)(*(array.copy() for array in layer)) for layer in self.state)

    def set_state(self, state: State) -> None:
        """Copy a state of all streams over the present one."""
        _copy_state(state, self.state)

    def compute(self, chunk: Chunk, *, step: int, scale: float) -> float:
        """Fill `grads` with the gradient of ``scale`` times a chunk's summed loss; return that sum, in nats.

        Parameters
        ----------
        step : of the run, for the masks of dropout

        Raises
        ------
        WorkerError
            If a worker process has died.
        """
        T = len(chunk.inputs)
        if chunk.is_first:
            for layer in self.state:
                for array in layer:
                    array[...] = 0
        self._ids["inputs"][:T], self._ids["targets"][:T] = chunk.inputs, chunk.targets
        for process in self._processes:
            _send(process, _TASK.pack(step, T, scale))
        loss = self._shard.compute(step, T, scale)
        for process, grads in zip(self._processes, self._others, strict=True):
            loss += _receive(process)
            np.add(self.grads.vector, grads, out=self.grads.vector)
        return loss


def be_worker() -> None:
    """Serve a `Workers` of another process: compute whenever a task comes on stdin, until it closes."""
    task, loss = sys.stdin.buffer, sys.stdout.fileno()
    setting = json.loads(task.readline())
    model = CharRNN(**setting["plan"].pop("model") | {"hidden_sizes": tuple(setting["hidden_sizes"])})
    plan = _Plan(model, dropout=Dropout(**setting["plan"].pop("dropout")), **setting["plan"])
    shard = _Shard(plan, _Memory(plan, mmap.mmap(setting["file"], 0)), setting["index"])
    # Whoever is killed closes both pipes, one of them perhaps in the middle of a step: nobody is left to be told.
    with contextlib.suppress(BrokenPipeError):
        while message := task.read(_TASK.size):
            with np.errstate(over="ignore", invalid="ignore"):  # the first process looks at the sum of the gradients
                answer = shard.compute(*_TASK.unpack(message))
            os.write(loss, _LOSS.pack(answer))


def _start(plan: _Plan, file: IO[bytes], index: int) -> subprocess.Popen[bytes]:
    # The package that this process runs is the worker's too, wherever either was started.
    code = f"import sys; sys.path.insert(0, {str(_PACKAGE.parent)!r}); import {__name__} as own; own.be_worker()"
    process = subprocess.Popen(  # noqa: S603 - this very package
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[file.fileno()],
        # The terminal's signals are for the first process, which finishes the step before it lets its workers go.
        start_new_session=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        bufsize=0,
    )
    setting = {"plan": asdict(plan), "hidden_sizes": plan.model.hidden_sizes, "file": file.fileno(), "index": index}
    _send(process, json.dumps(setting).encode() + b"\n")
    return process


def _let_go(processes: list[subprocess.Popen[bytes]]) -> None:
    while processes:
        processes.pop().communicate()  # closes the pipe, upon which the worker leaves, and waits until it has


def _send(process: subprocess.Popen[bytes], message: bytes) -> None:
    try:
        process.stdin.write(message)  # type: ignore[union-attr]
    except BrokenPipeError as error:
        raise _death(process) from error


def _receive(process: subprocess.Popen[bytes]) -> float:
    message = process.stdout.read(_LOSS.size)  # type: ignore[union-attr]
    if len(message) < _LOSS.size:
        raise _death(process)
    loss: float = _LOSS.unpack(message)[0]
    return loss


def _death(process: subprocess.Popen[bytes]) -> WorkerError:
    return WorkerError(
        f"a worker process died (exit code {process.wait()}); go on from the last checkpoint with --resume, "
        "or with --threads 1"
    )


def _state(plan: _Plan, memory: _Memory, streams: slice) -> State:
    return tuple(
        type(layer)(*(memory.numbers[f"state.{k}.{name}"][streams] for name in layer._fields))
        for k, layer in enumerate(plan.model.zero_state(1))
    )


def _copy_state(source: State, target: State) -> None:
    for layer, values in zip(target, source, strict=True):
        for array, value in zip(layer, values, strict=True):
            array[...] = value


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(prod(shape) for shape in shapes.values())
