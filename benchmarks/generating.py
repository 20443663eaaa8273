"""How many characters a second are generated: charrnn's sampler, and the loop a PyTorch user would write.

    python benchmarks/generating.py [--runs 7] [--seconds 2]

One stream of text and 32 side by side, at temperature 1, from an LSTM of one layer and 65 characters. Each figure is
the median over the runs, each ratio the median (least–greatest) over the rounds; above 1 it is in charrnn's favour.
"""

from itertools import product

from measure import (
    Answer,
    Rival,
    alternate,
    column,
    describe_machine,
    option_parser,
    require_torch,
    show_median,
    show_ratio,
    table,
    thread_counts,
)

_HIDDEN_SIZES = (256, 512)
_STREAMS = (1, 32)


def row(hidden_size: int, streams: int, threads: int, runs: int, seconds: float) -> list[str]:
    """Measure one line of the table."""
    request = {"hidden_size": hidden_size, "streams": streams, "seconds": seconds}
    scripts = {"charrnn": "charrnn_generating.py", "PyTorch": "torch_generating.py"}
    contest = {name: Rival(script, request, threads) for name, script in scripts.items()}
    answers = alternate(contest, runs, f"LSTM {hidden_size}, {streams} streams, threads {threads}")
    ours, theirs = (speed(answers[name], streams) for name in scripts)
    memory = [show_median(column(answers[name], "MiB")) for name in scripts]
    figures = [show_median(ours), show_median(theirs), show_ratio(ours, theirs), *memory]
    return [str(hidden_size), str(streams), str(threads), *figures]


def speed(answers: list[Answer], streams: int) -> list[float]:
    """Return characters a second: a step draws one for each stream."""
    return [1e3 * streams / ms for ms in column(answers, "ms")]


def main() -> None:
    """Print the table."""
    options = option_parser(__doc__ or "").parse_args()
    require_torch()
    print(describe_machine(thread_counts()) + "\n")
    header = ["hidden", "streams", "threads", "charrnn, chars/s", "PyTorch, chars/s", "charrnn ÷ PyTorch"]
    cases = product(_HIDDEN_SIZES, _STREAMS, thread_counts())
    rows = [row(*case, options.runs, options.seconds) for case in cases]
    print(table([*header, "charrnn, MiB", "PyTorch, MiB"], rows))


if __name__ == "__main__":
    main()
