"""How much memory a run will take, known before any is taken."""

from math import prod

import numpy as np

from charrnn.errors import ConfigError
from charrnn.machine import available_memory, format_bytes
from charrnn.nn.model import CharRNN
from charrnn.optim.optimizers import OPTIMIZERS
from charrnn.text.reading import NOBODY, Watcher
from charrnn.training.config import TrainConfig
from charrnn.training.evaluation import CHUNK_LENGTH, MAX_STREAMS
from charrnn.training.parallel import worker_count
from charrnn.training.sizes import build_model, longest_chunk
from charrnn.training.team import ALONE, Team

# For each kind of cell: numbers kept for a step of a stream and a hidden unit, and how often a chunk copies the
# weights. The terms stand in the docstrings of the cells' workspaces.
_KEPT = {"vanilla": 3, "gru": 5, "lstm": 7}
_COPIES = {"vanilla": 1.0, "gru": 2.3, "lstm": 2.3}
_WORTH_TELLING = 200_000_000  # bytes
_PROCESS = 40_000_000  # bytes of a worker process that has computed nothing yet


def check_memory(
    config: TrainConfig, vocab_size: int, characters: int, team: Team = ALONE, watcher: Watcher = NOBODY
) -> None:
    """Refuse a network that this machine has no room to train.

    Parameters
    ----------
    characters : of the text to train on
    watcher : hears how much a large network takes, before it takes it

    Raises
    ------
    ConfigError
        If it takes more memory than is free; the sentence says how much.
    """
    needed, free = team.ranks_here * estimate_memory(config, vocab_size, characters, team.ranks), available_memory()
    if free is not None and needed > free:
        embedded, or_embedding = "", ""
        if config.embedding_size:
            embedded, or_embedding = f" embedded in {config.embedding_size}", " --embedding-size,"
        units = " and ".join(f"{size:,}" for size in config.hidden_sizes)
        raise ConfigError(
            f"a {config.cell} of {units} units over {vocab_size:,} symbols{embedded}, "
            f"batch {config.batch_size} × seq {config.seq_length}, needs about {format_bytes(needed)} of memory, and "
            f"{format_bytes(free)} are free; give a smaller --hidden-size,{or_embedding} --batch-size or --seq-length"
        )
    if needed >= _WORTH_TELLING:
        watcher.say(f"memory about {format_bytes(needed)} for the network and its training")


def estimate_memory(config: TrainConfig, vocab_size: int, characters: int, ranks: int = 1) -> int:
    """Return about how many bytes training takes beyond the text and what Python and NumPy hold already.

    Parameters
    ----------
    characters : of the text to train on
    ranks : that share the batch; the estimate is that of each
    """
    model = build_model(config, vocab_size)
    size = np.dtype(config.dtype).itemsize
    weights = sum(prod(shape) for shape in model.shapes().values())
    memories = len(OPTIMIZERS[config.optimizer].memories)
    workers = worker_count(model, config.batch_size, config.seq_length, config.threads, ranks)
    batch_size = -(-config.batch_size // ranks)
    # Weights, a gradient for each worker (and, where several chunks make an update, one of a chunk), the optimizer's
    # memories, and a good state to go back to.
    # Where there are other ranks, all that they send for one's own stretch are as many numbers as the weights.
    state = weights * ((ranks > 1) + 1 + workers * (1 + (config.accumulate > 1)) + memories + 1 + memories)
    # The usual chunk and an epoch's last have a workspace each; an evaluation has its own.
    longest = longest_chunk(config)
    # Of items the chunks have all lengths.
    last = config.seq_length if config.separator else -(-(characters - 1) // config.batch_size) % config.seq_length
    training = _workspace(model, config, longest * batch_size, workers)
    if last or longest > config.seq_length:
        training += _workspace(model, config, (last or longest) * batch_size, workers)
    evaluation = _workspace(model, config, CHUNK_LENGTH * MAX_STREAMS, 1) if config.val_fraction else 0
    return int(size * (state + training + evaluation)) + (workers - 1) * _PROCESS


def _workspace(model: CharRNN, config: TrainConfig, steps: int, copies: int) -> float:
    """Numbers in the workspaces for so many steps of all streams together, in `copies` processes."""
    kept = steps * (model.vocab_size + model.hidden_sizes[-1] + 2 * model.embedding_size)
    cells = 0
    for cell in model.cells:
        kept += steps * cell.hidden_size * (_KEPT[config.cell] + 2 * bool(config.dropout))
        cells += sum(prod(shape) for shape in cell.shapes().values())
        cells += 2 * prod(cell.shapes()["W_hh"]) * bool(config.weight_drop)
    for cell in model.cells[1:]:
        kept += steps * cell.input_size  # the gradient of what it reads
    return kept + _COPIES[config.cell] * cells * copies
