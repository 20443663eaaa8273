"""What a result depends on: the processor's vector instructions and the versions of everything that computes."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from measure import Answer, answer


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


def versions() -> str:
    """Name the rivals that are installed, with their versions, without importing them."""
    found = []
    for name, package in (("PyTorch", "torch"), ("onnxruntime", "onnxruntime"), ("JAX", "jax")):
        try:
            found.append(f"{name} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{name} absent")
    return ", ".join(found)


def describe(_request: Mapping[str, Any]) -> Answer:
    """Return all facts as one phrase."""
    numpy = f"NumPy {np.__version__} ({blas()})"
    return {"facts": f"{vector_instructions()}, Python {platform.python_version()}, {numpy}, {versions()}"}


if __name__ == "__main__":
    answer(describe)
