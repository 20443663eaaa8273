"""``mpirun -n 4 charrnn train book.txt``: which of the ranks this process is, and how they begin and end together.

The first rank runs the command; the others do what it tells them, and read neither the command line nor a text's file.
Nobody who starts the program without such a launcher pays for any of it.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from charrnn.cli.signals import SIGNALS, Interruption
from charrnn.errors import ConfigError

if TYPE_CHECKING:
    from charrnn.training.trainer import Team

# What launchers say of each process they start: the names of its rank and of how many there are. Hydra (MPICH, Intel
# MPI), Slurm's pmi2; Open MPI; PMIx (Slurm, PRRTE); MVAPICH.
_LAUNCHERS = (
    ("PMI_RANK", "PMI_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMIX_RANK", "PMIX_SIZE"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
)


def launched_rank(arguments: list[str]) -> int | None:
    """Return which of several ranks that train together this process is; None where it is alone."""
    if arguments[:1] != ["train"]:
        return None
    for rank, size in _LAUNCHERS:
        if os.environ.get(rank, "").isdecimal() and os.environ.get(size) != "1":
            return int(os.environ[rank])
    return None


def exit_code_of(rank: int, command: Callable[["Team"], int], fail: Callable[[Exception], int]) -> int:
    """Run one rank to its end and return its exit code.

    The first rank runs `command`, which returns an exit code and raises nothing. `fail` says what went wrong and
    returns an exit code.
    """
    if rank:
        for number in SIGNALS:  # the first rank finishes the step, saves, and lets the others go
            signal.signal(number, signal.SIG_IGN)
        return _follow(rank, fail)
    early = Interruption()
    try:
        with early:  # the others must be there before they can be let go
            from charrnn.training.mpi import Ranks

            ranks = Ranks()
    except (ImportError, RuntimeError) as error:
        return fail(_missing(error))
    code = early.exit_code if early.is_requested() else command(ranks)
    ranks.end(code)
    return code


def _follow(rank: int, fail: Callable[[Exception], int]) -> int:
    try:
        from charrnn.training.mpi import abort, follow
    except (ImportError, RuntimeError):
        return ConfigError.exit_code  # the first rank says it
    try:
        follow()
    except Exception as error:  # noqa: BLE001 - whatever it is, the others must not wait for this rank
        sys.stderr.write(f"rank {rank}: ")
        abort(fail(error))
    return 0


def _missing(error: Exception) -> ConfigError:
    reason = str(error).splitlines()[0]
    return ConfigError(f"training on several ranks needs mpi4py and an MPI: `pip install mpi4py mpich` ({reason})")
