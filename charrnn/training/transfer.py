"""Weights of one model into another whose vocabulary differs: what belongs to a character goes where it is."""

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.text.vocabulary import Vocabulary


def transfer(source: Checkpoint, model: CharRNN, params: Parameters, vocabulary: Vocabulary) -> int:
    """Overwrite fresh parameters with those of a trained model; return how many characters were known to it.

    A character has a row of the table that is looked up (the embedding, or the first cell's ``W_xh``), a column of
    ``W_hy`` and a number of ``b_y``. Those of a character that `source` never saw stay as they are.

    Parameters
    ----------
    source : a model of the same cell and sizes
    model : of `params`
    params : fresh, changed in place
    vocabulary : of `params`
    """
    _, old, new = np.intersect1d(
        list(source.vocabulary.characters), list(vocabulary.characters), assume_unique=True, return_indices=True
    )
    table = "embedding.W_e" if model.embedding_size else "cells.0.W_xh"
    for name, fresh in params.items():
        array = source.params[name]
        if name == table:
            array, trained = fresh.copy(), array
            array[new] = trained[old]
        elif name in ("linear.W_hy", "linear.b_y"):
            array, trained = fresh.copy(), array
            array[..., new] = trained[..., old]
        params[name] = array
    return len(new)
