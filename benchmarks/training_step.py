"""How long a training step takes: charrnn and its rivals.

    python benchmarks/training_step.py                          every shape (this takes a while)
    python benchmarks/training_step.py --runs 1 --seconds 0.2   a quick look
    python benchmarks/training_step.py --shape 16,50,200,1      one shape
    python benchmarks/training_step.py --bound                  instead: the matrix products alone
    python benchmarks/training_step.py --check                  instead: do all learn the same?

A step is forward, backward, clipping by the norm and the optimizer's update. Each figure is the median over the runs, a
run's own figure the median over its steps; each ratio was taken between two runs of one round, and is shown as the
median (least–greatest). Ratios above 1 are in charrnn's favour. JAX and Keras are started with several settings; the
one that is fastest in a short trial competes.
"""

import sys
from collections.abc import Mapping, Sequence
from itertools import product

from measure import (
    Answer,
    Contestant,
    Rival,
    alternate,
    column,
    contestants,
    cores,
    describe_machine,
    import_error,
    launch,
    option_parser,
    show_median,
    show_ratio,
    table,
    take_turns,
    thread_counts,
)
from workload import SHAPES, VANILLA, Shape

_TOLERANCE = 1e-4  # nats a character, over 20 steps; XLA and TensorFlow approximate tanh by polynomials of their own
_MODULES = {"PyTorch": "torch", "JAX": "jax", "Keras": "tensorflow, keras"}
_UNROLL = (1, 2, 5)

Answers = Mapping[str, list[Answer]]


def importable() -> list[str]:
    """Return the rivals that can be imported, and print a line about each of the others."""
    errors = {name: import_error(module) for name, module in _MODULES.items()}
    for name, error in errors.items():
        if error:
            print(f"{name} is left out ({error}); `pip install -e '.[bench]'` brings it.\n")
    return [name for name, error in errors.items() if not error]


def charrnn(shape: Shape, threads: int) -> Rival:
    """Return charrnn on so many cores: its own worker processes, with one thread of OpenBLAS in each."""
    return Rival("charrnn_step.py", {"shape": shape, "threads": threads})


def variants(name: str, shape: Shape, threads: int) -> dict[str, Rival]:
    """Return a rival with each of the settings that may suit it best."""
    request = {"shape": shape}
    if name == "PyTorch":
        return {"": Rival("torch_step.py", request, threads)}
    if name == "JAX":
        return {f"unroll {n}": Rival("jax_step.py", request | {"unroll": n}, threads) for n in _UNROLL}
    return {
        f"{'XLA' if jit else 'no XLA'}, {'oneDNN' if onednn else 'no oneDNN'}": Rival(
            "keras_step.py", request | {"jit_compile": jit}, threads, environment={"TF_ENABLE_ONEDNN_OPTS": str(onednn)}
        )
        for jit, onednn in product((False, True), (0, 1))
    }


def fastest(tried: Mapping[str, Contestant], seconds: float) -> str:
    """Return which contestant is fastest in a short trial."""
    if len(tried) == 1:
        return next(iter(tried))
    return min(tried, key=lambda name: float(tried[name].turn(seconds)["ms"]))


def compete(shape: Shape, threads: int, names: Sequence[str], runs: int, seconds: float) -> tuple[Answers, str]:
    """Measure one shape on so many threads; return everybody's answers, and the settings that were chosen."""
    settings = {name: variants(name, shape, threads) for name in names}
    rivals = {f"{name} {setting}": rival for name in names for setting, rival in settings[name].items()}
    fixed = {"charrnn": charrnn(shape, threads)}
    if shape == VANILLA and threads == 1:
        fixed["classic loop"] = Rival("classic_loop.py", {"shape": shape})
    with contestants(fixed | rivals) as ready:
        chosen = {
            name: fastest({setting: ready[f"{name} {setting}"] for setting in settings[name]}, seconds / 2)
            for name in names
        }
        finalists = {name: ready[f"{name} {chosen[name]}"] for name in names}
        turns = {name: ready[name] for name in fixed} | finalists
        answers = take_turns(turns, runs, seconds, f"{shape}, threads {threads}")
    return answers, "; ".join(f"{name}: {setting}" for name, setting in chosen.items() if setting)


def time_row(shape: Shape, threads: int, names: Sequence[str], answers: Answers, chosen: str) -> list[str]:
    """Lay out what one shape takes on so many threads."""
    ours = column(answers["charrnn"], "ms")
    row = [str(shape), str(threads), show_median(ours)]
    for name in names:
        theirs = column(answers[name], "ms")
        row += [show_median(theirs), show_ratio(theirs, ours)]
    memory = [show_median(column(answers[name], "MiB")) for name in ("charrnn", *names)]
    return [*row, " / ".join(memory), chosen]


def compare_times(shapes: Sequence[Shape], threads: Sequence[int], runs: int, seconds: float) -> None:
    """Measure, and print the tables."""
    names = importable()
    header = ["shape (batch, seq, hidden, layers)", "threads", "charrnn, ms"]
    header += [cell for name in names for cell in (f"{name}, ms", f"{name} ÷ charrnn")]
    header += [f"MiB: {' / '.join(('charrnn', *names))}", "settings"]
    rows, classic = [], ""
    for shape, count in product(shapes, threads):
        answers, chosen = compete(shape, count, names, runs, seconds)
        rows.append(time_row(shape, count, names, answers, chosen))
        if "classic loop" in answers:
            ours, loop = (column(answers[name], "ms") for name in ("charrnn", "classic loop"))
            ratio = f"{show_ratio(loop, ours)} times charrnn's step"
            classic = f"\n\n{shape}: the classic loop takes {show_median(loop)} ms, {ratio}."
    print(table(header, rows) + classic)


def bounds(answers: Answers, threads: int) -> list[float]:
    """Add up each round's products in milliseconds.

    On all cores each product takes the shorter of two ways: by as many threads of OpenBLAS, or with the batch dealt out
    to the cores, which is as long as one share takes on one core if none disturbs another.
    """
    ways = [answers[f"products {threads}"]]
    if threads > 1 and "products of a share" in answers:
        ways.append(answers["products of a share"])
    return [sum(min(way[name][0] for way in both) for name in both[0]) for both in zip(*ways, strict=True)]


def shares(profiles: Sequence[Answer]) -> str:
    """Write which part of the step is products, elementwise work and Python."""
    parts = ("products", "elementwise", "python")
    medians = [show_median([100 * profile[part] / profile["ms"] for profile in profiles]) for part in parts]
    return " / ".join(medians)


def compare_with_products(shapes: Sequence[Shape], runs: int, seconds: float) -> None:
    """Measure where the step goes and what its products take alone, and print the tables."""
    rows, products = [], []
    for shape in shapes:
        request = {"shape": shape, "seconds": seconds}
        contest = {"profile": Rival("step_profile.py", request)}
        contest |= {f"products {threads}": Rival("products.py", request, threads) for threads in thread_counts()}
        if cores() > 1 and shape.batch_size > 1:
            share = shape._replace(batch_size=-(-shape.batch_size // cores()))
            contest["products of a share"] = Rival("products.py", request | {"shape": share})
        answers = alternate(contest, runs, str(shape))
        ours = column(answers["profile"], "ms")
        alone = [bounds(answers, threads) for threads in thread_counts()]
        figures = [show_median(ours), *map(show_median, alone), show_ratio(ours, alone[0]), shares(answers["profile"])]
        rows.append([str(shape), *figures])
        for name in answers["products 1"][0]:
            times, arrangements, rates = zip(*column(answers["products 1"], name), strict=True)
            usual = max(arrangements, key=arrangements.count)
            products.append([str(shape), name, show_median(times), usual, show_median(rates)])
    alone_on = [f"products alone, ms, {threads} thread{'s' * (threads > 1)}" for threads in thread_counts()]
    header = ["shape", "charrnn, ms, 1 thread", *alone_on, "charrnn ÷ products, 1 thread"]
    print(table([*header, "products / elementwise / Python, %"], rows) + "\n")
    print(table(["shape", "product", "ms a step, one thread", "fastest arrangement", "GFLOP/s"], products))


def check_losses(shapes: Sequence[Shape]) -> None:
    """Print how far the losses are apart; end with code 1 if it is more than rounding explains."""
    names = importable() or sys.exit("there is no rival to compare with")
    rows, agree = [], True
    for shape in shapes:
        able = [name for name in names if name != "Keras" or shape.cell != "gru"]  # its gates have another order
        losses = launch(Rival("loss_curves.py", {"shape": shape, "rivals": able}))
        ours = losses["charrnn"]
        row = [str(shape), str(len(ours)), *(f"{ours[k]:.6f}" for k in (0, -1))]
        for name in names:
            apart = [abs(a - b) for a, b in zip(ours, losses.get(name, []), strict=False)]
            agree &= all(difference <= _TOLERANCE for difference in apart)  # not so for a NaN
            row.append(f"{max(apart):.1e}" if apart else "–")
        rows.append(row)
    print(
        table(["shape", "steps", "first loss, nats/char", "last loss", *(f"{name} apart by" for name in names)], rows)
    )
    if not agree:
        sys.exit(f"charrnn and a rival differ by more than {_TOLERANCE} nats a character")


def main() -> None:
    """Read the options, and print what was asked for."""
    sizes = {",".join(map(str, shape[1:5])): shape for shape in SHAPES}
    parser = option_parser(__doc__ or "")
    parser.add_argument("--shape", action="append", choices=sizes, help="only this one (may be repeated)")
    parser.add_argument("--threads", type=int, action="append", help="only so many (may be repeated)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--bound", action="store_true", help="measure where the step goes, and its products alone")
    instead.add_argument("--check", action="store_true", help="compare the first losses instead of times")
    options = parser.parse_args()
    shapes = [sizes[name] for name in options.shape or sizes]
    threads = options.threads or thread_counts()
    print(describe_machine([1] if options.check else threads) + "\n")
    if options.check:
        check_losses(shapes)
    elif options.bound:
        compare_with_products(shapes, options.runs, options.seconds)
    else:
        compare_times(shapes, threads, options.runs, options.seconds)


if __name__ == "__main__":
    main()
