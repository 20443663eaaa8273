"""The same gradient by several processes: each takes some of the B streams, and some of the update.

A chunk's loss is a sum over its streams, and so is its gradient. Every worker computes the gradient of its own streams
from the same weights, and the gradients are added in the order of the workers. So k workers equal one worker on the
whole batch to rounding, and equal themselves bit for bit. A step has three tasks, and no worker begins one before all
have ended the one before: `Compute` the gradient of one's streams, `Join` the gradients along a stretch of the flat
vector, `Apply` the update to a stretch of the weights.

Workers are processes, not threads: most calls of a step are too short for the interpreter lock to change hands.
Weights, gradients, the optimizer's memories, ids and states lie in shared memory, an unnamed file. The first worker is
this process. Each other one has a connection to it, receives its tasks there and answers with a number; it leaves when
the connection closes, so nothing stays behind, not even after SIGKILL.

Where several machines train (see `charrnn.training.mpi`) all of this is one rank's part: some of the batch's streams,
and the update of a stretch of the weights.
"""

import contextlib
import math
import mmap
import os
import pickle
import select
import subprocess
import sys
import tempfile
import time
import traceback
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from charrnn.config import TrainConfig
from charrnn.environment import ONE_THREAD, safe_path
from charrnn.errors import WorkerError
from charrnn.machine import format_bytes, one_thread
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Array, Parameters, named_views
from charrnn.optim import OPTIMIZERS, OptimizerState, clip_norm, clip_value, global_norm
from charrnn.randomness import random_stream
from charrnn.text.streams import Chunk
from charrnn.training.data import dropout_of, longest_chunk, share


class Stretch(NamedTuple):
    """Part of a flat vector, for an optimizer to update."""

    vector: Array

    def changed(self) -> None:
        """Nothing reads a stretch but the optimizer."""


@dataclass(frozen=True)
class Plan:
    """What every worker must know to find its part of the memory."""

    config: TrainConfig
    model: CharRNN
    workers: int = 1  # of each rank
    rank: int = 0  # the process of MPI that this memory is in
    ranks: int = 1

    def of_rank(self, rank: int) -> "Plan":
        """Return the same plan as another rank has it."""
        return replace(self, rank=rank)

    @property
    def size(self) -> int:
        """Numbers in the flat vector of the weights."""
        return sum(prod(shape) for shape in self.model.shapes().values())

    @property
    def is_shared(self) -> bool:
        """Whether several processes compute a step."""
        return self.workers > 1 or self.ranks > 1

    @property
    def streams(self) -> range:
        """The streams of the batch that are this rank's."""
        return share(self.config.batch_size, self.rank, self.ranks)

    def numbers(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is shared in the model's type.

        Weights, a gradient for each worker, what the optimizer remembers, all streams' states.
        """
        size = self.size
        states = {
            f"state.{layer}.{name}": array.shape
            for layer, state in enumerate(self.model.zero_state(len(self.streams)))
            for name, array in state._asdict().items()
        }
        grads = {f"grads.{k}": (size,) for k in range(self.workers)}
        memories = {f"memory.{name}": (size,) for name in OPTIMIZERS[self.config.optimizer].memories}
        return {"params": (size,)} | grads | memories | states

    def ids(self) -> dict[str, tuple[int, ...]]:
        """Shapes of a chunk's inputs and targets."""
        shape = (longest_chunk(self.config), len(self.streams))
        return {"inputs": shape, "targets": shape}

    def bytes_needed(self) -> int:
        """Size of the shared memory."""
        return (
            _count(self.ids()) * np.dtype(np.intp).itemsize
            + _count(self.numbers()) * np.dtype(self.config.dtype).itemsize
        )


class Memory:
    """The arrays of a plan over one block of memory; the ids come first, where any type is aligned."""

    def __init__(self, plan: Plan, block: Any) -> None:
        ids = np.frombuffer(block, np.intp, _count(plan.ids()))
        numbers = np.frombuffer(block, plan.config.dtype, _count(plan.numbers()), offset=ids.nbytes)
        self.ids, self.numbers = named_views(plan.ids(), ids), named_views(plan.numbers(), numbers)


class Shard:
    """One worker's streams, in whichever process it lives."""

    def __init__(self, plan: Plan, memory: Memory, index: int) -> None:
        self.config, model = plan.config, plan.model
        own = share(len(plan.streams), index, plan.workers)
        self.streams = plan.streams[own.start : own.stop]
        self.params, self.grads = (
            Parameters(model.shapes(), memory.numbers[name]) for name in ("params", f"grads.{index}")
        )
        self.state = stream_state(plan, memory, slice(own.start, own.stop))
        self.inputs, self.targets = (memory.ids[name][:, own.start : own.stop] for name in ("inputs", "targets"))
        added = _slice(share(plan.size, index, plan.workers))
        self._parts = [memory.numbers[f"grads.{k}"][added] for k in range(plan.workers)]
        of_rank = share(plan.size, plan.rank, plan.ranks)
        own = share(len(of_rank), index, plan.workers)
        updated = _slice(of_rank[own.start : own.stop])
        self._params, self._grads = (Stretch(memory.numbers[name][updated]) for name in ("params", "grads.0"))
        self._optimizer = OPTIMIZERS[self.config.optimizer]()
        memories = {name: Stretch(memory.numbers[f"memory.{name}"][updated]) for name in self._optimizer.memories}
        self._optimizer_state = OptimizerState(memories)
        self._dropout = dropout_of(self.config)
        self._session = model.session(self.params, self.config.batch_size, dropout=self._dropout, streams=self.streams)
        self._chunk_grads: Parameters | None = None

    def compute(self, number: int, T: int, scale: float, *, is_first: bool = True) -> float:
        """Fill this worker's gradient for the first T steps of the ids; return its summed loss, in nats.

        Parameters
        ----------
        number : of the chunk in the run, for the masks of dropout
        is_first : whether the update begins with this chunk; the gradient of a later one is added
        """
        rng = random_stream(self.config.rng_seed, "dropout", number) if self._dropout else None
        grads = self.grads
        if is_first:
            self.params.changed()  # by all workers, in the shared memory
        else:
            grads = self._chunk_grads = self._chunk_grads or self.grads.like(np.empty_like(self.grads.vector))
        inputs, targets = self.inputs[:T], self.targets[:T]
        result = self._session.gradient(inputs, targets, self.state, grads, scale=scale, rng=rng)
        if grads is not self.grads:
            np.add(self.grads.vector, grads.vector, out=self.grads.vector)
        copy_state(result.state, self.state)
        return float(result.losses.sum(dtype=np.float64))

    def join(self) -> float:
        """Add the gradients along this worker's stretch, in the order of the workers; return the sum's norm."""
        total, *others = self._parts
        for part in others:
            np.add(total, part, out=total)
        return global_norm(total)

    def apply(self, updates: int, rate: float, norm: float) -> bool:
        """Clip this worker's stretch of the gradient and update the weights there; return whether all are finite.

        Parameters
        ----------
        updates : made before this one
        norm : of the whole gradient
        """
        if self.config.clip_value:
            clip_value(self._grads.vector, self.config.clip_value)
        if self.config.clip_norm:
            clip_norm(self._grads.vector, norm, self.config.clip_norm)
        self._optimizer_state.updates = updates
        self._optimizer.update(self._params, self._grads, self._optimizer_state, rate)
        self.params.changed()
        return math.isfinite(np.dot(self._params.vector, self._params.vector))


_ALL = slice(None)


def stream_state(plan: Plan, memory: Memory, streams: slice = _ALL) -> State:
    """View the states of some streams, by default all, in the shared memory."""
    return tuple(
        type(layer)(*(memory.numbers[f"state.{k}.{name}"][streams] for name in layer._fields))
        for k, layer in enumerate(plan.model.zero_state(1))
    )


def copy_state(source: State, target: State, streams: range | None = None) -> None:
    """Copy a state's numbers, or those of some of its streams, into another's arrays."""
    rows = _slice(streams) if streams is not None else _ALL
    for layer, values in zip(target, source, strict=True):
        for array, value in zip(layer, values, strict=True):
            array[...] = value[rows]


def copy_of(state: State) -> State:
    """Return a state's numbers in arrays of its own."""
    return tuple(type(layer)(*(array.copy() for array in layer)) for layer in state)


def _slice(places: range) -> slice:
    return slice(places.start, places.stop)


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(prod(shape) for shape in shapes.values())


# Multiplications by a weight in a step below which a second process costs more than it computes.
_LEAST_WORK = 5_000_000
_RAM = Path("/dev/shm")  # noqa: S108 - the file made there has no name, so nobody else can open it
# How long to wait for a worker: so many seconds, and so many times what the first process took for its own part.
_PATIENCE, _SLOWER = 120.0, 20.0
_PATIENCE_WHEN_STOPPING = 5.0
_ADVICE = "resume from the last checkpoint with --resume, or use --threads 1"
# The module path is set before anything is imported from it, and the signals of a whole group of processes, as Slurm
# or systemd send them, are left to the first process: it finishes the step and saves before it lets its workers go.
_PROGRAM = """
import sys
sys.path[:] = {path!a}
import signal
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
from charrnn.training.workers import be_worker
be_worker({connection})
"""


@dataclass(frozen=True)
class Begin:
    """The first message to a worker: which of the workers of a plan it is, and the shared memory's descriptor."""

    plan: Plan
    index: int
    memory: int


@dataclass(frozen=True)
class Compute:
    """Compute the gradient of the next chunk, or add it (not first) to that of the chunks before; answer its loss."""

    number: int
    length: int
    scale: float
    is_first: bool

    def run(self, shard: Shard) -> float:
        """Do one worker's part."""
        return shard.compute(self.number, self.length, self.scale, is_first=self.is_first)


@dataclass(frozen=True)
class Join:
    """Add up the workers' gradients along a stretch; answer the norm of the sum."""

    def run(self, shard: Shard) -> float:
        """Do one worker's part."""
        return shard.join()


@dataclass(frozen=True)
class Apply:
    """Update a stretch of the weights; answer whether all of it is finite."""

    updates: int
    rate: float
    norm: float

    def run(self, shard: Shard) -> float:
        """Do one worker's part."""
        return shard.apply(self.updates, self.rate, self.norm)


Task = Compute | Join | Apply


@dataclass(frozen=True)
class Answer:
    """What came of a task."""

    value: float


@dataclass(frozen=True)
class Failure:
    """Why a worker could not do its part."""

    reason: str


def worker_count(config: TrainConfig, model: CharRNN, ranks: int = 1) -> int:
    """Decide how many workers serve a shape: one where a step is short, else one for each thread.

    A rule by shape, not a timing, so that a run computes the same bits each time. Without `config.threads` that is all
    the cores this process may use, or one core where there are other ranks, of which a launcher starts one a core.

    Parameters
    ----------
    ranks : that share the batch; the count is that of each
    """
    if sys.platform == "win32":  # a file cannot be handed on without a name there
        return 1
    weights = sum(prod(shape) for shape in model.shapes().values())
    streams = config.batch_size // ranks
    if streams * config.seq_length * weights < _LEAST_WORK:
        return 1
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(config.threads or (cores if ranks == 1 else 1), streams)


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
        self.plan = plan
        self._is_under_way = False
        self._is_asked_to_stop: Callable[[], bool] = lambda: False
        self._helpers: list[_Helper] = []
        self._file: IO[bytes] | None = None
        if plan.workers == 1:
            memory = Memory(plan, bytearray(plan.bytes_needed()))
        else:
            self._file = _shared_file(plan.bytes_needed())
            memory = Memory(plan, mmap.mmap(self._file.fileno(), 0))
        # Also where nobody calls `close`: a worker must not outlive what it works for.
        self.close = weakref.finalize(self, _let_go, self._helpers, self._file)
        self._start()
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

    def gradient(self, chunks: Sequence[Chunk], number: int, scale: float) -> tuple[float, float]:
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
        loss = sum(self.compute(chunk, number + k, scale, is_first=k == 0) for k, chunk in enumerate(chunks))
        return loss, self.join()

    def compute(self, chunk: Chunk, number: int, scale: float, *, is_first: bool) -> float:
        """Let each worker compute the gradient of its streams, or (not first) add it to that of the chunks before."""
        T = len(chunk.inputs)
        if chunk.is_first:
            for layer in self.state:
                for array in layer:
                    array[...] = 0
        self._ids["inputs"][:T], self._ids["targets"][:T] = chunk.inputs, chunk.targets
        return sum(self._do(Compute(number, T, scale, is_first)))

    def join(self) -> float:
        """Add up the workers' gradients in `grads`; return the length of the sum."""
        return math.hypot(*self._do(Join()))

    def update(self, rate: float, norm: float) -> bool:
        """Clip the gradient, whose length is `norm`, and take a step by it; return whether all weights are finite."""
        is_finite = all(self._do(Apply(self.optimizer_state.updates, rate, norm)))
        self.optimizer_state.updates += 1
        return is_finite

    def heed(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Ask this while waiting for a worker that is late; where it says so, the wait ends in KeyboardInterrupt."""
        self._is_asked_to_stop = is_asked_to_stop

    def _start(self) -> None:
        if self._file is None:
            return
        try:
            for index in range(1, self.plan.workers):
                self._helpers.append(_Helper(self.plan, self._file.fileno(), index))
        except OSError as error:
            self.close()
            raise WorkerError(
                f"a worker process cannot be started ({error.strerror or error}); use --threads 1, or raise the limit "
                "of processes (`ulimit -u`)"
            ) from error

    def _do(self, task: Task) -> list[float]:
        """Let every worker do its part of a step; return their answers in order."""
        if not self.close.alive:
            raise WorkerError("this training was closed, and its worker processes have ended; resume its checkpoint")
        if self._is_under_way:
            # Ctrl-C or an error broke off the last task here: the others may still be at it, or have answered.
            _end(self._helpers)
            self._start()
        self._is_under_way = True
        message = pickle.dumps(task) if self._helpers else b""
        for helper in self._helpers:
            helper.send(message)
        began = time.monotonic()
        # Several processes with several threads each would wait for one another's cores, whatever the environment says.
        with one_thread(always=self.plan.is_shared):
            own = float(task.run(self._shard))
        patience = _SLOWER * (time.monotonic() - began)
        answers = [own, *(helper.receive(patience, self._is_asked_to_stop) for helper in self._helpers)]
        self._is_under_way = False
        return answers


class _Helper:
    """A worker process, and the connection to it."""

    def __init__(self, plan: Plan, memory: int, index: int) -> None:
        self._connection, theirs = Pipe()
        self._poll = select.poll()
        self._poll.register(self._connection, select.POLLIN)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this very package
                # -P, no PYTHONPATH: nothing may be imported from the current folder, not even while Python starts.
                [sys.executable, "-P", "-c", _PROGRAM.format(path=safe_path(), connection=theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # The first process says in one line what went wrong.
                stderr=None if os.environ.get("CHARRNN_DEBUG") else subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), memory],
                start_new_session=True,  # the terminal's signals are for the first process
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ONE_THREAD,
            )
        self.send(pickle.dumps(Begin(plan, index, memory)))

    def send(self, message: bytes) -> None:
        """Send a pickled message: `Begin`, then tasks."""
        try:
            self._connection.send_bytes(message)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._death() from error

    def receive(self, patience: float, is_asked_to_stop: Callable[[], bool]) -> float:
        """Return the answer to the task sent last; `patience` is in seconds, on top of what any worker is given."""
        began = time.monotonic()
        while not self._poll.poll(200):
            waited = time.monotonic() - began - patience
            if waited > _PATIENCE_WHEN_STOPPING and is_asked_to_stop():
                raise KeyboardInterrupt
            if waited > _PATIENCE:
                raise WorkerError(
                    f"a worker process (number {self._process.pid}) has not answered for {waited + patience:.0f} s; "
                    f"{_ADVICE}"
                )
        try:
            message = self._connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._death() from error
        if isinstance(message, Failure):
            raise WorkerError(f"a worker process failed ({message.reason}); {_ADVICE}")
        return float(message.value)

    def end(self) -> None:
        """Close the connection, upon which the worker leaves; kill one that does not, as it may be stopped."""
        self._connection.close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _death(self) -> WorkerError:
        return WorkerError(f"a worker process died (exit code {self._process.wait()}); {_ADVICE}")


def _end(helpers: list[_Helper]) -> None:
    while helpers:
        helpers.pop().end()


def _let_go(helpers: list[_Helper], file: IO[bytes] | None) -> None:
    _end(helpers)
    if file:
        file.close()


def be_worker(descriptor: int) -> None:
    """Serve the `Workers` of another process until its connection closes."""
    connection: Connection[Any, Any] = Connection(descriptor)
    # A process that is killed closes the connection, perhaps in the middle of a step: nobody is left to tell.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        begin = connection.recv()
        try:
            shard = Shard(begin.plan, Memory(begin.plan, mmap.mmap(begin.memory, 0)), begin.index)
            while True:
                task = connection.recv()
                with np.errstate(
                    over="ignore", invalid="ignore"
                ):  # the first process looks at the sum of the gradients
                    value = task.run(shard)
                connection.send_bytes(pickle.dumps(Answer(float(value))))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the first process says it
            traceback.print_exc()
            connection.send(Failure(f"{type(error).__name__}: {error}"))


def _shared_file(size: int) -> IO[bytes]:
    """Return an unnamed temporary file with `size` bytes allocated, so that writing to it cannot fail.

    Raises
    ------
    WorkerError
        If there is no room for it.
    """
    failure = None
    for folder in (_RAM, Path(tempfile.gettempdir())):
        try:
            file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the caller closes it
        except OSError as error:
            failure = error
            continue
        try:
            file.truncate(size)
            if sys.platform == "linux":
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            file.close()
            failure = error
            continue
        return file
    reason = failure.strerror if failure else "no such folder"
    raise WorkerError(
        f"worker processes need a file of {format_bytes(size)} in {_RAM} or {tempfile.gettempdir()} ({reason}); "
        "use --threads 1"
    ) from failure
