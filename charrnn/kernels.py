"""Which kernels the matrix products run on; asked for before NumPy is imported, or not at all.

NumPy's OpenBLAS chooses its kernels by the processor's model, and falls back to AVX2 on a model it does not know, even
one with AVX-512. On an AMD EPYC of family 26 (NumPy 2.4.6, OpenBLAS 0.3.31) that halves the speed: 108 GFLOP/s on one
core where the AVX-512 kernels reach 217. So the choice here goes by the instructions a processor says it has.
"""

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

# The instructions that OpenBLAS's SkylakeX kernels are compiled for.
_AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
_CORETYPE = "OPENBLAS_CORETYPE"


def choose_kernels(environment: MutableMapping[str, str], cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Ask OpenBLAS for its AVX-512 kernels where the processor has the instructions and nobody has chosen.

    Parameters
    ----------
    environment : changed in place; `os.environ`, before NumPy is imported
    cpuinfo : the kernel's description of the processor; where there is none, nothing is changed
    """
    if _CORETYPE in environment:
        return
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return
    flags = next((line for line in lines if line.startswith("flags")), "")
    if set(flags.split()) >= _AVX512:
        environment[_CORETYPE] = "SkylakeX"


def prepare() -> None:
    """Choose for this process; too late, and so left alone, once NumPy is there."""
    if "numpy" not in sys.modules:
        choose_kernels(os.environ)
