"""What a checkpoint is: how big, trained on what, how far, how good and how, for a person and for a program."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from charrnn import checkpoint
from charrnn.checkpoint import Checkpoint
from charrnn.errors import CheckpointError, ConfigError, LogError, counted, shown
from charrnn.report.columns import wrap
from charrnn.report.terminal import visible
from charrnn.report.units import bits, describe_batch, describe_loss, duration
from charrnn.training.config import LINE_END, TrainConfig, flag
from charrnn.training.log import log_path, read_log
from charrnn.training.retracing import command_for, epochs, parts

_INDENT = 10  # columns of the names
_COMMANDS = ("command", "then")
_MOST_SYMBOLS = 200  # that are listed one by one


def gather(path: Path) -> dict[str, Any]:
    """Return all there is to say of a checkpoint and its log, as plain values. Losses are nats a character.

    Raises
    ------
    CheckpointError
        If it cannot be read, or its configuration is none that a run could have.
    """
    trained = checkpoint.load(path)
    try:
        config = TrainConfig.from_json(trained.config)
    except ConfigError as error:
        raise CheckpointError(f"{shown(str(path))} is damaged ({error})") from error
    training, held_out = parts(trained.corpus, config)
    progress, params = trained.progress, trained.params.vector
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
        "best": _best(trained),
        "command": command_for(trained.corpus, config) if trained.corpus.sources else None,
        "log": _log(path, progress.step),
    }


def as_json(values: Mapping[str, Any]) -> str:
    """Write them as one object."""
    return json.dumps(values) + "\n"


def as_text(values: Mapping[str, Any], width: int | None = None) -> str:
    """Write them as a few lines for a person; with a width, lines that are longer go on below."""
    rows = [
        ("file", _file(values)),
        ("model", _model(values)),
        ("symbols", f"{len(values['vocabulary']):,}: {_symbols(values['vocabulary'])}"),
        ("text", _text(values)),
        *(_training(values) if values["corpus"]["sources"] else []),
    ]
    lines: list[str] = []
    for name, words in rows:
        line = f"{name:<{_INDENT}}{visible(words).replace(chr(10), ' ')}"
        # A command stays on one line, however long: what is cut could not be copied.
        lines += wrap(line, width, _INDENT) if width and name not in _COMMANDS else [line]
    return "\n".join(lines) + "\n"


def _best(trained: Checkpoint) -> dict[str, Any] | None:
    best = trained.progress.best
    return {"step": best[0], "loss": best[1], "bits_per_char": bits(best[1])} if best else None


def _log(path: Path, step: int) -> dict[str, Any] | None:
    """Say of a run's log where it is, what was typed, when it began and how long it took; None if there is none.

    A run's best model is of an earlier step than the run's last: what comes later in the log is not about it.
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
    """Time from each beginning to the last that is known of that part of the run, added up."""
    total, began, last = 0.0, None, None
    for record in records:
        with suppress(KeyError, TypeError, ValueError):
            now = datetime.fromisoformat(record["time"])
            if record["event"] in ("start", "resume") and began and last:
                total, began = total + (last - began).total_seconds(), None
            began, last = began or now, now
    return total + (last - began).total_seconds() if began and last else total


def _file(values: Mapping[str, Any]) -> str:
    use = "training can go on from it" if values["can_resume"] else "for sampling only"
    return f"{shown(values['checkpoint'])}, {values['bytes']:,} bytes; {use}"


def _model(values: Mapping[str, Any]) -> str:
    model = values["model"]
    width = f"embedding {model['embedding_size']}" if model["embedding_size"] else "one-hot"
    sizes = "+".join(map(str, model["hidden_sizes"]))
    tied = ", tied" if model["tied"] else ""
    return f"{model['cell']} {sizes}, {width} input{tied}, {model['parameters']:,} parameters in {model['dtype']}"


def _symbols(characters: str) -> str:
    listed = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in characters[:_MOST_SYMBOLS])
    return f"{listed} ..." if len(characters) > _MOST_SYMBOLS else listed


def _text(values: Mapping[str, Any]) -> str:
    corpus, items = values["corpus"], values["corpus"]["items"]
    name = shown(corpus["name"])
    which = f"{name} ({', '.join(map(shown, corpus['sources']))}), {corpus['encoding']}"
    if not corpus["sources"]:
        return f"{name}: the model is from elsewhere, and its text is not known"
    if items:
        what = "lines" if values["config"]["separator"] == LINE_END else f"items by {values['config']['separator']!r}"
        return (
            f"{which}: {what}, each for itself: "
            f"{items['training']:,} of {items['training_characters']:,} characters to train on + {items['held_out']:,} "
            f"of {items['held_out_characters']:,} held out"
        )
    held_out = f"{corpus['training']:,} characters to train on + {corpus['held_out']:,} held out"
    return f"{which}: {held_out}"


def _training(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("SHA-256", values["corpus"]["sha256"]),
        ("trained", _trained(values)),
        ("held out", _held_out(values)),
        ("settings", _settings(TrainConfig.from_json(values["config"]))),
        *_commands(values),
    ]


def _trained(values: Mapping[str, Any]) -> str:
    took = f" in {duration(values['log']['seconds'])}" if values["log"] else ""
    back = f", {counted(values['rollbacks'], 'rollback')}" if values["rollbacks"] else ""
    loss = describe_loss(values["smoothed_loss"])
    planned = values["config"]["steps"]
    steps = f"{values['step']:,} of {planned:,} steps" if values["step"] < planned else f"{values['step']:,} steps"
    return f"{steps} = {values['epochs']:.1f} epochs{took}{back}; loss in training {loss}"


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


def _commands(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was typed, where a log knows it, and else the command that trains the same."""
    log = values["log"]
    if not (log and log["commands"]):
        return [("command", values["command"]), ("", "(by its settings, as there is no log of what was typed)")]
    first, *others = log["commands"]
    return [("command", first), *(("then", command) for command in others), ("log", log["path"])]
