"""The network as an ONNX graph: only this file imports onnx, which is not among what this program needs.

::

    ids (T, B) int64, state/{k}/h (B, H), an LSTM's state/{k}/c (B, H)
        → log_probs (T, B, V), final_state/{k}/h, final_state/{k}/c

T and B are free. A text begins with states of zeros; to go on, the final states are the next call's initial ones. The
metadata has what `description.describe` says, ``vocabulary`` as one text in the order of the ids.

The cells are ONNX's own LSTM, GRU (``linear_before_reset=1``) and RNN, which runtimes have fast code for. They take
their input as vectors, never as ids, and a one-hot input of V characters is as wide as V. Where that is more than a
layer's G·H gate columns, as with the thousands of characters of Chinese, the rows of W_xh are gathered instead and go
into the cell through an identity matrix, G·H wide. Both are exact, as they only add zeros; of the two the
narrower is taken, so that input weights and a step's product never exceed what one-hot would take, and a vocabulary of
20,000 needs no matrix of 20,000².

The ONNX format, for onnxruntime and other programs that compute such graphs.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from charrnn.checkpoint import Checkpoint
from charrnn.exchange.description import as_strings, describe, needing
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Array
from charrnn.version import __version__

# The first opset whose RNN, GRU and LSTM are today's, and the format of its time: the more runtimes read it.
OPSET, IR_VERSION = 14, 7
_OPERATORS = {"vanilla": "RNN", "lstm": "LSTM", "gru": "GRU"}
# Where our gates are among ONNX's: i f g o as i o f g, r z n as z r n.
_GATES = {"vanilla": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


def build(checkpoint: Checkpoint, name: str) -> ModelProto:
    """Return the graph with the checkpoint's weights, in their data type."""
    model, params = checkpoint.model, checkpoint.params
    graph = _Graph()
    hidden = _embedded(graph, checkpoint)
    for k in range(len(model.cells)):
        hidden = _cell(graph, checkpoint, k, hidden)
    if model.tied:
        W_hy = graph.node("Transpose", "embedding.W_e", to="linear.W_hy", perm=[1, 0])
    else:
        W_hy = graph.constant("linear.W_hy", params["linear.W_hy"])
    scores = graph.node("MatMul", hidden, W_hy, to="scores")
    logits = graph.node("Add", scores, graph.constant("linear.b_y", params["linear.b_y"]), to="logits")
    graph.node("LogSoftmax", logits, to="log_probs", axis=-1)
    kind = helper.np_dtype_to_tensor_dtype(params.vector.dtype)
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["T", "B"])]
    outputs = [helper.make_tensor_value_info("log_probs", kind, ["T", "B", model.vocab_size])]
    for k, H in enumerate(model.hidden_sizes):
        for state in _states(model):
            inputs.append(helper.make_tensor_value_info(f"state/{k}/{state}", kind, ["B", H]))
            outputs.append(helper.make_tensor_value_info(f"final_state/{k}/{state}", kind, ["B", H]))
    proto = helper.make_model(
        helper.make_graph(graph.nodes, name, inputs, outputs, graph.initializers),
        producer_name="charrnn",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(proto, as_strings(describe(checkpoint, name)))
    return proto


class _Graph:
    """Nodes and constants, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def constant(self, name: str, array: Array) -> str:
        """Add an array, and return its name."""
        self.initializers.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, to: str | Sequence[str], **attributes: Any) -> str:
        """Add a node, and return the name of its first output."""
        outputs = [to] if isinstance(to, str) else list(to)
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=f"make {outputs[0]}", **attributes))
        return outputs[0]


def _states(model: CharRNN) -> tuple[str, ...]:
    return model.cells[0].zero_state(1, np.dtype(np.float32))._fields  # type: ignore[no-any-return]


def _embedded(graph: _Graph, checkpoint: Checkpoint) -> str:
    """Add what turns ids into the lowest cell's inputs (T, B, D)."""
    model, params = checkpoint.model, checkpoint.params
    if model.embedding:
        return graph.node("Gather", graph.constant("embedding.W_e", params["embedding.W_e"]), "ids", to="x")
    if _is_gathered(model):
        table = _by_gate(params["cells.0.W_xh"], model.cell).reshape(-1, model.vocab_size).T
        return graph.node("Gather", graph.constant("cells.0.W_xh", table), "ids", to="x")
    depth = graph.constant("vocab_size", np.array(model.vocab_size, np.int64))
    values = graph.constant("zero and one", np.array([0, 1], params.vector.dtype))
    return graph.node("OneHot", "ids", depth, values, to="x", axis=-1)


def _is_gathered(model: CharRNN) -> bool:
    """Whether the one-hot input would be wider than the gates that it is turned into."""
    return not model.embedding and model.vocab_size > len(_GATES[model.cell]) * model.hidden_sizes[0]


def _cell(graph: _Graph, checkpoint: Checkpoint, k: int, x: str) -> str:
    """Add layer k over the inputs called `x`; return the name of its hidden states (T, B, H)."""
    model, params = checkpoint.model, checkpoint.params.group(f"cells.{k}")
    W = _by_gate(params["W_xh"], model.cell)
    R = _by_gate(params["W_hh"], model.cell)
    G, H, _ = R.shape
    if k == 0 and _is_gathered(model):
        W = np.eye(G * H, dtype=W.dtype)
    b_R = np.zeros((G, H), W.dtype)
    if model.cell == "gru":
        b_R[2] = params["b_hn"]
    biases = np.concatenate([_by_gate(params["b_h"], model.cell).reshape(-1), b_R.reshape(-1)])
    names = [
        graph.constant(f"cells.{k}.W", W.reshape(1, G * H, -1)),
        graph.constant(f"cells.{k}.R", R.reshape(1, G * H, H)),
        graph.constant(f"cells.{k}.B", biases[None]),
    ]
    one = graph.constant(f"cells.{k}.axis of direction", np.array([0], np.int64))
    initial = [graph.node("Unsqueeze", f"state/{k}/{s}", one, to=f"initial/{k}/{s}") for s in _states(model)]
    final = [f"last/{k}/{s}" for s in _states(model)]
    attributes = {"linear_before_reset": 1} if model.cell == "gru" else {}
    # The empty name: no lengths are given, all streams are T long.
    Y = graph.node(_OPERATORS[model.cell], x, *names, "", *initial, to=[f"Y/{k}", *final], hidden_size=H, **attributes)
    for state, last in zip(_states(model), final, strict=True):
        graph.node("Squeeze", last, one, to=f"final_state/{k}/{state}")
    return graph.node("Squeeze", Y, graph.constant(f"cells.{k}.axis in Y", np.array([1], np.int64)), to=f"hidden/{k}")


def _by_gate(array: Array, cell: str) -> Array:
    """Turn (D, G·H) or (G·H,) of ours into (G, H, D) or (G, H) of ONNX's order."""
    G = len(_GATES[cell])
    by_gate = array.reshape(*array.shape[:-1], G, -1)[..., list(_GATES[cell]), :]
    return np.moveaxis(by_gate, 0, -1) if array.ndim == 2 else by_gate


def as_onnx(checkpoint: Checkpoint, name: str) -> bytes:
    """Return a model as the bytes of an .onnx file; `charrnn.exchange.onnx` says what is in it.

    Raises
    ------
    MissingPackageError
        If onnx is not installed.
    """
    with needing("onnx", "an .onnx"):
        pass
    return bytes(build(checkpoint, name).SerializeToString(deterministic=True))
