"""How charrnn's training step grows: one size doubled, and doubled again, while the others stay.

    python benchmarks/scaling.py [--runs 7] [--seconds 2]

On one thread, from the shape that `charrnn train` uses. Each figure is the median over the runs; the last columns
compare each run with that of the base shape in the same round, as the median (least–greatest). Memory is the peak
beyond that of an idle process, in which the text takes two bytes a character.
"""

from measure import (
    Answer,
    column,
    contestants,
    describe_machine,
    option_parser,
    show_median,
    show_ratio,
    table,
    take_turns,
)
from training_step import charrnn
from workload import Shape, default_shape

_SIZES = {
    "T": "seq_length",
    "B": "batch_size",
    "H": "hidden_size",
    "V": "vocab_size",
    "characters": "num_characters",
}
_FACTORS = (2, 4)
_BASE = "base"


def variants() -> dict[str, Shape]:
    """Return the base shape and each that differs from it in one size, by name."""
    base = default_shape()
    sizes = base._asdict()
    changed = {
        f"{letter} = {factor * sizes[field]:,}": base._replace(**{field: factor * sizes[field]})
        for letter, field in _SIZES.items()
        for factor in _FACTORS
    }
    return {_BASE: base} | changed


def speed(shape: Shape, answers: list[Answer]) -> list[float]:
    """Return characters a second."""
    return [1e3 * shape.batch_size * shape.seq_length / ms for ms in column(answers, "ms")]


def main() -> None:
    """Print the table."""
    options = option_parser(__doc__ or "").parse_args()
    shapes = variants()
    contest = {name: charrnn(shape, threads=1) for name, shape in shapes.items()}
    print(describe_machine([1]) + "\n")
    base = ", ".join(f"{letter} = {shapes[_BASE]._asdict()[field]:,}" for letter, field in _SIZES.items())
    print(f"Base: {shapes[_BASE]}; {base}.\n")
    with contestants(contest) as ready:
        answers = take_turns(ready, options.runs, options.seconds, "scaling")
    rows = []
    for name, shape in shapes.items():
        ms, memory = column(answers[name], "ms"), column(answers[name], "MiB")
        growth = show_ratio(ms, column(answers[_BASE], "ms"))
        rows.append([name, show_median(ms), growth, show_median(speed(shape, answers[name])), show_median(memory)])
    print(table(["shape", "ms a step", "÷ base", "chars/s", "memory, MiB"], rows))


if __name__ == "__main__":
    main()
