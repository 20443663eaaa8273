"""The text that a model was trained on, found again by what its checkpoint remembers."""

import numpy as np
from numpy.typing import NDArray

from charrnn.checkpoint import Checkpoint
from charrnn.errors import CharRNNError, TextError
from charrnn.text.corpus import read_corpus, split
from charrnn.text.reading import STDIN


def training_part(trained: Checkpoint) -> NDArray[np.integer]:
    """Return the ids of what the model learned from: its text without the part that was held out.

    Raises
    ------
    TextError
        If the text is not here any more, or not the same; the sentence says why.
    """
    corpus, val_fraction = trained.corpus, trained.config.get("val_fraction")
    if not corpus.sources:
        raise TextError("the model is from elsewhere, and its training text is not known")
    if STDIN in corpus.sources:
        raise TextError("the training text came from stdin and was not kept")
    if not isinstance(val_fraction, float):
        raise TextError("the checkpoint does not say which part of its text was held out")
    try:
        found = read_corpus(corpus.sources, vocabulary=trained.vocabulary, **corpus.decoding)
        training, _ = split(found.ids, val_fraction)
    except CharRNNError as error:
        raise TextError(f"the training text cannot be read again ({error})") from error
    if found.sha256 != corpus.sha256:
        raise TextError(
            f"{corpus.name} has changed since the model learned it "
            f"(SHA-256 {corpus.sha256[:12]}… then, {found.sha256[:12]}… now)"
        )
    return training
