"""Each rank's part of the text: sent to it once, and kept by it until the training ends.

Of a running text that is the stretch which its streams read. Of items it is all, as any may come to any stream.
"""

from functools import partial
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from charrnn.cache import scratch
from charrnn.text.cells import Integers
from charrnn.text.mapped import is_mapped, let_go
from charrnn.training.division import Batches, share
from charrnn.training.mpi.rank import LEADER

_BLOCK = 1 << 22  # ids sent at once


def give(comm: MPI.Intracomm, streams: Batches) -> None:
    """Send every other rank its part of the text; each must `take` it."""
    for rank in range(comm.size):
        if rank != LEADER:
            arrays, make = streams.cut(share(streams.batch_size, rank, comm.size))
            comm.send((make, [(array.dtype, len(array), is_mapped(array)) for array in arrays]), rank)
            for array in arrays:
                for start in range(0, len(array), _BLOCK):
                    comm.Send(np.ascontiguousarray(array[start : start + _BLOCK]), rank)
                    let_go(array)


def take(comm: MPI.Intracomm) -> Batches:
    """Receive this rank's part of the text: into memory, what is long and a map there too into a file."""
    make, arrays = comm.recv(source=LEADER)
    batches: Batches = make(*(_receive(comm, *array) for array in arrays))
    return batches


def _receive(comm: MPI.Intracomm, dtype: np.dtype[Any], size: int, is_in_file: bool) -> NDArray[Any]:
    numbers = Integers(dtype, partial(scratch, size * dtype.itemsize) if is_in_file else None)
    block = np.empty(min(_BLOCK, size), dtype)
    for start in range(0, size, _BLOCK):
        here = block[: size - start]
        comm.Recv(here, LEADER)
        numbers.append(here)
    return numbers.finish()
