"""`charrnn gradcheck` shows one row an array, and fails when a gradient is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from charrnn import gradcheck, load
from charrnn.nn.output import OutputLayer
from tests.conftest import Charrnn


def test_every_kind_of_network_is_right_with_room_to_spare(charrnn: Charrnn) -> None:
    outcome = charrnn("gradcheck", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert {row["model"] for row in rows} > {label for label, _, _ in gradcheck.small_models()}
    assert all(row["passed"] and row["checked"] == row["size"] for row in rows)
    assert max(row["complex_step_error"] for row in rows) < gradcheck.COMPLEX_STEP_GATE / 100
    assert max(row["difference_error"] for row in rows) < gradcheck.DIFFERENCE_GATE / 3
    assert max(row["equations_error"] for row in rows) < gradcheck.EQUATIONS_GATE / 100


def test_json_has_one_object_an_array(charrnn: Charrnn, trained: Path) -> None:
    outcome = charrnn("gradcheck", str(trained), "--json")
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.code == 0
    assert {row["array"] for row in rows} == {
        "cells.0.W_xh",
        "cells.0.W_hh",
        "cells.0.b_h",
        "cells.0.b_hn",
        "linear.W_hy",
        "linear.b_y",
        "state.0.h",
        "all at once",  # on sequences of several blocks
    }
    assert all(row["passed"] for row in rows)
    assert all(row["complex_step_error"] < 1e-12 and row["equations_error"] < 1e-12 for row in rows)


def test_a_wrong_gradient_is_named_and_is_a_failure(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = OutputLayer.backward

    def slightly_wrong(self: OutputLayer, params: Any, grads: Any, *others: Any) -> None:
        backward(self, params, grads, *others)
        grads["b_y"][0] += 1e-4

    monkeypatch.setattr(OutputLayer, "backward", slightly_wrong)
    for arguments in ((str(trained),), (str(trained), "--json"), (str(trained), "-q")):
        outcome = charrnn("gradcheck", *arguments)
        assert outcome.code == 1
        assert outcome.err.startswith("charrnn: 2 of 8 gradients are wrong; worst is linear.b_y of checkpoint at [0]: ")
        assert len(outcome.error_lines) == 1
    assert b"FAIL [0]" in charrnn("gradcheck", str(trained)).out


def test_a_mistake_that_raises_is_a_wrong_gradient_and_the_others_are_checked(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(trained).model
    backward = type(model.cells[0]).backward

    def breaks_on_long_sequences(self: Any, weights: Any, ws: Any, *others: Any) -> Any:
        if ws.outputs.shape[1] > 100:
            raise IndexError("too far")
        return backward(self, weights, ws, *others)

    monkeypatch.setattr(type(model.cells[0]), "backward", breaks_on_long_sequences)
    outcome = charrnn("gradcheck", str(trained))
    assert outcome.code == 1
    sentence = "1 of 8 gradients are wrong; worst is all at once of checkpoint, longer: IndexError: too far"
    assert outcome.err == f"charrnn: {sentence}\n"
    lines = outcome.out.decode().splitlines()
    assert (lines[-2].endswith("FAIL IndexError: too far"), lines[-1]) == (True, sentence)
    assert sum(" ok " in line for line in lines) == 7
    *_, last = map(json.loads, charrnn("gradcheck", str(trained), "--json").out.splitlines())
    assert (last["passed"], last["raised"]) == (False, "IndexError: too far")


def test_a_text_without_a_checkpoint_has_nothing_to_be_checked_with(charrnn: Charrnn, text_file: Path) -> None:
    outcome = charrnn("gradcheck", "--text", str(text_file))
    assert (outcome.code, outcome.out) == (2, b"")
    assert outcome.err.startswith("charrnn: --text goes with a CHECKPOINT")


def test_a_checkpoint_whose_text_is_gone_asks_for_one(charrnn: Charrnn) -> None:
    Path("gone.txt").write_text("a text that goes away\n" * 9)
    charrnn("train", "gone.txt", "--hidden-size", "4", "--steps", "1", "--checkpoint", "gone.npz")
    Path("gone.txt").unlink()
    outcome = charrnn("gradcheck", "gone.npz")
    assert outcome.code == 2
    assert outcome.err.endswith("(there is no text gone.txt); name a text of the model's characters with --text\n")
    Path("other.txt").write_text("1234")
    refused = charrnn("gradcheck", "gone.npz", "--text", "other.txt")
    assert refused.err.endswith("'4' (U+0034); name a text of the model's characters with --text\n")


def test_a_text_that_came_from_stdin_is_not_waited_for(charrnn: Charrnn) -> None:
    assert charrnn("train", "-", "--hidden-size", "4", "--steps", "1", stdin=b"the lamp went round\n" * 9).code == 0
    outcome = charrnn("gradcheck", "checkpoints/stdin.npz", stdin=b"a lamp")
    assert (outcome.code, outcome.out) == (2, b"")
    assert "the training text came from stdin and was not kept; name a text" in outcome.err
