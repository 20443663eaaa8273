"""One training of `ranks.py`: a process alone, or (under an MPI's launcher) one of several ranks.

Beside the step it times what the ranks send each other, with nothing else to do: the gradient's stretches to all, the
sum, and the weights' stretches to all; then the small messages of a step; and whether an exchange that is begun goes on
while NumPy computes.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from measure import Answer, answer, median_ms
from mpi4py import MPI
from workload import Shape

from charrnn.text.vocabulary import Vocabulary
from charrnn.training.data import share
from charrnn.training.mpi import Ranks, follow
from charrnn.training.trainer import ALONE, Team, Trainer

_REPEATS = 20
COMM = MPI.COMM_WORLD


def step_ms(shape: Shape, threads: int, seconds: float, team: Team) -> Answer:
    """Time a step, and the update that is part of it."""
    config = replace(shape.config(), threads=threads, reduction="mean")
    vocabulary = Vocabulary("".join(map(chr, range(0x100, 0x100 + shape.vocab_size))))
    trainer = Trainer(config, vocabulary, shape.text(), team=team)
    ms = median_ms(lambda: trainer.train_step(0.0), seconds)
    update = median_ms(lambda: trainer.engine.update(0.0, 1.0), seconds / 4)
    size = trainer.params.vector.size
    output = sum(array.size for name, array in trainer.params.items() if name.startswith("linear."))
    trainer.close()
    return {"ms": ms, "update_ms": update, "size": size, "output": output}


def timed(work: Callable[[], object]) -> float:
    """Return the milliseconds of one go that all ranks begin at once."""
    COMM.Barrier()
    start = perf_counter()
    work()
    return 1e3 * (perf_counter() - start)


def exchange_ms(size: int) -> Answer:
    """Time the messages of a step, and the sum, of so many numbers; all ranks do this at once."""
    N = COMM.size
    stretches = [share(size, rank, N) for rank in range(N)]
    counts, starts = [len(own) for own in stretches], [own.start for own in stretches]
    vector, received = np.ones(size, np.float32), np.empty((N, counts[COMM.rank]), np.float32)
    there = [vector, (counts, starts)], [received, [counts[COMM.rank]] * N]
    small, everyone = np.zeros(5), np.zeros((N, 5))
    A = np.ones((600, 600), np.float32)

    def gather() -> None:
        COMM.Allgatherv(MPI.IN_PLACE, [vector, (counts, starts)])

    def tell() -> None:
        for _ in range(3):
            COMM.Bcast(small)
        for _ in range(2):
            COMM.Gather(small, everyone)

    def add() -> None:
        for part in received[1:]:
            np.add(received[0], part, out=received[0])

    def compute() -> None:
        for _ in range(3):
            A @ A

    def overlapped() -> None:
        request = COMM.Ialltoallv(*there)
        compute()
        request.Wait()

    works = {
        "scatter_ms": lambda: COMM.Alltoallv(*there),
        "gather_ms": gather,
        "tell_ms": tell,
        "add_ms": add,
        "compute_ms": compute,
        "overlapped_ms": overlapped,
    }
    return {name: median([timed(work) for _ in range(_REPEATS + 3)][3:]) for name, work in works.items()}


def main(request: Mapping[str, Any]) -> Answer:
    """Return what was measured."""
    shape, seconds = Shape(*request["shape"]), request["seconds"]
    if not request["ranks"]:
        return step_ms(shape, request["threads"], seconds, ALONE)
    ranks = Ranks()
    found = step_ms(shape, 1, seconds, ranks)
    ranks.end(0)
    COMM.bcast(found["size"])
    return found | exchange_ms(found["size"])


if __name__ == "__main__":
    if COMM.rank == 0:
        answer(main)
    else:
        follow()
        exchange_ms(COMM.bcast(None))
