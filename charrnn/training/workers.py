"""A training step on one core or on several: each worker takes some of the B streams, and some of the update.

A chunk's loss is a sum over its streams, and so is its gradient: every worker computes the gradient of its own streams
from the same weights, and the parts are added in the order of the workers, always the same. So k workers equal one
worker on the whole batch to rounding, and equal themselves bit for bit. Then each updates a stretch of the weights:
where one process did that alone, the others waited for a tenth of the step (see `charrnn.training.workers`).

Workers are processes, not threads, because most of a step's calls are too short for the interpreter lock to change
hands. Weights, gradients, ids and states lie in memory that all of them share; each process has a connection of its own
to the first, over which it is told its part of a step and answers with one number. The first worker is this process
itself, so one worker needs no other process. The shared memory is an unnamed file, and a worker leaves when its
connection closes, whatever ended the other side: nothing stays behind, not even after SIGKILL.

What one worker does in a training step: the gradient of its streams, then its stretch of the update.

The memory that all workers share holds the weights, a gradient for each worker, the optimizer's memories, and the ids
and states of all streams. A step has three parts, and no worker begins one before all have ended the one before: each
writes the gradient of its own streams; each adds up all the gradients along its own stretch of the flat vector; each
updates a stretch of the weights.

Where other machines train too, all of this is one rank's: some of the batch's streams, and the update of a stretch of
the weights (see `charrnn.training.mpi`).

Who trains: this process with its workers alone, or many ranks together. The trainer does not know which.

A reducer has the weights, and turns chunks of text into their gradient and the gradient into new weights, whoever
computes the parts and adds them up. A team makes one, and an evaluator.
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
from dataclasses import dataclass
from functools import cached_property
from math import prod
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np

from charrnn.environment import ONE_THREAD, safe_path
from charrnn.errors import WorkerError
from charrnn.machine import format_bytes, one_thread
from charrnn.nn.dropout import Dropout
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Array, Parameters, named_views
from charrnn.optim.clipping import clip_norm, clip_value, global_norm
from charrnn.optim.optimizers import OPTIMIZERS, Optimizer, OptimizerState
from charrnn.randomness import random_stream
from charrnn.text.streams import Chunk
from charrnn.training.data import Batches, Part, share
from charrnn.training.evaluation import AnyEvaluator, evaluator_for


@dataclass(frozen=True)
class Update:
    """How a gradient becomes new weights."""

    optimizer: str = "adagrad"  # its name
    clip_value: float = 0.0  # 0: no clipping by value
    clip_norm: float = 0.0  # 0: no clipping by norm

    @cached_property
    def rule(self) -> Optimizer:
        """The optimizer."""
        return OPTIMIZERS[self.optimizer]()


class Stretch(NamedTuple):
    """Part of a flat vector, for an optimizer to update."""

    vector: Array

    def changed(self) -> None:
        """Nothing reads a stretch but the optimizer."""


@dataclass(frozen=True)
class Plan:
    """What every worker must know to find its part of the memory."""

    model: CharRNN
    dtype: str
    batch_size: int  # of all ranks together
    seq_length: int
    workers: int
    dropout: Dropout
    rng_seed: int
    update: Update
    rank: int = 0  # the machine, or the process of MPI, that this memory is in
    ranks: int = 1

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
        return share(self.batch_size, self.rank, self.ranks)

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
        memories = {f"memory.{name}": (size,) for name in self.update.rule.memories}
        return {"params": (size,)} | grads | memories | states

    def ids(self) -> dict[str, tuple[int, ...]]:
        """Shapes of a chunk's inputs and targets."""
        shape = (self.seq_length, len(self.streams))
        return {"inputs": shape, "targets": shape}

    def bytes_needed(self) -> int:
        """Size of the shared memory."""
        return _count(self.ids()) * np.dtype(np.intp).itemsize + _count(self.numbers()) * np.dtype(self.dtype).itemsize


class Memory:
    """The arrays of a plan over one block of memory; the ids come first, where any type is aligned."""

    def __init__(self, plan: Plan, block: Any) -> None:
        ids = np.frombuffer(block, np.intp, _count(plan.ids()))
        numbers = np.frombuffer(block, plan.dtype, _count(plan.numbers()), offset=ids.nbytes)
        self.ids, self.numbers = named_views(plan.ids(), ids), named_views(plan.numbers(), numbers)


class Shard:
    """One worker's streams, in whichever process it lives."""

    def __init__(self, plan: Plan, memory: Memory, index: int) -> None:
        self.plan = plan
        own = share(len(plan.streams), index, plan.workers)
        self.streams = plan.streams[own.start : own.stop]
        self.params, self.grads = (
            Parameters(plan.model.shapes(), memory.numbers[name]) for name in ("params", f"grads.{index}")
        )
        self.state = stream_state(plan, memory, slice(own.start, own.stop))
        self.inputs, self.targets = (memory.ids[name][:, own.start : own.stop] for name in ("inputs", "targets"))
        added = _slice(share(plan.size, index, plan.workers))
        self._parts = [memory.numbers[f"grads.{k}"][added] for k in range(plan.workers)]
        of_rank = share(plan.size, plan.rank, plan.ranks)
        own = share(len(of_rank), index, plan.workers)
        updated = _slice(of_rank[own.start : own.stop])
        self._params, self._grads = (Stretch(memory.numbers[name][updated]) for name in ("params", "grads.0"))
        memories = {name: Stretch(memory.numbers[f"memory.{name}"][updated]) for name in plan.update.rule.memories}
        self._optimizer_state = OptimizerState(memories)
        self._session = plan.model.session(self.params, plan.batch_size, dropout=plan.dropout, streams=self.streams)
        self._chunk_grads: Parameters | None = None

    def compute(self, number: int, T: int, scale: float, *, is_first: bool = True) -> float:
        """Fill this worker's gradient for the first T steps of the ids; return its summed loss, in nats.

        Parameters
        ----------
        number : of the chunk in the run, for the masks of dropout
        is_first : whether the update begins with this chunk; the gradient of a later one is added
        """
        rng = random_stream(self.plan.rng_seed, "dropout", number) if self.plan.dropout else None
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
        update = self.plan.update
        if update.clip_value:
            clip_value(self._grads.vector, update.clip_value)
        if update.clip_norm:
            clip_norm(self._grads.vector, norm, update.clip_norm)
        self._optimizer_state.updates = updates
        update.rule.update(self._params, self._grads, self._optimizer_state, rate)
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
        return sum(self._do(Compute(number, T, scale, is_first)))

    def join(self) -> float:
        """Add up the workers' gradients in `grads`; return the length of the sum."""
        return math.hypot(*self._do(Join()))

    def apply(self, rate: float, norm: float) -> bool:
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
    # Whoever is killed closes the connection, perhaps in the middle of a step: nobody is left to be told.
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


class Reducer(Protocol):
    """What `charrnn.training.workers.Workers` describes; sums are over all streams, in a fixed order."""

    params: Parameters
    grads: Parameters

    @property
    def optimizer_state(self) -> OptimizerState:
        """What the optimizer remembers."""

    @property
    def state(self) -> State:
        """The state of all streams of the batch."""

    @property
    def close(self) -> Callable[[], object]:
        """What lets those go who helped."""

    def compute(self, chunks: Sequence[Chunk], *, number: int, scale: float) -> tuple[float, float]:
        """Compute the gradient of some chunks' loss."""

    def apply(self, rate: float, norm: float) -> bool:
        """Take a step by it."""

    def heed(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Ask this while waiting for another process that is late."""

    def restore(self, params: Parameters, optimizer_state: OptimizerState, state: State) -> None:
        """Stand where these were."""


class Team(Protocol):
    """Those who train together."""

    ranks: int
    ranks_here: int
    """Those on the machine that the first is on."""

    def reducer(
        self, plan: Plan, streams: Batches, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> Reducer:
        """Return what computes the steps of a training that starts here.

        Parameters
        ----------
        streams : all of the text's; the chunks that are then given have only those that the plan has for this process
        """

    def evaluator(self, model: CharRNN, part: Part) -> AnyEvaluator | None:
        """Return what scores a held-out part, if there is anything in it."""


class Alone:
    """A process with its workers on one machine."""

    ranks = ranks_here = 1
    evaluator = staticmethod(evaluator_for)

    def reducer(
        self, plan: Plan, _streams: Batches, params: Parameters, optimizer_state: OptimizerState, state: State
    ) -> Reducer:
        """Return the workers."""
        return Workers(plan, params, optimizer_state, state)


ALONE: Team = Alone()
