"""What every exported file says of its model beside the weights, and the checkpoint that one becomes when read."""

import json
from typing import Any

from charrnn.checkpoint import Checkpoint
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.config import TrainConfig
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
