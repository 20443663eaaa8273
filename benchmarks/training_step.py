"""How long a training step takes: charrnn, PyTorch, the classic loop, and the matrix products alone.

    python benchmarks/training_step.py                          every shape (this takes a while)
    python benchmarks/training_step.py --runs 1 --seconds 0.2   a quick look
    python benchmarks/training_step.py --shape 16,50,200,1      one shape
    python benchmarks/training_step.py --check                  instead: do both learn the same?

A step is forward, backward, clipping by the norm and the optimizer's update. Each figure is the median over the runs, a
run's own figure the median over its steps; each ratio was taken between two runs of one round, and is shown as the
median (least–greatest). Ratios above 1 are in charrnn's favour, but for "charrnn ÷ products", where 1 is the bound.
"""

import sys
from collections.abc import Mapping, Sequence

from measure import (
    Answer,
    Rival,
    alternate,
    column,
    cores,
    describe_machine,
    launch,
    option_parser,
    require_torch,
    show_median,
    show_ratio,
    table,
    thread_counts,
)
from workload import SHAPES, VANILLA, Shape

_TOLERANCE = 1e-5  # nats a character, over 20 steps

_TIME_HEADER = (
    "shape (batch, seq, hidden, layers)",
    "threads",
    "charrnn, ms",
    "PyTorch, ms",
    "PyTorch ÷ charrnn",
    "products alone, ms",
    "charrnn ÷ products",
    "products / elementwise / Python, %",
    "charrnn, MiB",
    "PyTorch, MiB",
)

Answers = Mapping[str, list[Answer]]


def charrnn(shape: Shape, seconds: float, threads: int) -> Rival:
    """Return charrnn on so many cores: its own worker processes, with one thread of OpenBLAS in each."""
    return Rival("charrnn_step.py", {"shape": shape, "seconds": seconds, "threads": threads})


def rivals(shape: Shape, seconds: float) -> dict[str, Rival]:
    """Return everything that is measured for a shape, by name."""
    request = {"shape": shape, "seconds": seconds}
    found = {"profile": Rival("step_profile.py", request)}
    for threads in thread_counts():
        found[f"charrnn {threads}"] = charrnn(shape, seconds, threads)
        found[f"PyTorch {threads}"] = Rival("torch_step.py", request, threads)
        found[f"products {threads}"] = Rival("products.py", request, threads)
    if cores() > 1 and shape.batch_size > 1:
        share = shape._replace(batch_size=-(-shape.batch_size // cores()))
        found["products of a share"] = Rival("products.py", request | {"shape": share})
    if shape == VANILLA:
        found["classic loop"] = Rival("classic_loop.py", request)
    return found


def bounds(answers: Answers, threads: int) -> list[float]:
    """Add up each round's products in milliseconds.

    On all cores each product takes the shorter of two ways: by as many threads of OpenBLAS, or with the batch dealt out
    to the cores, which is as long as one share takes on one core if none disturbs another.
    """
    ways = [answers[f"products {threads}"]]
    if threads > 1 and "products of a share" in answers:
        ways.append(answers["products of a share"])
    return [sum(min(way[name][0] for way in both) for name in both[0]) for both in zip(*ways, strict=True)]


def time_row(shape: Shape, answers: Answers, threads: int) -> list[str]:
    """Lay out what one shape takes on so many threads."""
    ours, theirs = answers[f"charrnn {threads}"], answers[f"PyTorch {threads}"]
    ms, torch_ms, bound = column(ours, "ms"), column(theirs, "ms"), bounds(answers, threads)
    return [
        str(shape),
        str(threads),
        show_median(ms),
        show_median(torch_ms),
        show_ratio(torch_ms, ms),
        show_median(bound),
        show_ratio(ms, bound),
        shares(answers["profile"]) if threads == 1 else "",
        show_median(column(ours, "MiB")),
        show_median(column(theirs, "MiB")),
    ]


def shares(profiles: Sequence[Answer]) -> str:
    """Write which part of the step is products, elementwise work and Python."""
    parts = ("products", "elementwise", "python")
    medians = [show_median([100 * profile[part] / profile["ms"] for profile in profiles]) for part in parts]
    return " / ".join(medians)


def product_rows(shape: Shape, answers: Answers) -> list[list[str]]:
    """Lay out each product on one thread, in the arrangement that was fastest most often."""
    rows = []
    for name in answers["products 1"][0]:
        times, arrangements, rates = zip(*column(answers["products 1"], name), strict=True)
        rows.append(
            [str(shape), name, show_median(times), max(arrangements, key=arrangements.count), show_median(rates)]
        )
    return rows


def compare_times(shapes: Sequence[Shape], runs: int, seconds: float) -> None:
    """Measure, and print the tables."""
    answers = {shape: alternate(rivals(shape, seconds), runs, str(shape)) for shape in shapes}
    print(
        table(
            _TIME_HEADER, [time_row(shape, answers[shape], threads) for shape in shapes for threads in thread_counts()]
        )
    )
    if VANILLA in answers:
        ours, classic = (column(answers[VANILLA][name], "ms") for name in ("charrnn 1", "classic loop"))
        row = [str(VANILLA), show_median(ours), show_median(classic), show_ratio(classic, ours)]
        print("\n" + table(["shape", "charrnn, ms", "classic loop, ms", "classic loop ÷ charrnn"], [row]))
    header = ["shape", "product", "ms a step, one thread", "fastest arrangement", "GFLOP/s"]
    print("\n" + table(header, [row for shape in shapes for row in product_rows(shape, answers[shape])]))


def check_losses(shapes: Sequence[Shape]) -> None:
    """Print how far the losses are apart; end with code 1 if it is more than rounding explains."""
    rows, furthest = [], 0.0
    for shape in shapes:
        losses = launch(Rival("loss_curves.py", {"shape": shape}))
        pairs = list(zip(losses["charrnn"], losses["PyTorch"], strict=True))
        difference = max(abs(a - b) for a, b in pairs)
        furthest = max(furthest, difference)
        rows.append([str(shape), str(len(pairs)), *(f"{pairs[k][0]:.6f}" for k in (0, -1)), f"{difference:.1e}"])
    print(table(["shape", "steps", "first loss, nats/char", "last loss", "largest difference"], rows))
    # Written so that a NaN fails too.
    if not furthest <= _TOLERANCE:
        sys.exit(f"charrnn and PyTorch differ by more than {_TOLERANCE} nats a character")


def main() -> None:
    """Read the options, and print what was asked for."""
    sizes = {",".join(map(str, shape[1:5])): shape for shape in SHAPES}
    parser = option_parser(__doc__ or "")
    parser.add_argument("--shape", action="append", choices=sizes, help="only this one (may be repeated)")
    parser.add_argument("--check", action="store_true", help="compare the first losses instead of times")
    options = parser.parse_args()
    require_torch()
    shapes = [sizes[name] for name in options.shape or sizes]
    print(describe_machine([1] if options.check else thread_counts()) + "\n")
    if options.check:
        check_losses(shapes)
    else:
        compare_times(shapes, options.runs, options.seconds)


if __name__ == "__main__":
    main()
