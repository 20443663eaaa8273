"""Each rank's part of the text: sent to it once, and kept by it until the training ends.

Of a running text that is the stretch which its streams read. Of items it is all, as any may come to any stream.
"""

from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from charrnn.cache import scratch
from charrnn.text.cells import Cells
from charrnn.text.mapped import let_go
from charrnn.training.division import Batches
from charrnn.training.mpi.rank import LEADER
from charrnn.training.shard import share

_BLOCK = 1 << 24  # ids sent at once


def give(comm: MPI.Intracomm, streams: Batches) -> None:
    """Send every other rank its part of the text; each must `take` it."""
    for rank in range(comm.size):
        if rank != LEADER:
            ids, make = streams.cut(share(streams.batch_size, rank, comm.size))
            comm.send((make, ids.dtype, len(ids)), rank)
            for start in range(0, len(ids), _BLOCK):
                comm.Send(np.ascontiguousarray(ids[start : start + _BLOCK]), rank)
                let_go(ids)


def take(comm: MPI.Intracomm) -> Batches:
    """Receive this rank's part of the text: into memory, or what is long into a file of its own."""
    make, dtype, size = comm.recv(source=LEADER)
    batches: Batches = make(_receive(comm, dtype, size))
    return batches


def _receive(comm: MPI.Intracomm, dtype: np.dtype[Any], size: int) -> NDArray[Any]:
    cells = Cells(lambda: scratch(size * dtype.itemsize))
    block = np.empty(min(_BLOCK, size), dtype)
    for start in range(0, size, _BLOCK):
        here = block[: size - start]
        comm.Recv(here, LEADER)
        cells.append(here.tobytes())
    return np.frombuffer(cells.view(), dtype)
