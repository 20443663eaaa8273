"""The text that a model was trained on, found again by what its checkpoint remembers."""

import numpy as np
from numpy.typing import NDArray

from charrnn.cache import load_corpus
from charrnn.checkpoint import Checkpoint
from charrnn.errors import CharRNNError, TextError, shown
from charrnn.text.corpus import split, text_identity
from charrnn.text.finding import STDIN
from charrnn.text.reading import NOBODY, Watcher
from charrnn.training.config import TrainConfig
from charrnn.training.division import Division, Part, divide, running


def training_part(trained: Checkpoint, watcher: Watcher = NOBODY) -> NDArray[np.integer]:
    """Return the ids of what the model learned from, as one text; the errors are those of `divided`."""
    return running(learned(trained, watcher))


def learned(trained: Checkpoint, watcher: Watcher = NOBODY) -> Part:
    """Return what the model learned from, without what was held out; the errors are those of `divided`."""
    return divided(trained, watcher).training


def divided(trained: Checkpoint, watcher: Watcher = NOBODY) -> Division:
    """Return the model's text, divided as it was for the training.

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
        decoding = {**corpus.decoding, "keep": trained.separator}
        found = load_corpus(corpus.sources, vocabulary=trained.vocabulary, **decoding, watcher=watcher)
        if trained.separator:
            config = TrainConfig.from_json(trained.config)
            division = divide(found.ids, trained.vocabulary, config, found.file_ends)
        else:
            division = Division(*split(found.ids, val_fraction))
    except CharRNNError as error:
        why = error.reason if isinstance(error, TextError) else error
        raise TextError(f"the training text cannot be read again ({why})") from error
    sha256 = text_identity(found.sha256, found.file_ends, of_items=bool(trained.separator))
    if sha256 != corpus.sha256:
        raise TextError(
            f"{shown(corpus.name)} has changed since the model learned it "
            f"(SHA-256 {corpus.sha256[:12]}… then, {sha256[:12]}… now)"
        )
    if division.counts != corpus.items:
        raise TextError("what was held out cannot be chosen again as it was: another NumPy, or a damaged checkpoint")
    return division
