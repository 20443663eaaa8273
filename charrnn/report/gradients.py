"""The gradient check as a table, as JSON, and as a verdict."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from charrnn.gradcheck import COMPLEX_STEP_GATE, DIFFERENCE_GATE, EQUATIONS_GATE, Row
from charrnn.report.columns import wrap

_WIDTH, _WITHOUT_MODEL = 115, 90  # columns that a row takes, and one below a heading that names the model


def as_table(rows: Sequence[Row], width: int | None = None) -> str:
    """One line an array, then the verdict.

    `width` is the terminal's, if it goes to one: where it is narrow the model's name stands above its rows, and where
    that is not enough there are the errors alone.
    """
    has_model, has_all = width is None or width >= _WIDTH, width is None or width >= _WITHOUT_MODEL
    errors = ("complex step", "difference", "equations") if has_all else ("complex", "central", "plain")
    titles = ("model", "array", "entries", *errors, "", "worst entry")
    lines, model = [_line(titles, has_model=has_model, has_all=has_all)], ""
    for row in rows:
        if row.model != model and not has_model:
            lines.append(row.model)
        model = row.model
        lines.append(_line(_cells(row), has_model=has_model, has_all=has_all))
    return "\n".join([*lines, *wrap(verdict(rows), width or sys.maxsize)])


def _cells(row: Row) -> tuple[str, ...]:
    entries = f"{row.checked}" if row.checked == row.size else f"{row.checked} of {row.size}"
    where = ",".join(map(str, row.worst_index))
    equations = "" if row.equations_error is None else f"{row.equations_error:.1e}"
    errors = f"{row.complex_step_error:.1e}", f"{row.difference_error:.1e}", equations
    return row.model, row.array, entries, *errors, "ok" if row.passed else "FAIL", f"[{where}] {row.worst_derived:+.3e}"


def _line(cells: Sequence[str], *, has_model: bool, has_all: bool) -> str:
    model, array, entries, complex_step, difference, equations, passed, worst = cells
    if not has_all:
        return f"  {array:<13} {complex_step:>7} {difference:>7} {equations:>7}  {passed}".rstrip()
    first = f"{model:<24} " if has_model else "  "
    errors = f"{complex_step:>12} {difference:>10} {equations:>10}"
    return f"{first}{array:<15} {entries:>12} {errors}  {passed:<4} {worst}"


def as_json_lines(rows: Sequence[Row]) -> str:
    """One JSON object an array."""
    return "\n".join(json.dumps(_finite(asdict(row)) | {"passed": row.passed}) for row in rows)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Replace what JSON has no number for, a NaN or an infinity, by null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }


def verdict(rows: Sequence[Row]) -> str:
    """One sentence: all is right, or which array is worst and where."""
    gates = f"complex step within {COMPLEX_STEP_GATE:g}, central differences within {DIFFERENCE_GATE:g}"
    if any(row.equations_error is not None for row in rows):
        gates += f", equations within {EQUATIONS_GATE:g}"
    wrong = [row for row in rows if not row.passed]
    if not wrong:
        return f"all {len(rows)} gradients are right ({gates})"
    worst = max(wrong, key=lambda row: math.inf if math.isnan(row.complex_step_error) else row.complex_step_error)
    return (
        f"{len(wrong)} of {len(rows)} gradients are wrong; worst is {worst.array} of {worst.model} at "
        f"{list(worst.worst_index)}: derived {worst.worst_derived:.6g}, numeric {worst.worst_numeric:.6g}"
    )
