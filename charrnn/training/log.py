"""The log of a run, beside its checkpoint: ``kafka.log.jsonl`` beside ``kafka.npz``. What it says: `records`."""

from pathlib import Path
from typing import Any

from charrnn.errors import LogError, shown
from charrnn.run_files import best_path
from charrnn.training.json_lines import Entry, read_entries

SUFFIX = ".log.jsonl"
_LARGEST_STEP = 1 << 53  # and one more: what a float still counts


def log_path(path: Path) -> Path:
    """Where the log of a checkpoint's run is; a run's best model has that of the run."""
    stem = path.stem if path.suffix == ".npz" else path.name
    run = stem.removesuffix("-best")
    is_best = run and best_path(path.with_name(f"{run}.npz")) == path
    return path.with_name((run if is_best else stem) + SUFFIX)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the records of a log, those of damaged lines left out.

    Raises
    ------
    LogError
        If the file is missing, cannot be read, or is no log.
    """
    return [entry.value for entry in _entries(path)]


def length_until(path: Path, step: int) -> int:
    """Length in bytes of what a log says of its run up to a step that the run was saved at.

    That is up to the save of that step. It may be missing where the process was killed right then, or the checkpoint is
    a copy; then what is of later steps at the end of the log is left out.

    Raises
    ------
    LogError
        If there is a file that is no log.
    """
    if not path.exists() or not path.stat().st_size:
        return 0
    entries = _entries(path)
    length = len(entries)
    saves = [place for place, entry in enumerate(entries, 1) if _is(entry, "save", step)]
    if saves:
        length = saves[-1]
        while length < len(entries) and _is(entries[length], "sample", step):  # a fresh run saves before it samples
            length += 1
    while length and entries[length - 1].value["step"] > step:
        length -= 1
    return entries[length - 1].end if length else 0


def _entries(path: Path) -> list[Entry]:
    entries = []
    try:
        for entry in read_entries(path):
            if _is_record(entry.value):
                entries.append(entry)
            elif not entries:
                break  # the first object tells what file this is
    except OSError as error:
        raise LogError(f"the log {shown(str(path))} cannot be read: {error.strerror or error}") from error
    if not entries:
        raise LogError(f"{shown(str(path))} is not the log of a run")
    return entries


def _is_record(value: dict[str, Any]) -> bool:
    step = value.get("step")
    return isinstance(value.get("event"), str) and type(step) is int and 0 <= step < _LARGEST_STEP


def _is(entry: Entry, event: str, step: int) -> bool:
    return (entry.value["event"], entry.value["step"]) == (event, step)
