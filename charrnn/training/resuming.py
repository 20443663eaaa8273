"""From a checkpoint to the run that goes on from it."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from charrnn import checkpoint
from charrnn.archive import Lock, released_on_failure
from charrnn.cache import load_corpus
from charrnn.checkpoint import Checkpoint, Resume
from charrnn.commands import command
from charrnn.errors import CheckpointError, ConfigError, TextError, shown
from charrnn.run_files import FOLDER, is_kept, newest
from charrnn.text.corpus import Corpus, text_identity
from charrnn.text.finding import STDIN
from charrnn.text.normalizing import as_read
from charrnn.text.reading import NOBODY, Watcher
from charrnn.training.config import BOUNDS, TrainConfig, flag, separator_option
from charrnn.training.division import Division, batches_of, can_train, characters_in, divide, fit_part
from charrnn.training.given import describe_given, number_data
from charrnn.training.memory import check_memory
from charrnn.training.prepared import PreparedRun, change, corpus_info, prepare
from charrnn.training.sizes import build_model
from charrnn.training.team import ALONE, Team
from charrnn.training.trainer import RANKS, Trainer

# What may change when a run goes on: when it ends, what happens on the way, and how fast it learns.
RESUMABLE = (
    *BOUNDS,
    "eval_every",
    "sample_every",
    "sample_length",
    "save_every",
    "keep",
    "patience",
    "learning_rate",
    "schedule_steps",
    "decay_factor",
    "decay_every",
    "threads",
)

_JUMP = 0.01  # share of the learning rate by which it may change and nothing is said


def resume_run(
    texts: Sequence[str],
    changes: Mapping[str, Any],
    *,
    path: Path | None = None,
    allow_new_text: bool = False,
    watcher: Watcher = NOBODY,
    team: Team = ALONE,
) -> PreparedRun:
    """Prepare a run that goes on exactly where its checkpoint stands.

    Parameters
    ----------
    texts : the text it was trained on, if it is not found any more under the name it had
    changes : fields of the configuration to change; only those in `RESUMABLE`
    path : the checkpoint; by default the newest in ./checkpoints
    allow_new_text : whether the text may be another, of characters that the model knows; weights, optimizer and step
        are then kept, and the place in the text, the streams' states and the evaluations so far are not
    watcher : hears how far a long text is read, and how much memory the run will take before it takes it
    team : who trains; the streams are divided among its ranks, however many there were before

    Raises
    ------
    CheckpointError
        If there is none, it cannot be gone on from, or another process does so.
    InputError, UnreadableTextError
        If the text is another or not there, or a field may not change.

    Examples
    --------
    >>> import charrnn
    >>> changes = {"steps": 3, "hidden_sizes": (8,), "sample_every": 0}
    >>> _ = list(charrnn.start_run(["weather-court.txt"], changes).run.events())
    >>> prepared = charrnn.resume_run([], {"steps": 5})
    >>> [event.step for event in prepared.run.events() if isinstance(event, charrnn.StepReport)]
    [4, 5]

    """
    path = path or newest(for_resume=True)
    if path is None:
        raise CheckpointError(f"nothing to resume: no checkpoint in {FOLDER}/; name one with --checkpoint")
    name = shown(str(path))
    if is_kept(path):
        raise CheckpointError(f"{name} is a state that a run keeps; copy it under another name to go on from it")
    lock = Lock(path) if path.exists() else None
    with released_on_failure(lock):
        start = checkpoint.load(path)
        if start.resume is None or lock is None:
            raise CheckpointError(f"{name} was kept for sampling only; resume from the run's own checkpoint")
        config = _resumed_config(start, path, changes)
        before = TrainConfig.from_json(start.config)  # with what old files lack
        notes = _changes(before.to_json(), config)
        rollbacks = start.progress.rollbacks
        if config.learning_rate != start.config["learning_rate"]:
            start = _without_rollbacks(start, start.resume)
        corpus = _read(texts, start, path, watcher)
        division = divide(corpus.ids, corpus.vocabulary, config, corpus.file_ends)
        sha256 = text_identity(corpus.sha256, corpus.file_ends, of_items=bool(config.separator))
        if sha256 != start.corpus.sha256:
            if not allow_new_text:
                raise ConfigError(
                    f"the text has changed since {name} was saved "
                    f"(SHA-256 {start.corpus.sha256[:12]}… then, {sha256[:12]}… now); "
                    "give the text it was trained on, or learn this one with --allow-new-text"
                )
            start, config, shrunk = _on_new_text(start, config, corpus, division)
            notes = [f"goes on with another text: {shown(corpus.name)}, from its beginning", *shrunk, *notes]
        elif texts and STDIN not in corpus.sources:  # it has been moved: the next resume finds it
            start = replace(start, corpus=replace(start.corpus, sources=corpus.sources))
        if not _fits(start, config, division):
            raise CheckpointError(f"{name} is damaged (its model or its place in the text is not its run's)")
        check_memory(config, len(corpus.vocabulary), characters_in(division.training), team, watcher)
        vocabulary, info = corpus.vocabulary, start.corpus
        prepared = prepare(config, vocabulary, division, info, path, lock, corpus.notes, start=start, team=team)
    notes = [
        f"goes on from {name} at step {start.progress.step:,}",
        *_redistributed(start, prepared),
        *notes,
        *_rate_jump(prepared.run.trainer, before, start.progress.elapsed_seconds / 60),
    ]
    notes = [*prepared.notes, *notes]
    return replace(prepared, notes=tuple(notes), warnings=_warnings(start, prepared), saved_rollbacks=rollbacks)


def resume_training(start: Checkpoint, data: str | ArrayLike, **changes: Any) -> Trainer:
    """Prepare a training that goes on in memory exactly where a checkpoint stands.

    Parameters
    ----------
    start : the checkpoint, such as `charrnn.load` returns
    data : the text or the integers it was trained on, and any part held out by a run of files
    changes : fields of the configuration to change; only those in `RESUMABLE`

    Warns
    -----
    UserWarning
        If the learning rate jumps, as it does where a cosine schedule is stretched over more steps.

    Raises
    ------
    CheckpointError
        If it was kept for sampling only.
    ConfigError
        If `data` is not what it was trained on, or a field may not change.

    Examples
    --------
    >>> import charrnn
    >>> text = "the lamp went round. " * 50
    >>> trainer = charrnn.start_training(text, steps=3, hidden_sizes=(8,), schedule="constant")
    >>> _ = list(trainer)
    >>> charrnn.save("lamp.npz", trainer.checkpoint())
    >>> trainer = charrnn.resume_training(charrnn.load("lamp.npz"), text, steps=5)
    >>> [report.step for report in trainer]
    [4, 5]

    """
    if start.resume is None:
        raise CheckpointError("this checkpoint was kept for sampling only; resume from the run's own")
    config = _resumed_config(start, "the checkpoint", changes)
    vocabulary, ids = number_data(data, start.vocabulary)
    division = divide(ids, vocabulary, config)
    if describe_given(vocabulary, ids).sha256 != start.corpus.sha256:
        raise ConfigError(f"this is not the text of {start.corpus.characters:,} characters that was trained on")
    if not _fits(start, config, division):
        raise CheckpointError("the checkpoint is damaged (its model or its place in the text is not its run's)")
    check_memory(config, len(vocabulary), characters_in(division.training))
    trainer = Trainer(config, vocabulary, division.training, start)
    for note in _rate_jump(trainer, TrainConfig.from_json(start.config), 0.0):
        warnings.warn(note, stacklevel=2)
    return trainer


def _read(texts: Sequence[str], start: Checkpoint, path: Path, watcher: Watcher) -> Corpus:
    if not texts and STDIN in start.corpus.sources:
        how = command("train", [STDIN], ["--resume", "--checkpoint", str(path)])
        raise ConfigError(f"the text came from stdin; give it again, as a file or with -: {how}")
    try:
        names = texts or start.corpus.sources
        decoding = {**start.corpus.decoding, "keep": start.separator}
        return load_corpus(names, vocabulary=start.vocabulary, **decoding, watcher=watcher)
    except TextError as error:
        if texts:
            raise
        how = command("train", ["TEXT"], ["--resume", "--checkpoint", str(path)])
        raise TextError(
            f"the text that {shown(str(path))} was trained on cannot be read again ({error.reason}); "
            f"say where it is now: {how}"
        ) from error


def _resumed_config(start: Checkpoint, path: Path | str, changes: Mapping[str, Any]) -> TrainConfig:
    try:
        config = TrainConfig.from_json(start.config)
    except ConfigError as error:
        raise CheckpointError(f"{shown(str(path))} is damaged ({error})") from error
    if "separator" in changes:
        changes = {**changes, "separator": as_read(changes["separator"], start.corpus.normalize)}
    for name in changes:
        if name not in RESUMABLE and changes[name] != getattr(config, name):
            may_change = ", ".join(map(flag, RESUMABLE))
            said = separator_option(changes[name])[0] if name == "separator" else flag(name)
            raise ConfigError(
                f"{said} cannot change when a run goes on; leave it out, or start a new run "
                f"(what may change: {may_change})"
            )
    return change(config, changes)


def _changes(before: Mapping[str, Any], config: TrainConfig) -> list[str]:
    """Say which fields are others than before."""
    after = config.to_json()
    changed = [f"{flag(name)} {after[name]} (was {before[name]})" for name in RESUMABLE if after[name] != before[name]]
    return [f"changed: {', '.join(changed)}"] if changed else []


def _rate_jump(trainer: Trainer, before: TrainConfig, minutes: float) -> list[str]:
    """Say where a schedule that follows other bounds than before takes the learning rate.

    Parameters
    ----------
    before : the configuration until now
    minutes : that the run has taken until now
    """
    config = trainer.config
    was, now = trainer.next_rate(before, minutes), trainer.next_rate(config, minutes)
    if math.isclose(was, now, rel_tol=_JUMP):
        return []
    why = f"as the {config.schedule} schedule follows what has changed"
    return [f"the learning rate jumps at step {trainer.step:,} from {was:.3g} to {now:.3g}, {why}"]


def _warnings(start: Checkpoint, prepared: PreparedRun) -> tuple[str, ...]:
    """Say what may surprise: a best model that is gone, and why the bits may not be those of an unbroken run."""
    run, warnings = prepared.run, []
    best = run.saving.best_path
    if start.progress.history and not best.exists():
        warnings.append(f"the best model so far, {shown(str(best))}, is gone; only a better one makes it anew")
    differing = [
        f"{name} {shown(start.machine[name])} then, {value} now"
        for name, value in run.machine.items()
        if start.machine.get(name, value) != value
    ]
    if differing:
        warnings.append(f"exact resume not guaranteed: {'; '.join(differing)}")
    return tuple(warnings)


def _redistributed(start: Checkpoint, prepared: PreparedRun) -> list[str]:
    """Say that the streams are divided anew, where there were more ranks or fewer."""
    ranks, before = prepared.run.trainer.plan.ranks, start.machine.get(RANKS, "1")
    if before == str(ranks):
        return []
    streams = prepared.run.config.batch_size
    return [f"the {streams:,} streams are redistributed (ranks until now: {shown(before)}; from here on: {ranks})"]


def _on_new_text(
    start: Checkpoint, config: TrainConfig, corpus: Corpus, division: Division
) -> tuple[Checkpoint, TrainConfig, tuple[str, ...]]:
    """Put a run at the beginning of another text."""
    batch_size, seq_length, notes = fit_part(division.training, config)
    config = replace(config, batch_size=batch_size, seq_length=seq_length)
    resume = start.resume and Resume(
        start.resume.optimizer_state, start.model.zero_state(batch_size, start.params.vector.dtype)
    )
    progress = replace(start.progress, position=0, history=())
    info = corpus_info(corpus, start.corpus.decoding, division)
    return replace(start, corpus=info, progress=progress, resume=resume), config, notes


def _fits(start: Checkpoint, config: TrainConfig, division: Division) -> bool:
    """Whether the arrays and the cursor of a checkpoint are such as its configuration leads to."""
    if start.model != build_model(config, len(start.vocabulary)) or start.resume is None:
        return False
    if start.corpus.items != division.counts or not can_train(division.training):
        return False
    streams = batches_of(division.training, config)
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
