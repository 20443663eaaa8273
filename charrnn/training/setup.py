"""From what a user asks for to a `Run` that is ready: a fresh one, or one that goes on from its checkpoint."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from charrnn import checkpoint
from charrnn.bundled import DEFAULT_CORPUS
from charrnn.checkpoint import Checkpoint, CorpusInfo, Resume
from charrnn.errors import CheckpointError, ConfigError, shown
from charrnn.text.batches import Streams, fit
from charrnn.text.corpus import Corpus, read_corpus, split
from charrnn.training.config import BOUNDS, RECIPES, TrainConfig, flag, format_sizes, suited_dropout
from charrnn.training.evaluation import Evaluator
from charrnn.training.log import log_path
from charrnn.training.run import Run
from charrnn.training.trainer import Trainer, build_model

# What may change when a run goes on: when it ends, what happens on the way, and how fast it learns.
RESUMABLE = (
    *BOUNDS,
    "eval_every",
    "sample_every",
    "sample_length",
    "save_every",
    "patience",
    "learning_rate",
    "schedule_steps",
    "decay_factor",
    "decay_every",
    "threads",
)


@dataclass(frozen=True)
class PreparedRun:
    """A run and what a user should know before it starts."""

    run: Run
    notes: tuple[str, ...]
    validation_characters: int


def start_run(
    texts: Sequence[str],
    changes: Mapping[str, Any],
    *,
    recipe: str = "default",
    num_layers: int | None = None,
    encoding: str = "utf-8",
    path: Path | None = None,
    overwrite: bool = False,
    init_from: Path | None = None,
) -> PreparedRun:
    """Prepare a fresh run.

    Parameters
    ----------
    texts : names as `charrnn.text.corpus.read_corpus` takes them; none for the bundled default
    changes : fields of the configuration that differ from the recipe's
    recipe : name of the configuration to start from
    num_layers : layers of the one hidden size
    encoding : of the texts
    path : where to save; by default the text's name in ./checkpoints, or the next that is free
    overwrite : whether `path` may exist
    init_from : checkpoint whose weights the run starts from; the model is then like its own

    Raises
    ------
    CheckpointError
        If `init_from` cannot be used.
    InputError, UnreadableTextError
        If the text or the options cannot be used.
    """
    config = _stack(_change(RECIPES[recipe].config, changes), num_layers)
    source = checkpoint.load(init_from) if init_from else None
    if source:
        config = _like(source, config, {*changes, *(["hidden_sizes"] if num_layers else [])})
    if path and not overwrite and (standing := _standing(path)):
        way = "go on from it with --resume" if path.exists() else "move it away"
        raise ConfigError(f"{shown(str(standing))} exists; {way}, or replace it with --overwrite")
    corpus = read_corpus(texts or [DEFAULT_CORPUS], encoding=encoding)
    notes = list(corpus.notes)
    if path is None:
        path = _free_path(corpus.name, notes)
    training, _ = split(corpus.ids, config.val_fraction)
    batch_size, seq_length, shrunk = fit(len(training), config.batch_size, config.seq_length)
    config = replace(config, batch_size=batch_size, seq_length=seq_length)
    if recipe == "default":
        config = replace(config, **(suited_dropout(len(training)) | _dropout_in(changes)))
    prepared = _prepare(config, corpus, encoding, path, (*notes, *shrunk), source=source)
    if init_from is None:
        return prepared
    known, symbols = prepared.run.trainer.known, len(corpus.vocabulary)
    note = f"starts from {shown(str(init_from))}: {known} of {symbols} characters known, {symbols - known} new"
    return replace(prepared, notes=(*prepared.notes, note))


def resume_run(texts: Sequence[str], changes: Mapping[str, Any], *, path: Path | None = None) -> PreparedRun:
    """Prepare a run that goes on exactly where its checkpoint stands.

    Parameters
    ----------
    texts : the text it was trained on, if it is not found any more under the name it had
    changes : fields of the configuration to change; only those in `RESUMABLE`
    path : the checkpoint; by default the newest in ./checkpoints

    Raises
    ------
    CheckpointError
        If there is none, or it cannot be gone on from.
    ConfigError
        If the text is another, or a field may not change.
    """
    path = path or checkpoint.newest(for_resume=True)
    if path is None:
        raise CheckpointError(f"nothing to resume: no checkpoint in {checkpoint.FOLDER}/; name one with --checkpoint")
    start = checkpoint.load(path)
    if start.resume is None:
        raise CheckpointError(f"{shown(str(path))} was kept for sampling only; resume from the run's own checkpoint")
    config = _resumed_config(start, path, changes)
    if config.learning_rate != start.config["learning_rate"]:
        start = _without_rollbacks(start, start.resume)
    if not texts and "-" in start.corpus.sources:
        raise ConfigError("the text came from stdin; give it again, as a file or with -")
    corpus = read_corpus(texts or start.corpus.sources, encoding=start.corpus.encoding, vocabulary=start.vocabulary)
    if corpus.sha256 != start.corpus.sha256:
        raise ConfigError(
            f"the text has changed since {shown(str(path))} was saved "
            f"(SHA-256 {start.corpus.sha256[:12]}… then, {corpus.sha256[:12]}… now); give the text it was trained on"
        )
    if not _fits(start, config, corpus):
        raise CheckpointError(f"{shown(str(path))} is damaged (its model or its place in the text is not its run's)")
    return _prepare(config, corpus, start.corpus.encoding, path, corpus.notes, start)


def _resumed_config(start: Checkpoint, path: Path, changes: Mapping[str, Any]) -> TrainConfig:
    try:
        config = TrainConfig.from_json(start.config)
    except ConfigError as error:
        raise CheckpointError(f"{shown(str(path))} is damaged ({error})") from error
    for name in changes:
        if name not in RESUMABLE and changes[name] != getattr(config, name):
            raise ConfigError(f"{flag(name)} cannot change when a run goes on; leave it out, or start a new run")
    return _change(config, changes)


def _fits(start: Checkpoint, config: TrainConfig, corpus: Corpus) -> bool:
    """Whether the arrays and the cursor of a checkpoint are such as its configuration leads to."""
    training, _ = split(corpus.ids, config.val_fraction)
    if start.model != build_model(config, len(start.vocabulary)) or start.resume is None or len(training) < 2:
        return False
    streams = Streams(training, config.batch_size, config.seq_length)
    moments = [(start.progress, start.resume)]
    if fallback := start.resume.fallback:
        moments.append((fallback.progress, fallback.resume))
    return all(
        progress.position < streams.length and len(resume.state[0].h) == config.batch_size
        for progress, resume in moments
    )


def _without_rollbacks(start: Checkpoint, resume: Resume) -> Checkpoint:
    """Forget the halvings of another learning rate than the one that is asked for now."""
    fallback = resume.fallback
    if fallback:
        fallback = replace(fallback, progress=replace(fallback.progress, rollbacks=0))
    progress = replace(start.progress, rollbacks=0)
    return replace(start, progress=progress, resume=replace(resume, fallback=fallback))


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


def _prepare(
    config: TrainConfig,
    corpus: Corpus,
    encoding: str,
    path: Path,
    notes: tuple[str, ...],
    start: Checkpoint | None = None,
    source: Checkpoint | None = None,
) -> PreparedRun:
    training, validation = split(corpus.ids, config.val_fraction)
    trainer = Trainer(config, corpus.vocabulary, training, start, source)
    info = CorpusInfo(corpus.name, corpus.sources, encoding, corpus.sha256, len(corpus.ids))
    evaluator = Evaluator(trainer.model, validation) if len(validation) else None
    if start:
        info, notes = start.corpus, (*notes, f"goes on from {shown(str(path))} at step {trainer.step:,}")
    return PreparedRun(Run(trainer, info, evaluator, path, start), notes, len(validation))


def _change(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    bounds = {name: value for name, value in changes.items() if name in BOUNDS}
    others = {name: value for name, value in changes.items() if name not in BOUNDS}
    return replace(config.with_bounds(bounds), **others)


def _stack(config: TrainConfig, num_layers: int | None) -> TrainConfig:
    if num_layers is None:
        return config
    if num_layers < 1:
        raise ConfigError(f"--num-layers must be at least 1, not {num_layers}")
    sizes = config.hidden_sizes
    if len(sizes) not in (1, num_layers):
        raise ConfigError(f"--num-layers {num_layers} does not fit the {len(sizes)} sizes of --hidden-size")
    return replace(config, hidden_sizes=sizes * num_layers if len(sizes) == 1 else sizes)


def _dropout_in(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: changes[name] for name in ("dropout", "weight_drop") if name in changes}


def _standing(path: Path) -> Path | None:
    """Return the first that exists of the files that a run saved to `path` would write."""
    return next((file for file in (path, checkpoint.best_path(path), log_path(path)) if file.exists()), None)


def _free_path(name: str, notes: list[str]) -> Path:
    """Return the default checkpoint of a text, or the next of its names that is not taken, with a note."""
    first = path = checkpoint.FOLDER / f"{name}.npz"
    number = 2
    while _standing(path):
        path = checkpoint.FOLDER / f"{name}-{number}.npz"
        number += 1
    if path != first:
        notes.append(f"{shown(str(first))} is taken; this run saves to {shown(str(path))}")
    return path
