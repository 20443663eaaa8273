"""How much memory this process has held at most, in bytes, since it was last asked to forget."""

import resource
import sys
from pathlib import Path

_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Let the peak be what is held now, where the system can do that."""
    if _FORGET.exists():
        _FORGET.write_text("5")


def peak() -> int:
    """Return the greatest resident size."""
    if _STATUS.exists():  # `getrusage` would also count what the process was before it became this program
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
