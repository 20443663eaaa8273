"""What all exported files share: a description of the model, and its weights under PyTorch's names.

The description says what a model needs besides its weights: its sizes, its vocabulary, and how its text is divided and
normalized. The weights are NumPy arrays in the layout of a PyTorch state_dict; PyTorch itself is not needed::

    embedding.weight      W_e                       (V, E), only with an embedding
    rnn.weight_ih_l{k}    W_xhᵀ                     (G·H, D)
    rnn.weight_hh_l{k}    W_hhᵀ                     (G·H, H)
    rnn.bias_ih_l{k}      b_h                       (G·H,)
    rnn.bias_hh_l{k}      0, and a GRU's last b_hn  (G·H,)
    linear.weight         W_hyᵀ, or W_e if tied     (V, H)
    linear.bias           b_y                       (V,)

The G gates have the same order in both programs: i f g o in an LSTM, r z n in a GRU. PyTorch adds two biases where one
is enough, except for the part of a GRU's that r multiplies. Layers of one size are one PyTorch module. PyTorch has no
module for layers of different sizes, so each is a module of its own: ``rnn.{k}.weight_ih_l0``.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.config import TrainConfig
from charrnn.errors import MissingPackageError
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Array, Parameters
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Vocabulary
from charrnn.version import __version__


def describe(trained: Checkpoint, name: str) -> dict[str, Any]:
    """Return the description as plain JSON values; the vocabulary is one string, in the order of the ids."""
    model = trained.model
    return {
        "name": name,
        "charrnn": __version__,
        "cell": model.cell,
        "hidden_sizes": list(model.hidden_sizes),
        "embedding_size": model.embedding_size,
        "tied": model.tied,
        "dtype": trained.params.vector.dtype.name,
        "vocabulary": trained.vocabulary.characters,
        **trained.usage.to_values(),
    }


def as_strings(description: dict[str, Any]) -> dict[str, str]:
    """Return a description for a file that holds only strings; other values become JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in description.items()}


def imported(model: CharRNN, params: Parameters, vocabulary: Vocabulary, name: str, usage: Usage) -> Checkpoint:
    """Return a checkpoint of an imported model, to sample from, score with, or start a training from."""
    usage.check(vocabulary)
    config = TrainConfig(
        cell=model.cell,
        hidden_sizes=model.hidden_sizes,
        embedding_size=model.embedding_size,
        tied=model.tied,
        dtype=params.vector.dtype.name,
        separator=usage.separator,
    )
    return Checkpoint(model, params, vocabulary, usage.remembered(name, vocabulary), config.to_json())


def is_one_module(model: CharRNN) -> bool:
    """Whether all layers have one size, so that they are one PyTorch module."""
    return len(set(model.hidden_sizes)) == 1


def to_state_dict(model: CharRNN, params: Parameters) -> dict[str, Array]:
    """Return copies of the weights under PyTorch's names, each contiguous."""
    arrays: dict[str, Array] = {"embedding.weight": params["embedding.W_e"]} if model.embedding else {}
    for k, H in enumerate(model.hidden_sizes):
        cell = params.group(f"cells.{k}")
        prefix, layer = ("rnn", k) if is_one_module(model) else (f"rnn.{k}", 0)
        bias_hh = np.zeros_like(cell["b_h"])
        if "b_hn" in cell:
            bias_hh[-H:] = cell["b_hn"]
        arrays |= {
            f"{prefix}.weight_ih_l{layer}": cell["W_xh"].T,
            f"{prefix}.weight_hh_l{layer}": cell["W_hh"].T,
            f"{prefix}.bias_ih_l{layer}": cell["b_h"],
            f"{prefix}.bias_hh_l{layer}": bias_hh,
        }
    arrays["linear.weight"] = params["embedding.W_e"] if model.tied else params["linear.W_hy"].T
    arrays["linear.bias"] = params["linear.b_y"]
    return {name: np.array(array, order="C") for name, array in arrays.items()}


@contextmanager
def needing(package: str, what: str) -> Iterator[None]:
    """Wrap the import of an optional package, so that the error names it and what needs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"{what} needs {package}: `pip install {package}`") from error
