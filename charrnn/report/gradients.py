"""The gradient check as a table, as JSON, and as a verdict."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from charrnn.gradcheck import COMPLEX_STEP_GATE, DIFFERENCE_GATE, Row
from charrnn.report.columns import wrap

_WIDTH, _WITHOUT_MODEL = 104, 79  # columns that a row takes, and one below a heading that names the model


def as_table(rows: Sequence[Row], width: int | None = None) -> str:
    """One line an array, then the verdict.

    `width` is the terminal's, if it goes to one: where it is narrow the model's name stands above its rows, and where
    that is not enough there are the errors alone.
    """
    has_model, has_all = width is None or width >= _WIDTH, width is None or width >= _WITHOUT_MODEL
    titles = ("model", "array", "entries", "complex step", "difference", "", "worst entry")
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
    errors = f"{row.complex_step_error:.1e}", f"{row.difference_error:.1e}"
    return row.model, row.array, entries, *errors, "ok" if row.passed else "FAIL", f"[{where}] {row.worst_derived:+.3e}"


def _line(cells: Sequence[str], *, has_model: bool, has_all: bool) -> str:
    model, array, entries, complex_step, difference, passed, worst = cells
    first = f"{model:<24} " if has_model else "  "
    middle = f"{entries:>12} " if has_all else ""
    last = f" {worst}" if has_all else ""
    return f"{first}{array:<15} {middle}{complex_step:>12} {difference:>10}  {passed:<4}{last}".rstrip()


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
    wrong = [row for row in rows if not row.passed]
    if not wrong:
        return f"all {len(rows)} gradients are right ({gates})"
    worst = max(wrong, key=lambda row: math.inf if math.isnan(row.complex_step_error) else row.complex_step_error)
    return (
        f"{len(wrong)} of {len(rows)} gradients are wrong; worst is {worst.array} of {worst.model} at "
        f"{list(worst.worst_index)}: derived {worst.worst_derived:.6g}, numeric {worst.worst_numeric:.6g}"
    )
