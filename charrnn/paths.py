"""What the files of a run are called, and which was written last.

A run saved to ``kafka.npz`` keeps its best model in ``kafka-best.npz``, older states, where they are asked for, in
``kafka-step-400.npz`` and so on, and its log in ``kafka.log.jsonl``.

Where the texts and the model that come with the package are, and a user's own models.

In an installed wheel they lie in ``charrnn/data``; in a checkout, or an editable
install, at the top of the repository.
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


def default_corpus(separator: str = "") -> str:
    """Return what is learned where no text is named: a running text, or one of items where these have a separator."""
    return DEFAULT_ITEMS if separator else DEFAULT_CORPUS


def corpus_names() -> list[str]:
    """File names of the bundled texts, sorted."""
    return sorted(path.name for path in CORPORA.glob("*.txt"))


FOLDER = LOCAL_CHECKPOINTS
SUFFIX = ".npz"
LOG_SUFFIX = ".log.jsonl"
_BEST = "-best"
_LONGEST_NAME = 180  # bytes: file systems allow 255, and what stands beside a checkpoint has longer names
_KEPT = re.compile(r"-step-([0-9]+)$")


def default_path(name: str, number: int) -> Path:
    """Where the nth run on a text of this name is saved if nobody says where, from 1."""
    while len(os.fsencode(name)) > _LONGEST_NAME:
        name = name[:-1]
    stem = name if number == 1 else f"{name}-{number}"
    if _is_beside(stem) or stem == PRETRAINED.stem:
        stem = f"{stem}-run"
    return FOLDER / f"{stem}{SUFFIX}"


def check_name(path: Path) -> None:
    """Refuse what a run cannot be called.

    Raises
    ------
    ConfigError
        If its file would not be known for a checkpoint, or be taken for one that stands beside another run's.
    """
    if path.suffix != SUFFIX:
        ending = f"ends in {shown(path.suffix)}" if path.suffix else "has no ending"
        raise ConfigError(f"--checkpoint {shown(str(path))} {ending}: name a file that ends in {SUFFIX}")
    if _is_beside(path.stem):
        raise ConfigError(
            f"--checkpoint {shown(str(path))}: so ends the name of another run's best model, {_BEST}{SUFFIX}, or of a "
            f"state that it keeps, -step-400{SUFFIX}; choose another"
        )


def best_path(path: Path) -> Path:
    """Where a run keeps its best model by the held-out figure."""
    return path.with_name(f"{path.stem}{_BEST}{path.suffix}")


def log_path(path: Path) -> Path:
    """Where the log of a checkpoint's run is; a run's best model has that of the run."""
    stem = path.stem if path.suffix == ".npz" else path.name
    run = stem.removesuffix("-best")
    is_best = run and best_path(path.with_name(f"{run}.npz")) == path
    return path.with_name((run if is_best else stem) + LOG_SUFFIX)


def kept_path(path: Path, step: int) -> Path:
    """Where a run keeps the state that it was saved in at a step."""
    return path.with_name(f"{path.stem}-step-{step}{path.suffix}")


def is_kept(path: Path) -> bool:
    """Whether a file is called as one of the states that a run keeps."""
    return bool(_KEPT.search(path.stem))


def kept_states(path: Path) -> list[int]:
    """Return the steps whose states are kept beside a run's checkpoint, in their order."""
    ends = (_KEPT.search(file.stem) for file in path.parent.glob("*-step-*"))  # nothing where there is no folder
    return sorted({step for end in ends if end and kept_path(path, step := int(end[1])).exists()})


def newest(*, for_resume: bool = False) -> Path | None:
    """Find the checkpoint written last in ./checkpoints; None where there is none. Kept older states do not count.

    With `for_resume` that is a run's last state; else, for sampling, the best model of that run if it kept one.
    """
    written = []
    for path in FOLDER.glob("*.npz"):
        with contextlib.suppress(OSError):  # gone since, or a link to nowhere
            is_own = not path.stem.endswith(_BEST) and path.name != PRETRAINED.name
            if (is_own or not for_resume) and not _KEPT.search(path.stem):
                written.append((path.stat().st_mtime_ns, path))
    if not written:
        return None
    last = max(written)[1]
    best = best_path(last)
    return best if best.exists() and not for_resume else last


def _is_beside(stem: str) -> bool:
    """Whether a name is that of a file beside a run's own."""
    return stem.endswith(_BEST) or bool(_KEPT.search(stem))
