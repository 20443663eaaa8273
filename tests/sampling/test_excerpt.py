"""What is shown on the way of a training: so many characters, or as many whole items as they have room for."""

from itertools import islice

import numpy as np
import pytest

from charrnn.nn.model import CharRNN
from charrnn.sampling.filters import Filters, draw
from charrnn.sampling.sampler import Generation, sample
from charrnn.sampling.writing import excerpt
from tests.sampling.models import VOCABULARY, small

MODEL = CharRNN(len(VOCABULARY), "gru", (9,))
PARAMS = small(MODEL).params


def written(characters: int, separator: str = "", seed: int = 3) -> str:
    return excerpt(small(MODEL, separator), np.random.default_rng(seed), characters)


def test_a_running_text_is_what_the_sampler_writes_from_a_line_start() -> None:
    drawn = sample(MODEL, PARAMS, VOCABULARY.encode("\n"), np.random.default_rng(3))
    assert written(40) == VOCABULARY.decode(list(islice(drawn, 40)))
    assert written(0) == written(0, "a") == ""


@pytest.mark.parametrize("separator", ["\n", "a", "ab", "\n\n"])
def test_items_are_whole_and_take_no_more_room_than_they_have(separator: str) -> None:
    for characters in (1, 2, 10, 60, 200):
        text = written(characters, separator)
        assert len(text) <= characters
        items = text.split(separator)
        assert len(items) > 3 or characters < 200 or len(separator) > 1
        if len(items) > 1:  # none is cut off: more room leaves them as they are, and adds others
            assert (written(5 * characters, separator) + separator).startswith(text + separator)


def test_each_item_begins_from_nothing() -> None:
    """Each is drawn from a separator and a fresh state, and cannot end before it has a character."""
    rng = np.random.default_rng(3)
    items: list[str] = []
    while len("a".join(items)) < 60:
        item, text = "", Generation(MODEL, PARAMS, 1)
        text.read(VOCABULARY.encode("a")[:, None])
        while True:
            scores = text.logits.copy()
            if not item.strip():
                scores[0, VOCABULARY.encode("a")] = -np.inf
            number = draw(Filters().apply(scores), rng.random(1))
            if VOCABULARY.characters[number[0]] == "a":
                break
            item += VOCABULARY.characters[number[0]]
            text.read(number[None])
        items.append(item)
    shown = written(60, "a")
    assert "a".join(items).startswith(shown)
    assert len(shown) > 20
