"""What the network writes on the way: a sample that is drawn alike whatever else a run does."""

import itertools

from charrnn.checkpoint import CorpusInfo
from charrnn.sampling.filters import Filters
from charrnn.sampling.sampler import line_start, sample
from charrnn.text.vocabulary import unknown_symbol
from charrnn.training.events import Sampled
from charrnn.training.randomness import random_stream
from charrnn.training.trainer import Trainer


def draw_sample(trainer: Trainer, corpus: CorpusInfo) -> Sampled:
    """Draw a sample of a run as it stands; the symbol that rare characters became is never in it."""
    config, vocabulary = trainer.config, trainer.vocabulary
    unknown = unknown_symbol(vocabulary, corpus.max_vocab)
    filters = Filters(banned=() if unknown is None else (unknown,))
    rng = random_stream(config.rng_seed, "sample", trainer.step)
    seed = vocabulary.encode(line_start(vocabulary, rng))
    ids = itertools.islice(sample(trainer.model, trainer.params, seed, rng, filters), config.sample_length)
    return Sampled(trainer.step, vocabulary.decode(list(ids)))
