"""How long until something happens: the help, the first training step, and a large text read.

    python benchmarks/start_up.py [--runs 7]

The help and the first step are whole commands, from their start; the step is the first of `charrnn train` on the
bundled novella, with its first save. The text is 100 MB of the bundled one again and again, read, numbered and split.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from measure import Answer, Rival, alternate, answer, column, describe_machine, option_parser, show_median, table

CHARACTERS = 100_000_000
_NOVELLA = Path(__file__).parents[1] / "corpora" / "harbour-clerk.txt"


def help_shown() -> Answer:
    """Time ``charrnn --help``."""
    start = perf_counter()
    subprocess.run([sys.executable, "-m", "charrnn", "--help"], check=True, stdout=subprocess.DEVNULL)
    return {"seconds": perf_counter() - start}


def first_step() -> Answer:
    """Time ``charrnn train`` until its first step is made."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(_NOVELLA.parents[1])}
        options = ["--steps", "100", "--eval-every", "1", "--sample-every", "0"]
        start = perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "charrnn", "train", *options], cwd=folder, env=environment, stderr=subprocess.PIPE
        ) as process:
            next(line for line in process.stderr or () if b"step 1:" in line)
            seconds = perf_counter() - start
            process.kill()
    return {"seconds": seconds}


def large_text() -> Answer:
    """Time the reading of a large text, and take the memory that it leaves and that it needed at most."""
    from measure import peak_memory

    from charrnn.text.corpus import read_corpus, split

    text = _NOVELLA.read_bytes().decode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.txt"
        with path.open("w", encoding="utf-8", newline="") as file:
            for _ in range(CHARACTERS // len(text) + 1):
                file.write(text)
        idle, start = peak_memory(), perf_counter()
        corpus = read_corpus([str(path)])
        split(corpus.ids, 0.1)
        seconds = perf_counter() - start
    return {"seconds": seconds, "bytes a character": (peak_memory() - idle) * 2**20 / len(corpus.ids)}


PARTS = {
    "`charrnn --help`": help_shown,
    "`charrnn train`, to the end of its first step": first_step,
    f"a text of {CHARACTERS:,} characters": large_text,
}


def run(request: Mapping[str, Any]) -> Answer:
    """Measure one part."""
    return PARTS[request["part"]]()


def main() -> None:
    """Print the table."""
    options = option_parser(__doc__ or "").parse_args()
    rivals = {part: Rival("start_up.py", {"part": part}) for part in PARTS}
    print(describe_machine([1]) + "\n")
    answers = alternate(rivals, options.runs, "start-up")
    rows = []
    for part, given in answers.items():
        memory = show_median(column(given, "bytes a character")) if "bytes a character" in given[0] else ""
        rows.append([part, show_median(column(given, "seconds")), memory])
    print(table(["what", "seconds", "memory at most, bytes a character"], rows))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("{"):
        answer(run)
    else:
        main()
