"""The JSON format, for any language: the description, and the weights as plain lists in charrnn's own layout.

The keys are those of `description.describe`, then ``gate_order`` and ``params``. ``vocabulary`` is a list, so that
``vocabulary[id]`` is one character even in a language with UTF-16 strings. ``params`` has each array under its name in
a checkpoint; a matrix is a list of its rows. Numbers have all their digits, so that nothing is lost.
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
    """Write an array row by row: a list of a whole matrix would take ten times its memory."""
    if array.ndim == 1:
        return json.dumps(array.tolist(), separators=(",", ":"))
    return "[" + ",\n   ".join(map(_lists, array)) + "]"


def from_json(path: str | Path) -> Checkpoint:
    """Read a model from a .json file that charrnn wrote.

    Raises
    ------
    ExchangeError
        If the file is missing or damaged, or is not an exported model.

    Examples
    --------
    >>> from charrnn.paths import PRETRAINED
    >>> from charrnn.checkpoint import load
    >>> from charrnn.exchange.json import from_json
    >>> from charrnn.report.pages import export
    >>> size = export(load(PRETRAINED), "model.json")
    >>> checkpoint = from_json("model.json")
    >>> (checkpoint.params.vector == load(PRETRAINED).params.vector).all()
    np.True_
    """
    where = shown(str(path))
    try:
        values = json.loads(Path(path).read_bytes())  # also UTF-8 with a byte order mark, and UTF-16
        return _interpret(values)
    except OSError as error:
        raise ExchangeError(f"{where} cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise ExchangeError(f"{where} is not a model exported as .json ({shown(str(error))})") from error


def _interpret(values: dict[str, Any]) -> Checkpoint:
    """Build the checkpoint; any Python error means that the file is not an exported model."""
    vocabulary = Vocabulary("".join(values["vocabulary"]))
    if not isinstance(values["name"], str):
        raise TypeError("the name is not a string")
    sizes = (len(vocabulary), values["embedding_size"], *values["hidden_sizes"])
    are_sizes = all(type(size) is int and size >= 0 for size in sizes) and sizes[2:] and 0 not in sizes[2:]
    if values["cell"] not in CELLS or not are_sizes:
        raise ValueError("the cell or a size is invalid")
    tied = values["tied"]
    if values["gate_order"] != _GATE_ORDER[values["cell"]] or (tied and sizes[1] != sizes[-1]):
        raise ValueError("the gates are in another order, or the tied embedding does not fit")
    model = CharRNN(len(vocabulary), values["cell"], sizes[2:], values["embedding_size"], tied=bool(tied))
    if values["dtype"] not in ("float32", "float64"):
        raise ValueError("dtype must be float32 or float64")
    params = Parameters(model.shapes(), np.concatenate(list(_vectors(values, model))))
    return imported(model, params, vocabulary, values["name"], Usage.from_values(values))


def _vectors(values: dict[str, Any], model: CharRNN) -> Iterator[Array]:
    """Yield each array as a vector, after checking its shape and numbers."""
    if unknown := set(values["params"]) - set(model.shapes()):
        raise ValueError(f"{min(unknown)} is not part of the model")
    for name, shape in model.shapes().items():
        with np.errstate(over="ignore"):  # isfinite reports it below
            array = np.array(values["params"][name], values["dtype"])
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"{name} must have shape {shape} and finite numbers")
        yield array.reshape(-1)
