"""What the network writes on the way: a sample that is drawn alike whatever else a run does."""

from charrnn.sampling.excerpt import excerpt
from charrnn.sampling.filters import Filters
from charrnn.text.remembered import CorpusInfo
from charrnn.text.usage import Usage
from charrnn.training.events import Sampled
from charrnn.training.randomness import random_stream
from charrnn.training.trainer import Trainer


def draw_sample(trainer: Trainer, corpus: CorpusInfo) -> Sampled:
    """Draw a sample of a run as it stands; the symbol that rare characters became is never in it."""
    config, vocabulary = trainer.config, trainer.vocabulary
    filters = Filters(banned=Usage.of(config.separator, corpus, vocabulary).never_written(vocabulary))
    rng = random_stream(config.rng_seed, "sample", trainer.step)
    length, separator = config.sample_length, config.separator
    return Sampled(
        trainer.step, excerpt(trainer.model, trainer.params, vocabulary, rng, length, separator, filters=filters)
    )
