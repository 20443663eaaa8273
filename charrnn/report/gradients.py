"""The gradient check as a table, as JSON, and as a verdict."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from charrnn.gradcheck import COMPLEX_STEP_GATE, DIFFERENCE_GATE, Row

_HEADER = f"{'model':<24} {'array':<15} {'entries':>12} {'complex step':>12} {'difference':>10}  worst entry"


def as_table(rows: Sequence[Row]) -> str:
    """One line an array, then the verdict."""
    lines = [_HEADER]
    for row in rows:
        entries = f"{row.checked}" if row.checked == row.size else f"{row.checked} of {row.size}"
        where = ",".join(map(str, row.worst_index))
        lines.append(
            f"{row.model:<24} {row.array:<15} {entries:>12} {row.complex_step_error:>12.1e} "
            f"{row.difference_error:>10.1e}  {'ok  ' if row.passed else 'FAIL'} [{where}] {row.worst_derived:+.3e}"
        )
    return "\n".join([*lines, verdict(rows)])


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
