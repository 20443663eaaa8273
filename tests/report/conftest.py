"""One browser for all tests of pages, small models to make pages of, and a terminal of any size."""

import io
import os
from collections.abc import Iterator

import numpy as np
import pytest

from charrnn.checkpoint import Checkpoint
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
from charrnn.text.corpus import CorpusInfo
from charrnn.text.vocabulary import Vocabulary
from tests.browser import NAMES, Browser, executable


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not executable():
        pytest.skip(f"there is no browser here ({', '.join(NAMES)}): .ci/run installs Debian's chromium")
    with Browser() as browser:
        yield browser


def untrained(
    text: str, cell: str = "gru", hidden_sizes: tuple[int, ...] = (6,), embedding_size: int = 0
) -> Checkpoint:
    """Return a model of a text's characters whose weights are random, and large enough to say something."""
    vocabulary = Vocabulary.from_text(text)
    model = CharRNN(len(vocabulary), cell, hidden_sizes, embedding_size, tied=embedding_size == hidden_sizes[-1])
    params = Parameters(model.shapes())
    params.vector[...] = np.random.default_rng(7).normal(0, 0.7, params.vector.size)  # biases too
    return Checkpoint(model, params, vocabulary, CorpusInfo("text", ("text.txt",), "utf-8", "", len(text)), {})


class Terminal(io.StringIO):
    """A terminal of a size."""

    encoding = "utf-8"

    def __init__(self, columns: int, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((columns, lines)))

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1
