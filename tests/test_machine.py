"""How much memory is free, and what decides the last bits of a sum."""

import json
import os
import subprocess
import sys

import pytest

from charrnn import machine
from charrnn.machine import available_memory, describe_numerics, format_bytes

GIB = 1 << 30


def system(monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    """Let the system say this and nothing else."""
    monkeypatch.setattr(machine, "_read", lambda path: files.get(path, ""))


def test_the_least_of_what_the_system_says_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   2097152 kB\n"}
    system(monkeypatch, free)
    assert available_memory() == 2 * GIB
    system(monkeypatch, free | {"/sys/fs/cgroup/memory.max": f"{GIB}\n"})
    assert available_memory() == GIB
    system(monkeypatch, free | {"/sys/fs/cgroup/memory.max": "max\n"})
    assert available_memory() == 2 * GIB


def test_a_system_that_tells_nothing_of_what_is_free_has_all_of_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, {})
    assert available_memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to this limit")
def test_a_limit_on_the_address_space_counts() -> None:
    code = (
        "import resource, charrnn.machine as m\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({4 * GIB}, {4 * GIB}))\n"
        "print(m.available_memory())"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert 0 < int(out) < 4 * GIB


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (14_200_000, "14.2 MB"), (10**12, "1 TB"), (10**26, "100 YB")],
)
def test_bytes_are_written_as_people_do(count: int, words: str) -> None:
    assert format_bytes(count) == words


def described(**environment: str) -> dict[str, str]:
    code = "import json; from charrnn.machine import describe_numerics; print(json.dumps(describe_numerics()))"
    out = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, env={**os.environ, **environment}
    ).stdout
    return dict(json.loads(out))


def test_the_description_is_the_same_each_time_and_plain_text() -> None:
    assert describe_numerics() == describe_numerics()
    assert all(value.isprintable() for value in describe_numerics().values())
    assert describe_numerics().keys() == {"NumPy", "BLAS", "SIMD", "machine"}


def test_other_kernels_and_threads_are_described_otherwise() -> None:
    usual = described(OPENBLAS_NUM_THREADS="1", OPENBLAS_CORETYPE="")
    if "OpenBLAS" not in usual["BLAS"] or "x86_64" not in usual["machine"]:
        pytest.skip("the kernels named here are OpenBLAS's for x86-64")
    assert described(OPENBLAS_NUM_THREADS="2", OPENBLAS_CORETYPE="")["BLAS"] != usual["BLAS"]
    assert "Sandybridge" in described(OPENBLAS_NUM_THREADS="1", OPENBLAS_CORETYPE="Sandybridge")["BLAS"]


def test_fewer_vector_instructions_are_described_otherwise() -> None:
    usual = describe_numerics()["SIMD"].split()
    if not usual:
        pytest.skip("NumPy uses no more here than it was built for")
    assert usual[-1] not in described(NPY_DISABLE_CPU_FEATURES=usual[-1])["SIMD"].split()
