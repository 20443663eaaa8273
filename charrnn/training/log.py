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


def length_until(path: Path, step: int, rollbacks: int) -> int:
    """Length in bytes of what a log says of its run up to a save.

    That is up to the line of the save, which is missing where the process was killed right then, or the checkpoint is a
    copy; then what is of later steps, or of another number of rollbacks, at the end of the log is left out.

    Parameters
    ----------
    step, rollbacks : of the state that was saved: after a rollback a run comes to the same steps again

    Raises
    ------
    LogError
        If there is a file that is no log.
    """
    if not path.exists() or not path.stat().st_size:
        return 0
    entries = _entries(path)
    counts = _rollbacks(entries)
    saved = (step, rollbacks)
    length = _length_until(entries, counts, saved) or _length_until(entries, [None] * len(entries), saved)
    return entries[length - 1].end if length else 0


def _length_until(entries: list[Entry], counts: list[int | None], saved: tuple[int, int]) -> int:
    """Count the lines to keep; `counts` has the rollbacks before the end of each, None where that is not known."""
    step, rollbacks = saved
    length = len(entries)
    while length and (entries[length - 1].value["step"] > step or counts[length - 1] not in (None, rollbacks)):
        length -= 1
    saves = [place for place in range(length) if entries[place].value["event"] == "save"]
    if saves and _is(entries[saves[-1]], "save", step) and counts[saves[-1]] in (None, rollbacks):
        length = saves[-1] + 1
        while length < len(entries) and _is(entries[length], "sample", step):  # a fresh run saves before it samples
            length += 1
    while length and _is(entries[length - 1], "resume", step):  # of a run that was killed before it made a step
        length -= 1
    return length


def _rollbacks(entries: list[Entry]) -> list[int | None]:
    """Return how often the run had gone back at each line; None where an older log does not say so."""
    counts: list[int | None] = []
    count: int | None = 0
    for entry in entries:
        if entry.value["event"] in ("start", "resume"):
            told = entry.value.get("rollbacks", None if counts else 0)
            count = told if type(told) is int else None
        elif entry.value["event"] == "rollback" and count is not None:
            count += 1
        counts.append(count)
    return counts


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
