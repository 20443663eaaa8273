"""Rivals in processes of their own, one after another in turn, and what they answer as Markdown.

A driver (`training_step.py`, `generating.py`, `scaling.py`) says what is to run; a rival's script imports what it
needs, works, and prints its answer as one line of JSON. Neither NumPy nor PyTorch is imported here: the peak memory
that a process reports starts at what its parent held when it was launched, so a driver must stay small.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

Answer = dict[str, Any]

_HERE = Path(__file__).parent
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_LIBRARIES = ("OPENBLAS_", "OMP_", "MKL_")
# ru_maxrss counts KiB on Linux and bytes on macOS.
_MAXRSS_IN_MIB = 1024 if sys.platform == "linux" else 1024**2
_WARM_UP_STEPS = 3
_FEWEST_STEPS = 3


class Rival(NamedTuple):
    """One process to launch."""

    script: str  # its file in this folder
    request: Mapping[str, Any]  # what it is asked, in JSON's types
    threads: int = 1  # that its matrix library and OpenMP may use
    launcher: Sequence[str] = ()  # what is to start it, such as an MPI's


# --- in the rival's process ---


def answer(work: Callable[[Mapping[str, Any]], Answer]) -> None:
    """Do what the command line's JSON asks, and print the answer."""
    print(json.dumps(work(json.loads(sys.argv[1]))))


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
    times: list[float] = []
    end = perf_counter() + seconds
    while len(times) < _FEWEST_STEPS or perf_counter() < end:
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    return 1e3 * median(times)


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


def cores() -> int:
    """Count the cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def thread_counts() -> tuple[int, ...]:
    """Return one thread and, where there are more cores, as many as those."""
    return (1, cores()) if cores() > 1 else (1,)


def launch(rival: Rival) -> Answer:
    """Run a rival to its end and return its answer; every library gets the same limit on threads."""
    environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(rival.threads))
    command = [*rival.launcher, sys.executable, str(_HERE / rival.script), json.dumps(rival.request)]
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode:
        sys.exit(f"{rival.script} ended with code {finished.returncode}; what it printed stands above")
    result: Answer = json.loads(finished.stdout)
    return result


def alternate(rivals: Mapping[str, Rival], runs: int, title: str) -> dict[str, list[Answer]]:
    """Launch the rivals in turn, A B C … A B C …, so that what slows the machine for a while slows all of them.

    Returns
    -------
    The answers of each rival, one for each round: those with the same index were given within one round.
    """
    answers: dict[str, list[Answer]] = {name: [] for name in rivals}
    for number in range(1, runs + 1):
        print(f"{title}: round {number} of {runs}", file=sys.stderr, flush=True)
        for name, rival in rivals.items():
            answers[name].append(launch(rival))
    return answers


# --- Markdown ---


def describe_machine(threads: Iterable[int]) -> str:
    """Name the machine, the versions and the thread counts that a result belongs to, in one line."""
    facts = launch(Rival("machine.py", {}, cores()))["facts"]
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
