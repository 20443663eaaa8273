"""How many characters a second are generated: charrnn's sampler, and those of users of other libraries.

    python benchmarks/generating.py [--runs 7] [--seconds 2]

One stream of text and 32 side by side, at temperature 1, from one layer and 65 characters. Each figure is the median
over the runs, each ratio the median (least–greatest) over the rounds; above 1 it is in charrnn's favour.
"""

import importlib.util
from itertools import product

from measure import (
    Answer,
    Rival,
    alternate,
    column,
    describe_machine,
    option_parser,
    show_median,
    show_ratio,
    table,
    thread_counts,
)

_CELLS = ("lstm", "gru")
_HIDDEN_SIZES = (256, 512)
_STREAMS = (1, 32)
# The rivals by name: their script, and the package without which they cannot run.
_RIVALS = {
    "PyTorch": ("torch_generating.py", "torch"),
    "onnxruntime": ("onnx_generating.py", "onnxruntime"),
    "JAX": ("jax_generating.py", "jax"),
}


def row(cell: str, hidden_size: int, streams: int, threads: int, runs: int, seconds: float) -> list[str]:
    """Measure one line of the table."""
    network = {"cell": cell, "hidden_size": hidden_size, "streams": streams}
    request = {"network": network, "seconds": seconds}
    scripts = {"charrnn": "charrnn_generating.py"}
    scripts |= {name: script for name, (script, package) in _RIVALS.items() if importlib.util.find_spec(package)}
    contest = {name: Rival(script, request, threads) for name, script in scripts.items()}
    answers = alternate(contest, runs, f"{cell} {hidden_size}, {streams} streams, threads {threads}")
    speeds = {name: speed(answers[name], streams) for name in scripts}
    figures = [show_median(speeds["charrnn"])]
    for name in _RIVALS:
        if name in speeds:
            figures += [show_median(speeds[name]), show_ratio(speeds["charrnn"], speeds[name])]
        else:
            figures += ["not installed", ""]
    return [cell, str(hidden_size), str(streams), str(threads), *figures]


def speed(answers: list[Answer], streams: int) -> list[float]:
    """Return characters a second: a step draws one for each stream."""
    return [1e3 * streams / ms for ms in column(answers, "ms")]


def main() -> None:
    """Print the table."""
    options = option_parser(__doc__ or "").parse_args()
    print(describe_machine(thread_counts()) + "\n")
    header = ["cell", "hidden", "streams", "threads", "charrnn, chars/s"]
    for name in _RIVALS:
        header += [f"{name}, chars/s", f"charrnn ÷ {name}"]
    cases = product(_CELLS, _HIDDEN_SIZES, _STREAMS, thread_counts())
    print(table(header, [row(*case, options.runs, options.seconds) for case in cases]))


if __name__ == "__main__":
    main()
