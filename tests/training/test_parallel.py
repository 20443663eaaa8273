"""Several workers: the same gradient, the same bits each time, and nothing left behind."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable
from itertools import cycle, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import checkpoint
from charrnn.config import TrainConfig
from charrnn.errors import WorkerError
from charrnn.nn.model import CharRNN
from charrnn.optim import Adagrad
from charrnn.text.streams import Cursor
from charrnn.text.vocabulary import Vocabulary
from charrnn.training import workers as parallel
from charrnn.training.trainer import Trainer
from charrnn.training.workers import Balance, Plan, Workers, shard_count
from tests.conftest import TEXT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

VOCABULARY = Vocabulary.from_text(TEXT)
IDS = VOCABULARY.encode(TEXT)
# Enough work in a step for the command line to use two cores.
LARGE = ("--cell", "lstm", "--hidden-size", "128", "--batch-size", "4", "--seq-length", "20", "--threads", "2")


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use as many workers as there are threads, however short a step is."""
    monkeypatch.setattr(parallel, "_LEAST_WORK", 0)


def learn(threads: int, steps: int, **changes: object) -> Trainer:
    settings = {"hidden_sizes": (7, 5), "batch_size": 6, "seq_length": 40, "dtype": "float64", "threads": threads}
    trainer = Trainer(TrainConfig(**(settings | changes)), VOCABULARY, IDS)  # type: ignore[arg-type]
    for _ in range(steps):
        trainer.train_step(0.0)
    trainer.close()
    return trainer


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except FileNotFoundError:
        return []


def own_workers() -> list[int]:
    """The workers of this process, which may have other children: the test runner's."""
    found: list[int] = []
    wait_until(lambda: found.extend(filter(is_worker, children(os.getpid()))) or bool(found))  # type: ignore[func-returns-value]
    return found


def is_worker(process: int) -> bool:
    return b"be_worker" in Path(f"/proc/{process}/cmdline").read_bytes()


def shared_files() -> set[Path]:
    return set(Path("/dev/shm").glob("*"))  # noqa: S108 - only looked at


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- the same gradient ---


@pytest.mark.parametrize(
    ("workers", "changes"),
    [
        (3, {"cell": "lstm", "embedding_size": 3}),
        (2, {"cell": "vanilla", "dropout": 0.4}),
        (3, {"cell": "gru", "dropout": 0.4, "locked_dropout": True, "weight_drop": 0.3}),
        (2, {"embedding_size": 5, "tied": True}),
        (2, {"cell": "gru", "dropout": 0.4, "accumulate": 3, "bptt_jitter": 3.0}),
    ],
    ids=["lstm", "vanilla", "weight-drop", "tied", "accumulate"],
)
@pytest.mark.usefixtures("always")
def test_several_workers_equal_one_on_the_joined_batch(workers: int, changes: dict[str, object]) -> None:
    # 109 transitions a stream: the third chunk is shorter, and the fourth begins the next epoch.
    one, several = learn(1, 6, **changes), learn(workers, 6, **changes)
    assert several.smoothed_loss == pytest.approx(one.smoothed_loss, rel=1e-13)
    np.testing.assert_allclose(several.params.vector, one.params.vector, rtol=1e-9, atol=1e-12)
    for layer, other in zip(several.state, one.state, strict=True):
        np.testing.assert_allclose(np.stack(layer), np.stack(other), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "lstm"},
        {"cell": "vanilla", "accumulate": 3},
        {"cell": "gru", "dropout": 0.4, "weight_drop": 0.3, "clip_value": 0.1, "average": 20},
        {"hidden_sizes": (7,), "embedding_size": 7, "tied": True},
    ],
    ids=["lstm", "accumulate", "dropout", "tied"],
)
@pytest.mark.usefixtures("always")
def test_the_bits_do_not_depend_on_which_process_computes_what(
    changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bits(ways: Iterable[bool]) -> tuple[object, ...]:
        """Train with the others (True) or without them, update by update."""
        coming = iter(ways)

        class Given(Balance):
            def __init__(self) -> None:
                self.is_together = next(coming)

            def record(self, cost: float) -> None:
                assert cost > 0
                self.is_together = next(coming)

        monkeypatch.setattr(parallel, "Balance", Given)
        trainer = learn(2, 6, dtype="float32", **changes)
        states = [array.tobytes() for layer in trainer.state for array in layer]
        memories = [memory.vector.tobytes() for memory in trainer.optimizer_state.memories.values()]
        return trainer.params.vector.tobytes(), trainer.smoothed_loss, states, memories

    together = bits(repeat(True))
    assert together == bits(repeat(False))
    assert together == bits(cycle([True, False, False]))


@pytest.mark.usefixtures("always")
def test_a_resumed_run_keeps_its_shards_on_any_number_of_cores(
    monkeypatch: pytest.MonkeyPatch, text_file: Path
) -> None:
    settings: Any = {"hidden_sizes": (8,), "batch_size": 4, "seq_length": 10, "schedule_steps": 9}

    def cores(count: int) -> None:
        monkeypatch.setattr(parallel, "available_cores", lambda *_: count)

    cores(2)
    for name, steps in (("whole", 6), ("broken", 3)):
        deque(charrnn.train([str(text_file)], checkpoint=f"{name}.npz", steps=steps, **settings), maxlen=0)
    for count, steps in ((1, 5), (4, 6)):
        cores(count)
        deque(charrnn.resume("broken.npz", steps=steps), maxlen=0)
    whole, broken = (checkpoint.load(f"{name}.npz") for name in ("whole", "broken"))
    assert whole.params.vector.tobytes() == broken.params.vector.tobytes()
    assert whole.progress.smoothed_loss == broken.progress.smoothed_loss


@pytest.mark.usefixtures("always")
def test_whoever_updates_the_weights_a_session_reads_with_the_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    class Alone(Balance):
        def __init__(self) -> None:
            self.is_together = False

        def record(self, cost: float) -> None: ...

    monkeypatch.setattr(parallel, "Balance", Alone)
    trainer = Trainer(TrainConfig(hidden_sizes=(7,), batch_size=4, threads=2), VOCABULARY, IDS)
    state, ids = trainer.model.zero_state(1), IDS[:20, None].astype(np.intp)
    session = trainer.model.session(trainer.params, 1)
    session.logits(ids, state)
    trainer.train_step(0.0)
    fresh = trainer.model.session(trainer.params.copy(), 1)
    np.testing.assert_array_equal(session.logits(ids, state)[0], fresh.logits(ids, state)[0])
    trainer.close()


# --- whether the others are worth waiting for ---


def test_the_others_are_left_alone_while_they_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    balance = Balance()

    def work(seconds: float, alone: float, together: float) -> float:
        """Make steps for so long, at what each costs in either way; return the share made together."""
        end, count, shared = now[0] + seconds, 0, 0
        while now[0] < end:
            count, shared = count + 1, shared + balance.is_together
            cost = together if balance.is_together else alone
            now[0] += cost
            balance.record(cost / 800)
        return shared / count

    assert work(30, alone=0.026, together=0.016) > 0.98
    assert work(2, alone=0.026, together=0.034) < 0.5  # a core is taken away
    assert work(30, alone=0.026, together=0.034) < 0.1
    work(2, alone=0.026, together=0.016)  # and is free again
    assert work(30, alone=0.026, together=0.016) > 0.98


@pytest.mark.usefixtures("always")
def test_measuring_the_speed_leaves_the_state_of_several_workers_alone() -> None:
    trainer = learn(2, 2)
    trainer = Trainer(trainer.config, VOCABULARY, IDS)
    trainer.train_step(0.0)
    before = [array.copy() for layer in trainer.state for array in layer]
    assert trainer.measure_speed(0.01) > 0
    trainer.close()
    np.testing.assert_array_equal(next(array for layer in trainer.state for array in layer), before[0])


@pytest.mark.usefixtures("always")
def test_after_a_ctrl_c_in_a_step_no_answer_is_taken_for_another_s() -> None:
    one, two = (Trainer(TrainConfig(hidden_sizes=(7,), batch_size=4, threads=n), VOCABULARY, IDS) for n in (1, 2))
    two.train_step(0.0)
    (worker,) = own_workers()
    os.kill(worker, signal.SIGSTOP)
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        two.train_step(0.0)
    os.kill(worker, signal.SIGCONT)
    one.train_step(0.0)
    first, second = one.train_step(0.0), two.train_step(0.0)
    assert (first.loss, first.grad_norm) == pytest.approx((second.loss, second.grad_norm), rel=1e-2)  # another state
    one.close()
    two.close()


@pytest.mark.usefixtures("always")
def test_a_worker_that_stays_silent_is_noticed_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_PATIENCE", 0.0)
    trainer = Trainer(TrainConfig(hidden_sizes=(7,), batch_size=4, threads=2), VOCABULARY, IDS)
    (worker,) = own_workers()
    os.kill(worker, signal.SIGSTOP)
    with pytest.raises(WorkerError, match=rf"a worker process \(number {worker}\) has not answered for .*--resume"):
        trainer.train_step(0.0)
    trainer.close()
    assert not is_alive(worker)


@pytest.mark.usefixtures("always")
def test_a_silent_worker_does_not_keep_a_first_ctrl_c_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_PATIENCE_WHEN_STOPPING", 0.0)
    trainer = Trainer(TrainConfig(hidden_sizes=(7,), batch_size=4, threads=2), VOCABULARY, IDS)
    trainer.heed(lambda: True)
    (worker,) = own_workers()
    os.kill(worker, signal.SIGSTOP)
    with pytest.raises(KeyboardInterrupt):
        trainer.train_step(0.0)
    trainer.close()
    assert not is_alive(worker)


@pytest.mark.usefixtures("always")
def test_workers_leave_the_signals_of_a_whole_group_to_the_first_process() -> None:
    trainer = Trainer(TrainConfig(hidden_sizes=(7,), batch_size=4, threads=2), VOCABULARY, IDS)
    trainer.train_step(0.0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(own_workers()[0], number)
    assert trainer.train_step(0.0).step == 2
    trainer.close()


@pytest.mark.usefixtures("always")
def test_where_no_process_can_be_started_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    before = shared_files()
    with pytest.raises(WorkerError, match=r"cannot be started \(Resource temporarily unavailable\); use --threads 1"):
        learn(2, 1)
    assert shared_files() <= before


@pytest.mark.usefixtures("always")
def test_where_memory_has_no_room_workers_share_a_file_elsewhere_or_say_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    def full(_: int, offset: int, size: int) -> None:
        asked.append(offset + size)
        if len(asked) != 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert learn(2, 1).step == 1
    assert asked == asked[:1] * 2
    with pytest.raises(WorkerError, match=r"a file of [\d.]+ kB in .* \(No space left on device\); use --threads 1$"):
        learn(2, 1)


@pytest.mark.usefixtures("always")
def test_a_trainer_that_is_forgotten_lets_its_workers_go() -> None:
    before = children(os.getpid())
    trainer = Trainer(TrainConfig(hidden_sizes=(7,), batch_size=4, threads=2), VOCABULARY, IDS)
    assert len(children(os.getpid())) == len(before) + 1
    del trainer
    assert children(os.getpid()) == before


# --- how many ---


def test_a_short_step_has_one_shard_and_a_long_one_no_more_than_threads_or_streams() -> None:
    small, large = CharRNN(10, "vanilla", (8,)), CharRNN(65, "lstm", (256,))

    def count(model: CharRNN, batch_size: int, seq_length: int, threads: int) -> int:
        return shard_count(TrainConfig(batch_size=batch_size, seq_length=seq_length, threads=threads), model)

    assert count(small, 64, 100, 8) == 1
    assert count(large, 64, 100, 1) == 1
    assert count(large, 64, 100, 3) == 3
    assert 1 <= count(large, 64, 100, 0) <= (os.cpu_count() or 1)


# --- nothing left behind ---


@pytest.fixture
def workers() -> Workers:
    model = CharRNN(10, "lstm", (4,))
    params = model.initialize(np.random.default_rng(0))
    plan = Plan(TrainConfig(batch_size=3, seq_length=6, threads=3), model, most_shards=3)
    return Workers(plan, params, Adagrad().init(params), model.zero_state(3))


def test_a_worker_that_dies_is_one_sentence_and_the_others_leave(workers: Workers) -> None:
    processes = own_workers()
    os.kill(processes[0], signal.SIGKILL)
    chunk = learn(1, 0, batch_size=3, seq_length=6).streams.chunk(Cursor(0, 0))
    with pytest.raises(WorkerError, match=r"a worker process died \(exit code -9\)"):
        workers.gradient([chunk._replace(inputs=chunk.inputs % 10, targets=chunk.targets % 10)], 0, 1.0)
    workers.close()
    assert not any(map(is_alive, processes))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_no_process_and_no_shared_memory(number: signal.Signals, text_file: Path) -> None:
    before = shared_files()
    command = [sys.executable, "-m", "charrnn", "train", str(text_file), *LARGE, "--steps", "1000000", "--quiet"]
    env = os.environ | {"CHARRNN_DEBUG": "1"}  # what a worker has to say comes on stderr then
    run = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True, env=env)
    wait_until(lambda: children(run.pid) and Path("checkpoints/lamp.npz").exists())
    helpers = children(run.pid)
    time.sleep(0.3)
    os.killpg(run.pid, number)  # as a terminal does
    _, errors = run.communicate(timeout=20)
    assert run.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    assert errors == b""
    wait_until(lambda: not any(map(is_alive, helpers)))
    after = shared_files()
    assert after <= before


def test_a_run_whose_worker_dies_keeps_its_checkpoint_and_says_how_to_go_on(text_file: Path) -> None:
    command = [sys.executable, "-m", "charrnn", "train", str(text_file), *LARGE, "--steps", "1000000", "--quiet"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE)
    wait_until(lambda: children(run.pid) and Path("checkpoints/lamp.npz").exists())
    os.kill(children(run.pid)[0], signal.SIGKILL)
    _, errors = run.communicate(timeout=20)
    assert run.returncode == 1
    assert errors.decode() == (
        "charrnn: a worker process died (exit code -9); resume from the last checkpoint with --resume, "
        "or use --threads 1\n"
    )
    resumed = [*command[:4], "--resume", "--steps", "1", "--threads", "1"]
    assert subprocess.run(resumed, stderr=subprocess.PIPE, check=False).returncode == 0


# --- nothing of the current folder is run ---


@pytest.mark.parametrize(
    ("start", "environment"),
    [
        (["-m", "charrnn"], {}),
        (["-P", "-c", "from charrnn.__main__ import run; run()"], {"PYTHONPATH": os.pathsep}),
    ],
    ids=["module", "empty entry of PYTHONPATH"],
)
def test_no_file_of_the_current_folder_is_run(start: list[str], environment: dict[str, str], text_file: Path) -> None:
    hostile = "random token struct pickle socket selectors numpy click usercustomize pathlib fnmatch ntpath ast typing"
    for name in hostile.split():
        Path(f"{name}.py").write_text(f"open('ran-{name}', 'w')\n")
    command = [sys.executable, *start, "train", str(text_file), *LARGE, "--steps", "1", "--quiet"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert not list(Path().glob("ran-*"))


@pytest.mark.usefixtures("always")
def test_the_workers_of_a_library_s_caller_run_no_file_of_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("random", "types", "token", "numpy", "charrnn"):
        Path(f"{name}.py").write_text(f"open('ran-{name}', 'w')\n")
    monkeypatch.syspath_prepend("")
    monkeypatch.setenv("PYTHONPATH", "")
    assert learn(2, 1).step == 1
    assert not list(Path().glob("ran-*"))
