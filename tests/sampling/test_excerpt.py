"""What is shown on the way of a training: so many characters, or as many whole items as they have room for."""

from itertools import islice

import numpy as np
import pytest

from charrnn.nn.model import CharRNN
from charrnn.sampling.filters import Filters, draw
from charrnn.sampling.sampler import Streams, excerpt, sample
from charrnn.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("\nabcdef")
MODEL = CharRNN(len(VOCABULARY), "gru", (9,))
PARAMS = MODEL.initialize(np.random.default_rng(1), std=0.8, dtype=np.float64)


def written(characters: int, separator: str = "", seed: int = 3) -> str:
    return excerpt(MODEL, PARAMS, VOCABULARY, np.random.default_rng(seed), characters, separator)


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
        item, streams = "", Streams(MODEL, PARAMS, 1)
        streams.read(VOCABULARY.encode("a")[:, None])
        while True:
            scores = streams.logits.copy()
            if not item.strip():
                scores[0, VOCABULARY.encode("a")] = -np.inf
            number = draw(Filters().apply(scores), rng.random(1))
            if VOCABULARY.characters[number[0]] == "a":
                break
            item += VOCABULARY.characters[number[0]]
            streams.read(number[None])
        items.append(item)
    text = written(60, "a")
    assert "a".join(items).startswith(text)
    assert len(text) > 20
