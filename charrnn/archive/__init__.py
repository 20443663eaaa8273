"""Named arrays in one ``.npz`` file: a bounded reader, a writer that leaves the file whole or absent, a lock.

What the arrays mean is ``checkpoint.py``'s business. ``numpy.load(path, allow_pickle=False)`` reads these
files too, but it is no validator: on a damaged or hostile file it may raise anything, hang, fill the
memory, or return wrong numbers without a word. ``read_arrays`` returns what was written or raises one
``CheckpointError``.
"""

from charrnn.archive.lock import Lock, released_on_failure
from charrnn.archive.reader import read_arrays
from charrnn.archive.writer import replacing, sweep_temporaries, write_arrays

__all__ = ["Lock", "read_arrays", "released_on_failure", "replacing", "sweep_temporaries", "write_arrays"]
