"""The n-grams equal the slow reference, are distributions, and count as the published figures were counted."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.scoring import yardsticks
from charrnn.scoring.yardsticks import NGrams
from charrnn.text.corpus import read_corpus, split
from charrnn.text.items import reach_within_items
from tests import reference

TEXTS = st.lists(st.integers(0, 3), min_size=1, max_size=30)


@given(TEXTS, TEXTS, st.sampled_from([4, 20_000, 1_114_112]))
def test_every_order_equals_the_reference(training: list[int], text: list[int], vocab_size: int) -> None:
    # Spread over the vocabulary, so that keys without numbering anew would overflow.
    training, text = ([character * (vocab_size // 4) for character in ids] for ids in (training, text))
    ngrams = NGrams(np.array(training), vocab_size, 6)
    assert ngrams.max_order == min(6, len(training))
    probs = ngrams.probabilities(np.array(text))
    for order, row in enumerate(probs, start=1):
        wanted = [
            reference.witten_bell(training, vocab_size, text[max(i - order + 1, 0) : i], text[i])
            for i in range(len(text))
        ]
        np.testing.assert_allclose(row, wanted, rtol=1e-12)


@given(TEXTS, TEXTS)
def test_probabilities_of_all_characters_sum_to_one_after_any_context(training: list[int], context: list[int]) -> None:
    ngrams = NGrams(np.array(training), 7, 6)
    total = sum(ngrams.probabilities(np.array([*context, character]), len(context)) for character in range(7))
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def test_grams_of_random_characters_take_little_memory_while_they_are_counted() -> None:
    training = np.random.default_rng(0).integers(0, 57, 200_000)
    tracemalloc.start()
    NGrams(training, 57, 6)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / len(training) < 115  # a gram each of the orders 4 to 6; wider numbers and `np.unique` take 165


def test_pieces_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    ngrams = NGrams(rng.integers(0, 5, 500).astype(np.uint8), 5, 4)
    text = rng.integers(0, 5, 100).astype(np.uint8)
    whole = ngrams.probabilities(text, 3)
    monkeypatch.setattr(yardsticks, "BLOCK_LENGTH", 7)
    assert np.concatenate(list(ngrams.blocks(text, 3)), axis=1).tolist() == whole.tolist()


def test_a_worked_example() -> None:
    # "abab": after a, b came twice and nothing else; b came 2 times of 4, and there are 2 kinds.
    probs = NGrams(np.array([0, 1, 0, 1]), 3, 2).probabilities(np.array([0, 1]), 1)
    unigram = (2 + 2 * (1 / 3)) / (4 + 2)
    assert probs[:, 0] == pytest.approx([unigram, (2 + 1 * unigram) / (2 + 1)])


def test_order_5_on_the_harbour_clerk_is_the_known_figure() -> None:
    corpus = read_corpus(["harbour-clerk.txt"])
    training, held_out = split(corpus.ids, 0.1)
    ngrams = NGrams(training, len(corpus.vocabulary), 6)
    losses = -sum(np.log2(probs).sum(axis=1) for probs in ngrams.blocks(held_out, 1)) / (len(held_out) - 1)
    assert losses.argmin() == 4
    assert losses[4] == pytest.approx(1.992, abs=5e-4)


ITEMS = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=5), min_size=1, max_size=6)


@given(ITEMS, ITEMS)
def test_no_context_reaches_from_one_item_into_another(training: list[list[int]], text: list[list[int]]) -> None:
    """What an order expects of an item is what it expects of it alone, wherever it stands."""

    def joined(items: list[list[int]]) -> np.ndarray:
        return np.array([0, *(character for item in items for character in [*item, 0])])

    def reach(ids: np.ndarray) -> np.ndarray:
        return reach_within_items(np.flatnonzero(ids[:-1] == 0) + 1, len(ids))

    learned, ids = joined(training), joined(text)
    ngrams = NGrams(learned, 4, 6, reach(learned))
    whole = ngrams.probabilities(ids, 1, reach(ids))
    alone = [ngrams.probabilities(joined([item]), 1, reach(joined([item]))) for item in text]
    np.testing.assert_allclose(whole, np.concatenate(alone, axis=1), rtol=1e-12)
    turned = joined(training[::-1])
    other = NGrams(turned, 4, 6, reach(turned))
    np.testing.assert_allclose(other.probabilities(ids, 1, reach(ids)), whole, rtol=1e-12)


def test_what_reaches_everywhere_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    training, text = (rng.integers(0, 5, size).astype(np.uint8) for size in (500, 100))
    usual = NGrams(training, 5, 6).probabilities(text, 3)
    far = NGrams(training, 5, 6, np.arange(500)).probabilities(text, 3, np.arange(100))
    assert far.tolist() == usual.tolist()
