"""From what a user asks for to a `Run` of files or a `Trainer` in memory; `resuming` has those that go on.

A run that is ready to start, and what both ways to one have in common.

How much memory a run will take, known before any is taken.

From a checkpoint to the run that goes on from it.

How often a run will read its text: what decides whether it learns it by heart.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from charrnn import checkpoint
from charrnn.archive import Lock, released_on_failure
from charrnn.cache import load_corpus
from charrnn.checkpoint import Checkpoint, Resume
from charrnn.commands import command
from charrnn.config import (
    BOUNDS,
    MOST_LAYERS,
    RECIPES,
    RESUMABLE,
    TrainConfig,
    flag,
    format_sizes,
    separator_option,
    suited_settings,
    usual_recipe,
)
from charrnn.errors import CheckpointError, ConfigError, InUseError, TextError, shown
from charrnn.machine import available_memory, format_bytes
from charrnn.nn.model import CharRNN
from charrnn.optim.optimizers import OPTIMIZERS
from charrnn.paths import (
    FOLDER,
    best_path,
    check_name,
    default_corpus,
    default_path,
    is_kept,
    kept_path,
    kept_states,
    log_path,
    newest,
)
from charrnn.scoring.reading import CHUNK_LENGTH, MAX_STREAMS
from charrnn.text.corpus import Corpus, CorpusInfo, text_identity
from charrnn.text.sources import NOBODY, STDIN, Watcher
from charrnn.text.vocabulary import Vocabulary, as_read
from charrnn.training.data import (
    Division,
    Part,
    batches_of,
    can_train,
    characters_in,
    describe_given,
    divide,
    fit_part,
    longest_chunk,
    number_data,
)
from charrnn.training.run import Run
from charrnn.training.trainer import ALONE, RANKS, Team, Trainer, build_model
from charrnn.training.workers import worker_count


@dataclass(frozen=True)
class PreparedRun:
    """A run and what a user should know before it starts."""

    run: Run
    notes: tuple[str, ...]
    validation_characters: int
    warnings: tuple[str, ...] = ()
    """Notes that concern what the run promises: not for quiet ears to miss."""
    saved_rollbacks: int = 0
    """Of the checkpoint that a resumed run starts from; another learning rate makes the run itself forget them."""


def change(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """Return a configuration with other values; where one bound of the run is given, the others bind no more."""
    bounds = {name: value for name, value in changes.items() if name in BOUNDS}
    others = {name: value for name, value in changes.items() if name not in BOUNDS}
    return replace(config.with_bounds(bounds), **others)


def corpus_info(corpus: Corpus, decoding: Mapping[str, Any], division: Division) -> CorpusInfo:
    """Return what a checkpoint remembers of a text that was read and divided so."""
    return CorpusInfo(
        name=corpus.name,
        sources=corpus.sources,
        sha256=text_identity(corpus.sha256, corpus.file_ends, of_items=division.counts is not None),
        characters=len(corpus.ids),
        items=division.counts,
        **decoding,
    )


def prepare(
    config: TrainConfig,
    vocabulary: Vocabulary,
    division: Division,
    info: CorpusInfo,
    path: Path,
    lock: Lock,
    notes: tuple[str, ...],
    *,
    start: Checkpoint | None = None,
    source: Checkpoint | None = None,
    team: Team = ALONE,
) -> PreparedRun:
    """Build the network and all that trains it.

    Parameters
    ----------
    vocabulary, division : of the text
    info : what the checkpoint remembers of it
    path, lock : where to save, and what keeps other runs off it
    start : checkpoint to go on from
    source : checkpoint whose weights a fresh run starts from
    team : who trains it
    """
    trainer = Trainer(config, vocabulary, division.training, start, source, team)
    trainer.corpus = info
    evaluator = team.evaluator(trainer.model, division.held_out)
    run = Run(trainer, info, evaluator, path, start, lock)
    return PreparedRun(run, (*notes, *division.notes, *_early_end(config)), characters_in(division.held_out))


def _early_end(config: TrainConfig) -> list[str]:
    """Say where a run goes on after its cosine schedule has ended, when it learns nothing more."""
    last = config.schedule_steps
    if config.schedule != "cosine" or not 0 < last < config.steps:
        return []
    return [f"the learning rate is 0 after step {last:,}, where --schedule-steps ends the cosine schedule"]


# For each kind of cell: numbers kept for a step of a stream and a hidden unit, and how often a chunk copies the
# weights. The terms stand in the docstrings of the cells' workspaces.
_KEPT = {"vanilla": 3, "gru": 5, "lstm": 7}
_COPIES = {"vanilla": 1.0, "gru": 2.3, "lstm": 2.3}
_WORTH_TELLING = 200_000_000  # bytes
_PROCESS = 40_000_000  # bytes of a worker process that has computed nothing yet


def check_memory(
    config: TrainConfig, vocab_size: int, characters: int, team: Team = ALONE, watcher: Watcher = NOBODY
) -> None:
    """Refuse a network that this machine has no room to train.

    Parameters
    ----------
    characters : of the text to train on
    watcher : hears how much a large network takes, before it takes it

    Raises
    ------
    ConfigError
        If it takes more memory than is free; the sentence says how much.
    """
    needed, free = team.ranks_here * estimate_memory(config, vocab_size, characters, team.ranks), available_memory()
    if free is not None and needed > free:
        embedded, or_embedding = "", ""
        if config.embedding_size:
            embedded, or_embedding = f" embedded in {config.embedding_size}", " --embedding-size,"
        units = " and ".join(f"{size:,}" for size in config.hidden_sizes)
        raise ConfigError(
            f"a {config.cell} of {units} units over {vocab_size:,} symbols{embedded}, "
            f"batch {config.batch_size} × seq {config.seq_length}, needs about {format_bytes(needed)} of memory, and "
            f"{format_bytes(free)} are free; give a smaller --hidden-size,{or_embedding} --batch-size or --seq-length"
        )
    if needed >= _WORTH_TELLING:
        watcher.say(f"memory about {format_bytes(needed)} for the network and its training")


def estimate_memory(config: TrainConfig, vocab_size: int, characters: int, ranks: int = 1) -> int:
    """Return about how many bytes training takes beyond the text and what Python and NumPy hold already.

    Parameters
    ----------
    characters : of the text to train on
    ranks : that share the batch; the estimate is that of each
    """
    model = build_model(config, vocab_size)
    size = np.dtype(config.dtype).itemsize
    weights = sum(prod(shape) for shape in model.shapes().values())
    memories = len(OPTIMIZERS[config.optimizer].memories)
    workers = worker_count(config, model, ranks)
    batch_size = -(-config.batch_size // ranks)
    # Weights, a gradient for each worker (and, where several chunks make an update, one of a chunk), the optimizer's
    # memories, and a good state to go back to.
    # Where there are other ranks, all that they send for one's own stretch are as many numbers as the weights.
    state = weights * ((ranks > 1) + 1 + workers * (1 + (config.accumulate > 1)) + memories + 1 + memories)
    # The usual chunk and an epoch's last have a workspace each; an evaluation has its own.
    longest = longest_chunk(config)
    # Of items the chunks have all lengths.
    last = config.seq_length if config.separator else -(-(characters - 1) // config.batch_size) % config.seq_length
    training = _workspace(model, config, longest * batch_size, workers)
    if last or longest > config.seq_length:
        training += _workspace(model, config, (last or longest) * batch_size, workers)
    evaluation = _workspace(model, config, CHUNK_LENGTH * MAX_STREAMS, 1) if config.val_fraction else 0
    return int(size * (state + training + evaluation)) + (workers - 1) * _PROCESS


def _workspace(model: CharRNN, config: TrainConfig, steps: int, copies: int) -> float:
    """Numbers in the workspaces for so many steps of all streams together, in `copies` processes."""
    kept = steps * (model.vocab_size + model.hidden_sizes[-1] + 2 * model.embedding_size)
    cells = 0
    for cell in model.cells:
        kept += steps * cell.hidden_size * (_KEPT[config.cell] + 2 * bool(config.dropout))
        cells += sum(prod(shape) for shape in cell.shapes().values())
        cells += 2 * prod(cell.shapes()["W_hh"]) * bool(config.weight_drop)
    for cell in model.cells[1:]:
        kept += steps * cell.input_size  # the gradient of what it reads
    return kept + _COPIES[config.cell] * cells * copies


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
    vocabulary, ids = number_data(data, start.vocabulary, separator=start.separator)
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
        decoding = {**start.corpus.decoding, "separator": start.separator}
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


_SECONDS_OF_MEASURING = 0.25


def planned_passes(config: TrainConfig, vocabulary: Vocabulary, part: Part, team: Team = ALONE) -> float:
    """Return how many passes over a text the bounds of a run leave it, whichever of them comes first.

    A run whose schedule is spread over a number of steps is a part of one so long, and those are what counts. Where the
    clock is a bound, what this machine computes in a moment is measured.

    Parameters
    ----------
    vocabulary, part : of the text to train on
    team : who will train
    """
    passes = [config.epochs or math.inf]
    if steps := config.schedule_steps or config.steps:
        characters = steps * config.accumulate * batches_of(part, config).characters_per_chunk
        passes.append(characters / characters_in(part))
    if config.schedule_steps:
        return passes[-1]
    if config.minutes:
        trainer = Trainer(config, vocabulary, part, team=team)
        passes.append(60 * config.minutes * trainer.measure_speed(_SECONDS_OF_MEASURING) / characters_in(part))
        trainer.close()
    return min(passes)


def start_run(
    texts: Sequence[str],
    changes: Mapping[str, Any],
    *,
    recipe: str | None = None,
    num_layers: int | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
    normalize: str | None = None,
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
    encoding, errors, normalize, max_vocab : of the texts, as `charrnn.cache.load_corpus` takes them; `normalize` is by
        default that of `init_from`, or ``"none"``
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
    if normalize is None:  # a model knows the characters of its own form
        normalize = source.usage.normalize if source else "none"
    config = replace(config, separator=as_read(config.separator, normalize))
    lock = _hold(path, overwrite=overwrite) if path and path.parent.is_dir() else None
    decoding: dict[str, Any] = {"encoding": encoding, "errors": errors, "normalize": normalize, "max_vocab": max_vocab}
    with released_on_failure(lock):
        corpus = load_corpus(
            texts or [default_corpus(config.separator)], **decoding, separator=config.separator, watcher=watcher
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
    vocabulary, ids = number_data(data, vocabulary, vocab_size, changes.get("separator", ""))
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
