"""What `charrnn train` learns in a given time with given options.

    python benchmarks/learning.py [--text FILE] [--minutes 0.9] [--seeds 1] [--jobs 1] [OPTIONS]...

Each row is a run of the command line; the last tenth of the text is held out, and the figure is the best evaluation of
the run, the mean over the seeds with the lowest and the highest. With ``--minutes 0`` the options or the recipe say how
long a run is. ``--jobs 2`` makes two runs at a time, each with one thread, where two cores have more to do than one
run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from time import monotonic

from charrnn import checkpoint

_LSTM = "--cell lstm --dropout 0 --weight-drop 0 --eval-every 100"
ROWS = (
    f"{_LSTM} --hidden-size 256",
    f"{_LSTM} --hidden-size 128",
    f"{_LSTM} --hidden-size 384",
    f"{_LSTM} --hidden-size 512",
    f"{_LSTM} --hidden-size 128,128",
    f"{_LSTM} --hidden-size 256 --batch-size 32",
    f"{_LSTM} --hidden-size 256 --seq-length 100",
    f"{_LSTM} --hidden-size 256 --learning-rate 0.05",
    f"{_LSTM} --hidden-size 256 --optimizer adam",
    f"{_LSTM} --hidden-size 256 --optimizer rmsprop",
    f"{_LSTM} --hidden-size 384 --cell gru",  # the last of two cells counts
)


def run(text: str, options: list[str], seed: int) -> tuple[float, int, int, float]:
    """Return minutes, steps, characters trained, and the best held-out nats a character of one run."""
    began = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        command = [sys.executable, "-m", "charrnn", "train", text, "--quiet", "--sample-every", "0"]
        own = ["--rng-seed", str(seed), "--checkpoint", str(path)]
        subprocess.run([*command, *options, *own], check=True, env={**os.environ, "PYTHONPATH": "."})
        saved = checkpoint.load(path)
    config, step = saved.config, saved.progress.step
    best = min(loss for _, loss in saved.progress.history)
    return (monotonic() - began) / 60, step, step * config["batch_size"] * config["seq_length"], best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", default="harbour-clerk.txt")
    parser.add_argument("--minutes", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; more than one have one thread each")
    parser.add_argument("rows", nargs="*", default=ROWS, help="options of charrnn train, one row each")
    arguments = parser.parse_args()
    common = [*(["--minutes", str(arguments.minutes)] if arguments.minutes else [])]
    common += ["--threads", "1"] if arguments.jobs > 1 else []
    print("| options | minutes | steps | characters | held out, nats/char | bits/char |\n|---|---|---|---|---|---|")
    with ThreadPoolExecutor(arguments.jobs) as pool:
        rows = [
            [pool.submit(run, arguments.text, [*row.split(), *common], seed) for seed in range(arguments.seeds)]
            for row in arguments.rows
        ]
        for options, row in zip(arguments.rows, rows, strict=True):
            runs = [one.result() for one in row]
            minutes, steps, characters, loss = (mean(column) for column in zip(*runs, strict=True))
            losses = [one[-1] for one in runs]
            spread = f" ({min(losses):.3f}–{max(losses):.3f})" if len(losses) > 1 else ""
            figures = f"{steps:,.0f} | {characters / 1e6:.2f} M | {loss:.3f}{spread} | {loss / 0.6931472:.3f}"
            print(f"| `{options}` | {minutes:.2f} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
