"""A novel text holds no run of the training text that is longer than asked, and is otherwise drawn as ever."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import SampleConfig
from charrnn.errors import ConfigError
from charrnn.nn.model import CharRNN
from charrnn.sampling.novelty import run_hashes
from charrnn.sampling.writing import Writer
from charrnn.scoring.copying import find_copying
from charrnn.text.items import find_items
from tests.sampling.models import VOCABULARY, small

MODEL = CharRNN(len(VOCABULARY), "gru", (9,))


def written(training: str, seed_text: str = "", separator: str = "", **asked: Any) -> list[str]:
    ids: Any = VOCABULARY.encode(training)
    if separator:
        ids, _ = find_items(ids, VOCABULARY.encode(separator))
    writer = Writer(small(MODEL, separator), SampleConfig(**asked), 3, ids)
    return [seed_text + "".join(pieces) for pieces in zip(*writer.write(seed_text), strict=True)]


def longest_run(text: str, training: str) -> int:
    return find_copying(VOCABULARY.encode(text), VOCABULARY.encode(training)).run_length


@given(st.text("\nabcdef", min_size=2, max_size=60), st.integers(2, 5), st.text("abc", max_size=4))
def test_no_run_is_longer_than_asked(training: str, novel: int, seed_text: str) -> None:
    texts = written(training, seed_text, novel=novel, num=3, length=40)
    for text in texts:
        assert longest_run(text, training) <= max(novel, longest_run(seed_text, training))


def test_a_text_that_copies_nothing_is_what_it_would_be_anyway() -> None:
    plain = written("", novel=0, num=4, length=50)
    training = "".join(plain)[::-1]
    longest = max(longest_run(text, training) for text in plain)
    assert written(training, novel=longest, num=4, length=50) == plain
    assert written(training, novel=longest - 1, num=4, length=50) != plain


def test_the_run_may_begin_in_the_seed_text() -> None:
    training = "abcdef" * 3
    for text in written(training, "abcd", novel=4, num=9, length=1):
        assert text != "abcde"


def test_an_item_may_be_longer_than_one_of_the_training_text_but_not_equal() -> None:
    plain = set(written("a", separator="d", num=200, novel=0))
    training = "d".join(plain) + "d"
    items = written(training, separator="d", num=200, novel=1000)
    assert not plain & set(items)


def test_where_every_character_is_copied_a_sentence_says_so() -> None:
    every_pair = "".join(a + b for a in VOCABULARY.characters for b in VOCABULARY.characters)
    with pytest.raises(ConfigError, match="novel 1: every character that could come next is copied"):
        written(every_pair, novel=1, length=10)


@pytest.mark.parametrize("piece_size", [1, 3, 1000])
def test_equal_runs_have_equal_hashes_and_others_have_others(piece_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.sampling.novelty.PIECE_SIZE", piece_size)
    ids = np.random.default_rng(0).integers(0, 3, 200)
    for length in (1, 4, 200, 201):
        runs = [tuple(ids[start : start + length].tolist()) for start in range(max(len(ids) - length + 1, 0))]
        hashes = run_hashes(ids, length).tolist()
        assert len(hashes) == len(runs)
        assert len(set(zip(runs, hashes, strict=True))) == len(set(runs)) == len(set(hashes))
