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
    """Return which of several ranks that train together this process is; None where it is alone.

    Parameters
    ----------
    arguments : the command line's, the program's name left out
    """
    if arguments[:1] != ["train"]:
        return None
    for rank, size in _LAUNCHERS:
        if os.environ.get(rank, "").isdecimal() and os.environ.get(size) != "1":
            return int(os.environ[rank])
    return None


def exit_code_of(rank: int, command: Callable[["Team"], int], fail: Callable[[Exception], int]) -> int:
    """Run one rank to its end and return its exit code.

    Parameters
    ----------
    command : what the first rank runs, told who trains; it returns an exit code and raises nothing
    fail : says what went wrong and returns an exit code
    """
    if rank:
        for number in SIGNALS:  # the first rank finishes the step, saves, and lets the others go
            signal.signal(number, signal.SIG_IGN)
        return _follow(rank, fail)
    watch, early = _Watch(), Interruption()
    try:
        with early:  # the others must be there before they can be let go
            from charrnn.training.mpi import Ranks

            ranks = Ranks()
    except (ImportError, RuntimeError) as error:
        watch.end()
        return fail(_missing(error))
    code = early.exit_code if early.is_requested() else command(ranks)
    watch.end()
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


class _Watch:
    """Says in one line that the job has died, where its first rank was killed and cannot.

    A launcher that sees one rank die kills the others at once. So a small process of its own waits beside the first
    rank for the end of a pipe.
    """

    def __init__(self) -> None:
        self._pipe: int | None = None
        if not hasattr(os, "fork"):
            return
        reading, writing = os.pipe()
        try:
            is_child = os.fork() == 0
        except OSError:  # no more processes may be started, and this one is not needed to train
            os.close(reading)
            os.close(writing)
            return
        if is_child:
            os.close(writing)
            _wait(reading)
        os.close(reading)
        self._pipe = writing

    def end(self) -> None:
        """Say nothing: this rank comes to its end by itself."""
        if self._pipe is not None:
            os.write(self._pipe, b".")
            os.close(self._pipe)
            self._pipe = None


def _wait(reading: int) -> None:
    os.setsid()  # away from those that are killed together
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    if not os.read(reading, 1):
        os.write(2, b"charrnn: a rank died, and with it the job; resume from the last checkpoint with --resume\n")
    os._exit(0)
