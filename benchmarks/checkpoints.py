"""What a checkpoint costs: saving beside the disk's own time, loading beside `numpy.load`.

    python benchmarks/checkpoints.py [--runs 7] [--seconds 2]

The checkpoint is that of an LSTM in training, 14 MB. The disk's own time is what it takes to write the same bytes to
another file, flush them, move the file into place and flush the folder. In each run the four take turns.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from measure import Answer, Rival, alternate, answer, column, describe_machine, option_parser, show_median, table

HIDDEN = 624
VOCAB = 61


def write_durably(data: bytes, target: Path) -> None:
    """Do what no safe way of saving can do without, and nothing else."""
    temporary = target.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def run(request: Mapping[str, Any]) -> Answer:
    """Measure saving and loading, turn by turn."""
    import numpy as np

    from charrnn import checkpoint
    from charrnn.archive import read_arrays
    from charrnn.checkpoint import Checkpoint, Resume
    from charrnn.config import TrainConfig
    from charrnn.nn.model import CharRNN
    from charrnn.optim import OPTIMIZERS
    from charrnn.text.corpus import CorpusInfo
    from charrnn.text.vocabulary import Vocabulary

    vocabulary = Vocabulary("".join(map(chr, range(65, 65 + VOCAB))))
    model = CharRNN(VOCAB, "lstm", (HIDDEN,))
    params = model.initialize(np.random.default_rng(0))
    config = TrainConfig(cell="lstm", hidden_sizes=(HIDDEN,), optimizer="adagrad")
    state = Checkpoint(
        model=model,
        params=params,
        vocabulary=vocabulary,
        corpus=CorpusInfo("text", ("text.txt",), "utf-8", "0" * 64, 1),
        config=config.to_json(),
        resume=Resume(OPTIMIZERS["adagrad"]().init(params), model.zero_state(16)),
    )
    times: dict[str, list[float]] = {"save": [], "disk": [], "load": [], "np.load": []}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path, plain = Path(folder, "run.npz"), Path(folder, "plain")
        checkpoint.save(path, state)
        data = path.read_bytes()

        def load_with_numpy() -> None:
            with np.load(path, allow_pickle=False) as file:
                {name: file[name] for name in file.files}

        turns = {
            "save": lambda: checkpoint.save(path, state),
            "disk": lambda: write_durably(data, plain),
            "load": lambda: read_arrays(path),
            "np.load": load_with_numpy,
        }
        end = perf_counter() + request["seconds"]
        while perf_counter() < end or len(times["save"]) < 5:
            for name, turn in turns.items():
                start = perf_counter()
                turn()
                times[name].append(1000 * (perf_counter() - start))
    beyond = [save - disk for save, disk in zip(times["save"], times["disk"], strict=True)]
    ratio = [ours / numpys for ours, numpys in zip(times["load"], times["np.load"], strict=True)]
    figures = {**times, "beyond": beyond, "ratio": ratio}
    return {"MB": len(data) / 1e6} | {name: median(values) for name, values in figures.items()}


def main() -> None:
    """Print the table."""
    options = option_parser(__doc__ or "").parse_args()
    rival = Rival("checkpoints.py", {"seconds": options.seconds})
    (answers,) = alternate({"checkpoint": rival}, options.runs, "checkpoints").values()
    print(describe_machine([1]) + "\n")
    print(f"{answers[0]['MB']:.1f} MB; milliseconds:\n")
    header = ["save", "the disk's own time", "beyond it", "load", "`numpy.load`", "load ÷ `numpy.load`"]
    names = ["save", "disk", "beyond", "load", "np.load", "ratio"]
    print(table(header, [[show_median(column(answers, name)) for name in names]]))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("{"):
        answer(run)
    else:
        main()
