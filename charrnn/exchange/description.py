"""What every exported file says of its model beside the weights, and the checkpoint that one becomes when read.

What is said where a package that only an exchange needs is not installed.

A model's weights by PyTorch's names and in its layout, as NumPy arrays; PyTorch itself is not needed.

::

    embedding.weight      W_e                       (V, E), where there is an embedding
    rnn.weight_ih_l{k}    W_xhᵀ                     (G·H, D)
    rnn.weight_hh_l{k}    W_hhᵀ                     (G·H, H)
    rnn.bias_ih_l{k}      b_h                       (G·H,)
    rnn.bias_hh_l{k}      0, and a GRU's last b_hn  (G·H,)
    linear.weight         W_hyᵀ, or W_e if tied     (V, H)
    linear.bias           b_y                       (V,)

Gates lie in the same order: i f g o in an LSTM, r z n in a GRU. PyTorch adds two biases of which one would do, but for
the part of a GRU's that r multiplies. Layers of one size are one module of PyTorch's; layers of different sizes, which
it has no module for, are one each: ``rnn.{k}.weight_ih_l0``.
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
    """Return plain JSON values, the vocabulary as one text whose characters stand in the order of their ids."""
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
    """Write a description for a file that keeps only strings: what is none, as JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in description.items()}


def imported(model: CharRNN, params: Parameters, vocabulary: Vocabulary, name: str, usage: Usage) -> Checkpoint:
    """Return a checkpoint of a model from elsewhere: to sample from, to score with, or to start a training from.

    Raises
    ------
    ValueError
        If the separator or the unknown symbol has characters that are not in the vocabulary.
    """
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


@contextmanager
def needing(package: str, what: str) -> Iterator[None]:
    """Import, inside this, what may not be there.

    Parameters
    ----------
    package : as pip calls it
    what : who needs it

    Raises
    ------
    MissingPackageError
        If it is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"{what} needs {package}: `pip install {package}`") from error


def is_one_module(model: CharRNN) -> bool:
    """Whether all the layers fit one module of PyTorch's."""
    return len(set(model.hidden_sizes)) == 1


def to_state_dict(model: CharRNN, params: Parameters) -> dict[str, Array]:
    """Return fresh, contiguous arrays by PyTorch's names."""
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
