"""The package as a library: types are seen from outside, and nothing private is reached for."""

import ast
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
from numpy.typing import NDArray

import charrnn
from tests.conftest import REPOSITORY

SOURCES = sorted((REPOSITORY / "charrnn").rglob("*.py"))
# What Python itself names with an underscore although it is for everyone: of named tuples, and of `os`.
FOR_EVERYONE = {"_asdict", "_fields", "_replace", "_exit"}


def test_a_type_checker_knows_what_everything_is() -> None:
    """What stands here is for mypy, which also complains where the mistake at the end were none."""
    lstm = charrnn.LSTM(3, 2, rng=0)
    outputs, state = lstm.forward(np.ones((1, 4, 3)))
    assert_type(outputs, NDArray[Any])
    assert_type(state, charrnn.LSTMState)
    assert_type(charrnn.GRU(2, 3, rng=0).zero_state(1), charrnn.GRUState)
    assert_type(charrnn.Vocabulary.from_text("a"), charrnn.Vocabulary)
    run = charrnn.train([0, 1] * 9, steps=1, hidden_sizes=(2,), batch_size=1, seq_length=5)
    assert_type([event.loss for event in run if isinstance(event, charrnn.StepReport)], list[float])
    assert_type(run.checkpoint().params, charrnn.Parameters)
    with pytest.raises(ValueError, match="state must be"):
        lstm.forward(np.ones((1, 4, 3)), charrnn.GRUState(np.ones((1, 2))))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_file_reaches_for_what_another_keeps_to_itself(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not [alias.name for alias in node.names if _is_private(alias.name)], ast.unparse(node)
        elif isinstance(node, ast.Attribute) and _is_private(node.attr):
            assert ast.unparse(node.value) in {"self", "cls"}, ast.unparse(node)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in FOR_EVERYONE
