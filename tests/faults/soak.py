"""F22: a training that saves all the time, is paused at random and meets a full disk; what it holds must stay flat.

    python -m tests.faults --soak SECONDS

Every minute its memory and its open files are noted, from the second minute on they must not grow. Linux only.
"""

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

from charrnn import checkpoint
from tests.conftest import TEXT, command

_OPTIONS = ("--hidden-size", "64", "--steps", "1000000000", "--save-every", "20", "--eval-every", "200")
_GROWTH = 1.05
_FULL = 20.0  # seconds with a full disk


def held(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Bytes of memory, and the fewest open files of several looks: a save opens one more for a moment."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    files = []
    for _ in range(10):
        files.append(len(list(Path(f"/proc/{process.pid}/fd").iterdir())))
        time.sleep(0.01)
    return pages * resource.getpagesize(), min(files)


class Messages(Thread):
    """Reads what the training says through a pipe, which no full disk can cut off, and counts what failed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.stream, self.failed_saves = process.stderr, 0
        self.start()

    def run(self) -> None:
        for line in self.stream or ():
            self.failed_saves += b"training continues and will try again" in line


def main(seconds: float) -> int:
    """Train for so long; return 1 if something grew or broke."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("lamp.txt").write_text(TEXT * 20, newline="")
        arguments = [*command(["train", "lamp.txt"]), *_OPTIONS, "--checkpoint", "run.npz"]
        process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
        messages = Messages(process)
        begin = time.monotonic()
        figures: list[tuple[int, int]] = []
        pauses, was_full = 0, False
        while (passed := time.monotonic() - begin) < seconds:
            time.sleep(random.uniform(0.5, 4))  # noqa: S311 - moments, not secrets
            process.send_signal(signal.SIGSTOP)
            time.sleep(random.uniform(0, 1))  # noqa: S311 - moments, not secrets
            process.send_signal(signal.SIGCONT)
            pauses += 1
            if passed > 60 * (len(figures) + 1):
                figures.append(held(process))
                print(f"minute {len(figures)}: {figures[-1][0] / 1e6:.1f} MB, {figures[-1][1]} open files", flush=True)
            if passed > seconds / 2 and not was_full:
                was_full = True
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
                time.sleep(_FULL)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        process.terminate()
        code = process.wait()
        end = checkpoint.load("run.npz").progress
        messages.join()
        left = sorted(path.name for path in Path().iterdir())
    print(f"exit code {code}, step {end.step:,}, loss {end.smoothed_loss:.3f}")
    print(f"{pauses} pauses, {messages.failed_saves} saves failed")
    print(f"left in the folder: {left}")
    memory, files = zip(*figures[1:], strict=True)
    is_flat = max(memory) < _GROWTH * memory[0] and len(set(files)) == 1
    return int(not (is_flat and code == 128 + signal.SIGTERM and messages.failed_saves > 0))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
