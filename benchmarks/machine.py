"""What a result depends on: the processor, how fast it multiplies, and the versions of everything that computes."""

import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from measure import Answer, answer

_RIVALS = {
    "PyTorch": "torch",
    "JAX": "jax",
    "TensorFlow": "tensorflow_cpu",
    "Keras": "keras",
    "onnxruntime": "onnxruntime",
}


def vector_instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name the widest vector instructions the processor has, as far as the system tells."""
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    if not flags:
        return platform.machine()
    return "AVX-512" if "avx512f" in flags else "AVX2, no AVX-512" if "avx2" in flags else "no AVX2"


def blas() -> str:
    """Name NumPy's matrix library and the kernels it chose, as far as threadpoolctl is there to ask."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "threadpoolctl is not installed to ask for its BLAS"
    pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return ", ".join(f"{pool['internal_api']} {pool['version']}, {pool.get('architecture')} kernels" for pool in pools)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name the processor's model, as far as the system tells."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    found = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    name = found.get("model name", platform.processor() or platform.machine())
    cache = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    size = f", L2 {cache.read_text().strip()}" if cache.exists() else ""
    return f"{name} (model {found.get('model', 'unknown')}{size})"


def product_rate() -> float:
    """Return how many GFLOP/s one large product reaches, the median of five."""
    size = 2048
    A = np.full((size, size), 0.5, np.float32)
    result = np.empty_like(A)
    rates = []
    for _ in range(5):
        start = perf_counter()
        np.matmul(A, A, out=result)
        rates.append(2e-9 * size**3 / (perf_counter() - start))
    return median(rates)


def versions() -> str:
    """Name the versions of the rivals that are installed, without importing them."""
    found = []
    for name, package in _RIVALS.items():
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(package)}")
    return ", ".join(found)


def describe(_request: Mapping[str, Any]) -> Answer:
    """Return all facts as one phrase."""
    machine = f"{processor()}, {vector_instructions()}, {product_rate():.0f} GFLOP/s in a product of 2,048 on one core"
    numpy = f"NumPy {np.__version__} ({blas()})"
    return {"facts": ", ".join(filter(None, (machine, f"Python {platform.python_version()}", numpy, versions())))}


if __name__ == "__main__":
    answer(describe)
