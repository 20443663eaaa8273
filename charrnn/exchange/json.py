"""JSON, which every language reads: the description and each array as plain lists, in this program's own layout.

The keys are those of `description.describe`, with ``vocabulary`` as a list so that ``vocabulary[id]`` is a character in
a language of UTF-16 too, then ``gate_order`` and ``params``: each array by the name that a checkpoint gives it, a
matrix as a list of its rows. Numbers are written in full: whoever reads them has the checkpoint's own, to the last bit.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.errors import ExchangeError, shown
from charrnn.exchange.description import describe, imported
from charrnn.nn.model import CELLS, CharRNN
from charrnn.nn.parameters import Array, Parameters
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Vocabulary

_GATE_ORDER = {"vanilla": "", "lstm": "ifgo", "gru": "rzn"}


def as_json(checkpoint: Checkpoint, name: str) -> bytes:
    """Return a model as the bytes of a .json file."""
    description = describe(checkpoint, name)
    description |= {"vocabulary": list(description["vocabulary"]), "gate_order": _GATE_ORDER[checkpoint.model.cell]}
    lines = [f' "{key}": {json.dumps(value)}' for key, value in description.items()]
    arrays = ",\n".join(f'  "{key}": {_lists(array)}' for key, array in checkpoint.params.items())
    return ("{\n" + ",\n".join([*lines, f' "params": {{\n{arrays}\n }}']) + "\n}\n").encode()


def _lists(array: Array) -> str:
    """Write an array, a matrix row by row: a list of all its numbers at once would take ten times its memory."""
    if array.ndim == 1:
        return json.dumps(array.tolist(), separators=(",", ":"))
    return "[" + ",\n   ".join(map(_lists, array)) + "]"


def from_json(path: str | Path) -> Checkpoint:
    """Read a model that was exported as .json.

    Raises
    ------
    ExchangeError
        If the file is missing, damaged, or no such model.

    Examples
    --------
    >>> from charrnn.paths import PRETRAINED
    >>> from charrnn.checkpoint import load
    >>> from charrnn.exchange.json import from_json
    >>> from charrnn.report.export import export
    >>> size = export(load(PRETRAINED), "model.json")
    >>> checkpoint = from_json("model.json")
    >>> (checkpoint.params.vector == load(PRETRAINED).params.vector).all()
    np.True_
    """
    where = shown(str(path))
    try:
        values = json.loads(Path(path).read_bytes())  # finds UTF-8 with a mark, and UTF-16, by itself
        return _interpret(values)
    except OSError as error:
        raise ExchangeError(f"{where} cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ExchangeError(f"{where} is no model that was exported as .json ({shown(str(error))})") from error


def _interpret(values: dict[str, Any]) -> Checkpoint:
    """Build the checkpoint; any error of Python's means that the file is no such model."""
    vocabulary = Vocabulary("".join(values["vocabulary"]))
    if not isinstance(values["name"], str):
        raise TypeError("a name that is no text")
    sizes = (len(vocabulary), values["embedding_size"], *values["hidden_sizes"])
    are_sizes = all(type(size) is int and size >= 0 for size in sizes) and sizes[2:] and 0 not in sizes[2:]
    if values["cell"] not in CELLS or not are_sizes:
        raise ValueError("a cell or a size that cannot be")
    tied = values["tied"]
    if values["gate_order"] != _GATE_ORDER[values["cell"]] or (tied and sizes[1] != sizes[-1]):
        raise ValueError("gates in another order, or a tied embedding that does not fit")
    model = CharRNN(len(vocabulary), values["cell"], sizes[2:], values["embedding_size"], tied=bool(tied))
    if values["dtype"] not in ("float32", "float64"):
        raise ValueError("numbers that are neither float32 nor float64")
    params = Parameters(model.shapes(), np.concatenate(list(_vectors(values, model))))
    return imported(model, params, vocabulary, values["name"], Usage.from_values(values))


def _vectors(values: dict[str, Any], model: CharRNN) -> Iterator[Array]:
    """Yield each array flat, once it is what the model's description asks for."""
    if unknown := set(values["params"]) - set(model.shapes()):
        raise ValueError(f"{min(unknown)} has no place")
    for name, shape in model.shapes().items():
        with np.errstate(over="ignore"):  # the check below says so
            array = np.array(values["params"][name], values["dtype"])
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"{name} has shape {array.shape} where {shape} belongs, or numbers that are not finite")
        yield array.reshape(-1)
