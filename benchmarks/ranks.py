"""Several ranks on this machine against one process with as many threads, and a model of many machines on a network.

    python benchmarks/ranks.py [--runs 7] [--seconds 2]

The first table is measured: a step of one process with one thread and with two, of one rank and of two (each with one
thread), and what the two send each other with nothing else to do. The second is the model's: what follows from these
times and a network's latency and bandwidth for many machines, each with 16 streams and two threads.
"""

import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from measure import Answer, Rival, alternate, column, describe_machine, option_parser, show_median, show_ratio, table
from workload import Shape, default_shape

_SIZES = (256, 512, 1024)  # H
_MACHINES = (4, 16, 64, 256)
_NUMBER = 4  # bytes
_SMALL_MESSAGES = 5  # of one step that go to all or come from all


class Network(NamedTuple):
    """What a message costs between two machines."""

    name: str
    latency: float  # ms
    bandwidth: float  # bytes a ms


# A switch and TCP: the latency is an assumption, the bandwidth nine tenths of what the cable has.
_NETWORKS = (Network("1 Gbit/s", 0.05, 0.9 * 1e9 / 8e3), Network("25 Gbit/s", 0.02, 0.9 * 25e9 / 8e3))


class Machine(NamedTuple):
    """What was measured of one network's step, in ms."""

    steps: Mapping[int, float]  # by streams, on two threads; the update included
    update: float  # on two threads
    add: float  # to add up as many numbers as there are weights
    size: int  # weights


def shapes() -> dict[int, Shape]:
    """Return the default's shape with each hidden size."""
    return {H: default_shape()._replace(hidden_size=H) for H in _SIZES}


def rival(shape: Shape, seconds: float, *, threads: int = 1, ranks: int = 0) -> Rival:
    """Return one training to measure."""
    request = {"shape": shape, "seconds": seconds, "threads": threads, "ranks": ranks}
    return Rival("ranks_step.py", request, launcher=(launcher(), "-n", str(ranks)) if ranks else ())


def launcher() -> str:
    """Return this environment's launcher."""
    path = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    return path or sys.exit("an MPI is not installed; run: pip install mpi4py mpich")


def exchange(machines: int, size: int, network: Network, *, bytes_there: float = 4, bytes_back: float = 4) -> float:
    """Return the ms of a step's messages.

    Each machine sends a stretch of its gradient to every other, and its stretch of the weights to every other; the
    messages follow one another. The small ones go up or down a tree.
    """
    share = (machines - 1) / machines
    messages = 2 * (machines - 1) + _SMALL_MESSAGES * math.ceil(math.log2(machines))
    return share * size * (bytes_there + bytes_back) / network.bandwidth + messages * network.latency


def step(machine: Machine, machines: int, network: Network, streams: int, accumulate: int = 1, **wire: float) -> float:
    """Return the ms of a step in which every machine has so many streams."""
    gradient = machine.steps[streams] - machine.update
    update = machine.update / machines + machine.add
    return accumulate * gradient + update + exchange(machines, machine.size, network, **wire)


def measured_rows(answers: Mapping[str, list[Answer]]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of the steps and of the messages."""
    steps, messages = [], []
    for H in _SIZES:
        one, two, rank, ranks = (answers[f"{H} {name}"] for name in ("one", "two", "rank", "ranks"))
        sent = [a["scatter_ms"] + a["gather_ms"] + a["tell_ms"] + a["add_ms"] for a in ranks]
        steps.append(
            [
                str(H),
                *(show_median(column(rows, "ms")) for rows in (one, two, rank, ranks)),
                show_ratio(column(ranks, "ms"), column(two, "ms")),
                show_median(sent),
                f"{100 * median(a / b for a, b in zip(sent, column(ranks, 'ms'), strict=True)):.0f} %",
            ]
        )
        names = ("scatter_ms", "gather_ms", "tell_ms", "add_ms", "compute_ms", "overlapped_ms")
        size, output = ranks[0]["size"], ranks[0]["output"]
        messages.append(
            [str(H), f"{size:,}", f"{100 * output / size:.1f} %"] + [show_median(column(ranks, name)) for name in names]
        )
    return steps, messages


def fit(answers: Mapping[str, list[Answer]]) -> Network:
    """Fit latency and bandwidth of this machine's own memory to the two ranks' messages: a line through the sizes."""
    points = []
    for H in _SIZES:
        ranks = answers[f"{H} ranks"]
        ms = median(a["scatter_ms"] + a["gather_ms"] for a in ranks)
        points.append((ranks[0]["size"] * _NUMBER, ms))  # of two ranks each sends half of it twice
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    latency = median(a["tell_ms"] for H in _SIZES for a in answers[f"{H} ranks"]) / _SMALL_MESSAGES
    return Network("this machine's memory", latency, 1 / slope)


def check_rows(answers: Mapping[str, list[Answer]], here: Network) -> list[list[str]]:
    """Return what the model says of two ranks here beside what was measured."""
    rows = []
    for H in _SIZES:
        half, ranks = answers[f"{H} half"], answers[f"{H} ranks"]
        update = median(column(half, "update_ms"))
        gradient = median(column(half, "ms")) - update
        said = gradient + update / 2 + median(column(ranks, "add_ms")) + exchange(2, ranks[0]["size"], here)
        found = median(column(ranks, "ms"))
        rows.append([str(H), f"{said:.3g}", f"{found:.3g}", f"{said / found:.2f}"])
    return rows


def machine(H: int, answers: Mapping[str, list[Answer]]) -> Machine:
    """Collect what the model needs of one size."""
    two, many, ranks = answers[f"{H} two"], answers[f"{H} many"], answers[f"{H} ranks"]
    steps = {16: median(column(two, "ms")), 64: median(column(many, "ms"))}
    # The ranks' sum was of half the weights.
    add = 2 * median(column(ranks, "add_ms"))
    return Machine(steps, median(column(two, "update_ms")), add, ranks[0]["size"])


def predicted_rows(machines: Mapping[int, Machine]) -> list[list[str]]:
    """Return the model's rows: how many times the speed of one machine that does the same."""
    rows = []
    for network in _NETWORKS:
        for H, one in machines.items():
            for N in _MACHINES:
                ms = step(one, N, network, 16)
                ways = {
                    "batch": (one.steps[64], step(one, N, network, 64)),
                    "accumulate": (4 * one.steps[16] - 3 * one.update, step(one, N, network, 16, accumulate=4)),
                    "half there": (one.steps[16], step(one, N, network, 16, bytes_there=2)),
                }
                faster = [f"{N * alone / together:.3g}" for alone, together in ways.values()]
                sent = exchange(N, one.size, network) / ms
                rows.append([network.name, str(H), str(N), f"{ms:.3g}", f"{100 * sent:.0f} %"])
                rows[-1] += [f"{N * one.steps[16] / ms:.3g}", *faster]
    return rows


def main() -> None:
    """Measure, and print the tables."""
    options = option_parser(__doc__ or "").parse_args()
    rivals: dict[str, Rival] = {}
    for H, shape in shapes().items():
        half, many = (shape._replace(batch_size=streams) for streams in (8, 64))
        rivals |= {
            f"{H} one": rival(shape, options.seconds),
            f"{H} two": rival(shape, options.seconds, threads=2),
            f"{H} rank": rival(shape, options.seconds, ranks=1),
            f"{H} ranks": rival(shape, options.seconds, ranks=2),
            f"{H} half": rival(half, options.seconds),
            f"{H} many": rival(many, options.seconds, threads=2),
        }
    print(describe_machine([1, 2]) + "\n")
    answers = alternate(rivals, options.runs, "ranks")
    show(answers)


def show(answers: Mapping[str, list[Answer]]) -> None:
    """Print the tables."""
    steps, messages = measured_rows(answers)
    ways = ["one process", "two threads", "one rank", "two ranks"]
    header = ["hidden", *(f"{way}, ms" for way in ways), "two ranks ÷ two threads", "messages and sum, ms", "share"]
    print(table(header, steps) + "\n")
    header = ["hidden", "weights", "of which the output's", "gradient's stretches, ms", "weights' stretches, ms"]
    header += ["small messages, ms", "sum, ms", "a product, ms", "gradient's stretches begun before the product, ms"]
    print(table(header, messages) + "\n")
    here = fit(answers)
    print(f"Fitted: {1e3 * here.latency:.1f} µs a message, {here.bandwidth / 1e6:.2f} GB/s.\n")
    print(
        table(["hidden", "two ranks by the model, ms", "measured, ms", "model ÷ measured"], check_rows(answers, here))
    )
    rows = predicted_rows({H: machine(H, answers) for H in _SIZES})
    header = ["network", "hidden", "machines", "ms a step", "share of communication", "times one machine"]
    print("\n" + table([*header, "64 streams each", "--accumulate 4", "float16 gradient"], rows))


if __name__ == "__main__":
    main()
