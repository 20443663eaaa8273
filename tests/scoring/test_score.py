"""A score is the loss of a plain forward pass, whatever the pieces and the company it is read in."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
import pytest

from charrnn.errors import DivergedError
from charrnn.nn import equations
from charrnn.nn.model import CharRNN
from charrnn.nn.output import log_softmax
from charrnn.nn.parameters import Parameters
from charrnn.scoring import reading
from charrnn.scoring.reading import READING, UNSEEN_NATS, Piece, Scorer
from charrnn.scoring.yardsticks import Figure, Slice, compare
from charrnn.text.passage import Passage
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.evaluation import Evaluator

WITH_LINES, WITHOUT = Vocabulary("\nabcd"), Vocabulary("abcde")


def network(cell: str = "lstm") -> tuple[CharRNN, Parameters]:
    model = CharRNN(5, cell, (4, 3))
    return model, model.initialize(np.random.default_rng(0), dtype=np.float64)


def passage(text: str, vocabulary: Vocabulary) -> Passage:
    characters = vocabulary.characters + vocabulary.unknown(text)
    return Passage(np.array([characters.index(c) for c in text], dtype=np.uint8), characters, len(vocabulary), ())


def joined(scorer: Scorer, ids: list[int]) -> list[float]:
    return [float(nats) for piece in scorer.text(np.array(ids, dtype=np.uint8)) for nats in piece]


@pytest.mark.parametrize("cell", ["vanilla", "lstm"])
def test_each_character_costs_what_the_equations_say(cell: Literal["vanilla", "lstm"]) -> None:
    model, params = network(cell)
    text = np.random.default_rng(1).integers(0, 5, 3 * reading.CHUNK_LENGTH + 5).tolist()
    inputs, targets = np.array([[0, *text[:-1]], text])[:, :, None]
    tape = equations.network_forward(params, cell, inputs, model.zero_state(1, np.float64))
    wanted = equations.cross_entropy(tape.logits, targets)[:, 0]
    assert joined(Scorer(model, params, WITH_LINES), text) == pytest.approx(wanted, rel=1e-12)


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
    nats = joined(Scorer(model, params, WITHOUT), [1, 2, 3])
    assert nats[0] == math.log(5)
    assert joined(Scorer(model, params, WITHOUT), []) == []
    assert np.mean(nats[1:]) == pytest.approx(Evaluator(model, np.array([1, 2, 3])).loss(params), rel=1e-12)


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
    wanted = [sum(joined(scorer, line.tolist())) for line in lines]
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


class Followed:
    """A track that remembers what it followed."""

    def __init__(self) -> None:
        self.done: dict[str, list[int]] = {}
        self.totals: dict[str, int] = {}

    def __call__(
        self, task: str, pieces: Iterable[Piece], total: int, size: Callable[[Any], int] = len, /
    ) -> Iterator[Piece]:
        self.totals[task], self.done[task] = total, []
        for piece in pieces:
            yield piece
            self.done[task].append(size(piece))


def test_whoever_waits_sees_the_whole_text_go_by_and_the_figure_stays_what_it_is() -> None:
    scorer, text = Scorer(*network(), WITH_LINES), passage("abcd\nab☃ca\n" * 30, WITH_LINES)
    followed = Followed()
    assert scorer.mean(text, followed) == scorer.mean(text)
    assert followed.totals == {READING: 300} == {READING: sum(followed.done[READING])}
    assert len(followed.done[READING]) > 3
    followed = Followed()
    assert [line.nats for line in scorer.rank_lines(text, followed)] == [line.nats for line in scorer.rank_lines(text)]
    assert followed.totals[READING] == sum(followed.done[READING]) == 300


def test_yardsticks_say_what_is_being_done_and_how_much_of_it() -> None:
    rng, followed = np.random.default_rng(4), Followed()
    training, text = (rng.integers(0, 5, size).astype(np.uint8) for size in (400, 300))
    compared = compare(Figure("m", 1.0), Slice(training, training[:1], text), WITH_LINES, followed)
    assert compared == compare(Figure("m", 1.0), Slice(training, training[:1], text), WITH_LINES)
    assert {task: sum(sizes) for task, sizes in followed.done.items()} == followed.totals
    assert followed.totals == {
        "counting n-grams": 6 * 400,
        "n-grams read": 300,
        "gzip packs what was learned": 401,
        "gzip packs the text": 300,
        "xz packs what was learned": 401,
        "xz packs the text": 300,
    }


def test_weights_too_large_to_read_with_are_an_error() -> None:
    model, params = network()
    params.vector[:] = 1e308
    with pytest.raises(DivergedError, match="too large"):
        Scorer(model, params, WITH_LINES).mean(passage("abcd", WITH_LINES))
