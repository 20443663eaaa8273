"""Texts larger than memory should hold: how fast they are prepared, and in how much memory they are learned.

    python benchmarks/large_texts.py [--gigabytes 0.1 0.5 1 2] [--folder .] [--steps 100] [--by-line]

Each text is drawn line by line, by a fixed seed, from the bundled ones. Its preparation, the start of a second run on
it and that run's steps are processes of their own, on one thread. The text and what the cache keeps of it lie in
`--folder` and are removed before the next one; a text of N GB needs 2 N there. The step of a small text, the novella
alone, stands beside that of each large one, measured just before. With `--by-line` each line is an item of its own,
learned as the recipe for items does.
"""

import os
import random
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from measure import Answer, Rival, answer, describe_machine, launch, option_parser, peak_memory, show_median, table

CORPORA = Path(__file__).parent.parent / "corpora"
NOVELLA = "harbour-clerk.txt"
TEXTS = (NOVELLA, "weather-court.txt", "villages.txt")
LINES_AT_ONCE = 20_000
WARM_UP = 5


def write_text(path: Path, size: int) -> None:
    """Write a text of so many bytes: lines of the bundled texts, drawn one after another."""
    lines = [line for name in TEXTS for line in (CORPORA / name).read_bytes().splitlines(keepends=True)]
    rng = random.Random(0)  # noqa: S311 - a text, not a secret
    with path.open("wb") as file:
        while size:
            piece = b"".join(rng.choices(lines, k=LINES_AT_ONCE))[:size]
            size -= file.write(piece)


def resident() -> dict[str, float]:
    """Say how much of this process's memory is its own and how much are pages of files, in MB."""
    status = Path("/proc/self/status")
    rows = status.read_text().splitlines() if status.exists() else []
    return {name: int(row.split()[1]) * 1.024e-3 for row in rows for name in ("RssAnon", "RssFile") if name in row}


def run(request: Mapping[str, Any]) -> Answer:
    """Prepare a text, or find it prepared, and train on it for some steps."""
    from charrnn.cache import load_corpus
    from charrnn.config import RECIPES
    from charrnn.training.data import divide
    from charrnn.training.trainer import Trainer

    began, computed = perf_counter(), process_time()
    corpus = load_corpus([request["text"]])
    seconds, cpu = perf_counter() - began, process_time() - computed
    loaded = peak_memory() * 1.048576
    times = []
    if request["steps"]:
        config = replace(RECIPES["items" if request["by_line"] else "default"].config, threads=1)
        trainer = Trainer(
            config, corpus.vocabulary, divide(corpus.ids, corpus.vocabulary, config, corpus.file_ends).training
        )
        seconds = perf_counter() - began
        for _ in range(request["steps"] + WARM_UP):
            start = perf_counter()
            trainer.train_step(0.0)
            times.append(1e3 * (perf_counter() - start))
    peak = peak_memory() * 1.048576
    figures = {"seconds": seconds, "cpu": cpu, "loaded": loaded, "peak": peak, "characters": len(corpus.ids)}
    return {**figures, **resident(), "ms": median(times[WARM_UP:]) if times else 0.0}


def measure(gigabytes: float, folder: Path, steps: int, *, by_line: bool) -> list[str]:
    """Return a row of the table."""
    text, size = folder / "large.txt", round(gigabytes * 1e9)
    print(f"{gigabytes:g} GB: writing it", file=sys.stderr, flush=True)
    write_text(text, size)

    def ask(name: Path, count: int) -> Answer:
        return launch(Rival("large_texts.py", {"text": str(name), "steps": count, "by_line": by_line}))

    print(f"{gigabytes:g} GB: preparing it and learning", file=sys.stderr, flush=True)
    first, small, second = ask(text, 0), ask(CORPORA / NOVELLA, steps), ask(text, steps)
    speed = [size / 1e6 / first[name] for name in ("seconds", "cpu")]
    return [
        f"{gigabytes:g} GB",
        *(show_median([value]) for value in (first["seconds"], *speed, first["peak"])),
        show_median([second["seconds"]]),
        *(show_median([value]) for value in (second["ms"], small["ms"])),
        *(show_median([value]) for value in (second["peak"], small["peak"], second["RssFile"])),
    ]


def main() -> None:
    """Print the table."""
    parser = option_parser(__doc__ or "")
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.1, 0.5, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--by-line", action="store_true")
    options = parser.parse_args()
    print(describe_machine([1]) + "\n")
    header = ["text", "prepared in, s", "MB/s", "MB/s of one core's time", "peak, MB", "a second run starts in, s"]
    header += ["a step, ms", "of a small text", "peak in training, MB", "of a small text", "of it pages of files"]
    rows = []
    for gigabytes in options.gigabytes:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            os.environ["CHARRNN_CACHE"] = str(Path(folder, "cache"))
            rows.append(measure(gigabytes, Path(folder), options.steps, by_line=options.by_line))
    print(table(header, rows))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("{"):
        answer(run)
    else:
        main()
