"""Small models that write."""

from dataclasses import dataclass, field

import numpy as np

from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("\nabcdef")


@dataclass
class Model:
    """What `charrnn.sampling.writing.Trained` asks for."""

    model: CharRNN
    params: Parameters
    vocabulary: Vocabulary = VOCABULARY
    usage: Usage = field(default_factory=Usage)


def small(
    model: CharRNN, separator: str = "", vocabulary: Vocabulary = VOCABULARY, *, normalize: str = "none"
) -> Model:
    """Return a model with random weights, large enough to have preferences."""
    params = model.initialize(np.random.default_rng(1), std=0.8, dtype=np.float64)
    return Model(model, params, vocabulary, Usage(separator, normalize=normalize))
