"""By turns: the network remembers the running text as it is seen, whoever has written it."""

import contextlib
from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.nn.model import CharRNN
from charrnn.sampling.filters import Filters, Floats
from charrnn.sampling.sampler import Generation
from charrnn.sampling.writing import Bounds, Turns
from tests.sampling.models import VOCABULARY, small

MODELS = [CharRNN(7, "gru", (9,)), CharRNN(7, "lstm", (9, 5), 3), CharRNN(7, "vanilla", (9,))]
every_model = pytest.mark.parametrize("model", MODELS, ids=str)


class Listening:
    """Filters that keep the scores they were asked to shape last."""

    def __init__(self, filters: Filters) -> None:
        self.filters = filters
        self.heard: NDArray[np.floating] = np.empty(0)

    def weigh(self, logits: NDArray[np.floating]) -> Floats:
        self.heard = logits.copy()
        return self.filters.weigh(logits)


def turns_of(
    model: CharRNN, bounds: Bounds, separator: str = "", filters: Filters | None = None
) -> tuple[Turns, Listening]:
    listening: Any = Listening(filters or Filters())
    return Turns(small(model, separator), listening, bounds, np.random.default_rng(2)), listening


def assert_has_read(model: CharRNN, turns: Turns, listening: Listening, text: str, begin: str = "\n") -> None:
    """What the network expects next is what it expects after the whole text."""
    with contextlib.closing(turns.write()) as pieces:
        next(pieces)
    wanted = Generation(model, small(model).params, 1)
    wanted.read(VOCABULARY.encode(begin + text)[:, None])
    np.testing.assert_array_equal(listening.heard, wanted.logits)


@every_model
def test_the_state_is_that_of_all_that_was_typed_and_written(model: CharRNN) -> None:
    turns, listening = turns_of(model, Bounds(length=30, lines=1))
    text = ""
    for line in ("abc", "", "fed"):
        turns.read_line(line)
        written = "".join(turns.write())
        text += ("\n" if line and text and not text.endswith("\n") else "") + line + ("\n" if line else "") + written
    assert_has_read(model, turns, listening, text)


@every_model
def test_a_line_that_is_not_finished_is_gone_on_with(model: CharRNN) -> None:
    turns, listening = turns_of(model, Bounds(length=5))
    turns.read_line("abc", is_finished=False)
    written = "".join(turns.write())
    assert len(written) == 5
    assert_has_read(model, turns, listening, "abc" + written)


@every_model
def test_a_turn_that_is_broken_off_has_written_what_was_seen(model: CharRNN) -> None:
    turns, listening = turns_of(model, Bounds())
    with contextlib.closing(turns.write()) as pieces:
        seen = "".join(islice(pieces, 17))
    assert_has_read(model, turns, listening, seen)


@every_model
def test_a_stop_text_is_forgotten(model: CharRNN) -> None:
    turns, listening = turns_of(model, Bounds(stops=("fa", "ed", "bc")))
    written = "".join(turns.write())
    assert not {"fa", "ed", "bc"} & {written[at : at + 2] for at in range(len(written))}
    assert_has_read(model, turns, listening, written)


@every_model
def test_a_turn_without_a_character_leaves_all_as_it_was(model: CharRNN) -> None:
    turns, listening = turns_of(
        model, Bounds(stops=tuple(a + b for a in VOCABULARY.characters for b in VOCABULARY.characters))
    )
    assert "".join(turns.write()) == ""
    assert_has_read(model, turns, listening, "")


@every_model
def test_a_typed_line_begins_a_line_though_the_turn_before_it_ended_within_one(model: CharRNN) -> None:
    turns, listening = turns_of(model, Bounds(length=4), filters=Filters(banned=(0,)))  # no line end
    first = "".join(turns.write())
    turns.read_line("abc")
    second = "".join(turns.write())
    assert_has_read(model, turns, listening, f"{first}\nabc\n{second}")


def test_a_turn_has_at_least_one_line_that_is_not_blank() -> None:
    turns, _ = turns_of(MODELS[0], Bounds(lines=1))
    for _ in range(40):
        written = "".join(turns.write())
        assert written.strip()
        assert written.endswith("\n")
        assert "\n" not in written.strip("\n")


def test_a_turn_of_blank_lines_ends_at_its_length() -> None:
    blank = Filters(banned=tuple(range(1, 7)))
    turns, _ = turns_of(MODELS[0], Bounds(length=20, lines=1), filters=blank)
    assert "".join(islice(turns.write(), 100)) == "\n" * 20


def test_the_same_random_seed_and_lines_write_the_same() -> None:
    def session() -> list[str]:
        turns, _ = turns_of(MODELS[0], Bounds(length=9))
        written = []
        for line in ("ab", "", "c"):
            turns.read_line(line)
            written.append("".join(turns.write()))
        return written

    assert session() == session()


@pytest.mark.parametrize("separator", ["\n", "d", "de", "\n\n"])
@every_model
def test_whoever_ends_an_item_the_next_begins_from_nothing(model: CharRNN, separator: str) -> None:
    turns, listening = turns_of(model, Bounds(length=5), separator)
    for piece in ("abc", separator[0], separator[1:], "cab", "f"):  # the separator comes in two pieces
        turns.read(piece)
    assert_has_read(model, turns, listening, "cabf", begin=separator[-1])


def test_after_an_item_of_the_models_the_next_begins_from_nothing() -> None:
    model = MODELS[0]
    turns, listening = turns_of(model, Bounds(length=500, separator="de"), "de")
    assert "de" not in "".join(turns.write())
    assert_has_read(model, turns, listening, "", begin="e")
