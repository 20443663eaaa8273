"""From a checkpoint back to the command that trains the same: what its configuration asks for, and no more."""

from dataclasses import fields

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.commands import command
from charrnn.config import BOUNDS, RECIPES, TrainConfig, flag, format_sizes, separator_option, usual_recipe
from charrnn.paths import default_corpus
from charrnn.text.corpus import CorpusInfo, split
from charrnn.text.streams import Streams


def parts(corpus: CorpusInfo, config: TrainConfig) -> tuple[int, int]:
    """Characters of a text that were trained on, and that were held out; of items, with the separator of each."""
    if corpus.items:
        return corpus.items.training_characters, corpus.items.held_out_characters
    text = np.broadcast_to(np.uint8(0), corpus.characters)  # as long as the text, and takes no room
    training, held_out = split(text, config.val_fraction)
    return len(training), len(held_out)


def epochs(trained: Checkpoint, config: TrainConfig) -> float:
    """Count the passes over the training text that a checkpoint has behind it."""
    characters, _ = parts(trained.corpus, config)
    if not characters:  # of a model from elsewhere the text is not known
        return 0.0
    if trained.corpus.items:
        return trained.progress.epoch + trained.progress.position / characters
    if characters < 2:  # no text that was trained on, but a file may say so
        return 0.0
    streams = Streams(np.broadcast_to(np.uint8(0), characters), config.batch_size, config.seq_length)
    return trained.progress.epoch + trained.progress.position / streams.length


def command_for(corpus: CorpusInfo, config: TrainConfig) -> str:
    """Return the shortest command that starts a run of this configuration on this text."""
    sources = [] if corpus.sources == (default_corpus(config.separator),) else list(corpus.sources)
    usual = {"encoding": "utf-8", "errors": "strict", "normalize": "none", "max_vocab": 0}
    decoding = [word for name, how in corpus.decoding.items() if how != usual[name] for word in (flag(name), str(how))]
    ways = [_options(config, name) for name in RECIPES]
    return command("train", sources, [*decoding, *min(ways, key=len)])


def _options(config: TrainConfig, recipe: str) -> list[str]:
    """Return the options that make a recipe a configuration."""
    base, is_suited = RECIPES[recipe].config, RECIPES[recipe].is_suited
    are_bounds_equal = all(getattr(config, name) == getattr(base, name) for name in BOUNDS)
    options = [] if recipe == usual_recipe(config.separator) else ["--recipe", recipe]
    options += separator_option(config.separator) * bool(config.separator or base.separator)
    for name in (field.name for field in fields(config) if field.name != "separator"):
        value = getattr(config, name)
        # A bound that is given makes the others bind no more: so all are given that bind, or none. What the default
        # recipes drop goes by the text.
        is_needed = (value and not are_bounds_equal) if name in BOUNDS else value != getattr(base, name)
        if is_needed or (is_suited and name in ("dropout", "weight_drop")):
            options += [flag(name)] if isinstance(value, bool) else [flag(name), _written(value)]
    return options


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return format_sizes(value)
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
