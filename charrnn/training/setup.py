"""From what a user asks for to a `Run` that is ready: a fresh one; `resuming` has those that go on."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn import checkpoint
from charrnn.archive import Lock
from charrnn.bundled import DEFAULT_CORPUS
from charrnn.checkpoint import Checkpoint
from charrnn.errors import ConfigError, InUseError, shown
from charrnn.run_files import FOLDER, best_path, kept_path, kept_states
from charrnn.text.batches import fit
from charrnn.text.corpus import read_corpus, split
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import MOST_LAYERS, RECIPES, TrainConfig, flag, format_sizes, suited_settings
from charrnn.training.log import log_path
from charrnn.training.memory import check_memory
from charrnn.training.passes import planned_passes
from charrnn.training.prepared import PreparedRun, change, corpus_info, prepare
from charrnn.training.resuming import RESUMABLE, resume_run
from charrnn.training.team import ALONE, Team

__all__ = ["RESUMABLE", "PreparedRun", "resume_run", "start_run"]


def start_run(
    texts: Sequence[str],
    changes: Mapping[str, Any],
    *,
    recipe: str = "default",
    num_layers: int | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
    normalize: str = "none",
    path: Path | None = None,
    overwrite: bool = False,
    init_from: Path | None = None,
    team: Team = ALONE,
) -> PreparedRun:
    """Prepare a fresh run.

    Parameters
    ----------
    texts : names as `charrnn.text.corpus.read_corpus` takes them; none for the bundled default
    changes : fields of the configuration that differ from the recipe's
    recipe : name of the configuration to start from
    num_layers : layers of the one hidden size
    encoding, errors, normalize : of the texts, as `charrnn.text.corpus.read_corpus` takes them
    path : where to save; by default the text's name in ./checkpoints, or the next that is free
    overwrite : whether `path` may exist
    init_from : checkpoint whose weights the run starts from; the model is then like its own
    team : who trains

    Raises
    ------
    CheckpointError
        If `init_from` cannot be used, nothing can be saved at `path`, or another process does so.
    InputError, UnreadableTextError
        If the text or the options cannot be used.
    """
    config = _stack(change(RECIPES[recipe].config, changes), num_layers)
    source = checkpoint.load(init_from) if init_from else None
    if source:
        config = _like(source, config, {*changes, *(["hidden_sizes"] if num_layers else [])})
    lock = _hold(path, overwrite=overwrite) if path and path.parent.is_dir() else None
    decoding: dict[str, Any] = {"encoding": encoding, "errors": errors, "normalize": normalize}
    corpus = read_corpus(texts or [DEFAULT_CORPUS], **decoding)
    notes = list(corpus.notes)
    training, _ = split(corpus.ids, config.val_fraction)
    batch_size, seq_length, shrunk = fit(len(training), config.batch_size, config.seq_length)
    config = replace(config, batch_size=batch_size, seq_length=seq_length)
    if recipe == "default":
        check_memory(config, len(corpus.vocabulary), len(training), team)  # before anything is measured with it
        config = _suit(config, changes, corpus.vocabulary, training, team)
    check_memory(config, len(corpus.vocabulary), len(training), team)
    if path is None:
        path, lock = _free_path(corpus.name, notes)
    lock = lock or _hold(path, overwrite=overwrite)
    info = corpus_info(corpus, decoding)
    prepared = prepare(config, corpus, info, path, lock, (*notes, *shrunk), source=source, team=team)
    if init_from is None:
        return prepared
    known, symbols = prepared.run.trainer.known, len(corpus.vocabulary)
    note = f"starts from {shown(str(init_from))}: {known} of {symbols} characters known, {symbols - known} new"
    return replace(prepared, notes=(*prepared.notes, note))


def _like(source: Checkpoint, config: TrainConfig, asked_for: Container[str]) -> TrainConfig:
    """Give a configuration the cell and the sizes of a model whose weights it is to start from.

    Raises
    ------
    ConfigError
        If one of those was asked for and is another.
    """
    model = source.model
    theirs: dict[str, Any] = {
        "cell": model.cell,
        "hidden_sizes": model.hidden_sizes,
        "embedding_size": model.embedding_size,
        "tied": model.tied,
    }
    for name, value in theirs.items():
        if name in asked_for and getattr(config, name) != value:
            size = format_sizes(value) if isinstance(value, tuple) else value
            raise ConfigError(f"the model of --init-from has {flag(name)} {size}; leave that option out")
    return replace(config, **theirs)


def _stack(config: TrainConfig, num_layers: int | None) -> TrainConfig:
    if num_layers is None:
        return config
    if not 1 <= num_layers <= MOST_LAYERS:
        raise ConfigError(f"--num-layers must be 1 to {MOST_LAYERS}, not {num_layers}")
    sizes = config.hidden_sizes
    if len(sizes) not in (1, num_layers):
        raise ConfigError(f"--num-layers {num_layers} does not fit the {len(sizes)} sizes of --hidden-size")
    return replace(config, hidden_sizes=sizes * num_layers if len(sizes) == 1 else sizes)


def _suit(
    config: TrainConfig, changes: Mapping[str, Any], vocabulary: Vocabulary, ids: NDArray[np.integer], team: Team
) -> TrainConfig:
    """Choose what the default recipe drops and how fast Adagrad learns, where that was not asked for."""
    names = ["dropout", "weight_drop", *(["learning_rate"] if config.optimizer == "adagrad" else [])]
    if all(name in changes for name in names):
        return config
    suited: dict[str, Any] = suited_settings(planned_passes(config, vocabulary, ids, team))
    return replace(config, **{name: suited[name] for name in names if name not in changes})


def _standing(path: Path) -> Path | None:
    """Return the first that exists of the files that a run saved to `path` would write."""
    kept = (kept_path(path, step) for step in kept_states(path))
    return next((file for file in (path, best_path(path), log_path(path), *kept) if file.exists()), None)


def _hold(path: Path, *, overwrite: bool) -> Lock:
    """Lock a checkpoint that this run is to write."""
    lock = Lock(path)  # first, so that what is looked at next stays as it is
    if not overwrite and (standing := _standing(path)):
        lock.release()
        way = "go on from it with --resume" if path.exists() else "move it away"
        raise ConfigError(f"{shown(str(standing))} exists; {way}, or replace it with --overwrite")
    return lock


def _free_path(name: str, notes: list[str]) -> tuple[Path, Lock]:
    """Return the default checkpoint of a text, or the next of its names that is not taken, with a note."""
    first = path = FOLDER / f"{name}.npz"
    number = 2
    while (lock := _hold_if_free(path)) is None:
        path = FOLDER / f"{name}-{number}.npz"
        number += 1
    if path != first:
        notes.append(f"{shown(str(first))} is taken; this run saves to {shown(str(path))}")
    return path, lock


def _hold_if_free(path: Path) -> Lock | None:
    """Lock a checkpoint that is not there and that no other run is about to write; None for any other."""
    if _standing(path):
        return None
    try:
        return _hold(path, overwrite=False)
    except (InUseError, ConfigError):
        return None
