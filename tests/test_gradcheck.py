"""The gradient check passes what is right, fails what is wrong, and says where."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn.nn
from charrnn import gradcheck
from charrnn.gradcheck import Row
from charrnn.nn.model import NO_DROPOUT, CharRNN
from charrnn.nn.parameters import Array
from charrnn.report import tables as report
from tests.mutation import module_replaced, mutants

ANYONES: dict[str, Array] = {"x": np.array([[0.3, -1.2], [2.0, 0.5]]), "y": np.array([0.7, -0.4])}


def anyones_loss(arrays: Mapping[str, Array]) -> Any:
    return (np.sin(arrays["x"]) @ arrays["y"] ** 2).sum()


def anyones_gradients() -> dict[str, Array]:
    x, y = ANYONES["x"], ANYONES["y"]
    return {"x": np.cos(x) * y**2, "y": 2 * y * np.sin(x).sum(axis=0)}


def check_anyones(gradients: Mapping[str, Array], **settings: Any) -> list[Row]:
    return list(gradcheck.check(anyones_loss, ANYONES, gradients, **settings))


def one_wrong() -> list[Row]:
    wrong = anyones_gradients()
    wrong["x"][1, 0] *= -1
    return check_anyones(wrong, model="anyone's")


def test_small_networks_are_every_kind_there_is() -> None:
    kinds = [(m.cell, m.hidden_sizes, m.embedding_size, m.tied, d) for _, m, d in gradcheck.small_models()]
    assert len(kinds) == len(set(kinds))
    for cell in ("vanilla", "lstm", "gru"):
        assert {(cell, sizes, E, False, NO_DROPOUT) for sizes in ((4,), (4, 3)) for E in (0, 3)} <= set(kinds)
        of_cell = [kind for kind in kinds if kind[0] == cell]
        assert any(tied for *_, tied, _ in of_cell)
        assert {(d.outputs > 0, d.weights > 0, d.locked) for *_, d in of_cell} == {
            (False, False, False),
            (True, False, False),
            (True, True, True),
        }


@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_every_parameter_and_every_state_has_a_row(cell: str) -> None:
    model, rng = CharRNN(4, cell, (3, 2), 2), np.random.default_rng(0)
    text = rng.integers(0, 4, (6, 2))
    params = model.initialize(rng, dtype=np.float64)
    state = gradcheck.random_state(model, 2, rng)
    assert all(array.all() for layer in state for array in layer)
    rows = list(gradcheck.check_model(model, params, text[:-1], text[1:], state, label="a name"))
    states = [f"state.{k}.{name}" for k in range(2) for name in state[k]._fields]
    assert [row.array for row in rows] == [*model.shapes(), *states]
    assert {row.model for row in rows} == {"a name"}


def test_anyones_function_can_be_checked() -> None:
    rows = check_anyones(anyones_gradients())
    assert [(row.array, row.size, row.checked, row.passed) for row in rows] == [("x", 4, 4, True), ("y", 2, 2, True)]


def test_wrong_gradient_fails_and_its_row_says_where() -> None:
    x, y = one_wrong()
    assert (x.passed, y.passed) == (False, True)
    assert x.worst_index == (1, 0)
    assert x.worst_numeric == pytest.approx(np.cos(2) * 0.49)
    assert x.worst_derived == pytest.approx(-np.cos(2) * 0.49)
    # the length of the difference, 2 |cos(2)| 0.49, over that of the whole gradient
    assert x.complex_step_error == pytest.approx(2 * 0.49 * -np.cos(2) / np.linalg.norm(anyones_gradients()["x"]))
    assert x.difference_error == pytest.approx(x.complex_step_error, rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradient_that_is_not_a_number_fails(bad: float) -> None:
    wrong = anyones_gradients()
    wrong["y"][1] = bad
    with np.errstate(invalid="ignore"):
        x, y = check_anyones(wrong)
    assert (x.passed, y.passed, y.worst_index) == (True, False, (1,))


@pytest.mark.parametrize("error", [1e-3, np.nan])
@pytest.mark.parametrize("field", ["complex_step_error", "difference_error", "equations_error"])
def test_each_witness_alone_can_fail_a_row(field: str, error: float) -> None:
    right = check_anyones(anyones_gradients())[0]
    errors: dict[str, Any] = {field: error}
    assert right.passed
    assert not replace(right, **errors).passed


def test_no_gradient_where_none_is_due_passes() -> None:
    rows = gradcheck.check(lambda a: (0 * a["z"]).sum(), {"z": np.ones(3)}, {"z": np.zeros(3)})
    assert [(row.complex_step_error, row.difference_error, row.passed) for row in rows] == [(0, 0, True)]


def test_few_entries_are_the_largest_and_some_spread_over_the_rest() -> None:
    gradient = np.arange(100.0)[::-1].copy()
    gradient[70] = -500
    looked_at = set[int]()

    def loss(arrays: Mapping[str, Array]) -> Any:
        looked_at.update(np.flatnonzero(arrays["z"].imag))
        return (arrays["z"] * gradient).sum()

    (row,) = gradcheck.check(loss, {"z": np.ones(100)}, {"z": gradient}, entries=6)
    assert looked_at == {0, 1, 49, 70, 99}  # 0 is both large and at the start
    assert (row.checked, row.size, row.passed) == (5, 100, True)


@pytest.mark.parametrize(("cell", "length"), [("vanilla", 2), ("lstm", 3), ("gru", 33), ("lstm", 2000)])
def test_float32_checkpoint_is_checked_in_float64(cell: str, length: int) -> None:
    model, rng = CharRNN(20, cell, (24, 16), 5), np.random.default_rng(3)
    params = model.initialize(rng)
    before = params.vector.copy()
    *rows, together = gradcheck.check_checkpoint(model, params, rng.integers(0, 20, length), rng)
    assert all(row.passed for row in rows)
    assert all(1 <= row.checked <= min(8, row.size) for row in rows)
    assert together.passed
    assert together.checked == together.size > params.vector.size
    np.testing.assert_array_equal(params.vector, before)


# --- long sequences ---


def finds_a_mistake(load: Callable[[str], Any], cell: str) -> bool:
    """Whether the check of a long sequence fails, or cannot even run."""
    anew = load("charrnn.gradcheck")
    model, rng = anew.CharRNN(3, cell, (5,)), np.random.default_rng(0)
    params = model.initialize(rng, std=0.5, dtype=np.float64)
    try:
        return not anew.check_long(model, params, rng.integers(0, 3, 997), 2000, rng, label="long").passed
    except (IndexError, ValueError):
        return True


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_wrong_place_in_a_later_block_of_steps_is_found(cell: str) -> None:
    path = Path(charrnn.nn.__file__).parent / f"{cell}.py"
    name, parts = f"charrnn.nn.{cell}", ("nn", "gradcheck")
    with module_replaced(name, compile(path.read_text(encoding="utf-8"), str(path), "exec"), parts) as load:
        assert not finds_a_mistake(load, cell)
    planted = mutants(path, lambda function: function.endswith(".backward"))
    differences = [mutant for mutant in planted if re.match(r"[a-z]\w* - [a-z]\w* →", mutant.change)]
    assert differences
    for mutant in differences:
        with module_replaced(name, mutant.code, parts) as load, np.errstate(all="ignore"):
            assert finds_a_mistake(load, cell), mutant


@pytest.mark.parametrize(("cell", "sizes"), [("vanilla", (40,)), ("lstm", (30, 90)), ("gru", (90, 30))])
def test_long_sequences_pass_whatever_the_shape(cell: str, sizes: tuple[int, ...]) -> None:
    model, rng = CharRNN(4, cell, sizes, 2), np.random.default_rng(0)
    params = model.initialize(rng, dtype=np.float64)
    row = gradcheck.check_long(model, params, rng.integers(0, 4, 50), 300, rng, label="long")
    assert row.passed
    assert row.checked == row.size == params.vector.size + 300 * sum(sizes) * (1 + (cell == "lstm"))


@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_a_final_state_that_is_wrong_or_whose_gradient_is_forgotten_is_found(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_pass() -> bool:
        return all(row.passed for row in gradcheck.check_cell(cell, np.random.default_rng(0), label="alone"))

    assert all_pass()
    kind = charrnn.nn.model.CELLS[cell]
    forward, backward = kind.forward, kind.backward
    with monkeypatch.context() as patch:
        patch.setattr(kind, "backward", lambda self, *given: backward(self, *given[:5]))
        assert not all_pass()
    monkeypatch.setattr(kind, "forward", lambda self, *given: type(given[-1])(*(2 * a for a in forward(self, *given))))
    assert not all_pass()


# --- what a person reads ---


def test_verdict_names_the_worst_entry() -> None:
    sentence = report.gradients_verdict(one_wrong())
    assert sentence.startswith("1 of 2 gradients are wrong; worst is x of anyone's at [1, 0]: derived 0.2039")
    assert sentence.endswith("numeric -0.203912")


def test_table_has_a_line_for_every_array_and_the_verdict() -> None:
    rows = one_wrong()
    header, x, y, verdict = report.gradients_table(rows).splitlines()
    assert "worst entry" in header
    assert x.split()[:3] == ["anyone's", "x", "4"]
    assert "FAIL [1,0] +2.039e-01" in x
    assert "ok" in y
    assert verdict == report.gradients_verdict(rows)


@pytest.mark.parametrize("width", [47, 89, 90, 114, 115])
def test_a_narrow_terminal_gets_the_models_as_headings_and_at_last_the_errors_alone(width: int) -> None:
    lines = report.gradients_table(one_wrong(), width).splitlines()
    assert max(map(len, lines)) <= width
    assert ("worst entry" in lines[0]) == (width >= 90)
    assert ("anyone's" in lines) == (width < 115)
    assert sum("FAIL" in line for line in lines) == 1


def test_json_lines_hold_every_number() -> None:
    rows = one_wrong()
    objects = [json.loads(line) for line in report.gradients_json(rows).splitlines()]
    assert [(o["array"], o["passed"]) for o in objects] == [("x", False), ("y", True)]
    assert objects[0]["worst_index"] == [1, 0]
    assert [o["complex_step_error"] for o in objects] == [row.complex_step_error for row in rows]
