"""The n-grams equal the slow reference, are distributions, and count as the published figures were counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.scoring import ngram
from charrnn.scoring.ngram import NGrams
from charrnn.text.corpus import read_corpus, split
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


def test_pieces_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    ngrams = NGrams(rng.integers(0, 5, 500).astype(np.uint8), 5, 4)
    text = rng.integers(0, 5, 100).astype(np.uint8)
    whole = ngrams.probabilities(text, 3)
    monkeypatch.setattr(ngram, "BLOCK_LENGTH", 7)
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
