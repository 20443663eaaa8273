"""F1's program: processes that save in a loop are killed, and what each leaves is read.

    python -m tests.faults.saver FOLDER KILLS SEED

It prints what happened as JSON. The processes are forked from this one, so that a kill costs a few milliseconds.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from charrnn.archive import read_arrays, write_arrays
from charrnn.files import sweep_temporaries

NUMBERS = (1_300_000, 5_200_000)  # float32: 5 to 20 MB


def save_for_ever(path: Path, first: int, size: int, acknowledge: int) -> None:
    """Save one number after another, each in a whole array, and say so after each save."""
    for number in range(first, first + 10_000):
        write_arrays(path, {"W": np.full(size, number, np.float32), "number": np.array([number], np.int64)})
        os.write(acknowledge, number.to_bytes(8, "little"))
    os._exit(1)


def kill_once(path: Path, first: int, size: int, seconds: float) -> int:
    """Let a process save for a while and kill it; return the last number it said was saved, or the one before."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        save_for_ever(path, first, size, write_end)
    os.close(write_end)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    said = first - 1
    with os.fdopen(read_end, "rb") as stream:
        while number := stream.read(8):
            said = int.from_bytes(number, "little")
    return said


def main(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill and look, again and again."""
    rng = random.Random(seed)  # noqa: S311 - moments, not secrets
    path = folder / "run.npz"
    began = time.monotonic()
    write_arrays(path, {"W": np.zeros(NUMBERS[1], np.float32), "number": np.array([0], np.int64)})
    longest = max(0.15, 3 * (time.monotonic() - began))  # on a slow or busy disk, too, some saves must end
    number = saves = strays = unreadable = older = 0
    for _ in range(kills):
        before = number
        said = kill_once(path, number + 1, rng.randint(*NUMBERS), rng.uniform(0, longest))
        strays += len(sweep_temporaries(folder))
        if [file.name for file in folder.iterdir()] != ["run.npz"]:
            raise AssertionError(f"left behind: {sorted(path.name for path in folder.iterdir())}")
        try:
            arrays = read_arrays(path)
            number = int(arrays["number"][0])
            unreadable += not (arrays["W"] == number).all()
        except Exception:  # noqa: BLE001 - counted, whatever it is
            unreadable += 1
            write_arrays(path, {"W": np.zeros(9, np.float32), "number": np.array([said], np.int64)})
            number = said
        older += number < said
        saves += number - before
    return {"kills": kills, "saves": saves, "strays": strays, "unreadable": unreadable, "older": older}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
