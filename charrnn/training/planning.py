"""What a configuration makes of one update: who computes it, and from which chunks of the text."""

from collections.abc import Sequence
from typing import NamedTuple

from charrnn.errors import ConfigError
from charrnn.nn.dropout import Dropout
from charrnn.nn.model import CharRNN
from charrnn.text.batches import Chunk, Cursor
from charrnn.training.config import TrainConfig
from charrnn.training.division import Batches
from charrnn.training.parallel import worker_count
from charrnn.training.shard import Plan, Update
from charrnn.training.sizes import chunk_length, longest_chunk


def plan_for(config: TrainConfig, model: CharRNN, update: Update, ranks: int) -> Plan:
    """Say how a model's steps are divided among ranks, and those of a rank among its workers.

    Raises
    ------
    ConfigError
        If there are more ranks than streams.
    """
    if config.batch_size < ranks:
        raise ConfigError(
            f"a batch of {config.batch_size} streams cannot be divided among {ranks} ranks; "
            "give a larger --batch-size, or start fewer"
        )
    return Plan(
        model,
        dtype=config.dtype,
        batch_size=config.batch_size,
        seq_length=longest_chunk(config),
        workers=worker_count(model, config.batch_size, config.seq_length, config.threads, ranks),
        dropout=Dropout(config.dropout, config.weight_drop, config.locked_dropout),
        rng_seed=config.rng_seed,
        update=update,
        ranks=ranks,
    )


class Lesson(NamedTuple):
    """What one update learns from."""

    chunks: Sequence[Chunk]
    number: int
    """Of the first chunk in the run: for what is drawn anew for each."""
    weight: float
    """What a stream was to read in a chunk, as a share of what is usual; an epoch's last chunk may have less."""
    cursor: Cursor
    """Where the text goes on."""

    @property
    def characters(self) -> int:
        """Those of all streams."""
        return sum(chunk.characters for chunk in self.chunks)


def next_lesson(config: TrainConfig, streams: Batches, step: int, cursor: Cursor, own: range | None = None) -> Lesson:
    """Return what the update after so many learns from: as many chunks as the configuration accumulates.

    Parameters
    ----------
    own : which streams are read here, by default all
    """
    number = step * config.accumulate
    chunks, weights = [], 0.0
    for k in range(number, number + config.accumulate):
        length = chunk_length(config, k)
        chunk = streams.chunk(cursor, length, own)
        chunks.append(chunk)
        weights, cursor = weights + length / config.seq_length * chunk.share, streams.advance(cursor, length)
    return Lesson(chunks, number, weights / config.accumulate, cursor)
