"""F11: a coverage-guided fuzzer (atheris) on the reader and on the description in a checkpoint. Run by hand:

    pip install atheris
    python -m tests.faults.fuzz reader CORPUS -max_total_time=300
    python -m tests.faults.fuzz description CORPUS -max_total_time=300

CORPUS is a folder, which is filled with good files first and with what the fuzzer finds then; it goes on from there the
next time. Whatever raises another error than `CheckpointError` stops it, and is kept as a file ``crash-…``.
"""

import functools
import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import atheris
import numpy as np
from numpy.typing import NDArray

with atheris.instrument_imports(include=["charrnn.archive", "charrnn.checkpoint", "json"]):
    from charrnn import checkpoint
    from charrnn.archive import read_arrays, write_arrays
    from charrnn.errors import CheckpointError

from tests.test_checkpoint import made

_FILE = Path(f"/dev/shm/charrnn-fuzz-{os.getpid()}.npz")  # noqa: S108 - memory, not a disk


def read_as_it_is(data: bytes) -> None:
    """Read bytes as a checkpoint."""
    _FILE.write_bytes(data)
    try:
        checkpoint.load(_FILE)
    except CheckpointError as error:
        if not str(error).isprintable():
            raise AssertionError(str(error)) from error


def read_with_checksums(data: bytes) -> None:
    """Read bytes as a checkpoint, once as they are, and once with the checksums that they should have.

    Without that hardly any of what a fuzzer makes would come past a member's checksum.
    """
    read_as_it_is(data)
    mended, at = bytearray(data), 0
    directory = data.rfind(b"PK\1\2")
    while 0 <= (at := data.find(b"PK\3\4", at)) < directory:
        name, extra = (
            int.from_bytes(data[at + 26 : at + 28], "little"),
            int.from_bytes(data[at + 28 : at + 30], "little"),
        )
        begin = at + 30 + name + extra
        entry = data.find(b"PK\1\2", 0)
        while entry >= 0:
            if int.from_bytes(data[entry + 42 : entry + 46], "little") == at:
                size = int.from_bytes(data[entry + 20 : entry + 24], "little")
                mended[entry + 16 : entry + 20] = zlib.crc32(data[begin : begin + size]).to_bytes(4, "little")
            entry = data.find(b"PK\1\2", entry + 4)
        at += 4
    read_as_it_is(bytes(mended))


@functools.cache
def good_arrays() -> dict[str, NDArray[Any]]:
    """The arrays of a good checkpoint."""
    checkpoint.save(_FILE, made("vanilla", "adagrad"))
    return read_arrays(_FILE)


def read_description(data: bytes) -> None:
    """Read a good checkpoint with these bytes as its description."""
    arrays = {**good_arrays(), "meta": np.frombuffer(data, np.uint8)}
    np.savez(_FILE, **arrays)  # type: ignore[arg-type] # options are no arrays
    try:
        checkpoint.load(_FILE)
    except CheckpointError as error:
        if not str(error).isprintable():
            raise AssertionError(str(error)) from error


def seed(target: str, corpus: Path) -> None:
    """Fill the corpus with good files."""
    corpus.mkdir(parents=True, exist_ok=True)
    path = corpus / "good"
    for cell in ("vanilla", "lstm", "gru"):
        checkpoint.save(path, made(cell, "adagrad"))
        data = path.read_bytes()
        meta = read_arrays(path)["meta"].tobytes()
        (corpus / f"good-{cell}").write_bytes(data if target == "reader" else meta)
    path.unlink()
    if target == "reader":
        write_arrays(path, {"W": np.zeros(2, np.float32), "meta": np.frombuffer(b'{"format": 1}', np.uint8)})
        return
    (corpus / "small").write_bytes(json.dumps({"format": 1, "vocabulary": "ab"}).encode())


def main() -> None:
    """Run the fuzzer with libFuzzer's own options."""
    target, corpus, *options = sys.argv[1:]
    seed(target, Path(corpus))
    sys.argv = [sys.argv[0], corpus, *options]
    atheris.Setup(sys.argv, read_with_checksums if target == "reader" else read_description)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
