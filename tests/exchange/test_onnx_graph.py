"""An exported graph, computed by ONNX's own reference, gives our log-probabilities."""

import math
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="ONNX's reference computes the graph")

import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from charrnn.checkpoint import Checkpoint, load
from charrnn.errors import MissingPackageError
from charrnn.exchange.onnx import as_onnx
from charrnn.nn.embedding import Ids
from charrnn.nn.parameters import Array
from charrnn.paths import PRETRAINED
from tests.exchange.conftest import CELLS, LAYOUTS, TEXT, log_probs, model_of, read
from tests.report.conftest import untrained


def exported(trained: Checkpoint) -> Any:
    """Return the graph that a file holds, checked."""
    graph = onnx.load_from_string(as_onnx(trained, "mine"))
    onnx.checker.check_model(graph, full_check=True)
    return graph


def in_float64(graph: Any) -> Any:
    """Return the same graph with the same numbers, computed in float64."""
    for constant in graph.graph.initializer:
        if constant.data_type == TensorProto.FLOAT:
            wide = numpy_helper.to_array(constant).astype(np.float64)
            constant.CopyFrom(numpy_helper.from_array(wide, constant.name))
    for value in (*graph.graph.input, *graph.graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    onnx.checker.check_model(graph, full_check=True)
    return graph


def run(graph: Any, trained: Checkpoint, ids: Ids, states: dict[str, Array] | None = None) -> dict[str, Array]:
    """Compute the outputs for ids (T, B), from states of zeros where none are given."""
    evaluator = ReferenceEvaluator(graph)
    B = ids.shape[1]
    zeros = {
        f"state/{k}/{name}": array
        for k, layer in enumerate(trained.model.zero_state(B, dtype_of(graph)))
        for name, array in layer._asdict().items()
    }
    # Contiguous: older references cannot gather by anything else.
    outputs = evaluator.run(None, {"ids": np.ascontiguousarray(ids, np.int64)} | (states or zeros))
    return dict(zip(evaluator.output_names, outputs, strict=True))


def dtype_of(graph: Any) -> Any:
    return np.dtype(numpy_helper.to_array(graph.graph.initializer[-1]).dtype)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_the_graph_gives_our_log_probabilities_and_final_states(cell: str, layout: tuple[tuple[int, ...], int]) -> None:
    trained = model_of(cell, layout)
    ids = read(trained)
    found = run(exported(trained), trained, ids)
    wanted, final = log_probs(trained, ids)
    np.testing.assert_allclose(found.pop("log_probs"), wanted, rtol=0, atol=1e-10)
    states = {
        f"final_state/{k}/{name}": array for k, layer in enumerate(final) for name, array in layer._asdict().items()
    }
    assert found.keys() == states.keys()
    for name, array in states.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_final_states_go_on_where_a_part_of_the_text_ended(cell: str) -> None:
    trained = model_of(cell, ((6, 5), 0))
    graph, ids = exported(trained), read(trained)
    whole = run(graph, trained, ids)
    first = run(graph, trained, ids[:30])
    states = {name.removeprefix("final_"): array for name, array in first.items() if name != "log_probs"}
    second = run(graph, trained, ids[30:], states)
    for name in whole.keys() - {"log_probs"}:
        np.testing.assert_allclose(second[name], whole[name], rtol=0, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(second["log_probs"], whole["log_probs"][30:], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("characters", "streams"), [(600, 12), pytest.param(3000, 4, marks=pytest.mark.slow)])
def test_the_file_of_the_model_that_ships_gives_its_log_probabilities_on_its_text(
    characters: int, streams: int
) -> None:
    trained = load(PRETRAINED)
    ids = read(trained, TEXT[:characters], streams)
    wanted, _ = log_probs(trained, ids)
    graph = exported(trained)
    single = run(graph, trained, ids)["log_probs"]
    # In float32 every program rounds in its own way, ours too: so far, and no further, and on average not at all.
    assert dtype_of(graph) == np.float32
    np.testing.assert_allclose(single, wanted, rtol=0, atol=5e-5)
    t, b = np.indices(ids[1:].shape)
    assert abs(np.mean(single[t, b, ids[1:]], dtype=np.float64) - wanted[t, b, ids[1:]].mean()) < 1e-6
    # The numbers in the file are the same model's: without that rounding, so are the log-probabilities.
    np.testing.assert_allclose(run(in_float64(graph), trained, ids)["log_probs"], wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_a_vocabulary_of_thousands_takes_no_more_than_its_weights(cell: str) -> None:
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    trained = untrained(characters, cell, (8,))
    graph = exported(trained)
    numbers = {c.name: math.prod(c.dims) for c in graph.graph.initializer}
    gates = trained.params["cells.0.b_h"].size
    assert sum(numbers.values()) < trained.params.vector.size + gates**2 + 100
    ids = np.array([[0, 19_999], [12_345, 7]])
    found = run(in_float64(graph), trained, ids)["log_probs"]
    np.testing.assert_allclose(found, log_probs(trained, ids)[0], rtol=0, atol=1e-10)


def test_the_graph_says_what_it_is_and_which_standard_it_keeps() -> None:
    trained = model_of("lstm", ((6, 5), 0), "float32")
    graph = exported(trained)
    assert [(opset.domain, opset.version) for opset in graph.opset_import] == [("", 14)]
    assert (graph.ir_version, graph.graph.name, graph.producer_name) == (7, "mine", "charrnn")
    described = {prop.key: prop.value for prop in graph.metadata_props}
    assert described["vocabulary"] == trained.vocabulary.characters
    assert described["hidden_sizes"] == "[6, 5]"
    assert [node.op_type for node in graph.graph.node if node.op_type in ("LSTM", "GRU", "RNN")] == ["LSTM", "LSTM"]
    assert [value.name for value in graph.graph.input] == [
        *("ids", "state/0/h", "state/0/c", "state/1/h", "state/1/c"),
    ]


def test_equal_models_give_equal_bytes() -> None:
    assert as_onnx(model_of("gru", ((6, 5), 3)), "a") == as_onnx(model_of("gru", ((6, 5), 3)), "a")


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"^an \.onnx needs onnx: `pip install onnx`$"):
        as_onnx(model_of("gru", ((7,), 0)), "mine")
