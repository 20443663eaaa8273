"""How many characters a second are generated: charrnn's sampler, and the loop a PyTorch user would write.

    python benchmarks/generating.py [--runs 7] [--seconds 2]

One stream of text at temperature 1, from an LSTM of one layer and 65 characters. Each figure is the median over the
runs, each ratio the median (least–greatest) over the rounds; above 1 it is in charrnn's favour.
"""

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


def row(hidden_size: int, threads: int, runs: int, seconds: float) -> list[str]:
    """Measure one line of the table."""
    request = {"hidden_size": hidden_size, "seconds": seconds}
    scripts = {"charrnn": "charrnn_generating.py", "PyTorch": "torch_generating.py"}
    contest = {name: Rival(script, request, threads) for name, script in scripts.items()}
    answers = alternate(contest, runs, f"LSTM {hidden_size}, threads {threads}")
    ours, theirs = (speed(answers[name]) for name in scripts)
    memory = [show_median(column(answers[name], "MiB")) for name in scripts]
    return [str(hidden_size), str(threads), show_median(ours), show_median(theirs), show_ratio(ours, theirs), *memory]


def speed(answers: list[Answer]) -> list[float]:
    """Return characters a second: a step draws one."""
    return [1e3 / ms for ms in column(answers, "ms")]


def main() -> None:
    """Print the table."""
    options = option_parser(__doc__ or "").parse_args()
    require_torch()
    print(describe_machine(thread_counts()) + "\n")
    header = ["hidden", "threads", "charrnn, chars/s", "PyTorch, chars/s", "charrnn ÷ PyTorch"]
    cases = [(hidden_size, threads) for hidden_size in _HIDDEN_SIZES for threads in thread_counts()]
    rows = [row(hidden_size, threads, options.runs, options.seconds) for hidden_size, threads in cases]
    print(table([*header, "charrnn, MiB", "PyTorch, MiB"], rows))


if __name__ == "__main__":
    main()
