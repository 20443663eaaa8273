"""How charrnn shares a machine: characters a second on one thread and on all, alone and next to a busy process.

    python benchmarks/sharing.py [--runs 7] [--seconds 2]

The shape is that of `charrnn train`. The two trainings measure in turn, while no other program runs, then while one
runs that never waits. After that program has ended, the last rows show how soon the training on all cores is back.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from measure import (
    Answer,
    column,
    contestants,
    cores,
    describe_machine,
    option_parser,
    show_median,
    show_ratio,
    table,
    take_turns,
)
from training_step import charrnn
from workload import default_shape

_SECONDS_AFTER = (1, 1, 2)


@contextmanager
def busy_process() -> Iterator[None]:
    """Keep one core busy for a while."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def speeds(answers: list[Answer]) -> list[float]:
    """Return characters a second, over whole turns: some steps are trials of the slower way."""
    shape = default_shape()
    return [1e3 * shape.batch_size * shape.seq_length / ms for ms in column(answers, "mean")]


def row(where: str, answers: Mapping[str, list[Answer]]) -> list[str]:
    """Lay out one line of the table."""
    one, every = speeds(answers["one"]), speeds(answers["all"])
    return [where, show_median(one), show_median(every), show_ratio(every, one)]


def main() -> None:
    """Print the table."""
    options = option_parser(__doc__ or "").parse_args()
    if cores() == 1:
        sys.exit("there is only one core to share")
    print(describe_machine([1, cores()]) + "\n")
    contest = {"one": charrnn(default_shape(), 1), "all": charrnn(default_shape(), cores())}
    with contestants(contest) as ready:
        alone = take_turns(ready, options.runs, options.seconds, "alone")
        with busy_process():
            beside = take_turns(ready, options.runs, options.seconds, "next to a busy process")
        after = [ready["all"].turn(seconds) for seconds in _SECONDS_AFTER]
        usual = [ready["one"].turn(seconds) for seconds in _SECONDS_AFTER]
    rows = [row("alone", alone), row("next to a busy process", beside)]
    begin = 0
    for seconds, *pair in zip(_SECONDS_AFTER, after, usual, strict=True):
        end = begin + seconds
        where = f"seconds {begin} to {end} after it has ended"
        rows.append(row(where, {"all": pair[:1], "one": pair[1:]}))
        begin = end
    print(table(["", "`--threads 1`, chars/s", f"{cores()} threads, chars/s", "ratio"], rows))


if __name__ == "__main__":
    main()
