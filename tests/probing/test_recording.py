"""A recording is what the slow, obvious reading of the same text finds."""

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.nn.model import CELLS, CharRNN
from charrnn.probing import GUESSES, ONE, OPEN, record
from charrnn.scoring.reading import CHUNK_LENGTH, Scorer
from charrnn.text.vocabulary import Vocabulary

V = 7
N = 2 * CHUNK_LENGTH + 5
NOTHING = np.empty(0, dtype=np.intp)
LINE_FEED = np.zeros(1, dtype=np.intp)
every_cell = pytest.mark.parametrize("cell", CELLS)


def two_layers(cell: str) -> CharRNN:
    return CharRNN(V, cell, (5, 4), embedding_size=3)


@every_cell
def test_a_recording_equals_one_character_at_a_time(cell: str) -> None:
    rng = np.random.default_rng(1)
    model, ids = two_layers(cell), rng.integers(0, V, N)
    params = model.initialize(rng, std=0.8)
    recording = record(model, params, ids, LINE_FEED)
    session = model.session(params, 1)
    logits, state = session.logits(LINE_FEED[None], model.zero_state(1))
    for place, character in enumerate(ids):
        probs = np.exp(logits[0, 0].astype(np.float64))
        probs /= probs.sum()
        assert recording.surprise[place] == pytest.approx(-math.log(probs[character]), rel=1e-4)
        best = recording.guesses[place]
        np.testing.assert_allclose(recording.guess_probs[place], np.sort(probs)[::-1][:GUESSES], rtol=1e-4)
        np.testing.assert_allclose(recording.guess_probs[place], probs[best], rtol=1e-4)
        logits, state = session.logits(np.array([[character]]), state)
        h = np.concatenate([layer.h[0] for layer in state])
        assert np.abs(recording.activations[:, place] / ONE - h).max() <= 0.5 / ONE + 1e-5
        for name, openness in recording.gates.items():
            gate = np.concatenate([session.gates(k)[name][0, 0] for k in range(len(model.cells))])
            assert np.abs(openness[:, place] / OPEN - gate).max() <= 0.5 / OPEN + 1e-5
    assert set(recording.gates) == {"vanilla": set(), "lstm": {"i", "f", "o"}, "gru": {"r", "z"}}[cell]


@pytest.mark.parametrize("characters", ["\nabcdef", " abcdef"])
def test_the_surprise_is_what_the_score_counts(characters: str) -> None:
    rng = np.random.default_rng(2)
    model, vocabulary = two_layers("gru"), Vocabulary(characters)
    params, ids = model.initialize(rng, std=0.8), rng.integers(0, V, N)
    scorer = Scorer(model, params, vocabulary)
    recording = record(model, params, ids, LINE_FEED if "\n" in characters else NOTHING)
    assert recording.surprise.sum() == pytest.approx(scorer.lines([ids])[0], rel=1e-5)


@pytest.mark.parametrize("before", [LINE_FEED, NOTHING], ids=["line feed", "nothing"])
@every_cell
def test_items_are_recorded_each_as_if_it_were_alone(cell: str, before: NDArray[np.intp]) -> None:
    rng = np.random.default_rng(5)
    model, ids = two_layers(cell), rng.integers(0, V, N)
    params = model.initialize(rng, std=0.8)
    starts = [0, 1, 4, 4 + CHUNK_LENGTH, N - 3]
    together = record(model, params, ids, before, starts)
    for start, stop in pairwise([*starts, N]):
        alone = record(model, params, ids[start:stop], before)
        np.testing.assert_array_equal(together.activations[:, start:stop], alone.activations)
        np.testing.assert_array_equal(together.surprise[start:stop], alone.surprise)
        np.testing.assert_array_equal(together.guesses[start:stop], alone.guesses)
        for name, openness in alone.gates.items():
            np.testing.assert_array_equal(together.gates[name][:, start:stop], openness)


def test_with_nothing_before_it_the_first_character_is_a_blind_guess() -> None:
    model = two_layers("lstm")
    params = model.initialize(np.random.default_rng(3), std=0.8)
    recording = record(model, params, np.array([3]), NOTHING)
    assert recording.surprise[0] == pytest.approx(math.log(V))
    assert recording.guess_probs[0] == pytest.approx(np.full(GUESSES, 1 / V))


def test_a_model_of_few_characters_has_as_few_guesses() -> None:
    model = CharRNN(2, "gru", (3,))
    params = model.initialize(np.random.default_rng(4))
    recording = record(model, params, np.array([0, 1, 1]), LINE_FEED)
    assert recording.guesses.shape == (3, 2)
    np.testing.assert_allclose(recording.guess_probs.sum(axis=1), 1, rtol=1e-6)
