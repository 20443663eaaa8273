"""A training step on one core or on several: each worker takes some of the B streams, and some of the update.

A chunk's loss is a sum over its streams, and so is its gradient: every worker computes the gradient of its own streams
from the same weights, and the parts are added in the order of the workers, always the same. So k workers equal one
worker on the whole batch to rounding, and equal themselves bit for bit. Then each updates a stretch of the weights:
where one process did that alone, the others waited for a tenth of the step (see `charrnn.training.shard`).

Workers are processes, not threads, because most of a step's calls are too short for the interpreter lock to change
hands. Weights, gradients, ids and states lie in memory that all of them share; a pipe only says that a chunk is ready,
and what its loss was. The first worker is this process itself, so one worker needs no other process. The memory is a
file without a name, and a worker leaves when its pipe closes, whatever ended the other side: nothing stays behind, not
even after SIGKILL.
"""

import contextlib
import json
import math
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from charrnn.errors import WorkerError
from charrnn.machine import format_bytes
from charrnn.nn.dropout import Dropout
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Parameters
from charrnn.optim.optimizers import OptimizerState
from charrnn.text.batches import Chunk
from charrnn.training.shard import Memory, Plan, Shard, Update, copy_state, stream_state

# Multiplications by a weight in a step below which a second process costs more than it computes.
_LEAST_WORK = 5_000_000
# Its number, the part of a step, and what that needs: two whole numbers and two others (see `_do`).
_TASK = struct.Struct("=Qbqqdd")
_COMPUTE, _ADD, _JOIN, _APPLY, _NOTHING = range(5)
_ANSWER = struct.Struct("=Qd")  # the task's number, and what came of it
_PACKAGE = Path(__file__).resolve().parents[1]
_RAM = Path("/dev/shm")  # noqa: S108 - the file made there has no name, so nobody else can open it


def worker_count(model: CharRNN, batch_size: int, seq_length: int, threads: int, ranks: int = 1) -> int:
    """Decide how many workers serve a shape: one where a step is short, else one for each thread.

    A rule by shape, not a timing, so that a run computes the same bits each time.

    Parameters
    ----------
    threads : at most so many; 0 for all the cores this process may use, or one core where there are other ranks, of
        which a launcher starts one a core
    ranks : that share the batch; the count is that of each
    """
    if sys.platform == "win32":  # a file cannot be handed on without a name there
        return 1
    weights = sum(prod(shape) for shape in model.shapes().values())
    streams = batch_size // ranks
    if streams * seq_length * weights < _LEAST_WORK:
        return 1
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(threads or (cores if ranks == 1 else 1), streams)


class Workers:
    """Computes the gradients of chunks, and updates the weights by them.

    Weights, gradient, the optimizer's memories and the streams' state all change in place.

    Parameters
    ----------
    plan : what is shared, and by how many
    params, optimizer_state, state : to start from, copied; the state is that of all streams of the batch

    Attributes
    ----------
    close : function without arguments that lets the worker processes go
    """

    def __init__(self, plan: Plan, params: Parameters, optimizer_state: OptimizerState, state: State) -> None:
        self.plan, count = plan, plan.workers
        self._tasks, self._is_under_way = 0, False  # given so far, and whether the last of them is
        self._processes: list[subprocess.Popen[bytes]] = []
        if count == 1:
            memory = Memory(plan, bytearray(plan.bytes_needed()))
        else:
            with _shared_file(plan.bytes_needed()) as file:
                memory = Memory(plan, mmap.mmap(file.fileno(), 0))
                self._processes = [_start(plan, file, index) for index in range(1, count)]
        # Also where nobody calls `close`: a worker must not outlive what it works for.
        self.close = weakref.finalize(self, _let_go, self._processes)
        self._shard = Shard(plan, memory, 0)
        self._ids = memory.ids
        self.params, self.grads, self.state = self._shard.params, self._shard.grads, stream_state(plan, memory)
        memories = {name: params.like(memory.numbers[f"memory.{name}"]) for name in optimizer_state.memories}
        self.optimizer_state = OptimizerState(memories, optimizer_state.updates)
        self.restore(params, optimizer_state, state)

    def restore(self, params: Parameters, optimizer_state: OptimizerState, state: State) -> None:
        """Copy weights, the optimizer's memory and the state of all streams over the present ones."""
        self.params.vector[...] = params.vector
        self.params.changed()
        for name, memory in self.optimizer_state.memories.items():
            memory.vector[...] = optimizer_state.memories[name].vector
        self.optimizer_state.updates = optimizer_state.updates
        copy_state(state, self.state, self.plan.streams)

    def compute(self, chunks: Sequence[Chunk], *, number: int, scale: float) -> tuple[float, float]:
        """Fill `grads` with the gradient of ``scale`` times the summed loss of some chunks, one after the other.

        Parameters
        ----------
        number : of the first chunk in the run, for the masks of dropout

        Returns
        -------
        loss, norm : that sum, in nats, and the length of the gradient

        Raises
        ------
        WorkerError
            If a worker process has died.
        """
        loss = sum(self.compute_one(chunk, number + k, scale, is_first=k == 0) for k, chunk in enumerate(chunks))
        return loss, self.join()

    def compute_one(self, chunk: Chunk, number: int, scale: float, *, is_first: bool) -> float:
        """Let each worker compute the gradient of its streams, or (not first) add it to that of the chunks before."""
        T = len(chunk.inputs)
        if chunk.is_first:
            for layer in self.state:
                for array in layer:
                    array[...] = 0
        self._ids["inputs"][:T], self._ids["targets"][:T] = chunk.inputs, chunk.targets
        return sum(self._do(_COMPUTE if is_first else _ADD, number, T, scale))

    def join(self) -> float:
        """Add up the workers' gradients in `grads`; return the length of the sum."""
        return math.hypot(*self._do(_JOIN))

    def apply(self, rate: float, norm: float) -> bool:
        """Clip the gradient, whose length is `norm`, and take a step by it; return whether all weights are finite."""
        is_finite = all(self._do(_APPLY, self.optimizer_state.updates, 0, rate, norm))
        self.optimizer_state.updates += 1
        return is_finite

    def _do(self, part: int, first: int = 0, second: int = 0, third: float = 0.0, fourth: float = 0.0) -> list[float]:
        """Let every worker do its part of a step; return their answers in order."""
        if self._is_under_way:
            # Ctrl-C broke it off here, and not there: who answers to another task is done with that one.
            self._ask(_NOTHING, 0, 0, 0.0, 0.0)
        self._is_under_way = True
        answers = self._ask(part, first, second, third, fourth)
        self._is_under_way = False
        return answers

    def _ask(self, part: int, first: int, second: int, third: float, fourth: float) -> list[float]:
        self._tasks += 1
        for process in self._processes:
            _send(process, _TASK.pack(self._tasks, part, first, second, third, fourth))
        own = _do(self._shard, part, first, second, third, fourth)
        return [own, *(_receive(process, self._tasks) for process in self._processes)]


def _do(shard: Shard, part: int, first: int, second: int, third: float, fourth: float) -> float:
    """Do one worker's part of a step; where a question has the answer yes, that is 1."""
    if part in (_COMPUTE, _ADD):
        return shard.compute(first, second, third, is_first=part == _COMPUTE)
    if part == _NOTHING:
        return 0.0
    return shard.join() if part == _JOIN else shard.apply(first, third, fourth)


def be_worker() -> None:
    """Serve a `Workers` of another process: compute whenever a task comes on stdin, until it closes."""
    task, answer = sys.stdin.buffer, sys.stdout.fileno()
    setting = json.loads(task.readline())
    model = CharRNN(**setting["plan"].pop("model") | {"hidden_sizes": tuple(setting["hidden_sizes"])})
    dropout, update = Dropout(**setting["plan"].pop("dropout")), Update(**setting["plan"].pop("update"))
    plan = Plan(model, dropout=dropout, update=update, **setting["plan"])
    shard = Shard(plan, Memory(plan, mmap.mmap(setting["file"], 0)), setting["index"])
    # Whoever is killed closes both pipes, one of them perhaps in the middle of a step: nobody is left to be told.
    with contextlib.suppress(BrokenPipeError):
        while message := task.read(_TASK.size):
            with np.errstate(over="ignore", invalid="ignore"):  # the first process looks at the sum of the gradients
                number, *what = _TASK.unpack(message)
                value = _do(shard, *what)
            os.write(answer, _ANSWER.pack(number, value))


def _shared_file(size: int) -> IO[bytes]:
    """Return a file without a name that has so many bytes of its own: one that has not ends a process when written to.

    Raises
    ------
    WorkerError
        If there is no room for it.
    """
    for folder in (_RAM, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - whoever asks for it closes it
            try:
                file.truncate(size)
                if sys.platform == "linux":
                    os.posix_fallocate(file.fileno(), 0, size)
            except OSError:
                file.close()
                raise
            return file
    raise WorkerError(f"neither {_RAM} nor {tempfile.gettempdir()} has room for {format_bytes(size)}; give --threads 1")


def _start(plan: Plan, file: IO[bytes], index: int) -> subprocess.Popen[bytes]:
    # The package that this process runs is the worker's too, wherever either was started.
    code = f"import sys; sys.path.insert(0, {str(_PACKAGE.parent)!r}); import {__name__} as own; own.be_worker()"
    process = subprocess.Popen(  # noqa: S603 - this very package
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # The first process says in one line that a worker has died.
        stderr=None if os.environ.get("CHARRNN_DEBUG") else subprocess.DEVNULL,
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


def _receive(process: subprocess.Popen[bytes], task: int) -> float:
    """Return what came of a task. Where Ctrl-C left the answer to an earlier one unread, that is passed over."""
    number = 0
    while number != task:
        message = process.stdout.read(_ANSWER.size)  # type: ignore[union-attr]
        if len(message) < _ANSWER.size:
            raise _death(process)
        number, answer = _ANSWER.unpack(message)
    return float(answer)


def _death(process: subprocess.Popen[bytes]) -> WorkerError:
    return WorkerError(
        f"a worker process died (exit code {process.wait()}); go on from the last checkpoint with --resume, "
        "or with --threads 1"
    )
