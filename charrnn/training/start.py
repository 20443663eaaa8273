"""The two ways into a run: `train` starts one, `resume` continues one from a checkpoint. Both return a `Run`.

Below them stands what both need: the settings that suit a text, the memory a run takes, and the free name and the lock
of a checkpoint.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from charrnn import checkpoint as checkpoints
from charrnn.archive import Lock, released_on_failure
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
from charrnn.nn.parameters import Parameters
from charrnn.optim.optimizers import OPTIMIZERS
from charrnn.paths import (
    FOLDER,
    best_path,
    check_name,
    default_path,
    is_kept,
    kept_path,
    kept_states,
    log_path,
    newest,
)
from charrnn.scoring.reading import CHUNK_LENGTH, MAX_STREAMS
from charrnn.text.corpus import Corpus, text_identity
from charrnn.text.sources import NOBODY, STDIN, Watcher
from charrnn.text.vocabulary import Vocabulary, as_read
from charrnn.training.data import (
    USUAL_READING,
    Data,
    Division,
    Part,
    Reading,
    batches_of,
    can_train,
    characters_in,
    corpus_info,
    divide,
    dropout_of,
    file_names,
    fit_part,
    longest_chunk,
    looks_like_list,
    read_data,
)
from charrnn.training.run import NO_CALLER, Caller, Material, Run, Saving
from charrnn.training.trainer import ALONE, RANKS, Team, Trainer, build_model
from charrnn.training.workers import worker_count


def train(
    data: Data = None,
    *,
    checkpoint: str | PathLike[str] | bool | None = None,
    overwrite: bool = False,
    recipe: str | None = None,
    init_from: str | PathLike[str] | None = None,
    vocabulary: Vocabulary | None = None,
    reading: Reading = USUAL_READING,
    caller: Caller = NO_CALLER,
    **settings: Any,
) -> Run:
    """Start a run. Iterating it trains.

    Parameters
    ----------
    data : a text (str); any integers (N,) in 0…V−1; or a list of names of files, folders and bundled texts, as the
        command line takes them. Without it the bundled default text.
    checkpoint : where to save; None for a run in memory, which writes no file; True for a free name in ./checkpoints,
        after the text
    overwrite : whether `checkpoint` may exist
    recipe : name of the settings to start from; by default the one for a running text, or that for items
    init_from : checkpoint whose weights the run starts from; the model then has its cell and sizes
    vocabulary : characters of a text in memory, or what its integers stand for; by default the text's own characters,
        or `Vocabulary.of_integers`
    reading : how files are read
    settings : fields of the `TrainConfig` that differ from the recipe's; also ``num_layers``, for as many layers of the
        one hidden size

    Raises
    ------
    CheckpointError
        If `init_from` cannot be used, `checkpoint` cannot be written, or another process writes to it.
    ConfigError
        If a setting cannot be used, `checkpoint` exists, or there is not enough memory.
    TextError, UnreadableTextError, UnknownCharacterError
        If the text cannot be used.
    IndexError, TypeError, ValueError
        If `data` is neither text nor names nor integers (N,) in 0…V−1, or a setting is unknown.

    Examples
    --------
    >>> import charrnn
    >>> run = charrnn.train(["weather-court.txt"], checkpoint=True, steps=2, hidden_sizes=(8,), sample_every=0)
    >>> for event in run:
    ...     print(event.step, type(event).__name__)
    0 Saved
    1 StepReport
    2 StepReport
    2 Evaluated
    2 Saved
    2 Stopped
    >>> str(run.path)
    'checkpoints/weather-court.npz'

    """
    base = RECIPES[recipe or usual_recipe(settings.get("separator", ""))]
    path = None if checkpoint is None or isinstance(checkpoint, bool) else Path(checkpoint)
    if path:
        check_name(path)
    source = checkpoints.load(init_from) if init_from else None
    num_layers = settings.pop("num_layers", None)
    like = _like(source, settings, num_layers) if source else {}
    config = _stack(change(base.config, {**settings, **like}), num_layers)
    if reading.normalize is None:  # a model knows the characters of its own form
        reading = replace(reading, normalize=source.usage.normalize if source else "none")
    decoding = asdict(reading)
    config = replace(config, separator=as_read(config.separator, decoding["normalize"]))
    lock = _hold(path, overwrite=overwrite) if path and path.parent.is_dir() else None
    with released_on_failure(lock):
        corpus = read_data(data, decoding, vocabulary, config.separator, caller.watcher)
        division = divide(corpus.ids, corpus.vocabulary, config, corpus.file_ends)
        config, shrunk = _fitted(config, settings, corpus.vocabulary, division.training, base.is_suited, caller)
    notes = list(corpus.notes)
    if checkpoint is True:
        path, lock = _free_path(corpus.name, notes)
    elif path and lock is None:
        lock = _hold(path, overwrite=overwrite)
    with released_on_failure(lock):
        trainer = Trainer(config, corpus.vocabulary, division.training, source=source, team=caller.team)
        is_list = not config.separator and looks_like_list(corpus.ids, corpus.vocabulary)
        hint = "the text looks like a list; --by-line trains on each line separately"
        notes += [*shrunk, *division.notes, *[hint] * is_list, *_early_end(config)]
        if source:
            known, symbols = trainer.known, len(corpus.vocabulary)
            start = f"starts from {shown(str(init_from))}"
            notes.append(f"{start}: {known} of {symbols} characters known, {symbols - known} new")
        info = corpus_info(corpus, decoding, division)
        material = Material(info, division.held_out, caller.command, tuple(notes))
        return Run(trainer, material, Saving(path, lock) if path else None, caller=caller)


def resume(
    start: str | PathLike[str] | Checkpoint | None = None,
    data: Data = None,
    *,
    allow_new_text: bool = False,
    caller: Caller = NO_CALLER,
    **settings: Any,
) -> Run:
    """Continue a run exactly where its checkpoint stands.

    Parameters
    ----------
    start : the file of the checkpoint, to which the run is saved again; or a `Checkpoint`, for a run in memory; by
        default the newest file in ./checkpoints
    data : the text it was trained on, as `train` takes it, with any part that is held out; needed where it is not a
        file that is still found under its name
    allow_new_text : whether the text may be another, of characters that the model knows; weights, optimizer and step
        are then kept, and the place in the text, the streams' states and the evaluations so far are not
    settings : fields of the `TrainConfig` to change; only those in `RESUMABLE`

    Raises
    ------
    CheckpointError
        If the checkpoint is missing, cannot be resumed, or is in use by another process.
    ConfigError
        If the text is another one, or a setting may not change.
    TextError, UnreadableTextError
        If the text cannot be read.

    Examples
    --------
    >>> import charrnn
    >>> text = "the lamp went round. " * 50
    >>> run = charrnn.train(text, steps=3, hidden_sizes=(8,), schedule="constant")
    >>> _ = list(run)
    >>> run = charrnn.resume(run.checkpoint(), text, steps=5)
    >>> [event.step for event in run if isinstance(event, charrnn.StepReport)]
    [4, 5]

    """
    if isinstance(start, Checkpoint):
        return _resume(start, data, None, allow_new_text, caller, settings)
    path = Path(start) if start is not None else newest(for_resume=True)
    if path is None:
        raise CheckpointError(f"nothing to resume: no checkpoint in {FOLDER}/; name one with --checkpoint")
    if is_kept(path):
        raise CheckpointError(
            f"{shown(str(path))} is a state that a run keeps; copy it under another name to resume from it"
        )
    lock = Lock(path) if path.exists() else None
    with released_on_failure(lock):
        loaded = checkpoints.load(path)
        return _resume(loaded, data, Saving(path, lock), allow_new_text, caller, settings)


def _resume(
    start: Checkpoint,
    data: Data,
    saving: Saving | None,
    allow_new_text: bool,
    caller: Caller,
    changes: Mapping[str, Any],
) -> Run:
    name = shown(str(saving.path)) if saving else "the checkpoint"
    if start.resume is None:
        raise CheckpointError(f"{name} was kept for sampling only; resume from the run's own checkpoint")
    config = _resumed_config(start, name, changes)
    before = TrainConfig.from_json(start.config)  # with what old files lack
    changed = _changes(before.to_json(), config)
    rollbacks = start.progress.rollbacks
    if config.learning_rate != before.learning_rate:
        start = _without_rollbacks(start, start.resume)
    corpus = _read_again(data, start, saving, caller.watcher)
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
        changed = [f"continues on another text: {shown(corpus.name)}, from its beginning", *shrunk, *changed]
    elif file_names(data) and STDIN not in corpus.sources:  # it has been moved: the next resume finds it
        start = replace(start, corpus=replace(start.corpus, sources=corpus.sources))
    if not _fits(start, config, division):
        raise CheckpointError(f"{name} is damaged (its model or its place in the text is not its run's)")
    check_memory(config, len(corpus.vocabulary), characters_in(division.training), caller.team, caller.watcher)
    trainer = Trainer(config, corpus.vocabulary, division.training, start, team=caller.team)
    notes = [
        *corpus.notes,
        *division.notes,
        f"resumes from {name} at step {start.progress.step:,}",
        *_redistributed(start, trainer),
        *changed,
        *_rate_jump(trainer, before, start.progress.elapsed_seconds / 60),
        *_early_end(config),
    ]
    warnings = _warnings(start, trainer, saving)
    material = Material(start.corpus, division.held_out, start.command, tuple(notes), warnings, rollbacks)
    return Run(trainer, material, saving, start, caller)


def _early_end(config: TrainConfig) -> list[str]:
    """Say where a run goes on after its cosine schedule has ended, when it learns nothing more."""
    last = config.schedule_steps
    if config.schedule != "cosine" or not 0 < last < config.steps:
        return []
    return [f"the learning rate is 0 after step {last:,}, where --schedule-steps ends the cosine schedule"]


def change(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """Return a configuration with other values; where one bound of the run is given, the others bind no more."""
    bounds = {name: value for name, value in changes.items() if name in BOUNDS}
    others = {name: value for name, value in changes.items() if name not in BOUNDS}
    return replace(config.with_bounds(bounds), **others)


_JUMP = 0.01  # share of the learning rate by which it may change and nothing is said


def _resumed_config(start: Checkpoint, name: str, changes: Mapping[str, Any]) -> TrainConfig:
    try:
        config = TrainConfig.from_json(start.config)
    except ConfigError as error:
        raise CheckpointError(f"{name} is damaged ({error})") from error
    if "separator" in changes:
        changes = {**changes, "separator": as_read(changes["separator"], start.corpus.normalize)}
    for field in changes:
        if field not in RESUMABLE and changes[field] != getattr(config, field):
            may_change = ", ".join(map(flag, RESUMABLE))
            said = separator_option(changes[field])[0] if field == "separator" else flag(field)
            raise ConfigError(
                f"{said} cannot change when a run is resumed; leave it out, or start a new run "
                f"(what may change: {may_change})"
            )
    return change(config, changes)


def _changes(before: Mapping[str, Any], config: TrainConfig) -> list[str]:
    """Say which fields are others than before."""
    after = config.to_json()
    changed = [f"{flag(name)} {after[name]} (was {before[name]})" for name in RESUMABLE if after[name] != before[name]]
    return [f"changed: {', '.join(changed)}"] if changed else []


def _read_again(data: Data, start: Checkpoint, saving: Saving | None, watcher: Watcher) -> Corpus:
    how = ["--resume", "--checkpoint", str(saving.path)] if saving else ["--resume"]
    names = file_names(data)
    if names == [] and STDIN in start.corpus.sources:
        again = command("train", [STDIN], how)
        raise ConfigError(f"the text came from stdin; give it again, as a file or with -: {again}")
    try:
        where = list(start.corpus.sources) if names == [] else data
        return read_data(where, start.corpus.decoding, start.vocabulary, start.separator, watcher)
    except TextError as error:
        if names != []:
            raise
        raise TextError(
            f"the text that {shown(str(saving.path)) if saving else 'the checkpoint'} was trained on cannot be read "
            f"again ({error.reason}); say where it is now: {command('train', ['TEXT'], how)}"
        ) from error


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


def _warnings(start: Checkpoint, trainer: Trainer, saving: Saving | None) -> tuple[str, ...]:
    """Say what may surprise: a best model that is gone, and why the bits may not be those of an unbroken run."""
    warnings = []
    if saving and start.progress.history and not saving.best_path.exists():
        best = shown(str(saving.best_path))
        warnings.append(f"the best model so far, {best}, is gone; only a better one makes it anew")
    differing = [
        f"{name} {shown(start.machine[name])} then, {value} now"
        for name, value in trainer.machine.items()
        if start.machine.get(name, value) != value
    ]
    if differing:
        warnings.append(f"exact resume not guaranteed: {'; '.join(differing)}")
    return tuple(warnings)


def _redistributed(start: Checkpoint, trainer: Trainer) -> list[str]:
    """Say that the streams are divided anew, where there were more ranks or fewer."""
    ranks, before = trainer.plan.ranks, start.machine.get(RANKS, "1")
    if before == str(ranks):
        return []
    streams = trainer.config.batch_size
    return [f"the {streams:,} streams are redistributed (ranks until now: {shown(before)}; from here on: {ranks})"]


def _fitted(
    config: TrainConfig,
    changes: Mapping[str, Any],
    vocabulary: Vocabulary,
    training: Part,
    is_suited: bool,
    caller: Caller,
) -> tuple[TrainConfig, tuple[str, ...]]:
    """Fit a configuration to the text that is trained on, and to the machine.

    Returns
    -------
    config, notes : the one that fits, and a sentence for each part that had to shrink
    """
    batch_size, seq_length, notes = fit_part(training, config)
    config = replace(config, batch_size=batch_size, seq_length=seq_length)
    characters = characters_in(training)
    check_memory(config, len(vocabulary), characters, caller.team, caller.watcher)
    if is_suited:
        config = _suit(config, changes, vocabulary, training, caller.team)
        check_memory(config, len(vocabulary), characters, caller.team)
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
    free = available_memory()
    room = math.inf if free is None else free / team.ranks_here
    needed = least_memory(config, vocab_size, team.ranks)
    if needed <= room:
        try:
            needed = estimate_memory(config, vocab_size, characters, team.ranks)
        except MemoryError:  # under a limit that the system does not tell
            room = 0
    if needed > room:
        embedded, or_embedding = "", ""
        if config.embedding_size:
            embedded, or_embedding = f" embedded in {config.embedding_size}", " --embedding-size,"
        units = " and ".join(f"{size:,}" for size in config.hidden_sizes)
        there = "that cannot be had" if free is None or room == 0 else f"{format_bytes(free)} are free"
        raise ConfigError(
            f"a {config.cell} of {units} units over {vocab_size:,} symbols{embedded}, batch {config.batch_size} × seq "
            f"{config.seq_length}, needs about {format_bytes(team.ranks_here * needed)} of memory, and {there}; "
            f"give a smaller --hidden-size,{or_embedding} --batch-size or --seq-length"
        )
    if team.ranks_here * needed >= _WORTH_TELLING:
        watcher.say(f"memory about {format_bytes(team.ranks_here * needed)} for the network and its training")


def least_memory(config: TrainConfig, vocab_size: int, ranks: int = 1) -> int:
    """Return bytes that training takes at the very least, for sizes of which no array can even be described."""
    streams = -(-config.batch_size // ranks)
    logits = longest_chunk(config) * streams * (vocab_size + config.hidden_sizes[-1])
    return np.dtype(config.dtype).itemsize * logits + _weights_memory(config, vocab_size, 1, ranks)


def estimate_memory(config: TrainConfig, vocab_size: int, characters: int, ranks: int = 1) -> int:
    """Return about how many bytes training takes beyond the text and what Python and NumPy hold already.

    The arrays of a step are made to be counted: what is not written to takes no memory.

    Parameters
    ----------
    characters : of the text to train on
    ranks : that share the batch; the estimate is that of each
    """
    model = build_model(config, vocab_size)
    workers = worker_count(config, model, ranks)
    streams = -(-config.batch_size // (ranks * workers))  # of each worker
    params = Parameters(model.shapes(), np.empty(sum(prod(shape) for shape in model.shapes().values()), config.dtype))
    # The usual chunk and an epoch's last have a workspace each, of items those of two lengths; an evaluation has its
    # own.
    lengths = [longest_chunk(config)]
    last = config.seq_length if config.separator else -(-(characters - 1) // config.batch_size) % config.seq_length
    if last or lengths[0] > config.seq_length:
        lengths.append(last or lengths[0])
    session = model.session(params, streams, dropout=dropout_of(config))
    step = workers * sum(session.bytes_for(T) for T in lengths)
    evaluation = model.session(params, MAX_STREAMS).bytes_for(CHUNK_LENGTH) if config.val_fraction else 0
    return _weights_memory(config, vocab_size, workers, ranks) + step + evaluation + (workers - 1) * _PROCESS


def _weights_memory(config: TrainConfig, vocab_size: int, workers: int, ranks: int) -> int:
    """Bytes of the weights and of all that has their shape."""
    memories = len(OPTIMIZERS[config.optimizer].memories)
    gradients = workers * (2 if config.accumulate > 1 else 1)
    fallback = 1 + memories  # a good state to return to
    received = int(ranks > 1)  # what other ranks send for one's own stretch
    count = 1 + gradients + memories + fallback + received
    weights = sum(prod(shape) for shape in build_model(config, vocab_size).shapes().values())
    return count * weights * np.dtype(config.dtype).itemsize


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
