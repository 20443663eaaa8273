"""What the commands print: checkpoints, scores, gradient checks, the cache and the recipes.

``*_text`` and ``*_table`` write for a person, ``*_json`` the same for a program: one JSON object a line, losses in nats
per character. All of these end with a line feed. ``describe_*`` return words for a line on stderr.
"""

import json
import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from charrnn import checkpoint
from charrnn.cache import Kept
from charrnn.checkpoint import Checkpoint, Summary
from charrnn.config import BOUNDS, LINE_END, RECIPES, RESUMABLE, TrainConfig, flag, suited_settings, usual_recipe
from charrnn.errors import CheckpointError, ConfigError, LogError, TextError, counted, shown
from charrnn.gradcheck import COMPLEX_STEP_GATE, DIFFERENCE_GATE, EQUATIONS_GATE, Row
from charrnn.machine import format_bytes
from charrnn.paths import log_path
from charrnn.report.samples import cell_and_size
from charrnn.report.terminal import bits, columns, cut, describe_loss, duration, visible, wrap
from charrnn.scoring.copying import GRAM_LENGTH, find_copying
from charrnn.scoring.reading import UNSEEN_NATS, ScoredLine
from charrnn.scoring.yardsticks import Comparison, Figure
from charrnn.text.corpus import text_identity
from charrnn.text.passage import Passage
from charrnn.text.vocabulary import list_characters
from charrnn.training.data import epochs, parts, training_part
from charrnn.training.log import read_log, stamp

# ---- a checkpoint ----

_INDENT = 10  # columns of the names
_COMMANDS = ("command", "then")
_MOST_SYMBOLS = 200  # that are listed one by one


def info_values(path: Path) -> dict[str, Any]:
    """Return the details of a checkpoint and its log as plain values; losses are in nats per character."""
    trained = checkpoint.load(path)
    try:
        config = TrainConfig.from_json(trained.config)
    except ConfigError as error:
        raise CheckpointError(f"{shown(str(path))} is damaged ({error})") from error
    training, held_out = parts(trained.corpus, config)
    progress, params, best = trained.progress, trained.params.vector, trained.progress.best
    return {
        "checkpoint": str(path),
        "bytes": path.stat().st_size,
        "can_resume": trained.resume is not None,
        "model": asdict(trained.model) | {"parameters": params.size, "dtype": params.dtype.name},
        "vocabulary": trained.vocabulary.characters,
        "corpus": asdict(trained.corpus) | {"training": training, "held_out": held_out},
        "config": config.to_json(),
        "step": progress.step,
        "epochs": epochs(trained, config),
        "smoothed_loss": progress.smoothed_loss,
        "rollbacks": progress.rollbacks,
        "evaluations": [list(evaluation) for evaluation in progress.history],
        "best": best and {"step": best[0], "loss": best[1], "bits_per_char": bits(best[1])},
        "command": _command(trained),
        "log": _log(path, progress.step),
    }


def info_json(values: Mapping[str, Any]) -> str:
    """Return the details as one object."""
    return json.dumps(values) + "\n"


def info_text(values: Mapping[str, Any], width: int | None = None) -> str:
    """Return the details as a few lines, wrapped to a width if there is one."""
    symbols, use = values["vocabulary"], "training can be resumed" if values["can_resume"] else "for sampling only"
    listed = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in symbols[:_MOST_SYMBOLS])
    rows = [
        ("file", f"{shown(values['checkpoint'])}, {values['bytes']:,} bytes; {use}"),
        ("model", describe_layers(values["model"])),
        ("symbols", f"{len(symbols):,}: {listed}{' ...' * (len(symbols) > _MOST_SYMBOLS)}"),
        ("text", _text(values)),
    ]
    if values["corpus"]["sources"]:
        rows += [
            ("SHA-256", values["corpus"]["sha256"]),
            ("trained", _trained(values)),
            ("held out", _held_out(values)),
            ("settings", _settings(TrainConfig.from_json(values["config"]))),
            *_commands(values),
        ]
    lines: list[str] = []
    for name, words in rows:
        line = f"{name:<{_INDENT}}{visible(words).replace(chr(10), ' ')}"
        # A command stays on one line, so that it can be copied.
        lines += wrap(line, width, _INDENT) if width and name not in _COMMANDS else [line]
    return "\n".join(lines) + "\n"


def _log(path: Path, step: int) -> dict[str, Any] | None:
    """Return where a run's log is, its commands, its start and its duration up to a step; None without a log.

    The best model is from an earlier step than the last: later records are not about it.
    """
    with suppress(LogError):
        records = [record for record in read_log(log_path(path)) if record["step"] <= step]
        begun = [record for record in records if record["event"] in ("start", "resume")]
        return {
            "path": str(log_path(path)),
            "commands": [record["command"] for record in begun if isinstance(record.get("command"), str)],
            "began": records[0].get("time") if records else None,
            "seconds": _seconds(records),
        }
    return None


def _seconds(records: list[dict[str, Any]]) -> float:
    """Return how long the parts of a run took together, each from its start to its last record."""
    total, began, last = 0.0, None, None
    for record in records:
        with suppress(KeyError, TypeError, ValueError):
            now = datetime.fromisoformat(record["time"])
            if record["event"] in ("start", "resume") and began and last:
                total, began = total + (last - began).total_seconds(), None
            began, last = began or now, now
    return total + (last - began).total_seconds() if began and last else total


def _text(values: Mapping[str, Any]) -> str:
    corpus, separator = values["corpus"], values["config"]["separator"]
    if not corpus["sources"]:
        return f"{shown(corpus['name'])}: an imported model, whose training text is not known"
    which = f"{shown(corpus['name'])} ({', '.join(map(shown, corpus['sources']))}), {corpus['encoding']}"
    if corpus["items"]:
        which += ", one item a line" if separator == LINE_END else f", items divided by {separator!r}"
    return f"{which}: {describe_division(corpus['training'], corpus['held_out'], corpus['items'])}"


def _trained(values: Mapping[str, Any]) -> str:
    took = f" in {duration(values['log']['seconds'])}" if values["log"] else ""
    back = f", {counted(values['rollbacks'], 'rollback')}" if values["rollbacks"] else ""
    loss = describe_loss(values["smoothed_loss"])
    planned = values["config"]["steps"]
    steps = f"{values['step']:,} of {planned:,} steps" if values["step"] < planned else f"{values['step']:,} steps"
    return f"{steps} = {values['epochs']:.1f} epochs{took}{back}; training loss {loss}"


def _held_out(values: Mapping[str, Any]) -> str:
    best, evaluations = values["best"], values["evaluations"]
    if not best:
        return "never evaluated"
    words = (
        f"{describe_loss(best['loss'])} at step {best['step']:,}, the best of {counted(len(evaluations), 'evaluation')}"
    )
    step, loss = evaluations[-1]
    return words if step == best["step"] else f"{words}; {describe_loss(loss)} at step {step:,}, the last"


def _settings(config: TrainConfig) -> str:
    rate = f" {config.learning_rate:g}" if config.learning_rate else ""
    words = [describe_batch(config), f"{config.optimizer}{rate} {config.schedule}"]
    names = ("clip_value", "clip_norm", "dropout", "weight_drop", "bptt_jitter")
    words += [f"{flag(name)[2:]} {getattr(config, name):g}" for name in names if getattr(config, name)]
    return ", ".join([*words, f"rng-seed {config.rng_seed}"])


def _command(trained: Checkpoint) -> str | None:
    """Return the command that starts a run with the present settings; None where a program started it.

    The checkpoint keeps what was typed but for the options that a resume may change, which stand in the settings.
    """
    if not trained.command:
        return None
    named = re.search(r"--recipe[ =](\S+)", trained.command)
    recipe = RECIPES[named[1] if named else usual_recipe(trained.separator)]
    usual, now = recipe.config.to_json(), trained.config
    is_needed = {name: now[name] != usual[name] for name in RESUMABLE}
    if recipe.is_suited and now["learning_rate"] in (
        suited_settings(passes)["learning_rate"] for passes in (0, 10, 30)
    ):
        is_needed["learning_rate"] = False  # the recipe chose it by the length of the text
    if any(is_needed[name] for name in BOUNDS):  # one that is given replaces the recipe's
        is_needed |= {name: bool(now[name]) for name in BOUNDS}
    words = [(flag(name), str(now[name]).removesuffix(".0")) for name in RESUMABLE if is_needed[name]]
    options, dashes, texts = trained.command.partition(" -- ")
    return " ".join([options, *chain(*words)]) + dashes + texts


def _commands(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was typed: for each part of the run where a log knows it, else to start it."""
    log = values["log"]
    if not (log and log["commands"]):
        return [("command", values["command"])] if values["command"] else []
    first, *others = log["commands"]
    return [("command", first), *(("then", command) for command in others), ("log", log["path"])]


def describe_batch(config: TrainConfig) -> str:
    """Return what one update learns from: ``batch 16 × seq 50``, or several of those."""
    chunks = f"{config.accumulate} × " if config.accumulate > 1 else ""
    return f"{chunks}batch {config.batch_size} × seq {config.seq_length}"


# ---- scores ----

_LONGEST_QUOTE = 60  # characters
_LINE_FEED = "\n"
_LOSSES = 2 * (2 + 9)  # columns of a loss in nats and in bits


def scores_table(comparison: Comparison, width: int | None = None, note: str = "") -> str:
    """Return one line for each method, the model first, then the yardsticks, the best first, and a note below.

    On a terminal narrower than the table, it has no perplexity, and the note is wrapped.
    """
    figures = (comparison.model, *comparison.yardsticks)
    header = f"on {counted(comparison.characters, 'character')}"
    names = max(len(header), *(len(figure.name) for figure in figures))
    rows = [f"{header:<{names}}  nats/char  bits/char  perplexity"]
    for figure in figures:
        losses = f"{figure.nats:>9.3f}  {bits(figure.nats):>9.3f}"
        rows.append(f"{figure.name:<{names}}  {losses}  {_perplexity(figure.nats):>10,.2f}")
    if width and len(rows[0]) > width:
        rows = [row[: names + _LOSSES] for row in rows]
    below = wrap(note, width) if width else [note]
    return "".join(f"{row}\n" for row in (*rows, *(below if note else ())))


def describe_unseen(passage: Passage) -> str:
    """Return a sentence about the characters that the model never saw and what each costs, if there are any."""
    if passage.num_unknown:
        return (
            f"rare: {passage.num_unknown:,} of the characters, {list_characters(passage.unseen)}; each is read as the "
            "model's unknown symbol and costs what that symbol costs"
        )
    if not passage.num_unseen:
        return ""
    return (
        f"unseen in training: {passage.num_unseen:,} of the characters, {list_characters(passage.unseen)}; "
        f"each is skipped and costs {bits(UNSEEN_NATS):.3f} bits, a guess among all of Unicode"
    )


def describe_sameness(trained: Checkpoint, passage: Passage) -> list[str]:
    """Return a line if the text is the model's training text."""
    is_learned = _is_learned(trained, passage)
    return ["note: this is the training text, so all these scores are too good"] if is_learned else []


def scores_json(
    comparison: Comparison, trained: Checkpoint, passage: Passage, path: Path, windows: int | None = None
) -> str:
    """Return one object: the model's figures, and a list of the yardsticks'."""
    values = {
        "checkpoint": str(path),
        "is_training_text": _is_learned(trained, passage),
        "unseen_characters": passage.unseen,
        **_score_values(comparison),
    }
    if passage.unknown is not None:
        values["read_as_unknown"] = passage.num_unknown
    if windows:
        values["windows"] = windows
    return json.dumps(values) + "\n"


def yardsticks_json(comparison: Comparison, step: int) -> str:
    """Return the figures for the held-out part of a run that ended at a step, as an event of its log."""
    return json.dumps(stamp("yardsticks", step) | _score_values(comparison)) + "\n"


def line_text(line: ScoredLine) -> str:
    """Return a line's bits per character, its number and its exact text, separated by tabs."""
    text = line.passage.text()
    return f"{bits(line.nats):.3f}\t{line.number}\t{text.removesuffix(_LINE_FEED)}\n"


def line_json(line: ScoredLine) -> str:
    """Return the same as one object."""
    values = {
        "line": line.number,
        "text": line.passage.text().removesuffix(_LINE_FEED),
        "characters": len(line.passage.ids),
        "unseen": line.passage.num_unseen,
        "nats_per_char": line.nats,
        "bits_per_char": bits(line.nats),
    }
    return json.dumps(values) + "\n"


def describe_copying(trained: Checkpoint, written: Sequence[int]) -> str:
    """Return the longest run of a sample (ids) that is in the training text, and how much of the sample is new."""
    try:
        training = training_part(trained)
    except TextError as error:
        return visible(f"no report on copying: {error}")
    sample = np.array(written, dtype=np.intp)
    copying = find_copying(sample, training)
    words = f"too short for {GRAM_LENGTH}-grams"
    if copying.novel_share is not None:
        words = f"{copying.novel_share:.1%} of its {GRAM_LENGTH}-grams are new"
    run = trained.vocabulary.decode(sample[copying.run_start :][: copying.run_length])
    quote = run if len(run) <= _LONGEST_QUOTE else f"{run[: _LONGEST_QUOTE - 1]}…"
    most = counted(copying.run_length, "character")
    return visible(f"copied: at most {most} in a row, {json.dumps(quote, ensure_ascii=False)}; {words}")


def _is_learned(trained: Checkpoint, passage: Passage) -> bool:
    sha256 = text_identity(passage.sha256, passage.file_ends, of_items=bool(trained.separator))
    return sha256 == trained.corpus.sha256


def _score_values(comparison: Comparison) -> dict[str, Any]:
    return {
        "characters": comparison.characters,
        "unseen": comparison.unseen,
        **_figures(comparison.model),
        "yardsticks": [{"name": figure.name, **_figures(figure)} for figure in comparison.yardsticks],
    }


def _figures(figure: Figure) -> dict[str, float | None]:
    perplexity = _perplexity(figure.nats)
    return {
        "nats_per_char": figure.nats,
        "bits_per_char": bits(figure.nats),
        "perplexity": perplexity if math.isfinite(perplexity) else None,  # JSON has no infinity
    }


def _perplexity(nats: float) -> float:
    """Return how many equally likely characters would be as hard to guess."""
    return math.exp(nats) if nats < math.log(sys.float_info.max) else math.inf


# ---- gradients ----

_WIDTH, _WITHOUT_MODEL = 115, 90  # columns of a row, and of a row below a heading that names the model


def gradients_table(rows: Sequence[Row], width: int | None = None) -> str:
    """Return one line for each array, then the verdict.

    On a narrow terminal, the model's name is above its rows; on a very narrow one, the rows have only the errors.
    """
    has_model, has_all = width is None or width >= _WIDTH, width is None or width >= _WITHOUT_MODEL
    errors = ("complex step", "difference", "equations") if has_all else ("complex", "central", "plain")
    titles = ("model", "array", "entries", *errors, "", "worst entry")
    lines, model = [_line(titles, has_model=has_model, has_all=has_all)], ""
    for row in rows:
        if row.model != model and not has_model:
            lines.append(row.model)
        model = row.model
        lines.append(_line(_cells(row), has_model=has_model, has_all=has_all))
    return "\n".join([*lines, *wrap(gradients_verdict(rows), width or sys.maxsize)]) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    entries = f"{row.checked}" if row.checked == row.size else f"{row.checked} of {row.size}"
    where = ",".join(map(str, row.worst_index))
    equations = "" if row.equations_error is None else f"{row.equations_error:.1e}"
    errors = f"{row.complex_step_error:.1e}", f"{row.difference_error:.1e}", equations
    worst = f"[{where}] {row.worst_derived:+.3e}" if row.raised is None else row.raised
    return row.model, row.array, entries, *errors, "ok" if row.passed else "FAIL", worst


def _line(cells: Sequence[str], *, has_model: bool, has_all: bool) -> str:
    model, array, entries, complex_step, difference, equations, passed, worst = cells
    if not has_all:
        return f"  {array:<13} {complex_step:>7} {difference:>7} {equations:>7}  {passed}".rstrip()
    first = f"{model:<24} " if has_model else "  "
    errors = f"{complex_step:>12} {difference:>10} {equations:>10}"
    return f"{first}{array:<15} {entries:>12} {errors}  {passed:<4} {worst}"


def gradients_json(rows: Sequence[Row]) -> str:
    """Return one object for each array."""
    return "".join(json.dumps(_finite(asdict(row)) | {"passed": row.passed}) + "\n" for row in rows)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Replace NaN and infinity, which JSON does not have, by null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }


def gradients_verdict(rows: Sequence[Row]) -> str:
    """Return one sentence: all gradients are right, or which array is worst and where."""
    gates = f"complex step within {COMPLEX_STEP_GATE:g}, central differences within {DIFFERENCE_GATE:g}"
    if any(row.equations_error is not None for row in rows):
        gates += f", equations within {EQUATIONS_GATE:g}"
    wrong = [row for row in rows if not row.passed]
    if not wrong:
        return f"all {len(rows)} gradients are right ({gates})"
    worst = max(wrong, key=lambda row: math.inf if math.isnan(row.complex_step_error) else row.complex_step_error)
    sentence = f"{len(wrong)} of {len(rows)} gradients are wrong; worst is {worst.array} of {worst.model}"
    if worst.raised is not None:
        return f"{sentence}: {worst.raised}"
    numbers = f"derived {worst.worst_derived:.6g}, numeric {worst.worst_numeric:.6g}"
    return f"{sentence} at {list(worst.worst_index)}: {numbers}"


# ---- cached texts ----

_HEADER = ("text", "size", "characters", "symbols", "used")


def cache_table(kept: Sequence[Kept], folder: Path, *, were_removed: bool = False) -> str:
    """Return one line for each text, the last used first, and their total size."""
    where, total = shown(str(folder)), format_bytes(sum(entry.size for entry in kept))
    texts = counted(len(kept), "text")
    if not kept:
        return f"no cached texts in {where}\n"
    if were_removed:
        return f"removed {texts}, {total}, from {where}\n"
    lines = columns([_HEADER, *map(_row, kept)], names=1)
    return "\n".join([*lines, f"{texts}, {total}, in {where}"]) + "\n"


def cache_json(kept: Sequence[Kept]) -> str:
    """Return one object for each text."""
    return "".join(json.dumps(_cache_values(entry)) + "\n" for entry in kept)


def _row(kept: Kept) -> tuple[str, ...]:
    known = kept.description
    ago = f"{duration(max(0.0, time.time() - kept.used))} ago"
    if known is None:
        return visible(kept.path.name), format_bytes(kept.size), "damaged", "", ago
    names = visible(", ".join(map(shown, known.given)))
    return names, format_bytes(kept.size), f"{known.characters:,}", f"{len(known.vocabulary):,}", ago


def _cache_values(kept: Kept) -> dict[str, object]:
    known = kept.description
    values: dict[str, object] = {
        "path": str(kept.path),
        "bytes": kept.size,
        "used": datetime.fromtimestamp(kept.used, UTC).isoformat(timespec="seconds"),
        "is_damaged": known is None,
    }
    if known:
        values |= {
            "name": known.name,
            "sources": list(known.given),
            "files": [path for path, *_ in known.files],
            "sha256": known.sha256,
            "characters": known.characters,
            "symbols": len(known.vocabulary),
            "max_vocab": known.request.get("max_vocab", 0),
        }
    return values


# ---- models, texts and recipes ----

_NAME_WIDTH, _TEXT_WIDTH = 24, 16  # columns in the list of models, at most


@dataclass(frozen=True)
class Listed:
    """A model in the list of those here."""

    name: str
    path: Path
    summary: Summary


def models_table(models: Sequence[Listed], width: int | None = None) -> str:
    """Return one line for each model; on a terminal, long names of models and texts are cut."""
    rows = [("name", "text", "model", "steps", "bits/char", "saved")]
    for listed in models:
        name, text, history = listed.name, shown(listed.summary.corpus.name), listed.summary.progress.history
        if width:
            name, text = cut(name, _NAME_WIDTH), cut(text, _TEXT_WIDTH)
        figure = f"{bits(history[-1][1]):.3f}" if history else "-"
        ago = f"{duration(max(0.0, time.time() - listed.path.stat().st_mtime))} ago"
        steps = f"{listed.summary.progress.step:,}"
        rows.append((visible(name), visible(text), cell_and_size(listed.summary.model), steps, figure, ago))
    return "".join(f"{line}\n" for line in columns(rows, names=3))


def models_json(models: Sequence[Listed]) -> str:
    """Return one object for each model."""
    return "".join(json.dumps(_model_values(listed)) + "\n" for listed in models)


def _model_values(listed: Listed) -> dict[str, object]:
    model, progress = listed.summary.model, listed.summary.progress
    nats = progress.history[-1][1] if progress.history else None
    saved = datetime.fromtimestamp(listed.path.stat().st_mtime, UTC)
    return {
        "name": listed.name,
        "checkpoint": str(listed.path),
        "text": listed.summary.corpus.name,
        "cell": model.cell,
        "hidden_sizes": list(model.hidden_sizes),
        "step": progress.step,
        "nats_per_char": nats,
        "bits_per_char": None if nats is None else bits(nats),
        "saved": saved.isoformat(timespec="seconds"),
    }


def describe_layers(network: Mapping[str, Any]) -> str:
    """Return the cells, the sizes, the input and the parameters of a network, given as in `info_values`."""
    sizes = "+".join(map(str, network["hidden_sizes"]))
    inputs = f"embedding {network['embedding_size']}" if network["embedding_size"] else "one-hot"
    tied = ", tied" if network["tied"] else ""
    parameters = f"{network['parameters']:,} parameters in {network['dtype']}"
    return f"{network['cell']} {sizes}, {inputs} input{tied}, {parameters}"


def describe_division(training: int, held_out: int, items: Mapping[str, int] | None) -> str:
    """Return how many characters of a text, and how many items, are trained on and held out."""
    if items:
        trained_on = f"{items['training']:,} items ({items['training_characters']:,} characters) to train on"
        return f"{trained_on}, {items['held_out']:,} ({items['held_out_characters']:,}) held out"
    return f"{training:,} characters to train on, {held_out:,} held out"


def recipes_table(width: int | None = None) -> str:
    """Return one line for each recipe and what it reaches, wrapped to a width if there is one."""
    names = max(map(len, RECIPES))
    lines = [f"{name:{names}}  {recipe.reaches}" for name, recipe in RECIPES.items()]
    parts = [part for line in lines for part in wrap(line, width, names + 2)] if width else lines
    return "".join(f"{part}\n" for part in parts)
