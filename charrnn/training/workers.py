"""The same gradient by several processes: each takes some shards of the batch, and some of the update.

A chunk's loss is a sum over its streams, and so is its gradient. The batch is cut into shards of equally many streams.
Each shard has a gradient of its own, and these are added in the order of the shards. How many there are is settled when
a run begins (`shard_count`), and kept when it is resumed. So the bits of a run do not depend on how many processes
compute the shards, and that may change at any step: `Balance` finds out whether the others are worth waiting for, which
they are not while another program has their core.

A step has three tasks, and no process begins one before all have ended the one before: `Compute` the gradients of one's
shards, `Join` the gradients along a stretch of the flat vector, `Apply` the update to a stretch of the weights.

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
from functools import cached_property
from math import prod
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from statistics import median
from typing import IO, Any, NamedTuple

import numpy as np

from charrnn.config import TrainConfig
from charrnn.environment import ONE_THREAD, safe_path
from charrnn.errors import WorkerError
from charrnn.machine import format_bytes, one_thread
from charrnn.nn.model import CharRNN, State
from charrnn.nn.parameters import Array, Parameters, named_views
from charrnn.optim import Averaging, Optimizer, OptimizerState, clip_norm, clip_value, global_norm, optimizer_of
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
    most_shards: int = 1  # of each rank
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
        """Whether several processes may compute a step."""
        return self.shards > 1 or self.ranks > 1

    @property
    def optimizer(self) -> Optimizer | Averaging:
        """What updates the weights."""
        return optimizer_of(self.config.optimizer, self.config.average)

    @property
    def shards(self) -> int:
        """Equal parts of this rank's streams, each with a gradient of its own."""
        streams = len(self.streams)
        return max((n for n in range(1, min(self.most_shards, streams) + 1) if streams % n == 0), default=1)

    @property
    def processes(self) -> int:
        """How many there are for the shards."""
        return min(self.shards, available_cores(self.config, self.ranks))

    @property
    def streams(self) -> range:
        """The streams of the batch that are this rank's."""
        return share(self.config.batch_size, self.rank, self.ranks)

    def numbers(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is shared in the model's type.

        Weights, a gradient for each shard, what the optimizer remembers, all streams' states.
        """
        size = self.size
        states = {
            f"state.{layer}.{name}": array.shape
            for layer, state in enumerate(self.model.zero_state(len(self.streams)))
            for name, array in state._asdict().items()
        }
        grads = {f"grads.{k}": (size,) for k in range(self.shards)}
        memories = {f"memory.{name}": (size,) for name in self.optimizer.memories}
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
        self.ids, self.numbers = _views(plan.ids(), ids), _views(plan.numbers(), numbers)


class Worker:
    """What one of `count` processes computes, in whichever process it is: some shards, and a stretch of the update."""

    def __init__(self, plan: Plan, memory: Memory, index: int, count: int) -> None:
        self.config, model, numbers = plan.config, plan.model, memory.numbers
        shards = share(plan.shards, index, count)
        rows = len(plan.streams) // plan.shards
        own = slice(shards.start * rows, shards.stop * rows)
        self.params = Parameters(model.shapes(), numbers["params"])
        self.grads = [Parameters(model.shapes(), numbers[f"grads.{k}"]) for k in shards]
        self.state = stream_state(plan, memory, own)
        self.inputs, self.targets = (memory.ids[name][:, own] for name in ("inputs", "targets"))
        added = _slice(share(plan.size, index, count))
        self._parts = [numbers[f"grads.{k}"][added] for k in range(plan.shards)]
        of_rank = share(plan.size, plan.rank, plan.ranks)
        here = share(len(of_rank), index, count)
        updated = _slice(of_rank[here.start : here.stop])
        self._params, self._grads = (Stretch(numbers[name][updated]) for name in ("params", "grads.0"))
        self._optimizer = plan.optimizer
        memories = {name: Stretch(numbers[f"memory.{name}"][updated]) for name in self._optimizer.memories}
        self._optimizer_state = OptimizerState(memories)
        self._dropout = dropout_of(self.config)
        self._session = model.session(
            self.params,
            self.config.batch_size,
            dropout=self._dropout,
            streams=plan.streams[own],
            shards=len(shards),
        )
        self._chunk_grads: list[Parameters] = []

    def compute(self, number: int, T: int, scale: float, *, is_first: bool = True) -> list[float]:
        """Fill the gradients of these shards for the first T steps of the ids; return each one's loss, in nats.

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
            self._chunk_grads = self._chunk_grads or [total.like() for total in self.grads]
            grads = self._chunk_grads
        inputs, targets = self.inputs[:T], self.targets[:T]
        result = self._session.gradient(inputs, targets, self.state, grads, scale=scale, rng=rng)
        if not is_first:
            for total, part in zip(self.grads, grads, strict=True):
                np.add(total.vector, part.vector, out=total.vector)
        copy_state(result.state, self.state)
        shards = np.split(result.losses, len(self.grads), axis=1)
        return [float(losses.sum(dtype=np.float64)) for losses in map(np.ascontiguousarray, shards)]

    def join(self) -> None:
        """Add the gradients along this worker's stretch, in the order of the shards."""
        total, *others = self._parts
        for part in others:
            np.add(total, part, out=total)

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


def _views(shapes: dict[str, tuple[int, ...]], vector: Array) -> dict[str, Array]:
    """View a flat vector as arrays, each of which begins at a line of the cache (see `charrnn.nn.parameters.empty`)."""
    padded = named_views({name: (_padded(shape),) for name, shape in shapes.items()}, vector)
    return {name: padded[name][: prod(shape)].reshape(shape) for name, shape in shapes.items()}


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(map(_padded, shapes.values()))


def _padded(shape: tuple[int, ...]) -> int:
    return -(-prod(shape) // 16) * 16


# Multiplications by a weight in a step below which a second process costs more than it computes.
_LEAST_WORK = 5_000_000
_RAM = Path("/dev/shm")  # noqa: S108 - the file made there has no name, so nobody else can open it
# How long to wait for a worker: so many seconds, and so many times what the first process took for its own part.
_PATIENCE, _SLOWER = 120.0, 20.0
_PATIENCE_WHEN_STOPPING = 5.0
# Trials of the other way to work: seconds after the start, after a trial that showed the others to be worth it, and
# after one that did not; steps that count in a trial; the latest steps that are looked at, and how much slower than at
# best they must be for a trial at once.
_FIRST_TRIAL, _TRIAL_ALONE, _TRIAL_TOGETHER = 0.5, 10.0, 1.5
_TRIAL, _RECENT, _SLOWED = 2, 5, 1.15
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
    """The first message to a worker: which of how many of a plan it is, and the shared memory's descriptor."""

    plan: Plan
    index: int
    count: int
    memory: int


@dataclass(frozen=True)
class Compute:
    """Compute the gradients of the next chunk, or add them (not first) to those of the chunks before.

    The answer is the loss of each shard.
    """

    number: int
    length: int
    scale: float
    is_first: bool

    def run(self, worker: Worker) -> list[float]:
        """Do one worker's part."""
        return worker.compute(self.number, self.length, self.scale, is_first=self.is_first)


@dataclass(frozen=True)
class Join:
    """Add up the shards' gradients along a stretch."""

    def run(self, worker: Worker) -> None:
        """Do one worker's part."""
        worker.join()


@dataclass(frozen=True)
class Apply:
    """Update a stretch of the weights; answer whether all of it is finite."""

    updates: int
    rate: float
    norm: float

    def run(self, worker: Worker) -> bool:
        """Do one worker's part."""
        return worker.apply(self.updates, self.rate, self.norm)


Task = Compute | Join | Apply


@dataclass(frozen=True)
class Answer:
    """What came of a task."""

    value: Any


@dataclass(frozen=True)
class Failure:
    """Why a worker could not do its part."""

    reason: str


def shard_count(config: TrainConfig, model: CharRNN, ranks: int = 1) -> int:
    """Decide in how many shards, at most, a run computes its gradients: one where a step is short, else one a core.

    Parameters
    ----------
    ranks : that share the batch; the count is that of each
    """
    if sys.platform == "win32":  # a file cannot be handed on without a name there
        return 1
    weights = sum(prod(shape) for shape in model.shapes().values())
    is_short = config.batch_size // ranks * config.seq_length * weights < _LEAST_WORK
    return 1 if is_short else available_cores(config, ranks)


def available_cores(config: TrainConfig, ranks: int = 1) -> int:
    """Count the cores that a run may use: those asked for, else all; of several ranks, one each."""
    if sys.platform == "win32":
        return 1
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return config.threads or (cores if ranks == 1 else 1)


class Balance:
    """Whether the other processes are worth waiting for.

    They are not while other programs have their cores. So both ways are tried now and then, for a moment: working alone
    more often, as a core may come free, and working together also at once when it has become slower.
    """

    def __init__(self) -> None:
        self.is_together = True
        self._usual = True  # what was faster at the last trial
        self._costs: list[float] = []  # seconds a character of the latest steps in this way
        self._usual_cost = self._best = math.inf
        self._next_trial = time.monotonic() + _FIRST_TRIAL

    def record(self, cost: float) -> None:
        """Take note of what the step just made cost, in seconds a character, and decide about the next."""
        now = time.monotonic()
        self._costs = [*self._costs[1 - _RECENT :], cost]
        typical = median(self._costs)
        if self.is_together is self._usual:
            has_slowed = self._usual and len(self._costs) == _RECENT and typical > _SLOWED * self._best
            if len(self._costs) >= _TRIAL and (now >= self._next_trial or has_slowed):
                self._usual_cost = typical
                self._switch()
            elif self._usual and len(self._costs) == _RECENT:
                self._best = min(self._best, typical)
        elif len(self._costs) > _TRIAL:
            # The first step after a change finds its numbers in another core's cache, and does not count.
            if median(self._costs[1:]) < self._usual_cost:
                self._usual = self.is_together
            else:
                self._switch()
            self._best = math.inf
            wait = _TRIAL_TOGETHER if not self._usual else _TRIAL_ALONE
            self._next_trial = time.monotonic() + max(wait, 30 * cost)

    def _switch(self) -> None:
        self.is_together = not self.is_together
        self._costs = []


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
        self._count = plan.processes
        self._balance = Balance()
        self._spent, self._characters = 0.0, 0
        self._is_under_way = False
        self._is_asked_to_stop: Callable[[], bool] = lambda: False
        self._helpers: list[_Helper] = []
        self._file: IO[bytes] | None = None
        if self._count == 1:
            self._memory = Memory(plan, bytearray(plan.bytes_needed()))
        else:
            self._file = _shared_file(plan.bytes_needed())
            self._memory = Memory(plan, mmap.mmap(self._file.fileno(), 0))
        # Also where nobody calls `close`: a worker must not outlive what it works for.
        self.close = weakref.finalize(self, _let_go, self._helpers, self._file)
        self._start()
        memory = self._memory
        self._together = Worker(plan, memory, 0, self._count)
        self._ids = memory.ids
        self.params, self.state = self._together.params, stream_state(plan, memory)
        self.grads = self._together.grads[0]
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
        """Fill `grads`, and return loss and norm (see `charrnn.training.trainer.Engine`).

        Raises
        ------
        WorkerError
            If a worker process has died.
        """
        began = time.monotonic()
        loss = sum(self.compute(chunk, number + k, scale, is_first=k == 0) for k, chunk in enumerate(chunks))
        self.join()
        norm = global_norm(self.grads.vector)
        self._spent, self._characters = time.monotonic() - began, sum(chunk.characters for chunk in chunks)
        return loss, norm

    def compute(self, chunk: Chunk, number: int, scale: float, *, is_first: bool) -> float:
        """Compute the shards' gradients, or add them (not first) to those of the chunks before; return the loss."""
        T = len(chunk.inputs)
        if chunk.is_first:
            for layer in self.state:
                for array in layer:
                    array[...] = 0
        self._ids["inputs"][:T], self._ids["targets"][:T] = chunk.inputs, chunk.targets
        losses: list[list[float]] = self._do(Compute(number, T, scale, is_first))
        return sum(loss for shards in losses for loss in shards)

    def join(self) -> None:
        """Add up the shards' gradients in `grads`."""
        self._do(Join())

    def update(self, rate: float, norm: float) -> bool:
        """Clip the gradient, whose length is `norm`, and take a step by it; return whether all weights are finite."""
        began = time.monotonic()
        is_finite = all(self._do(Apply(self.optimizer_state.updates, rate, norm)))
        self.optimizer_state.updates += 1
        self.params.changed()  # by whichever worker
        if self._helpers and self._characters:
            self._balance.record((self._spent + time.monotonic() - began) / self._characters)
        return is_finite

    def heed(self, is_asked_to_stop: Callable[[], bool]) -> None:
        """Ask this while waiting for a worker that is late; where it says so, the wait ends in KeyboardInterrupt."""
        self._is_asked_to_stop = is_asked_to_stop

    def _start(self) -> None:
        if self._file is None:
            return
        try:
            for index in range(1, self._count):
                self._helpers.append(_Helper(Begin(self.plan, index, self._count, self._file.fileno())))
        except OSError as error:
            self.close()
            raise WorkerError(
                f"a worker process cannot be started ({error.strerror or error}); use --threads 1, or raise the limit "
                "of processes (`ulimit -u`)"
            ) from error

    def _do(self, task: Task) -> list[Any]:
        """Do a task, with the others or without them; return the answers in order."""
        if not self.close.alive:
            raise WorkerError("this training was closed, and its worker processes have ended; resume its checkpoint")
        if self._is_under_way:
            # Ctrl-C or an error broke off the last task here: the others may still be at it, or have answered.
            _end(self._helpers)
            self._start()
        self._is_under_way = True
        helpers, worker = (self._helpers, self._together) if self._balance.is_together else ([], self._worker_alone)
        message = pickle.dumps(task) if helpers else b""
        for helper in helpers:
            helper.send(message)
        began = time.monotonic()
        # Several processes with several threads each would wait for one another's cores, whatever the environment says.
        with one_thread(always=self.plan.is_shared):
            own = task.run(worker)
        patience = _SLOWER * (time.monotonic() - began)
        answers = [own, *(helper.receive(patience, self._is_asked_to_stop) for helper in helpers)]
        self._is_under_way = False
        return answers

    @cached_property
    def _worker_alone(self) -> Worker:
        return Worker(self.plan, self._memory, 0, 1)


class _Helper:
    """A worker process, and the connection to it."""

    def __init__(self, begin: Begin) -> None:
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
                pass_fds=[theirs.fileno(), begin.memory],
                start_new_session=True,  # the terminal's signals are for the first process
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ONE_THREAD,
            )
        self.send(pickle.dumps(begin))

    def send(self, message: bytes) -> None:
        """Send a pickled message: `Begin`, then tasks."""
        try:
            self._connection.send_bytes(message)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._death() from error

    def receive(self, patience: float, is_asked_to_stop: Callable[[], bool]) -> Any:
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
        return message.value

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
            memory = Memory(begin.plan, mmap.mmap(begin.memory, 0))
            worker = Worker(begin.plan, memory, begin.index, begin.count)
            while True:
                task = connection.recv()
                with np.errstate(
                    over="ignore", invalid="ignore"
                ):  # the first process looks at the sum of the gradients
                    value = task.run(worker)
                connection.send_bytes(pickle.dumps(Answer(value)))
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
