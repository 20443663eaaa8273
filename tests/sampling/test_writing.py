"""Several texts side by side are what each would be alone, and end where they are asked to."""

from typing import Any

import numpy as np
import pytest

from charrnn.config import DEFAULT_LENGTH, SampleConfig
from charrnn.errors import ConfigError, UnknownCharacterError
from charrnn.nn.model import CharRNN
from charrnn.nn.output import log_softmax
from charrnn.sampling.filters import Filters
from charrnn.sampling.sampler import sample
from charrnn.sampling.writing import Reason, Writer
from charrnn.text.vocabulary import Vocabulary
from tests.sampling.models import VOCABULARY, small

MODEL = CharRNN(len(VOCABULARY), "gru", (9,))
PARAMS = small(MODEL).params


def writer(rng_seed: int = 0, **asked: Any) -> Writer:
    return Writer(small(MODEL), SampleConfig(**asked), rng_seed)


def texts(seed_text: str = "abc", rng_seed: int = 0, **asked: Any) -> list[str]:
    one = writer(rng_seed, **asked)
    gained = list(one.write(seed_text))
    return ["".join(pieces) for pieces in zip(*gained, strict=True)] if gained else [""] * len(one.samples)


def test_a_writer_writes_again() -> None:
    one = writer(3, num=2, length=20)
    first, second = ([list(pieces) for pieces in one.write("abc", with_log_probs=True)] for _ in range(2))
    assert first == second
    assert len(first) == len(one.samples[0].log_probs) == 20


def test_one_text_is_what_the_sampler_writes() -> None:
    drawn = sample(MODEL, PARAMS, VOCABULARY.encode("abc"), np.random.default_rng(7), Filters(0.7, top_k=3))
    wanted = VOCABULARY.decode([next(drawn) for _ in range(50)])
    assert texts(rng_seed=7, temperatures=(0.7,), top_k=3, length=50) == [wanted]


def test_each_of_several_is_what_its_own_random_seed_writes_alone() -> None:
    together = texts(rng_seed=5, num=4, length=60)
    assert together == [texts(rng_seed=5 + k, length=60)[0] for k in range(4)]
    assert len(set(together)) == 4


def test_each_temperature_is_what_it_writes_alone() -> None:
    temperatures = (0.0, 0.5, 2.0)
    together = texts(rng_seed=5, num=2, temperatures=temperatures, length=60)
    alone = [texts(rng_seed=5 + k, temperatures=(t,), length=60)[0] for t in temperatures for k in range(2)]
    assert together == alone
    own = [(s.temperature, s.rng_seed) for s in writer(5, num=2, temperatures=temperatures).samples]
    assert own == [(t, 5 + k) for t in temperatures for k in range(2)]


def test_without_a_seed_text_and_without_line_ends_each_begins_as_it_would_alone() -> None:
    model = small(MODEL, vocabulary=Vocabulary("abcdefg"))

    def written(rng_seed: int, num: int) -> list[str]:
        one = Writer(model, SampleConfig(num=num, length=20), rng_seed)
        return ["".join(pieces) for pieces in zip(*one.write(""), strict=True)]

    assert written(3, 3) == [written(3 + k, 1)[0] for k in range(3)]


def test_a_shorter_text_is_the_beginning_of_a_longer_one() -> None:
    long = texts(length=200)[0]
    assert texts(length=20) == [long[:20]]
    assert texts(lines=2) == ["".join(line + "\n" for line in long.split("\n")[:2])]
    stop = long[30:33]
    assert texts(length=200, stops=(stop, "\n" * 60)) == [long[: long.index(stop)]]


def test_each_text_ends_for_itself_and_says_why() -> None:
    one = writer(num=20, length=15, lines=2, stops=("fa",), temperatures=(1.0,))
    pieces = list(one.write("abc"))
    for sample_, text in zip(one.samples, map("".join, zip(*pieces, strict=True)), strict=True):
        reason = sample_.ending.reason
        assert "fa" not in text
        assert reason is Reason.STOP or len(text) == 15 or text.count("\n") == 2
        assert (reason is Reason.LINES) == (text.count("\n") == 2)
    assert {s.ending.reason for s in one.samples} == set(Reason) - {Reason.ITEM}


def test_log_probabilities_are_the_model_s_own_whatever_the_filters() -> None:
    one = writer(num=3, temperatures=(0.5, 2.0), top_k=4, length=25, stops=("e",))
    pieces = list(one.write("abc", with_log_probs=True))
    for own, text in zip(one.samples, map("".join, zip(*pieces, strict=True)), strict=True):
        ids = VOCABULARY.encode("abc" + text)
        logits, _ = MODEL.session(PARAMS, 1).logits(ids[:, None], MODEL.zero_state(1, np.float64))
        told = log_softmax(logits[:, 0])
        wanted = [told[at - 1, ids[at]] for at in range(3, len(ids))]
        np.testing.assert_allclose(own.log_probs[: len(text)], wanted, rtol=1e-9)
        assert len(own.log_probs) == len(text) + (own.ending.reason is Reason.STOP)


def test_banned_characters_are_not_written_and_allowed_ones_are() -> None:
    assert set(texts(ban=("newline,upper", "af"), length=300)[0]) == set("bcde")
    assert set(texts(allow=("newline", "ab"), length=300, temperatures=(3.0,))[0]) == set("\nab")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"stops": ("ax",)}, "stops 'ax' can never appear: the model does not write 'x'"),
        ({"match": "("}, "match is not a regular expression: missing )"),
        ({"match": "a", "temperatures": (0.5, 1.0)}, "match goes with a single temperatures"),
        ({"match": "a"}, "match picks items, and this model writes running text"),
        ({"novel": 3}, "novel needs the training text"),
        ({"stops": ("ab",), "ban": ("b",)}, "stops 'ab' can never appear"),
        ({"lines": 1, "ban": ("newline",)}, "lines counts line ends, and the model writes none"),
        ({"stops": ("",)}, "stops is empty"),
        ({"num": 2, "length": -1}, "length -1 writes one text"),
        ({"temperatures": (0.5, 0.5)}, "temperatures has the same number twice"),
        ({"temperatures": (0.5, -1.0)}, "temperatures must be 0 or more"),
    ],
)
def test_what_cannot_be_or_can_never_end_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        writer(**asked)
    assert words in str(caught.value)


def test_the_default_length_is_one_for_each_line_that_is_asked_for() -> None:
    assert SampleConfig().most_characters == DEFAULT_LENGTH
    assert SampleConfig(stops=("a",)).most_characters == DEFAULT_LENGTH
    assert SampleConfig(lines=3).most_characters == 3 * DEFAULT_LENGTH
    assert SampleConfig(lines=3, length=5).most_characters == 5
    assert SampleConfig(length=-1).is_endless
    assert not SampleConfig(length=-1, stops=("a",)).is_endless


def items(separator: str, **asked: Any) -> Writer:
    return Writer(small(MODEL, separator), SampleConfig(**asked), 0)


def test_an_item_is_written_from_its_separator_and_ends_before_the_next() -> None:
    one = items("d", num=6, temperatures=(1.0,))
    written = ["".join(pieces) for pieces in zip(*one.write("ab"), strict=True)]
    assert all("d" not in item for item in written)
    assert {sample.ending.reason for sample in one.samples} == {Reason.ITEM}
    drawn = sample(MODEL, PARAMS, VOCABULARY.encode("dab"), np.random.default_rng(0))
    assert VOCABULARY.decode([next(drawn) for _ in range(len(written[0]) + 1)]) == written[0] + "d"


def test_what_ends_an_item_may_always_be_written_but_for_a_part_of_it() -> None:
    for asked in ({"allow": ("abc",)}, {"ban": ("d", "e")}):
        one = items("d", num=3, **asked)
        list(one.write(""))
        assert {sample.ending.reason for sample in one.samples} == {Reason.ITEM}
    with pytest.raises(ConfigError, match="leave out 'd', which is needed to end an item"):
        items("de", ban=("d",))


def test_a_seed_text_beyond_the_end_of_an_item_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="the seed text has 'de', which ends an item"):
        items("de").write("abdec")


def test_the_bound_of_an_item_leaves_room_for_the_longest() -> None:
    assert SampleConfig().of_items(9).length == DEFAULT_LENGTH
    assert SampleConfig().of_items(DEFAULT_LENGTH).length == 2 * DEFAULT_LENGTH
    assert SampleConfig(length=7).of_items(DEFAULT_LENGTH).length == 7
    with pytest.raises(ConfigError, match="lines does not go with a model trained on items"):
        SampleConfig(lines=2).of_items(9)


def test_a_seed_text_is_composed_and_fitted_as_the_configuration_says() -> None:
    vocabulary = Vocabulary.from_text("café, ")
    model = small(CharRNN(len(vocabulary), "gru", (4,)), vocabulary=vocabulary, normalize="nfc")

    def written(seed_text: str, **asked: Any) -> str:
        pieces = Writer(model, SampleConfig(length=9, **asked), rng_seed=0).write(seed_text)
        return "".join(piece for (piece,) in pieces)

    assert written("cafe\u0301") == written("café")
    assert written("ＣAFE\u0301", unknown="nearest") == written("café")
    assert written("@ca%fé", unknown="skip") == written("café")
    with pytest.raises(UnknownCharacterError):
        written("@")
