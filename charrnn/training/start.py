"""The two ways into a run: `train` starts one, `resume` continues one from a checkpoint. Both return a `Run`.

What they need follows: the settings that suit a text, the memory a run takes, the name and the lock of a checkpoint.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from charrnn import checkpoint as checkpoints
from charrnn.checkpoint import Checkpoint, Resume
from charrnn.commands import command
from charrnn.config import (
    BOUNDS,
    LINE_END,
    MOST_LAYERS,
    RECIPES,
    RESUMABLE,
    TrainConfig,
    flag,
    format_sizes,
    suited_settings,
    usual_recipe,
)
from charrnn.errors import CheckpointError, ConfigError, InUseError, TextError, shown
from charrnn.files import Lock, released_on_failure
from charrnn.machine import available_memory, format_bytes
from charrnn.nn.parameters import Parameters
from charrnn.optim import optimizer_of
from charrnn.paths import (
    LOCAL_CHECKPOINTS,
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
from charrnn.training.workers import Plan, shard_count


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
    read = {**decoding, "strip_gutenberg": config.strip_gutenberg}
    config = replace(config, separator=as_read(config.separator, decoding["normalize"]))
    lock = _hold(path, overwrite=overwrite) if path and path.parent.is_dir() else None
    with released_on_failure(lock):
        corpus = read_data(data, read, vocabulary, config.separator, caller.watcher)
        division = divide(corpus.ids, corpus.vocabulary, config, corpus.file_ends, corpus.licences)
        config, shrunk = _fitted(config, settings, corpus.vocabulary, division.training, base.is_suited, caller)
    notes = list(corpus.notes)
    if corpus.licences:
        held_out = "what is held out is the end of the book; " if len(division.held_out) else ""
        notes.append(f"{held_out}--strip-gutenberg leaves the licence out")
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
            known, new = trainer.known, len(corpus.vocabulary) - trainer.known
            notes.append(f"starts from {shown(str(init_from))}: {known} of {known + new} characters known, {new} new")
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
    >>> run = charrnn.train(text, steps=3, hidden_sizes=(8,))
    >>> _ = list(run)
    >>> run = charrnn.resume(run.checkpoint(), text, steps=5)
    >>> [event.step for event in run if isinstance(event, charrnn.StepReport)]
    [4, 5]

    """
    if isinstance(start, Checkpoint):
        return _resume(start, data, None, allow_new_text, caller, settings)
    path = Path(start) if start is not None else newest(for_resume=True)
    if path is None:
        raise CheckpointError(
            "nothing to resume: no checkpoint in {folder}/; name one with {}", "checkpoint", folder=LOCAL_CHECKPOINTS
        )
    if is_kept(path):
        raise CheckpointError(
            f"{shown(str(path))} is a state that a run keeps; copy it to another name to resume from it"
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
    before = TrainConfig.from_json(start.config)
    config = _changed(before, changes, start.corpus.normalize)
    differing = [name for name in RESUMABLE if getattr(config, name) != getattr(before, name)]
    changed = [f"{flag(name)} {getattr(config, name)} (was {getattr(before, name)})" for name in differing]
    changed = [f"changed: {', '.join(changed)}"] if changed else []
    rollbacks = start.progress.rollbacks
    if config.learning_rate != before.learning_rate:
        start = _without_rollbacks(start, start.resume)
    corpus = _read_again(data, start, saving, caller.watcher)
    # A run that began before the licence was known has held it out.
    licences = () if start.corpus.sha256 == corpus.sha256 and not start.corpus.licence else corpus.licences
    division = divide(corpus.ids, corpus.vocabulary, config, corpus.file_ends, licences)
    sha256 = text_identity(corpus.sha256, corpus.file_ends, of_items=bool(config.separator))
    if sha256 != start.corpus.sha256:
        if not allow_new_text:
            raise ConfigError(
                "the text has changed since {name} was saved (SHA-256 {then}… then, {now}… now); give the text it was "
                "trained on, or train on this one with {}",
                "allow_new_text",
                name=name,
                then=start.corpus.sha256[:12],
                now=sha256[:12],
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
        f"resuming {name} at step {start.progress.step:,}",
        *_redistributed(start, trainer),
        *changed,
        *_rate_jump(trainer, before, start.progress.elapsed_seconds / 60),
        *_early_end(config),
    ]
    warnings = _warnings(start, trainer, saving)
    material = Material(start.corpus, division.held_out, start.command, tuple(notes), warnings, rollbacks)
    return Run(trainer, material, saving, start, caller)


def _early_end(config: TrainConfig) -> list[str]:
    """Say where the cosine schedule ends before the run does, so that the rest of it learns nothing."""
    last = config.schedule_steps
    if config.schedule != "cosine" or not 0 < last < config.steps:
        return []
    return [f"the learning rate is 0 after step {last:,}, where --schedule-steps ends the cosine schedule"]


def change(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """Return a configuration with other values; if one bound of the run is given, the others are removed."""
    bounds = {name: value for name, value in changes.items() if name in BOUNDS}
    others = {name: value for name, value in changes.items() if name not in BOUNDS}
    return replace(config.with_bounds(bounds), **others)


def _changed(before: TrainConfig, changes: Mapping[str, Any], normalize: str) -> TrainConfig:
    """Return the configuration of a resumed run."""
    if "separator" in changes:
        changes = {**changes, "separator": as_read(changes["separator"], normalize)}
    for field in changes:
        if field not in RESUMABLE and changes[field] != getattr(before, field):
            is_lines = field == "separator" and changes[field] == LINE_END
            raise ConfigError(
                "{} cannot change when a run is resumed; leave it out, or start a new run (what may change: "
                f"{', '.join(['{}'] * len(RESUMABLE))})",
                *("by_line" if is_lines else field, *RESUMABLE),
            )
    return change(before, changes)


def _read_again(data: Data, start: Checkpoint, saving: Saving | None, watcher: Watcher) -> Corpus:
    how = ["--resume", "--checkpoint", str(saving.path)] if saving else ["--resume"]
    names = file_names(data)
    if names == [] and STDIN in start.corpus.sources:
        again = command("train", [STDIN], how)
        raise ConfigError(f"the text came from stdin; give it again, as a file or with -: {again}")
    try:
        where = list(start.corpus.sources) if names == [] else data
        return read_data(where, start.reading, start.vocabulary, start.separator, watcher)
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
    """Whether the arrays and the cursor of a checkpoint are those of its configuration."""
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
    """Forget how often another learning rate was halved."""
    fallback = resume.fallback
    if fallback:
        fallback = replace(fallback, progress=replace(fallback.progress, rollbacks=0))
    progress = replace(start.progress, rollbacks=0)
    return replace(start, progress=progress, resume=replace(resume, fallback=fallback))


def _rate_jump(trainer: Trainer, before: TrainConfig, minutes: float) -> list[str]:
    """Say how far a schedule that follows new bounds moves the learning rate, if by more than a hundredth."""
    config = trainer.config
    was, now = trainer.next_rate(before, minutes), trainer.next_rate(config, minutes)
    if math.isclose(was, now, rel_tol=0.01):
        return []
    why = f"as the {config.schedule} schedule follows what has changed"
    return [f"the learning rate jumps at step {trainer.step:,} from {was:.3g} to {now:.3g}, {why}"]


def _warnings(start: Checkpoint, trainer: Trainer, saving: Saving | None) -> tuple[str, ...]:
    """Say that the best model is gone, and why the bits may not be those of an unbroken run."""
    warnings = []
    if saving and start.progress.history and not saving.best_path.exists():
        best = shown(str(saving.best_path))
        warnings.append(f"the best model so far, {best}, is missing; only a better model will replace it")
    differing = [
        f"{name} {shown(start.machine[name])} then, {value} now"
        for name, value in trainer.machine.items()
        if start.machine.get(name, value) != value
    ]
    if differing:
        warnings.append(f"exact resume not guaranteed: {'; '.join(differing)}")
    return tuple(warnings)


def _redistributed(start: Checkpoint, trainer: Trainer) -> list[str]:
    """Say that the streams are divided anew, if the number of ranks has changed."""
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
    """Fit a configuration to its text and to the machine; return it with a sentence for each part that had to shrink.

    If it is a default recipe, dropout and Adagrad's learning rate are chosen too, unless `changes` has them.
    """
    batch_size, seq_length, notes = fit_part(training, config)
    config = replace(config, batch_size=batch_size, seq_length=seq_length)
    characters = characters_in(training)
    check_memory(config, len(vocabulary), characters, caller.team, caller.watcher)
    names = {"dropout", "weight_drop", *(["learning_rate"] if config.optimizer == "adagrad" else [])} - changes.keys()
    if is_suited and names:
        passes = planned_passes(config, vocabulary, training, caller.team)
        suited: dict[str, Any] = suited_settings(passes, of_items=bool(config.separator))
        config = replace(config, **{name: suited[name] for name in names})
        check_memory(config, len(vocabulary), characters, caller.team)
    return config, notes


def _like(source: Checkpoint, changes: Mapping[str, Any], num_layers: int | None) -> dict[str, Any]:
    """Return the cell and the sizes of a model whose weights a run starts from; refuse others that were asked for."""
    theirs = asdict(source.model)
    del theirs["vocab_size"]
    asked = {**theirs, **changes}
    layers = len(theirs["hidden_sizes"])
    if num_layers == layers and len(asked["hidden_sizes"]) == 1:
        asked["hidden_sizes"] = tuple(asked["hidden_sizes"]) * layers
    elif num_layers not in (None, layers):
        asked["hidden_sizes"] = ()  # not theirs, whatever they are
    for name, value in theirs.items():
        if asked[name] != value:
            has = "is not {0}" if value is False else "has {0} {own}"
            own = format_sizes(value) if isinstance(value, tuple) else value
            raise ConfigError(f"the model of {{1}} {has}; drop that option", name, "init_from", own=own)
    return theirs


def _stack(config: TrainConfig, num_layers: int | None) -> TrainConfig:
    if num_layers is None:
        return config
    if not 1 <= num_layers <= MOST_LAYERS:
        raise ConfigError("{} must be 1 to {most}, not {layers}", "num_layers", most=MOST_LAYERS, layers=num_layers)
    sizes = config.hidden_sizes
    if len(sizes) not in (1, num_layers):
        fields, values = ("num_layers", "hidden_sizes"), {"layers": num_layers, "sizes": len(sizes)}
        raise ConfigError("{} {layers} does not fit the {sizes} sizes of {}", *fields, **values)
    return replace(config, hidden_sizes=sizes * num_layers if len(sizes) == 1 else sizes)


def _standing(path: Path) -> Path | None:
    """Return the first that exists of the files that a run saved to `path` would write."""
    kept = (kept_path(path, step) for step in kept_states(path))
    return next((file for file in (path, best_path(path), log_path(path), *kept) if file.exists()), None)


_SECONDS_OF_MEASURING = 0.25


def planned_passes(config: TrainConfig, vocabulary: Vocabulary, part: Part, team: Team = ALONE) -> float:
    """Return how many passes over a text a run makes until its first bound.

    With `schedule_steps`, those steps count. With `minutes`, the speed of this machine is measured for a moment.
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
    """Refuse a network that takes more memory than is free to train; the watcher hears how much a large one takes."""
    free = available_memory()
    room = math.inf if free is None else free / team.ranks_here
    needed = least_memory(config, vocab_size, team.ranks)
    if needed <= room:
        try:
            needed = estimate_memory(config, vocab_size, characters, team.ranks)
        except MemoryError:  # under a limit that the system does not tell
            room = 0
    if needed > room:
        embedded = f" embedded in {config.embedding_size}" if config.embedding_size else ""
        sizes = ["hidden_sizes", *(["embedding_size"] if embedded else []), "batch_size"]
        units = " and ".join(f"{size:,}" for size in config.hidden_sizes)
        there = "there is not enough" if free is None or room == 0 else f"{format_bytes(free)} are free"
        raise ConfigError(
            f"a {config.cell} of {units} units over {vocab_size:,} symbols{embedded}, batch {config.batch_size} × seq "
            f"{config.seq_length}, needs about {format_bytes(team.ranks_here * needed)} of memory, and {there}; "
            f"give a smaller {', '.join(['{}'] * len(sizes))} or {{}}",
            *(*sizes, "seq_length"),
        )
    if team.ranks_here * needed >= _WORTH_TELLING:
        watcher.say(f"memory about {format_bytes(team.ranks_here * needed)} for the network and its training")


def least_memory(config: TrainConfig, vocab_size: int, ranks: int = 1) -> int:
    """Return the least bytes that training takes, also for sizes too large for NumPy to describe an array of."""
    streams = -(-config.batch_size // ranks)
    logits = longest_chunk(config) * streams * (vocab_size + config.hidden_sizes[-1])
    return np.dtype(config.dtype).itemsize * logits + _weights_memory(config, vocab_size, 1, ranks)


def estimate_memory(config: TrainConfig, vocab_size: int, characters: int, ranks: int = 1) -> int:
    """Return about how many bytes training takes in each rank, beyond the text and what Python and NumPy hold already.

    The arrays of a step are made to be counted: what is not written to takes no memory.
    """
    model = build_model(config, vocab_size)
    plan = Plan(config, model, shard_count(config, model, ranks), ranks=ranks)
    shards, processes = plan.shards, plan.processes
    params = Parameters(model.shapes(), np.empty(sum(prod(shape) for shape in model.shapes().values()), config.dtype))
    # The usual chunk and an epoch's last (of items, chunks of two lengths) have a workspace each, as an evaluation has.
    lengths = [longest_chunk(config)]
    last = config.seq_length if config.separator else -(-(characters - 1) // config.batch_size) % config.seq_length
    if last or lengths[0] > config.seq_length:
        lengths.append(last or lengths[0])
    session = model.session(params, max(1, len(plan.streams)), dropout=dropout_of(config), shards=shards)
    # The first of several processes works with the others or alone, and has a workspace for either.
    step = (1 + (processes > 1)) * sum(session.bytes_for(T) for T in lengths)
    evaluation = model.session(params, MAX_STREAMS).bytes_for(CHUNK_LENGTH) if config.val_fraction else 0
    return _weights_memory(config, vocab_size, shards, ranks) + step + evaluation + (processes - 1) * _PROCESS


def _weights_memory(config: TrainConfig, vocab_size: int, shards: int, ranks: int) -> int:
    """Bytes of the weights and of all that has their shape."""
    memories = len(optimizer_of(config.optimizer, config.average).memories)
    gradients = shards * (2 if config.accumulate > 1 else 1)
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
        way = "resume it with {1}" if path.exists() else "move it away"
        fields = "overwrite", "resume"
        raise ConfigError(f"{{file}} exists; {way}, or replace it with {{0}}", *fields, file=shown(str(standing)))
    return lock


def _free_path(name: str, notes: list[str]) -> tuple[Path, Lock]:
    """Lock and return the default checkpoint of a text, or the next of its names that is not taken, with a note."""
    number = 0
    while True:
        number += 1
        path = default_path(name, number)
        with suppress(InUseError, ConfigError):  # it exists, or another run is about to write it
            lock = _hold(path, overwrite=False)
            break
    if number > 1:
        notes.append(f"{shown(str(default_path(name, 1)))} is taken; this run saves to {shown(str(path))}")
    return path, lock
