"""The ONNX format, for onnxruntime and other programs that compute such graphs.

The graph, in opset 14::

    ids (T, B) int64, state/{k}/h (B, H), with an LSTM state/{k}/c (B, H)
        → log_probs (T, B, V), final_state/{k}/h, final_state/{k}/c

T and B are free. A text starts with states of zeros; to continue it, the final states are the next call's states. The
metadata is the description (`description.describe`); ``vocabulary`` is one string, in the order of the ids.

The cells are ONNX's own LSTM, GRU (``linear_before_reset=1``) and RNN, which runtimes have fast code for. Their input
is vectors, so a one-hot input of V characters would be V wide. Where V is more than the G·H gate columns of the layer,
as with the thousands of Chinese characters, the graph gathers the rows of W_xh instead and passes them to the cell
through an identity matrix of width G·H. Both are exact, since they only add zeros; the graph has the narrower one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.exchange.description import as_strings, describe, needing
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Array
from charrnn.version import __version__

# The oldest opset whose RNN, GRU and LSTM are today's, and the file format of its time: most runtimes read them.
_OPSET, _IR_VERSION = 14, 7
_OPERATORS = {"vanilla": "RNN", "lstm": "LSTM", "gru": "GRU"}
# Where our gates are among ONNX's: i f g o as i o f g, r z n as z r n.
_GATES = {"vanilla": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


def as_onnx(checkpoint: Checkpoint, name: str) -> bytes:
    """Return a model as the bytes of an .onnx file, with the weights in their own data type."""
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
    dtype = params.vector.dtype
    states = {f"{k}/{state}": ["B", H] for k, H in enumerate(model.hidden_sizes) for state in _states(model)}
    inputs = [graph.value("ids", np.dtype(np.int64), ["T", "B"])]
    inputs += [graph.value(f"state/{state}", dtype, shape) for state, shape in states.items()]
    outputs = [graph.value("log_probs", dtype, ["T", "B", model.vocab_size])]
    outputs += [graph.value(f"final_state/{state}", dtype, shape) for state, shape in states.items()]
    return graph.file(name, inputs, outputs, as_strings(describe(checkpoint, name)))


class _Graph:
    """Nodes and constants, in the order in which they are added. Only this class uses onnx, which is optional."""

    def __init__(self) -> None:
        with needing("onnx", "an .onnx"):
            import onnx
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, array: Array) -> str:
        """Add an array, and return its name."""
        self._constants.append(self._onnx.numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, to: str | Sequence[str], **attributes: Any) -> str:
        """Add a node, and return the name of its first output."""
        outputs = [to] if isinstance(to, str) else list(to)
        make = self._onnx.helper.make_node
        self._nodes.append(make(operator, inputs, outputs, name=f"make {outputs[0]}", **attributes))
        return outputs[0]

    def value(self, name: str, dtype: np.dtype[Any], shape: list[Any]) -> Any:
        """Return the declaration of an input or an output."""
        helper = self._onnx.helper
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)

    def file(self, name: str, inputs: list[Any], outputs: list[Any], metadata: dict[str, str]) -> bytes:
        """Return the whole graph as the bytes of a file."""
        helper = self._onnx.helper
        model = helper.make_model(
            helper.make_graph(self._nodes, name, inputs, outputs, self._constants),
            producer_name="charrnn",
            producer_version=__version__,
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        helper.set_model_props(model, metadata)
        return bytes(model.SerializeToString(deterministic=True))


def _states(model: CharRNN) -> tuple[str, ...]:
    return model.cells[0].zero_state(1, np.dtype(np.float32))._fields  # type: ignore[no-any-return]


def _embedded(graph: _Graph, checkpoint: Checkpoint) -> str:
    """Add the step from ids to the lowest cell's inputs (T, B, D); return their name."""
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
    """Whether a one-hot input would be wider than the gates of the lowest layer."""
    return not model.embedding and model.vocab_size > len(_GATES[model.cell]) * model.hidden_sizes[0]


def _cell(graph: _Graph, checkpoint: Checkpoint, k: int, x: str) -> str:
    """Add layer k, with the inputs named `x`; return the name of its hidden states (T, B, H)."""
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
    # The empty name: the optional lengths are left out, as all streams are T long.
    Y = graph.node(_OPERATORS[model.cell], x, *names, "", *initial, to=[f"Y/{k}", *final], hidden_size=H, **attributes)
    for state, last in zip(_states(model), final, strict=True):
        graph.node("Squeeze", last, one, to=f"final_state/{k}/{state}")
    return graph.node("Squeeze", Y, graph.constant(f"cells.{k}.axis in Y", np.array([1], np.int64)), to=f"hidden/{k}")


def _by_gate(array: Array, cell: str) -> Array:
    """Reorder our (D, G·H) or (G·H,) to ONNX's (G, H, D) or (G, H)."""
    G = len(_GATES[cell])
    by_gate = array.reshape(*array.shape[:-1], G, -1)[..., list(_GATES[cell]), :]
    return np.moveaxis(by_gate, 0, -1) if array.ndim == 2 else by_gate
