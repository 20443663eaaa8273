"""Small models of every kind, a real text for them to read, and what ours makes of it."""

from dataclasses import replace

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.nn.embedding import Ids
from charrnn.nn.model import State
from charrnn.nn.output import log_softmax
from charrnn.nn.parameters import Array
from charrnn.paths import CORPORA
from tests.report.conftest import untrained

TEXT = (CORPORA / "harbour-clerk.txt").read_text(encoding="utf-8")[-3000:]
PART = 200  # characters of it that are read in most tests, in two streams
# Hidden sizes and embedding: one layer and several, of one size and of different ones, one-hot input that is narrower
# and wider than the gates, an embedding, and one that is the output's weights too.
LAYOUTS = [((70,), 0), ((7,), 0), ((6, 6, 6), 0), ((6, 5), 0), ((6, 5), 3), ((6, 6), 3), ((5, 4), 4), ((4, 4), 4)]
CELLS = ("vanilla", "lstm", "gru")
# Each layout and each cell in either type of numbers: what is only written and read again needs no more.
MODELS = [(CELLS[k % 3], layout, ("float32", "float64")[k % 2]) for k, layout in enumerate(LAYOUTS)]


def model_of(cell: str, layout: tuple[tuple[int, ...], int], dtype: str = "float64") -> Checkpoint:
    """Return a model of the text's characters with random weights, biases among them."""
    hidden_sizes, embedding_size = layout
    trained = untrained(TEXT, cell, hidden_sizes, embedding_size)
    # Recurrent weights as large in a wide layer as in a narrow one would make every rounding error grow.
    trained.params.vector[...] /= max(1, max(hidden_sizes) / 10)
    assert trained.model.tied == (embedding_size == 4)
    return replace(trained, params=trained.params.astype(dtype))


def read(trained: Checkpoint, text: str = TEXT[:PART], streams: int = 2) -> Ids:
    """Return the ids (T, B) of a text in streams side by side."""
    return trained.vocabulary.encode(text).reshape(streams, -1).T


def log_probs(trained: Checkpoint, ids: Ids, dtype: str = "float64") -> tuple[Array, State]:
    """Return what our engine gives every character (T, B, V) after each, and the states after the last."""
    model, params = trained.model, trained.params.astype(dtype)
    B = ids.shape[1]
    logits, final = model.session(params, B).logits(ids, model.zero_state(B, dtype))
    return log_softmax(logits), final


def assert_equal_models(one: Checkpoint, other: Checkpoint) -> None:
    """They are the same network with the same weights, to the last bit."""
    assert one.model == other.model
    assert one.vocabulary == other.vocabulary
    assert one.params.vector.dtype == other.params.vector.dtype
    np.testing.assert_array_equal(one.params.vector, other.params.vector)
