"""The package as a library: the README's programs run, types are seen from outside, nothing private is reached for."""

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
from numpy.typing import NDArray

import charrnn
from tests.conftest import REPOSITORY, TEXT

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## As a library\n")[2].partition("\n## ")[0]
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
SOURCES = sorted((REPOSITORY / "charrnn").rglob("*.py"))
# What Python itself names with an underscore although it is for everyone: of named tuples, and of `os`.
FOR_EVERYONE = {"_asdict", "_fields", "_replace", "_exit"}


def test_ten_lines_train_save_and_sample() -> None:
    lines = [line for line in PROGRAMS[0].splitlines() if line]
    assert len(lines) == 10
    Path("kafka.txt").write_text(TEXT, encoding="utf-8")
    program = PROGRAMS[0].replace("steps=600", "steps=100, hidden_sizes=(8,), seq_length=10")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(program.replace("The light", "the lamp"), {})  # noqa: S102
    assert re.match(r"step 100: \d\.\d{3} nats a character\nthe lamp", out.getvalue())
    assert charrnn.load("kafka.npz").progress.step == 100
    assert len(out.getvalue().partition("the lamp")[2]) == 200 + len("\n")


def test_the_readme_s_other_programs_do_what_they_say() -> None:
    values: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec("import charrnn\n" + "\n".join(PROGRAMS[1:]), values)  # noqa: S102
    assert "nats a note" in out.getvalue()
    loss = values["loss"]
    assert isinstance(loss, float)
    assert loss < 0.5
    assert values["wrong"] == []


def test_the_readme_shows_every_public_name_and_no_other() -> None:
    named = set(re.findall(r"charrnn\.([A-Za-z_]+)\b(?!\.)", "\n".join(PROGRAMS)))
    assert len(named) > 15
    assert named <= set(charrnn.__all__)
    shown = set(re.findall(r"\b[A-Za-z_]+\b", README))
    assert set(charrnn.__all__) - shown <= {"__version__"}


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
