"""The machine: free memory, what decides the last bits of a sum, and the threads of the BLAS.

`charrnn.environment` asks for one thread before NumPy is loaded; `one_thread` does so when it was loaded before.
"""

import ctypes
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from charrnn.environment import THREAD_VARIABLES

if sys.platform != "win32":
    import resource

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
# Names of OpenBLAS's functions in NumPy's own wheels and in other builds.
_OPENBLAS_NAMES = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")


def available_memory() -> int | None:
    """Return the bytes this process can still allocate without swapping; None if the system does not say."""
    return min(_bounds(), default=None)


def format_bytes(count: int) -> str:
    """Return an amount of memory for people: ``14.2 MB``."""
    power = min((len(str(count)) - 1) // 3, len(_UNITS) - 1)
    return f"{count / 1000**power:.3g} {_UNITS[power]}"


def describe_numerics() -> Mapping[str, str]:
    """Name what decides the last bits of floating-point sums; equal descriptions mean equal bits."""
    core = _numpy_core()
    simd = [name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)]
    return {
        "NumPy": np.__version__,
        "BLAS": _describe_blas(),
        "SIMD": " ".join(simd),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def openblas(*functions: str) -> tuple[Any, ...] | None:
    """Return functions of NumPy's OpenBLAS by their plain names; None if NumPy uses another library."""
    library = _library(str(_numpy_core().__file__))
    for name in _OPENBLAS_NAMES:
        found = tuple(getattr(library, name.format(function), None) for function in functions)
        if all(found):
            return found
    return None


@cache
def thread_functions() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """Return the functions that get and set the number of BLAS threads; None if there are none."""
    if found := openblas("get_num_threads", "set_num_threads"):
        return found[0], found[1]
    library = _library(str(_numpy_core().__file__))
    get, set_ = (getattr(library, name, None) for name in ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"))
    return (get, set_) if get and set_ else None


def _numpy_core() -> Any:
    return sys.modules["numpy._core._multiarray_umath"]  # where `numpy.show_runtime` looks too


def _describe_blas() -> str:
    """Name OpenBLAS's version, kernels and threads, or the other library that NumPy was built with."""
    if found := openblas("get_config", "get_corename", "get_num_threads"):
        config, kernels, threads = found
        config.restype = kernels.restype = ctypes.c_char_p
        version = " ".join(config().decode().split()[:2])
        return f"{version}, {kernels().decode()} kernels, threads: {threads()}"
    built: Any = np.show_config(mode="dicts")
    blas = built["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']}"


def _library(path: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(path)  # finds the functions of the libraries it is linked with, too
    except OSError:
        return None


def _bounds() -> Iterator[int]:
    """Yield each limit on memory that the system reports."""
    free = re.search(r"^MemAvailable:\s*(\d+) kB$", _read("/proc/meminfo"), re.MULTILINE)
    if free:
        yield int(free[1]) * 1024
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _CGROUP_LIMITS:
        allowed = _read(path).strip()
        if allowed.isdecimal():  # else "max", or no such file
            yield int(allowed)
    if sys.platform != "win32":
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            pages = _read("/proc/self/statm").split()
            yield max(0, limit - (int(pages[0]) * os.sysconf("SC_PAGE_SIZE") if pages else 0))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def one_thread(*, always: bool = False) -> Iterator[None]:
    """Limit the BLAS to one thread within the block; unless `always`, not if the environment asks for a number."""
    functions = thread_functions()
    if functions is None or not (always or not any(name in os.environ for name in THREAD_VARIABLES)):
        yield
        return
    get, set_ = functions
    before = get()
    set_(1)
    try:
        yield
    finally:
        set_(before)


def with_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Limit the BLAS to one thread while a function runs, unless the environment asks for a number of threads."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with one_thread():
            return function(*args, **kwargs)

    return run
