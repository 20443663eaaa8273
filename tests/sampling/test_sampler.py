"""The sampler walks one character at a time, and arrives where the whole sequence at once would."""

from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pytest

from charrnn.nn.model import CharRNN
from charrnn.nn.output import log_softmax
from charrnn.nn.parameters import Array, Parameters
from charrnn.sampling.filters import Filters, Floats
from charrnn.sampling.sampler import sample, sample_streams

V = 8
MODELS = [
    CharRNN(V, "vanilla", (7,)),
    CharRNN(V, "lstm", (7,)),
    CharRNN(V, "vanilla", (7, 5), 3),
    CharRNN(V, "lstm", (7, 5), 3),
    CharRNN(V, "gru", (7, 5)),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=str)
SEED_TEXT = np.array([3, 1, 4, 1, 5])


@dataclass(frozen=True)
class Listening(Filters):
    """Filters that keep the scores they are asked to shape."""

    heard: list[Array] = field(default_factory=list)

    def weigh(self, logits: Array) -> Floats:
        self.heard.append(logits.copy())
        return super().weigh(logits)


def weights(model: CharRNN) -> Parameters:
    return model.initialize(np.random.default_rng(1), std=0.8, dtype=np.float64)


def written(model: CharRNN, seed: Array, length: int, rng_seed: int = 0, filters: Filters | None = None) -> list[int]:
    rng = np.random.default_rng(rng_seed)
    return list(islice(sample(model, weights(model), seed, rng, filters or Filters()), length))


def logits_at_once(model: CharRNN, ids: Array) -> Array:
    """What the network says after each of the ids, run as one sequence: (T, V)."""
    params = weights(model)
    logits, _ = model.session(params, 1).logits(ids[:, None], model.zero_state(1, np.float64))
    return logits[:, 0]


@every_model
def test_each_draw_sees_what_the_whole_sequence_at_once_would_say(model: CharRNN) -> None:
    filters = Listening(temperature=0.9)
    text = [*SEED_TEXT, *written(model, SEED_TEXT, 20, filters=filters)]
    whole = logits_at_once(model, np.array(text[:-1]))[len(SEED_TEXT) - 1 :]
    np.testing.assert_allclose(log_softmax(np.concatenate(filters.heard)), log_softmax(whole), rtol=1e-12)


@every_model
def test_one_rng_seed_gives_one_text(model: CharRNN) -> None:
    assert written(model, SEED_TEXT, 50) == written(model, SEED_TEXT, 50)
    assert written(model, SEED_TEXT, 50) != written(model, SEED_TEXT, 50, rng_seed=1)


@every_model
def test_seed_text_taken_in_is_the_same_as_text_written(model: CharRNN) -> None:
    text = written(model, SEED_TEXT, 30, filters=Filters(temperature=0))
    longer_seed = np.array([*SEED_TEXT, *text[:10]])
    assert written(model, longer_seed, 20, filters=Filters(temperature=0)) == text[10:]


@every_model
def test_no_temperature_is_the_likeliest_each_time(model: CharRNN) -> None:
    text = written(model, SEED_TEXT, 30, filters=Filters(temperature=0))
    assert text == written(model, SEED_TEXT, 30, rng_seed=99, filters=Filters(temperature=0))
    told = logits_at_once(model, np.array([*SEED_TEXT, *text[:-1]]))
    assert text == told[len(SEED_TEXT) - 1 :].argmax(axis=-1).tolist()


@every_model
def test_one_choice_left_is_the_likeliest(model: CharRNN) -> None:
    greedy = written(model, SEED_TEXT, 30, filters=Filters(temperature=0))
    assert written(model, SEED_TEXT, 30, filters=Filters(top_k=1)) == greedy
    assert written(model, SEED_TEXT, 30, filters=Filters(top_p=1e-9)) == greedy


@pytest.mark.parametrize("filters", [Filters(), Filters(temperature=0), Filters(top_k=2), Filters(top_p=0.5)], ids=str)
def test_each_character_costs_one_random_number(filters: Filters) -> None:
    drawn, counted = np.random.default_rng(5), np.random.default_rng(5)
    list(islice(sample(MODELS[1], weights(MODELS[1]), SEED_TEXT, drawn, filters), 12))
    counted.random(12)
    assert drawn.random() == counted.random()


def test_vocabulary_of_one_character_repeats_it() -> None:
    assert written(CharRNN(1, "lstm", (3,)), np.array([0]), 5) == [0] * 5


@every_model
def test_streams_side_by_side_write_what_each_would_alone(model: CharRNN) -> None:
    seeds = np.random.default_rng(2).integers(0, V, (4, 5))
    likeliest = Filters(temperature=0)
    streams = sample_streams(model, weights(model), seeds, np.random.default_rng(0), likeliest)
    together = np.stack(list(islice(streams, 30)), axis=1)
    assert together.tolist() == [written(model, seed, 30, filters=likeliest) for seed in seeds.T]


@every_model
def test_one_stream_of_many_is_the_sampler_itself(model: CharRNN) -> None:
    streams = sample_streams(model, weights(model), SEED_TEXT[:, None], np.random.default_rng(3))
    assert [int(ids[0]) for ids in islice(streams, 30)] == written(model, SEED_TEXT, 30, rng_seed=3)
