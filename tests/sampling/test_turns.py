"""By turns: the network's memory is that of the running text as it is seen, whoever has written it."""

import contextlib
from itertools import islice

import numpy as np
import pytest

from charrnn.nn.model import CharRNN
from charrnn.sampling.filters import Filters
from charrnn.sampling.sampler import Bounds, Streams
from charrnn.sampling.writing import Turns
from charrnn.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("\nabcdef")


class _Half:
    def random(self, size: int, /) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.full(size, 0.5)


HALF = _Half()  # instead of random numbers
MODELS = [CharRNN(7, "gru", (9,)), CharRNN(7, "lstm", (9, 5), 3), CharRNN(7, "vanilla", (9,))]
every_model = pytest.mark.parametrize("model", MODELS, ids=str)


def turns_of(model: CharRNN, bounds: Bounds) -> tuple[Turns, Streams]:
    """Turns, and a stream that has read nothing but what stands before a text."""
    params = model.initialize(np.random.default_rng(1), std=0.8, dtype=np.float64)
    streams = Streams(model, params, 1)
    streams.read(VOCABULARY.encode("\n")[:, None])
    return Turns(model, params, VOCABULARY, Filters(), bounds, np.random.default_rng(2)), streams


def assert_has_read(turns: Turns, streams: Streams, text: str) -> None:
    streams.read(VOCABULARY.encode(text)[:, None])
    np.testing.assert_array_equal(turns._streams.logits, streams.logits)
    (_, mine), (_, wanted) = turns._streams.mark(), streams.mark()
    np.testing.assert_array_equal(mine, wanted)


@every_model
def test_the_state_is_that_of_all_that_was_typed_and_written(model: CharRNN) -> None:
    turns, streams = turns_of(model, Bounds(length=30, lines=1))
    text = ""
    for line in ("abc", "", "fed"):
        turns.read_line(line)
        written = "".join(turns.write())
        text += ("\n" if line and text and not text.endswith("\n") else "") + line + ("\n" if line else "") + written
    assert_has_read(turns, streams, text)


@every_model
def test_a_line_that_is_not_finished_is_gone_on_with(model: CharRNN) -> None:
    turns, streams = turns_of(model, Bounds(length=5))
    turns.read_line("abc", is_finished=False)
    written = "".join(turns.write())
    assert len(written) == 5
    assert_has_read(turns, streams, "abc" + written)


@every_model
def test_a_turn_that_is_broken_off_has_written_what_was_seen(model: CharRNN) -> None:
    turns, streams = turns_of(model, Bounds())
    with contextlib.closing(turns.write()) as pieces:
        seen = "".join(islice(pieces, 17))
    assert_has_read(turns, streams, seen)


@every_model
def test_a_stop_text_is_forgotten(model: CharRNN) -> None:
    turns, streams = turns_of(model, Bounds(stops=("fa", "ed", "bc")))
    written = "".join(turns.write())
    assert not {"fa", "ed", "bc"} & {written[at : at + 2] for at in range(len(written))}
    assert_has_read(turns, streams, written)


@every_model
def test_a_turn_without_a_character_leaves_all_as_it_was(model: CharRNN) -> None:
    turns, streams = turns_of(
        model, Bounds(stops=tuple(a + b for a in VOCABULARY.characters for b in VOCABULARY.characters))
    )
    assert "".join(turns.write()) == ""
    assert_has_read(turns, streams, "")
    np.testing.assert_array_equal(next(turns._streams.write(HALF)), next(streams.write(HALF)))


@every_model
def test_a_typed_line_begins_a_line_though_the_turn_before_it_ended_within_one(model: CharRNN) -> None:
    turns, streams = turns_of(model, Bounds(length=4))
    turns._filters = Filters(banned=(0,))  # no line end
    first = "".join(turns.write())
    turns.read_line("abc")
    second = "".join(turns.write())
    assert_has_read(turns, streams, f"{first}\nabc\n{second}")


def test_a_turn_has_at_least_one_line_that_is_not_blank() -> None:
    turns, _ = turns_of(MODELS[0], Bounds(lines=1))
    for _ in range(40):
        written = "".join(turns.write())
        assert written.strip()
        assert written.endswith("\n")
        assert "\n" not in written.strip("\n")


def test_a_turn_of_blank_lines_ends_at_its_length() -> None:
    blank = Filters(banned=tuple(range(1, 7)))
    params = MODELS[0].initialize(np.random.default_rng(1), dtype=np.float64)
    turns = Turns(MODELS[0], params, VOCABULARY, blank, Bounds(length=20, lines=1), np.random.default_rng(2))
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
    params = model.initialize(np.random.default_rng(1), std=0.8, dtype=np.float64)
    turns = Turns(model, params, VOCABULARY, Filters(), Bounds(length=5), np.random.default_rng(2), separator)
    for piece in ("abc", separator[0], separator[1:], "cab", "f"):  # the separator comes in two pieces
        turns.read(piece)
    streams = Streams(model, params, 1)
    streams.read(VOCABULARY.encode(separator[-1])[:, None])
    assert_has_read(turns, streams, "cabf")


def test_after_an_item_of_the_models_the_next_begins_from_nothing() -> None:
    model = MODELS[0]
    params = model.initialize(np.random.default_rng(1), std=0.8, dtype=np.float64)
    bounds = Bounds(length=500, separator="de")
    turns = Turns(model, params, VOCABULARY, Filters(), bounds, np.random.default_rng(2), "de")
    assert "de" not in "".join(turns.write())
    streams = Streams(model, params, 1)
    streams.read(VOCABULARY.encode("e")[:, None])
    assert_has_read(turns, streams, "")
