"""Where the bundled files are, and what the files of a run are called.

The bundled texts and model are in ``charrnn/data`` of an installed wheel, and at the top of the repository in a
checkout or an editable install.

A run saved to ``book.npz`` keeps its best model in ``book-best.npz``, older states (``--keep``) in
``book-step-400.npz`` and so on, and its log in ``book.log.jsonl``.
"""

import contextlib
import os
import re
from pathlib import Path

from charrnn.errors import ConfigError, shown

_PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = _PACKAGE / "data"
_HOME = _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent

CORPORA = _HOME / "corpora"
PRETRAINED = _HOME / "checkpoints" / "pretrained.npz"
DEFAULT_CORPUS, DEFAULT_ITEMS = "harbour-clerk.txt", "villages.txt"
LOCAL_CHECKPOINTS = Path("checkpoints")

SUFFIX = ".npz"
LOG_SUFFIX = ".log.jsonl"
_BEST = "-best"
_LONGEST_NAME = 180  # bytes; file systems allow 255, and the other files of a run have longer names
_KEPT = re.compile(r"-step-([0-9]+)$")


def default_corpus(separator: str = "") -> str:
    """Return the text to learn if none is named: a running text, or one of items if there is a separator."""
    return DEFAULT_ITEMS if separator else DEFAULT_CORPUS


def corpus_names() -> list[str]:
    """Return the file names of the bundled texts, sorted."""
    return sorted(path.name for path in CORPORA.glob("*.txt"))


def default_path(name: str, number: int) -> Path:
    """Return where the nth run (from 1) on a text of this name is saved by default."""
    while len(os.fsencode(name)) > _LONGEST_NAME:
        name = name[:-1]
    stem = name if number == 1 else f"{name}-{number}"
    if _is_beside(stem) or stem == PRETRAINED.stem:
        stem = f"{stem}-run"
    return LOCAL_CHECKPOINTS / f"{stem}{SUFFIX}"


def check_name(path: Path) -> None:
    """Raise `ConfigError` for a name that a run's checkpoint cannot have."""
    if path.suffix != SUFFIX:
        ending = f"ends in {shown(path.suffix)}" if path.suffix else "has no ending"
        message = "{} {path} {ending}: name a file that ends in {suffix}"
        raise ConfigError(message, "checkpoint", path=shown(str(path)), ending=ending, suffix=SUFFIX)
    if _is_beside(path.stem):
        raise ConfigError(
            "{} {path}: names that end in {best} or {kept} are for the best model and the kept states of a run; choose "
            "another",
            "checkpoint",
            path=shown(str(path)),
            best=f"{_BEST}{SUFFIX}",
            kept=f"-step-400{SUFFIX}",
        )


def best_path(path: Path) -> Path:
    """Return where a run keeps its best model by the held-out loss."""
    return path.with_name(f"{path.stem}{_BEST}{path.suffix}")


def log_path(path: Path) -> Path:
    """Return where the log of a checkpoint's run is; a run's best model has the log of the run."""
    stem = path.stem if path.suffix == ".npz" else path.name
    run = stem.removesuffix("-best")
    is_best = run and best_path(path.with_name(f"{run}.npz")) == path
    return path.with_name((run if is_best else stem) + LOG_SUFFIX)


def kept_path(path: Path, step: int) -> Path:
    """Return where a run keeps its state at a step."""
    return path.with_name(f"{path.stem}-step-{step}{path.suffix}")


def is_kept(path: Path) -> bool:
    """Whether a file has the name of a kept state."""
    return bool(_KEPT.search(path.stem))


def kept_states(path: Path) -> list[int]:
    """Return the steps whose states are kept, in ascending order."""
    ends = (_KEPT.search(file.stem) for file in path.parent.glob("*-step-*"))  # nothing if there is no folder
    return sorted({step for end in ends if end and kept_path(path, step := int(end[1])).exists()})


def newest(*, for_resume: bool = False) -> Path | None:
    """Find the checkpoint written last in ./checkpoints; None if there is none. Kept states do not count.

    With `for_resume` that is a run's last state; otherwise the best model of that run if there is one.
    """
    names = _runs(LOCAL_CHECKPOINTS, for_resume=for_resume)
    return _file_of(LOCAL_CHECKPOINTS, names[0], for_resume=for_resume) if names else None


def models() -> dict[str, Path]:
    """Return the file of each model by its short name.

    First come those in ./checkpoints, then those in this folder, each the newest first, and then the model that comes
    with the program. A name stands for a run; its file is the run's best model if there is one. If the name is taken,
    that of the file stands in its place.
    """
    found = {name: _file_of(LOCAL_CHECKPOINTS, name) for name in _runs(LOCAL_CHECKPOINTS)}
    for name in _runs(Path()):
        path = _file_of(Path(), name)
        found[str(path) if name in found else name] = path
    return found | {PRETRAINED.stem: PRETRAINED}


def find_model(path: Path, *, for_resume: bool = False) -> Path:
    """Return the checkpoint that a path or a short name means; the path itself if there is none.

    With `for_resume` a short name means a run's last state, otherwise its best model if there is one.
    """
    if path.name.endswith(SUFFIX) or _is_file(path):
        return path
    if path == Path(PRETRAINED.stem):
        return PRETRAINED
    for folder in (LOCAL_CHECKPOINTS, Path()) if path == Path(path.name) else (path.parent,):
        file = _file_of(folder, path.name, for_resume=for_resume)
        if _is_file(file):
            return file
    return path


def _runs(folder: Path, *, for_resume: bool = False) -> list[str]:
    """Return the names of the runs in a folder, the one written last first."""
    written: dict[str, int] = {}
    for path in folder.glob(f"*{SUFFIX}"):
        is_best = path.stem.endswith(_BEST)
        if _KEPT.search(path.stem) or path.name == PRETRAINED.name or (is_best and for_resume):
            continue
        run = path.stem.removesuffix(_BEST)
        name = run if is_best and path.with_name(f"{run}{SUFFIX}").exists() else path.stem
        with contextlib.suppress(OSError):  # just removed, or a broken link
            written[name] = max(written.get(name, 0), path.stat().st_mtime_ns)
    return sorted(written, key=lambda name: (written[name], name), reverse=True)


def _file_of(folder: Path, name: str, *, for_resume: bool = False) -> Path:
    path = folder / f"{name}{SUFFIX}"
    best = best_path(path)
    return best if _is_file(best) and not for_resume else path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long
        return False


def _is_beside(stem: str) -> bool:
    """Whether a name is that of a best model or a kept state."""
    return stem.endswith(_BEST) or bool(_KEPT.search(stem))
