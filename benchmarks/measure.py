"""Rivals in processes of their own, measured in turn, and their answers as Markdown.

A driver (`training_step.py`, `generating.py`, `scaling.py`) says what to run. A rival's script imports what it needs,
works, and prints its answer as one line of JSON, either once (`answer`, `alternate`) or once a round (`compete`,
`take_turns`). Neither NumPy nor a rival's library is imported here: the peak memory that a process reports starts at
what its parent held when it was launched, so a driver must stay small.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any, NamedTuple

Answer = dict[str, Any]

_HERE = Path(__file__).parent
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_LIBRARIES = ("OPENBLAS_", "OMP_", "MKL_", "XLA_", "TF_ENABLE_")
# ru_maxrss counts KiB on Linux and bytes on macOS.
_MAXRSS_IN_MIB = 1024 if sys.platform == "linux" else 1024**2
_WARM_UP_STEPS = 3
_FEWEST_STEPS = 3
_PAUSE = 0.05  # seconds, until the threads of the one before have stopped waiting for work in a loop


class Rival(NamedTuple):
    """One process to launch."""

    script: str  # its file in this folder
    request: Mapping[str, Any]  # what it is asked, in JSON's types
    threads: int = 1  # that its matrix library and OpenMP may use
    launcher: Sequence[str] = ()  # what is to start it, such as an MPI's
    environment: Mapping[str, str] = {}  # what else it finds in its environment


# --- in the rival's process ---


def answer(work: Callable[[Mapping[str, Any]], Answer]) -> None:
    """Do what the command line's JSON asks, and print the answer."""
    print(json.dumps(work(json.loads(sys.argv[1]))))


def compete(build: Callable[[Mapping[str, Any]], Callable[[], object]]) -> None:
    """Build the step that the command line's JSON asks for, and time it once for each line of standard input.

    A line says for how many seconds. The answers have ``ms``, the median time of a step, ``mean``, the mean time of
    one, and ``MiB``, as in `measure`.
    """
    idle = peak_memory()
    step = build(json.loads(sys.argv[1]))
    for _ in range(_WARM_UP_STEPS):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        times = step_times(step, float(line))
        memory = peak_memory() - idle + memory_of_workers()
        figures = {"ms": 1e3 * median(times), "mean": 1e3 * sum(times) / len(times), "MiB": memory}
        print(json.dumps(figures), flush=True)


def measure(build: Callable[[], Callable[[], object]], seconds: float) -> Answer:
    """Build a step and repeat it.

    Returns
    -------
    ``ms``, the median time of a step, and ``MiB``, the peak memory beyond that of the process while it was idle, with
    everything imported and nothing built; what processes of its own have held at most is added whole.
    """
    idle = peak_memory()
    step = build()
    return {"ms": median_ms(step, seconds), "MiB": peak_memory() - idle + memory_of_workers()}


def median_ms(step: Callable[[], object], seconds: float) -> float:
    """Repeat a step, after a few that are not counted, for so long, and return the median time in milliseconds."""
    for _ in range(_WARM_UP_STEPS):
        step()
    return 1e3 * median(step_times(step, seconds))


def step_times(step: Callable[[], object], seconds: float) -> list[float]:
    """Repeat a step for so long, at least three times, and return the seconds that each took."""
    times: list[float] = []
    end = perf_counter() + seconds
    while len(times) < _FEWEST_STEPS or perf_counter() < end:
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    return times


def peak_memory() -> float:
    """Return the most this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MAXRSS_IN_MIB


def memory_of_workers() -> float:
    """Return the most that this process's own child processes have held, in MiB, added up; 0 where none can be seen."""
    total = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            status = Path(f"/proc/{child}/status").read_text().splitlines()
            total += next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))  # KiB
    return total / 1024


# --- in the driver's process ---


def option_parser(description: str) -> argparse.ArgumentParser:
    """Make the command line that every driver has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="processes of each rival (default 7)")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured in each process (default 2)")
    return parser


def require_torch() -> None:
    """End the program, with one line, where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        sys.exit("PyTorch, the rival measured against, is not installed; run: pip install -e '.[bench]'")


def import_error(module: str) -> str:
    """Return why a module cannot be imported here, or an empty text."""
    command = [sys.executable, "-c", f"import {module}"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return tried.stderr.strip().splitlines()[-1] if tried.returncode else ""


def cores() -> int:
    """Count the cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def thread_counts() -> tuple[int, ...]:
    """Return one thread and, where there are more cores, as many as those."""
    return (1, cores()) if cores() > 1 else (1,)


def start(rival: Rival, stdin: int | None = None) -> subprocess.Popen[str]:
    """Start a rival; every library gets the same limit on threads."""
    environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(rival.threads)) | dict(rival.environment)
    command = [*rival.launcher, sys.executable, str(_HERE / rival.script), json.dumps(rival.request)]
    return subprocess.Popen(command, env=environment, stdin=stdin, stdout=subprocess.PIPE, text=True)


def launch(rival: Rival) -> Answer:
    """Run a rival to its end and return its answer."""
    with start(rival) as process:
        printed, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{rival.script} ended with code {process.returncode}; what it printed stands above")
    result: Answer = json.loads(printed)
    return result


class Contestant:
    """A rival that `compete`s: it stays ready between its turns."""

    def __init__(self, rival: Rival) -> None:
        self._rival = rival
        self._process = start(rival, subprocess.PIPE)

    def wait(self) -> None:
        """Wait until it is ready."""
        self._read()

    def turn(self, seconds: float) -> Answer:
        """Let it measure for so long, and return its answer."""
        sleep(_PAUSE)
        if self._process.stdin:
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
        answer: Answer = json.loads(self._read())
        return answer

    def close(self) -> None:
        """Let its process end."""
        self._process.communicate()

    def _read(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        return line or sys.exit(f"{self._rival.script} has ended; what it printed stands above")


@contextmanager
def contestants(rivals: Mapping[str, Rival]) -> Iterator[dict[str, Contestant]]:
    """Start rivals one after another, and end them at last."""
    ready: dict[str, Contestant] = {}
    try:
        for name, rival in rivals.items():
            ready[name] = Contestant(rival)
            ready[name].wait()
        yield ready
    finally:
        for contestant in ready.values():
            contestant.close()


def take_turns(ready: Mapping[str, Contestant], runs: int, seconds: float, title: str) -> dict[str, list[Answer]]:
    """Let contestants measure in turn, A B C … A B C …, so that what slows the machine for a while slows all of them.

    Returns
    -------
    The answers of each, one for each round: those with the same index were given within one round.
    """
    answers: dict[str, list[Answer]] = {name: [] for name in ready}
    for number in range(1, runs + 1):
        print(f"{title}: round {number} of {runs}", file=sys.stderr, flush=True)
        for name, contestant in ready.items():
            answers[name].append(contestant.turn(seconds))
    return answers


def alternate(rivals: Mapping[str, Rival], runs: int, title: str) -> dict[str, list[Answer]]:
    """Launch the rivals in turn, as `take_turns` does, but as new processes in every round."""
    answers: dict[str, list[Answer]] = {name: [] for name in rivals}
    for number in range(1, runs + 1):
        print(f"{title}: round {number} of {runs}", file=sys.stderr, flush=True)
        for name, rival in rivals.items():
            answers[name].append(launch(rival))
    return answers


# --- Markdown ---


def describe_machine(threads: Iterable[int]) -> str:
    """Name the machine, the versions and the thread counts that a result belongs to, in one line."""
    facts = launch(Rival("machine.py", {}))["facts"]
    counts = " and ".join(map(str, threads))
    line = f"{cores()} cores, {facts}; threads: {counts}; {datetime.now(UTC):%Y-%m-%d}"
    # What the environment had already decided, and so neither OpenBLAS nor charrnn did.
    chosen = sorted(name for name in os.environ.keys() - set(_THREAD_VARIABLES) if name.startswith(_LIBRARIES))
    return f"{line}; environment: {', '.join(f'{name}={os.environ[name]}' for name in chosen)}" if chosen else line


def column(answers: Iterable[Answer], name: str) -> list[float]:
    """Return one figure of each answer."""
    return [answer[name] for answer in answers]


def show_median(values: Sequence[float]) -> str:
    """Write the median with three significant digits or, where it is larger, as a whole number."""
    middle = median(values)
    return f"{middle:,.0f}" if abs(middle) >= 100 else f"{middle:.3g}"


def show_ratio(above: Sequence[float], below: Sequence[float]) -> str:
    """Divide round by round, and write the median of the ratios with the least and the greatest."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
