"""A score is the loss of a plain forward pass, whatever the pieces and the company it is read in."""

import math
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn import paths
from charrnn.checkpoint import load
from charrnn.errors import ConfigError, DivergedError
from charrnn.nn import equations
from charrnn.nn.model import CharRNN
from charrnn.nn.output import log_softmax
from charrnn.nn.parameters import Parameters
from charrnn.scoring import reading
from charrnn.scoring.reading import READING, UNSEEN_NATS, Reader, Scorer
from charrnn.text.passage import Passage
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.evaluation import Evaluator
from tests.conftest import REPOSITORY
from tests.scoring.following import Followed

WITH_LINES, WITHOUT = Vocabulary("\nabcd"), Vocabulary("abcde")


def network(cell: str = "lstm") -> tuple[CharRNN, Parameters]:
    model = CharRNN(5, cell, (4, 3))
    return model, model.initialize(np.random.default_rng(0), dtype=np.float64)


def passage(text: str, vocabulary: Vocabulary) -> Passage:
    characters = vocabulary.characters + vocabulary.unknown(text)
    return Passage(np.array([characters.index(c) for c in text], dtype=np.uint8), characters, len(vocabulary), ())


def joined(model: CharRNN, params: Parameters, ids: NDArray[np.integer]) -> list[float]:
    """Read a text as one stream."""
    return [float(nats) for chunk in Reader(model, params).read([ids]) for nats in chunk.losses[:, 0]]


@pytest.mark.parametrize("cell", ["vanilla", "lstm"])
def test_each_character_costs_what_the_equations_say(cell: Literal["vanilla", "lstm"]) -> None:
    model, params = network(cell)
    text = np.random.default_rng(1).integers(0, 5, 3 * reading.CHUNK_LENGTH + 5).tolist()
    inputs, targets = np.array([[0, *text[:-1]], text])[:, :, None]
    tape = equations.network_forward(params, cell, inputs, model.zero_state(1, np.float64))
    wanted = equations.cross_entropy(tape.logits, targets)[:, 0]
    assert joined(model, params, np.array([0, *text])) == pytest.approx(wanted, rel=1e-12)


def test_the_score_is_that_of_a_plain_forward_and_of_the_held_out_figure() -> None:
    model, params = network()
    text = np.random.default_rng(1).integers(0, 5, 200)
    stream = np.array([0, *text])
    logits, _ = model.session(params, 1).logits(stream[:-1, None], model.zero_state(1, np.float64))
    wanted = -np.take_along_axis(log_softmax(logits[:, 0]), text[:, None], axis=1).mean()
    whole = Passage(text.astype(np.uint8), WITH_LINES.characters, 5, ())
    assert Scorer(model, params, WITH_LINES).mean(whole) == pytest.approx(wanted, rel=1e-12)
    assert Evaluator(model, stream).loss(params) == pytest.approx(wanted, rel=1e-12)


def test_without_a_line_feed_the_first_character_is_a_blind_guess() -> None:
    model, params = network()
    scorer = Scorer(model, params, WITHOUT)
    first, whole = scorer.mean(passage("b", WITHOUT)), 3 * scorer.mean(passage("bcd", WITHOUT))
    assert first == math.log(5)
    assert whole - first == pytest.approx(2 * Evaluator(model, np.array([1, 2, 3])).loss(params), rel=1e-12)


def test_an_unseen_character_costs_its_charge_and_leaves_the_rest_alone() -> None:
    assert math.log(1_114_112) == UNSEEN_NATS
    scorer = Scorer(*network(), WITH_LINES)
    clean, spoilt = (scorer.mean(passage(text, WITH_LINES)) for text in ("abcd", "ab☃c☃d"))
    assert 6 * spoilt == pytest.approx(4 * clean + 2 * UNSEEN_NATS, rel=1e-12)
    assert scorer.mean(passage("☃", WITH_LINES)) == UNSEEN_NATS


@pytest.mark.parametrize("vocabulary", [WITH_LINES, WITHOUT], ids=["lines", "no lines"])
def test_a_line_costs_the_same_in_any_company(vocabulary: Vocabulary) -> None:
    scorer = Scorer(*network(), vocabulary)
    rng = np.random.default_rng(2)
    lengths = [*rng.integers(0, 40, 60), 3 * reading.CHUNK_LENGTH + 1, 1, 0]
    lines = [rng.integers(0, 5, length).astype(np.uint8) for length in lengths]
    wanted = [float(scorer.lines([line])[0]) for line in lines]
    assert scorer.lines(lines) == pytest.approx(wanted, rel=1e-12)
    assert scorer.lines([]).size == 0


@pytest.mark.parametrize("vocabulary", [WITH_LINES, WITHOUT], ids=["lines", "no lines"])
def test_lines_are_ranked_by_their_mean_and_blank_ones_left_out(vocabulary: Vocabulary) -> None:
    scorer = Scorer(*network(), vocabulary)
    ranked = scorer.rank_lines(passage("abc\n\nd☃\nabc\n\nad", vocabulary))
    end = "\n" if vocabulary == WITH_LINES else ""
    wanted = [(1, "abc" + end), (3, "d☃" + end), (4, "abc" + end), (6, "ad" + end)]
    assert sorted((line.number, line.passage.text()) for line in ranked) == wanted
    assert [line.nats for line in ranked] == sorted((line.nats for line in ranked), reverse=True)
    assert ranked[0].number == 3
    for line in ranked:
        assert line.nats == pytest.approx(scorer.mean(passage(line.passage.text(), vocabulary)), rel=1e-12)
    equals = [line.number for line in ranked if line.passage.text() == "abc" + end]
    assert equals == [1, 4]


def test_a_track_follows_the_whole_text_and_changes_nothing() -> None:
    scorer, text = Scorer(*network(), WITH_LINES), passage("abcd\nab☃ca\n" * 30, WITH_LINES)
    followed = Followed()
    assert scorer.mean(text, followed) == scorer.mean(text)
    assert followed.totals == {READING: 300} == {READING: sum(followed.done[READING])}
    assert len(followed.done[READING]) > 3
    followed = Followed()
    assert [line.nats for line in scorer.rank_lines(text, followed)] == [line.nats for line in scorer.rank_lines(text)]
    assert followed.totals[READING] == sum(followed.done[READING]) == 300


@pytest.mark.parametrize("length", [9_999, 10_000, 10_049, 15_001, 31_234])
def test_a_long_text_costs_what_it_costs_as_one_stream(length: int) -> None:
    model, params = network()
    ids = np.random.default_rng(3).integers(0, 5, length + 1).astype(np.uint8)
    wanted = sum(joined(model, params, ids))
    assert Reader(model, params).total(ids) == pytest.approx(wanted, rel=1e-12)


def test_a_trained_model_reads_a_long_text_as_it_reads_one_stream() -> None:
    trained = load(paths.PRETRAINED)
    text = (REPOSITORY / "corpora" / "harbour-clerk.txt").read_text(encoding="utf-8")[:12_000]
    ids = trained.vocabulary.encode(text)
    wanted = np.mean(joined(trained.model, trained.params, ids))
    assert Reader(trained.model, trained.params).total(ids) / (len(ids) - 1) == pytest.approx(wanted, abs=1e-5)


def test_a_model_that_never_forgets_reads_a_long_text_as_one_stream() -> None:
    model = CharRNN(3, "vanilla", (1,))
    params = model.initialize(np.random.default_rng(0), dtype=np.float64)
    # Its one unit stays 0 until it reads the character 2, and then far above 0 for good.
    params["cells.0.W_xh"] = np.array([[0.0], [0.0], [3.0]])
    params["cells.0.W_hh"] = np.array([[2.0]])
    params["linear.W_hy"] = np.array([[0.0, 4.0, 0.0]])
    ids = np.array([2] + [0] * 12_000)
    wanted = sum(joined(model, params, ids))
    assert Reader(model, params).total(ids) == pytest.approx(wanted, rel=1e-12)


def test_windows_are_read_like_texts_of_their_own() -> None:
    model, params = network()
    ids = np.random.default_rng(4).integers(0, 5, 30)
    whole = Passage(ids.astype(np.uint8), WITH_LINES.characters, 5, ())
    # 4 windows of 7 characters after the first; the last one is left out.
    wanted = [np.mean(joined(model, params, ids[start : start + 8])) for start in (0, 7, 14, 21)]
    assert Scorer(model, params, WITH_LINES).mean_of_windows(whole, 7) == pytest.approx(np.mean(wanted), rel=1e-12)


def test_windows_charge_unseen_characters_and_must_fit_the_text() -> None:
    scorer = Scorer(*network(), WITH_LINES)
    clean, spoilt = (scorer.mean_of_windows(passage(text, WITH_LINES), 2) for text in ("abcdab", "ab☃c☃dab"))
    assert 8 * spoilt == pytest.approx(6 * clean + 2 * UNSEEN_NATS, rel=1e-12)
    with pytest.raises(ConfigError, match="more than 4 characters"):
        scorer.mean_of_windows(passage("ab☃cd", WITH_LINES), 4)


def test_weights_too_large_to_read_with_are_an_error() -> None:
    model, params = network()
    params.vector[:] = 1e308
    with pytest.raises(DivergedError, match="too large"):
        Scorer(model, params, WITH_LINES).mean(passage("abcd", WITH_LINES))
