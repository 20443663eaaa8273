"""The yardsticks learn what the model learned, meet what it meets, and pay for unseen characters what it pays."""

import gzip
import lzma
import math

import numpy as np
import pytest

from charrnn.scoring import yardsticks
from charrnn.scoring.reading import UNSEEN_NATS
from charrnn.scoring.yardsticks import Comparison, Figure, Slice, compare
from charrnn.text.corpus import read_corpus, split
from charrnn.text.vocabulary import Vocabulary
from tests.scoring.following import Followed

MODEL = Figure("the model", 1.0)
VOCABULARY = Vocabulary("abcd")
NONE = np.empty(0, dtype=np.uint8)


def figures(comparison: Comparison) -> dict[str, float]:
    return {figure.name: figure.nats for figure in comparison.yardsticks}


def random_text(length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, length).astype(np.uint8)


def test_on_noise_nothing_beats_the_uniform_guess_by_much_and_the_best_comes_first() -> None:
    compared = compare(MODEL, Slice(random_text(3000, 0), NONE, random_text(3000, 1)), VOCABULARY)
    nats = figures(compared)
    assert nats["uniform over 4 symbols"] == pytest.approx(math.log(4), rel=1e-12)
    assert all(value > 0.99 * math.log(4) for value in nats.values())
    assert list(nats.values()) == sorted(nats.values())
    assert compared.model is MODEL
    assert compared.characters == 3000


def test_what_was_read_before_costs_a_compressor_little_and_an_n_gram_less_than_its_order_allows() -> None:
    text = random_text(5000, 0)
    nats = figures(compare(MODEL, Slice(text, NONE, text[1000:3000]), VOCABULARY))
    assert nats["gzip"] < 0.1  # a match is at most 258 characters long
    assert nats["xz"] < 0.05
    assert min(nats["gzip"], nats["xz"]) < nats["6-gram, Witten-Bell"] < nats["unigram"]


def test_what_stands_before_a_slice_foretells_it_and_is_not_scored() -> None:
    training = np.arange(400, dtype=np.uint8) % 4
    alone, led = (
        figures(compare(MODEL, Slice(training, before, np.array([3], dtype=np.uint8)), VOCABULARY))
        for before in (NONE, training[:3])
    )
    assert led["unigram"] == alone["unigram"]
    assert led["4-gram, Witten-Bell"] < 0.001
    noise = random_text(2000, 5)
    copied = figures(compare(MODEL, Slice(training, noise, noise), VOCABULARY))
    assert max(copied["gzip"], copied["xz"]) < 0.1


@pytest.mark.parametrize("training", [None, random_text(50, 3)], ids=["alone", "trained"])
def test_each_pays_the_charge_for_each_unseen_character(training: np.ndarray | None) -> None:
    clean = figures(compare(MODEL, Slice(training, NONE, random_text(90, 1)), VOCABULARY))
    spoilt = figures(compare(MODEL, Slice(training, NONE, random_text(90, 1), unseen=10), VOCABULARY))
    for name, nats in spoilt.items():
        assert 100 * nats == pytest.approx(90 * clean[name] + 10 * UNSEEN_NATS, rel=1e-12)
    only = compare(MODEL, Slice(training, NONE, NONE, unseen=3), VOCABULARY)
    assert list(figures(only).values()) == pytest.approx([UNSEEN_NATS] * len(clean), rel=1e-12)


def test_without_a_training_text_only_what_needs_none_is_shown() -> None:
    nats = figures(compare(MODEL, Slice(None, NONE, random_text(500, 1)), VOCABULARY))
    assert sorted(nats) == ["gzip, the text alone", "uniform over 4 symbols", "xz, the text alone"]


def test_a_text_that_one_character_foretells_best_shows_no_second_unigram() -> None:
    nats = figures(compare(MODEL, Slice(random_text(40, 1)[:1], NONE, random_text(40, 2)), VOCABULARY))
    assert [name for name in nats if "gram" in name] == ["unigram"]


def test_the_compressors_are_gzip_and_xz_without_their_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = read_corpus(["harbour-clerk.txt"])
    training, held_out = split(corpus.ids, 0.1)
    before, after = (corpus.vocabulary.decode(ids).encode() for ids in (training, held_out))
    text = Slice(training[:-3], training[-3:], held_out)
    nats = figures(compare(MODEL, text, corpus.vocabulary))
    for name, pack in (("gzip", gzip.compress), ("xz", lzma.compress)):
        growth = len(pack(before + after)) - len(pack(before))
        assert nats[name] * len(held_out) / math.log(256) == pytest.approx(growth, abs=8)
    monkeypatch.setattr(yardsticks, "_PIECE", 1000)
    assert figures(compare(MODEL, text, corpus.vocabulary)) == nats
    monkeypatch.setattr(yardsticks, "WINDOW", 5000)  # what lies further back is forgotten
    assert figures(compare(MODEL, text, corpus.vocabulary))["xz"] > nats["xz"]


def test_of_a_long_training_text_the_n_grams_learn_the_end_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yardsticks, "MOST_LEARNED", 1000)
    training, text = random_text(3000, 0), random_text(100, 1)
    nats = figures(compare(MODEL, Slice(training, NONE, text), VOCABULARY))
    of_its_end = figures(compare(MODEL, Slice(training[-1000:], NONE, text), VOCABULARY))
    assert nats["unigram, of the last 1,000"] == of_its_end["unigram"]
    assert nats["uniform over 4 symbols"] == of_its_end["uniform over 4 symbols"]


def test_a_track_follows_every_task_and_changes_nothing() -> None:
    training, followed = random_text(400, 3), Followed()
    text = Slice(training, training[:1], random_text(300, 4))
    assert compare(MODEL, text, VOCABULARY, followed) == compare(MODEL, text, VOCABULARY)
    assert {task: sum(sizes) for task, sizes in followed.done.items()} == followed.totals
    assert followed.totals == {
        "counting n-grams": 6 * 400,
        "n-grams read": 300,
        "gzip compresses the training text": 401,
        "gzip compresses the text": 300,
        "xz compresses the training text": 401,
        "xz compresses the text": 300,
    }
