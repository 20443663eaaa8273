"""A checkpoint: one .npz file with a model, its vocabulary, and all that an exact resume needs.

Its arrays are ``params/<name>``, ``optimizer/<memory>/<name>``, ``state/<layer>/<field>`` (``h``, and ``c`` of an LSTM)
and ``meta``, a JSON text as bytes. An earlier state of the same run, for a rollback, is below ``fallback/``. You can
read the file without this package::

    file = numpy.load(path)                   # no pickle inside
    file["params/cells.0.W_hh"]
    json.loads(file["meta"].tobytes())

`charrnn.archive` reads and writes the file; this module gives the arrays their meaning and checks that they agree.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from charrnn.archive import RefusedError, count, number, parse, read_arrays, typed, write_arrays
from charrnn.config import ERRORS, FORMS, TrainConfig
from charrnn.errors import CheckpointError, ConfigError, shown
from charrnn.nn.model import CELLS, CharRNN, State
from charrnn.nn.parameters import Array, Parameters
from charrnn.optim import OptimizerState, names_to_use, optimizer_of
from charrnn.text.corpus import CorpusInfo, ItemCounts
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Vocabulary
from charrnn.version import __version__

FORMAT = 1
# How gates are packed; a vanilla cell has none, and says what an LSTM says.
_GATE_ORDER = {"vanilla": "ifgo", "lstm": "ifgo", "gru": "rzn"}
_FALLBACK = "fallback/"
_MOST_STEPS = 1 << 53  # what a float still counts
# What is raised by a description that contradicts the arrays or itself, or is not ours.
_CONTRADICTION = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError),
    ConfigError,
)
PathLike = str | os.PathLike[str]
Result = TypeVar("Result")
Join = Callable[[Sequence[Array]], Array]


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int = 0
    epoch: int = 0
    position: int = 0  # of the data cursor, within the epoch
    smoothed_loss: float = 0.0  # nats a character
    elapsed_seconds: float = 0.0  # counted only if the run is limited by time
    history: tuple[tuple[int, float], ...] = ()  # (step, held-out nats a character)
    rollbacks: int = 0  # how often training diverged and the learning rate was halved
    has_risen: bool = False  # whether the user was told that the loss explodes

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and nats a character of the best evaluation."""
        return min(self.history, key=lambda entry: entry[1], default=None)


@dataclass(frozen=True)
class Resume:
    """What training needs besides the weights; missing in a checkpoint kept only for sampling."""

    optimizer_state: OptimizerState
    state: State
    fallback: "Fallback | None" = None


@dataclass(frozen=True)
class Fallback:
    """An earlier good state of the same run, to which training returns if it diverges."""

    params: Parameters
    progress: Progress
    resume: Resume


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and the state of its training, as `charrnn.load` returns it.

    Examples
    --------
    >>> import charrnn
    >>> trained = charrnn.load(charrnn.PRETRAINED)
    >>> trained.model.cell, trained.params["cells.0.W_hh"].shape, trained.corpus.name, trained.progress.step
    ('gru', (320, 960), 'harbour-clerk', 9000)

    """

    model: CharRNN
    params: Parameters
    vocabulary: Vocabulary
    corpus: CorpusInfo
    config: Mapping[str, Any]  # the training configuration as plain JSON values
    progress: Progress = field(default_factory=Progress)
    resume: Resume | None = None
    machine: Mapping[str, str] = field(default_factory=dict)  # what decides the last bits of its sums, if known
    command: str = ""  # that the user typed to start the run; empty where a program did

    @property
    def separator(self) -> str:
        """What stands between two items; empty for a model of running text."""
        return str(self.config.get("separator", ""))

    @property
    def reading(self) -> dict[str, Any]:
        """How its text was read, as `charrnn.text.passage.read_passage` takes it."""
        return {**self.corpus.decoding, "strip_gutenberg": bool(self.config.get("strip_gutenberg", False))}

    @property
    def usage(self) -> Usage:
        """How the model is to be used, apart from its weights and its vocabulary."""
        return Usage.of(self.separator, self.corpus, self.vocabulary)


@dataclass(frozen=True)
class Summary:
    """What a list says of a checkpoint."""

    model: CharRNN
    corpus: CorpusInfo
    progress: Progress


def save(path: PathLike, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; equal checkpoints give equal bytes.

    Raises
    ------
    CheckpointError
        If the file cannot be written, or `load` would refuse it; an existing file is then unchanged.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.save("copy.npz", charrnn.load(charrnn.PRETRAINED))

    """
    arrays, updates = _members(checkpoint.params, checkpoint.resume)
    earlier, fallback = None, checkpoint.resume and checkpoint.resume.fallback
    if fallback:
        members, earlier_updates = _members(fallback.params, fallback.resume)
        arrays |= {_FALLBACK + name: array for name, array in members.items()}
        earlier = {"progress": asdict(fallback.progress), "optimizer_updates": earlier_updates}
    meta = {
        "format": FORMAT,
        "charrnn": __version__,
        "model": asdict(checkpoint.model),
        "gate_order": _GATE_ORDER[checkpoint.model.cell],
        "vocabulary": checkpoint.vocabulary.characters,
        "corpus": asdict(checkpoint.corpus),
        "config": dict(checkpoint.config),
        "progress": asdict(checkpoint.progress),
        "optimizer_updates": updates,
        "fallback": earlier,
        "machine": dict(checkpoint.machine),
        "command": checkpoint.command,
    }
    try:
        text = json.dumps(meta, sort_keys=True, allow_nan=False)
    except (ValueError, TypeError) as error:  # a number that is not finite, or a type that JSON does not have
        raise CheckpointError(f"cannot save {shown(os.fspath(path))}: {shown(str(error))}") from error
    arrays["meta"] = np.frombuffer(text.encode(), np.uint8)
    with contextlib.suppress(OSError):  # the writer says what is wrong with the folder
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, arrays, _check)


def load(path: PathLike) -> Checkpoint:
    """Read a checkpoint and check that its parts agree.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, made by a newer version, not a checkpoint, or contradicts itself.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.load("book.npz")
    Traceback (most recent call last):
    charrnn.errors.CheckpointError: no such checkpoint: 'book.npz'; train one with `charrnn train`

    """
    return _read(path, _interpret)


def summarize(path: PathLike) -> Summary:
    """Read a checkpoint's description without its weights; the errors are those of `load`."""
    return _read(path, _summarize, only="meta")


def _read(
    path: PathLike, interpret: Callable[[dict[str, Any], dict[str, Array]], Result], only: str | None = None
) -> Result:
    arrays = read_arrays(path, only=only)
    where = shown(os.fspath(path))
    if "meta" not in arrays:
        raise CheckpointError(f"{where} is not a charrnn checkpoint (it has no meta member); give another file")
    try:
        meta = parse(arrays.pop("meta").tobytes())
        made_by_newer = count(meta["format"]) > FORMAT
        result = None if made_by_newer else interpret(meta, arrays)
    except _CONTRADICTION as error:
        raise CheckpointError(f"{where} is damaged or incomplete ({_reason(error)}); use another copy") from error
    if result is None:
        raise CheckpointError(
            f"{where} was made by a newer charrnn (format {meta['format']}, this one reads up to {FORMAT}); "
            "install the newer one"
        )
    return result


def _reason(error: Exception) -> str:
    """Say in words what contradicts itself: Python's own errors of a look-up do not."""
    if isinstance(error, KeyError):
        return f"meta has no {shown(str(error.args[0]))}"
    if "indices must be" in str(error):
        return "meta has a list or a text where an object belongs"
    return shown(str(error))


def _check(members: Iterable[tuple[str, Array]]) -> None:
    """Refuse what `load` would refuse. To save memory, arrays stand for their shapes and types."""
    arrays = {name: array if name == "meta" else _stand_in(array.dtype, array.shape) for name, array in members}
    try:
        _interpret(parse(arrays.pop("meta").tobytes()), arrays, _join_stand_ins)
    except _CONTRADICTION as error:
        raise RefusedError(f"could not be read again ({_reason(error)})") from error


def _stand_in(dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Return zeros that all lie in the same eight bytes."""
    return np.ndarray(shape, dtype, bytes(8), strides=(0,) * len(shape))


def _join_stand_ins(parts: Sequence[Array]) -> Array:
    return _stand_in(parts[0].dtype, (sum(part.size for part in parts),))


def _members(params: Parameters, resume: Resume | None) -> tuple[dict[str, Array], int | None]:
    """Return the arrays by their names in the file, and the number of the optimizer's updates."""
    arrays: dict[str, Array] = {f"params/{name}": array for name, array in params.items()}
    if resume is None:
        return arrays, None
    for memory, values in resume.optimizer_state.memories.items():
        arrays |= {f"optimizer/{memory}/{name}": array for name, array in values.items()}
    for layer, layer_state in enumerate(resume.state):
        arrays |= {f"state/{layer}/{name}": array for name, array in layer_state._asdict().items()}
    return arrays, resume.optimizer_state.updates


def _interpret(meta: dict[str, Any], arrays: dict[str, Array], join: Join = np.concatenate) -> Checkpoint:
    """Build the checkpoint; any error means that the file contradicts itself."""
    if count(meta["format"]) != FORMAT:
        raise ValueError(f"meta has the format {meta['format']}")
    vocabulary = Vocabulary(typed(meta["vocabulary"], str))
    model = _model(meta["model"], vocabulary)
    config = typed(meta["config"], dict)
    known = TrainConfig.from_json(config)
    params = _gather(arrays, "params", model.shapes(), join)
    if meta["gate_order"] != _GATE_ORDER[model.cell] or config["dtype"] != params.vector.dtype.name:
        raise ValueError("gate order or data type differ between meta and the arrays")
    resume = None
    if meta["optimizer_updates"] is not None:
        names = names_to_use(optimizer_of(known.optimizer, known.average).memories)
        fallback = _fallback(meta["fallback"], arrays, model, names, join)
        resume = _resume(arrays, model, params, names, meta["optimizer_updates"], join)
        if fallback and fallback.params.vector.dtype != params.vector.dtype:
            raise ValueError("the state to fall back to is of another data type")
        resume = replace(resume, fallback=fallback)
    if arrays:
        raise ValueError(f"unknown member {min(arrays)}")
    if not set(typed(config["separator"], str)) <= set(vocabulary.characters):
        raise ValueError("the separator has characters that are not in the vocabulary")
    corpus, progress = _corpus(meta["corpus"]), _progress(meta["progress"])
    if resume and resume.fallback:
        earlier = resume.fallback.progress
        if earlier.step > progress.step or earlier.rollbacks > progress.rollbacks:
            raise ValueError("the state to fall back to is later than the run's own")
    if bool(config["separator"]) != (corpus.items is not None):
        raise ValueError("the text has items without a separator, or a separator without items")
    machine = {name: typed(value, str) for name, value in typed(meta["machine"], dict).items()}
    command = typed(meta["command"], str)
    return Checkpoint(model, params, vocabulary, corpus, config, progress, resume, machine, command)


def _summarize(meta: dict[str, Any], _: dict[str, Array]) -> Summary:
    model = _model(meta["model"], Vocabulary(typed(meta["vocabulary"], str)))
    return Summary(model, _corpus(meta["corpus"]), _progress(meta["progress"]))


def _model(values: dict[str, Any], vocabulary: Vocabulary) -> CharRNN:
    values = values | {"hidden_sizes": tuple(count(size) for size in typed(values["hidden_sizes"], list))}
    model = CharRNN(**values)
    sizes = (count(model.vocab_size), count(model.embedding_size), *model.hidden_sizes)
    is_possible = model.cell in CELLS and model.hidden_sizes and 0 not in model.hidden_sizes and max(sizes) <= 1 << 30
    if not is_possible or (typed(model.tied, bool) and model.embedding_size != model.hidden_sizes[-1]):
        raise ValueError("the model's description cannot be right")
    if model.vocab_size != len(vocabulary):
        raise ValueError(f"the model has {model.vocab_size} characters, the vocabulary {len(vocabulary)}")
    return model


def _gather(arrays: dict[str, Array], prefix: str, shapes: Mapping[str, tuple[int, ...]], join: Join) -> Parameters:
    """Remove the named arrays from `arrays` and join them in one vector."""
    parts = []
    for name, shape in shapes.items():
        member = f"{prefix}/{name}"
        if member not in arrays:
            raise ValueError(f"{member} is missing")
        array = arrays.pop(member)
        if array.shape != shape:
            raise ValueError(f"{member} has shape {array.shape}, the model's description asks for {shape}")
        parts.append(array.reshape(-1))
    if len({part.dtype for part in parts}) != 1 or parts[0].dtype.kind != "f":
        raise ValueError(f"{prefix} must be floating-point numbers of one type")
    return Parameters(shapes, join(parts))


def _fallback(
    values: Any, arrays: dict[str, Array], model: CharRNN, names: tuple[str, ...], join: Join
) -> Fallback | None:
    if values is None:
        return None
    values = typed(values, dict)
    members = [name for name in arrays if name.startswith(_FALLBACK)]
    own = {name.removeprefix(_FALLBACK): arrays.pop(name) for name in members}
    params = _gather(own, "params", model.shapes(), join)
    resume = _resume(own, model, params, names, values["optimizer_updates"], join)
    if own:
        raise ValueError(f"unknown member {_FALLBACK}{min(own)}")
    return Fallback(params, _progress(values["progress"]), resume)


def _resume(
    arrays: dict[str, Array], model: CharRNN, params: Parameters, names: tuple[str, ...], updates: object, join: Join
) -> Resume:
    memories = {name: _gather(arrays, f"optimizer/{name}", params.shapes, join) for name in names}
    for name, memory in memories.items():
        if "square" in name and memory.vector.min() < 0:
            raise ValueError(f"optimizer/{name} has a negative sum of squares")
    state = []
    for layer, zero in enumerate(model.zero_state(1, params.vector.dtype)):
        fields = {name: arrays.pop(f"state/{layer}/{name}") for name in zero._fields}
        state.append(type(zero)(**fields))
        if any(array.shape != (len(state[0].h), model.hidden_sizes[layer]) for array in state[layer]):
            raise ValueError(f"state/{layer} does not fit the model")
    dtypes = {memory.vector.dtype for memory in memories.values()} | {array.dtype for s in state for array in s}
    if dtypes != {params.vector.dtype}:
        raise ValueError("optimizer, state and parameters differ in data type")
    return Resume(OptimizerState(memories, count(updates, _MOST_STEPS)), tuple(state))


def _corpus(values: dict[str, Any]) -> CorpusInfo:
    texts: Any = {name: typed(values[name], str) for name in ("name", "encoding", "sha256", "errors", "normalize")}
    if texts["errors"] not in ERRORS or texts["normalize"] not in FORMS:
        raise ValueError("the text was read in an unknown way")
    sources = tuple(typed(source, str) for source in typed(values["sources"], list))
    sizes: Any = {name: count(values[name], _MOST_STEPS) for name in ("characters", "max_vocab")}
    items = values["items"]
    if items is not None:
        items = ItemCounts(**{name: count(size, _MOST_STEPS) for name, size in typed(items, dict).items()})
    sizes["licence"] = count(values.get("licence", 0), _MOST_STEPS)  # older files lack it
    return CorpusInfo(sources=sources, items=items, **sizes, **texts)


def _progress(values: dict[str, Any]) -> Progress:
    counts = {name: count(values[name], _MOST_STEPS) for name in ("step", "epoch", "position", "rollbacks")}
    smoothed_loss, elapsed = number(values["smoothed_loss"]), number(values["elapsed_seconds"])
    history = tuple((count(step), number(loss)) for step, loss in typed(values["history"], list))
    steps = [step for step, _ in history]
    if steps != sorted(set(steps)) or steps[-1:] > [counts["step"]] or elapsed < 0:
        raise ValueError("the run's history cannot be right")
    has_risen = typed(values.get("has_risen", False), bool)  # older files lack it
    return Progress(
        **counts, smoothed_loss=smoothed_loss, elapsed_seconds=elapsed, history=history, has_risen=has_risen
    )
