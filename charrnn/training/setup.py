"""From what a user asks for to a `Run` of files or a `Trainer` in memory; `resuming` has those that go on."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from charrnn import checkpoint
from charrnn.archive import Lock, released_on_failure
from charrnn.bundled import default_corpus
from charrnn.cache import load_corpus
from charrnn.checkpoint import Checkpoint
from charrnn.errors import ConfigError, InUseError, shown
from charrnn.run_files import best_path, check_name, default_path, kept_path, kept_states
from charrnn.text.normalizing import as_read
from charrnn.text.reading import NOBODY, Watcher
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import MOST_LAYERS, TrainConfig, flag, format_sizes
from charrnn.training.division import Part, characters_in, divide, fit_part
from charrnn.training.given import number_data
from charrnn.training.log import log_path
from charrnn.training.memory import check_memory
from charrnn.training.passes import planned_passes
from charrnn.training.prepared import PreparedRun, change, corpus_info, prepare
from charrnn.training.recipes import RECIPES, suited_settings, usual_recipe
from charrnn.training.resuming import RESUMABLE, resume_run
from charrnn.training.team import ALONE, Team
from charrnn.training.trainer import Trainer

__all__ = ["RESUMABLE", "PreparedRun", "resume_run", "start_run", "start_training"]


def start_run(
    texts: Sequence[str],
    changes: Mapping[str, Any],
    *,
    recipe: str | None = None,
    num_layers: int | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
    normalize: str = "none",
    max_vocab: int = 0,
    path: Path | None = None,
    overwrite: bool = False,
    init_from: Path | None = None,
    watcher: Watcher = NOBODY,
    team: Team = ALONE,
) -> PreparedRun:
    """Prepare a fresh run.

    Parameters
    ----------
    texts : names as `charrnn.cache.load_corpus` takes them; none for the bundled default
    changes : fields of the configuration that differ from the recipe's
    recipe : name of the configuration to start from; by default the one for a running text, or that for items
    num_layers : layers of the one hidden size
    encoding, errors, normalize, max_vocab : of the texts, as `charrnn.cache.load_corpus` takes them
    path : where to save; by default the text's name in ./checkpoints, or the next that is free
    overwrite : whether `path` may exist
    init_from : checkpoint whose weights the run starts from; the model is then like its own
    watcher : hears how far a long text is read, and how much memory the run will take before it takes it
    team : who trains

    Raises
    ------
    CheckpointError
        If `init_from` cannot be used, nothing can be saved at `path`, or another process does so.
    InputError, UnreadableTextError
        If the text or the options cannot be used.

    Examples
    --------
    >>> import charrnn
    >>> changes = {"steps": 4, "hidden_sizes": (8,), "sample_every": 0}
    >>> prepared = charrnn.start_run(["weather-court.txt"], changes)
    >>> for event in prepared.run.events():
    ...     print(event.step, type(event).__name__)
    0 Saved
    1 StepReport
    2 StepReport
    3 StepReport
    4 StepReport
    4 Evaluated
    4 Saved
    4 Stopped
    >>> str(prepared.run.path)
    'checkpoints/weather-court.npz'

    """
    base = RECIPES[recipe or usual_recipe(changes.get("separator", ""))]
    if path:
        check_name(path)
    source = checkpoint.load(init_from) if init_from else None
    like = _like(source, changes, num_layers) if source else {}
    config = _stack(change(base.config, {**changes, **like}), num_layers)
    config = replace(config, separator=as_read(config.separator, normalize))
    lock = _hold(path, overwrite=overwrite) if path and path.parent.is_dir() else None
    decoding: dict[str, Any] = {"encoding": encoding, "errors": errors, "normalize": normalize, "max_vocab": max_vocab}
    with released_on_failure(lock):
        corpus = load_corpus(
            texts or [default_corpus(config.separator)], **decoding, keep=config.separator, watcher=watcher
        )
        notes = list(corpus.notes)
        division = divide(corpus.ids, corpus.vocabulary, config, corpus.file_ends)
        config, shrunk = _fitted(
            config, changes, corpus.vocabulary, division.training, is_suited=base.is_suited, team=team, watcher=watcher
        )
    if path is None:
        path, lock = _free_path(corpus.name, notes)
    lock = lock or _hold(path, overwrite=overwrite)
    with released_on_failure(lock):
        info = corpus_info(corpus, decoding, division)
        prepared = prepare(
            config, corpus.vocabulary, division, info, path, lock, (*notes, *shrunk), source=source, team=team
        )
    if init_from is None:
        return prepared
    known, symbols = prepared.run.trainer.known, len(corpus.vocabulary)
    note = f"starts from {shown(str(init_from))}: {known} of {symbols} characters known, {symbols - known} new"
    return replace(prepared, notes=(*prepared.notes, note))


def start_training(
    data: str | ArrayLike,
    *,
    vocabulary: Vocabulary | None = None,
    vocab_size: int | None = None,
    recipe: str | None = None,
    **changes: Any,
) -> Trainer:
    """Prepare a fresh training of what is in memory: a text, or any integers. No file is read or written.

    The configuration is fitted to the data as `start_run` does for the command line; a warning says where a short text
    makes the batch smaller. All that is given is trained on: keep a part back, with `charrnn.split`, and give it to a
    `charrnn.Evaluator`.

    Parameters
    ----------
    data : a text, or (N,) integers in 0…V−1
    vocabulary : characters of the text, or what the integers stand for; by default the text's own, or
        `Vocabulary.of_integers`
    vocab_size : V, of integers that are no text; by default the largest and one
    recipe : name of the configuration to start from; by default the one for a running text, or that for items
    changes : fields of the `TrainConfig` that differ from the recipe's; those for files and evaluations say nothing
        here

    Returns
    -------
    An iterator of reports. Its ``checkpoint()`` is what `charrnn.save` takes.

    Raises
    ------
    ConfigError
        If a value cannot be used, or there is not enough memory.
    TextError, UnknownCharacterError
        If there are fewer than two characters or integers, or characters that are not in the vocabulary.
    IndexError, TypeError, ValueError
        If `data` is neither a text nor integers (N,) in 0…V−1, or a field is unknown.

    Examples
    --------
    >>> import charrnn
    >>> trainer = charrnn.start_training("the lamp went round. " * 50, steps=60, hidden_sizes=(32,))
    >>> losses = [report.loss for report in trainer]
    >>> losses[0] > 2 > losses[-1]
    True
    >>> charrnn.save("lamp.npz", trainer.checkpoint())

    """
    if "val_fraction" in changes:
        raise ConfigError("all that is given is trained on; keep a part back with charrnn.split")
    vocabulary, ids = number_data(data, vocabulary, vocab_size)
    base = RECIPES[recipe or usual_recipe(changes.get("separator", ""))]
    config = change(base.config, {**changes, "val_fraction": 0.0})
    division = divide(ids, vocabulary, config)
    config, shrunk = _fitted(config, changes, vocabulary, division.training, is_suited=base.is_suited, team=ALONE)
    for note in (*shrunk, *division.notes):
        warnings.warn(note, stacklevel=2)
    return Trainer(config, vocabulary, division.training)


def _fitted(
    config: TrainConfig,
    changes: Mapping[str, Any],
    vocabulary: Vocabulary,
    training: Part,
    *,
    is_suited: bool,
    team: Team,
    watcher: Watcher = NOBODY,
) -> tuple[TrainConfig, tuple[str, ...]]:
    """Fit a configuration to the text that is trained on, and to the machine.

    Returns
    -------
    config, notes : the one that fits, and a sentence for each part that had to shrink
    """
    batch_size, seq_length, notes = fit_part(training, config)
    config = replace(config, batch_size=batch_size, seq_length=seq_length)
    characters = characters_in(training)
    check_memory(config, len(vocabulary), characters, team, watcher)  # before anything is measured with it
    if is_suited:
        config = _suit(config, changes, vocabulary, training, team)
        check_memory(config, len(vocabulary), characters, team)
    return config, notes


def _like(source: Checkpoint, changes: Mapping[str, Any], num_layers: int | None) -> dict[str, Any]:
    """Return the cell and the sizes of a model whose weights a run is to start from.

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
    asked = {**theirs, **changes}
    layers = len(model.hidden_sizes)
    if num_layers == layers and len(asked["hidden_sizes"]) == 1:
        asked["hidden_sizes"] = tuple(asked["hidden_sizes"]) * layers
    elif num_layers not in (None, layers):
        asked["hidden_sizes"] = ()  # not theirs, whatever they are
    for name, value in theirs.items():
        if asked[name] != value:
            own = format_sizes(value) if isinstance(value, tuple) else value
            has = f"is not {flag(name)}" if value is False else f"has {flag(name)} {own}"
            raise ConfigError(f"the model of --init-from {has}; leave that option out")
    return theirs


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
    config: TrainConfig, changes: Mapping[str, Any], vocabulary: Vocabulary, training: Part, team: Team
) -> TrainConfig:
    """Choose what a default recipe drops and how fast Adagrad learns, where that was not asked for."""
    names = ["dropout", "weight_drop", *(["learning_rate"] if config.optimizer == "adagrad" else [])]
    if all(name in changes for name in names):
        return config
    passes = planned_passes(config, vocabulary, training, team)
    suited: dict[str, Any] = suited_settings(passes, of_items=bool(config.separator))
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
    number = 1
    first = path = default_path(name, number)
    while (lock := _hold_if_free(path)) is None:
        number += 1
        path = default_path(name, number)
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
