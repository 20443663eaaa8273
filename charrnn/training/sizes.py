"""Sizes that a configuration leads to: those of the network, and how long the chunks are that it reads."""

import math

import numpy as np

from charrnn.nn.model import CharRNN
from charrnn.training.config import TrainConfig
from charrnn.training.randomness import random_stream

_SHORTEST = 5  # characters in a chunk whose length is drawn
_HALVED = 0.05  # share of the chunks that are about half as long


def build_model(config: TrainConfig, vocab_size: int) -> CharRNN:
    """Return the network that a configuration describes."""
    return CharRNN(vocab_size, config.cell, config.hidden_sizes, config.embedding_size, config.tied)


def chunk_length(config: TrainConfig, number: int) -> int:
    """Characters a stream reads in one chunk: `seq_length`, or around it where it is to vary.

    Then it is drawn from a normal distribution around `seq_length`, once in twenty around half of it, so that the
    gradient is not cut at the same places in each epoch. A pure function of the seed and the chunk's number. Merity,
    Keskar & Socher, "Regularizing and optimizing LSTM language models", 2018.
    """
    if not config.bptt_jitter:
        return config.seq_length
    rng = random_stream(config.rng_seed, "length", number)
    usual = config.seq_length / 2 if rng.random() < _HALVED else config.seq_length
    drawn = rng.normal(usual, config.bptt_jitter)
    return int(np.clip(drawn, min(_SHORTEST, config.seq_length), longest_chunk(config)))


def longest_chunk(config: TrainConfig) -> int:
    """Return the longest that `chunk_length` may be: two standard deviations more, at most twice `seq_length`."""
    return config.seq_length + math.ceil(min(2 * config.bptt_jitter, config.seq_length))
