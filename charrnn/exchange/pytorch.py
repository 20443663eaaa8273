"""Models to and from PyTorch, as modules, state_dicts and .safetensors files.

`to_torch` makes a module of an `nn.Embedding` (or one-hot input), an `nn.RNN`, `nn.LSTM` or `nn.GRU`, and an
`nn.Linear`. `from_torch` reads the state_dict of a model made of these parts, whatever it calls them. It refuses
everything else: a model must compute here what it computed there.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.errors import ExchangeError, shown
from charrnn.exchange.description import as_strings, describe, imported, needing, to_state_dict
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Array, Parameters
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Vocabulary, code_points

if TYPE_CHECKING:
    from charrnn.exchange.torch_module import TorchCharRNN


def to_torch(checkpoint: Checkpoint) -> "TorchCharRNN":
    """Return a model as a PyTorch module, in eval mode.

    Parameters
    ----------
    checkpoint : read, not changed

    Returns
    -------
    A `torch.nn.Module` on the CPU, in the checkpoint's data type. ``module(ids, state)`` takes ids (T, B) and a state
    that it returned earlier (by default zeros); it returns ``(logits, state)``, the logits (T, B, V). The names in its
    state_dict are listed in `charrnn.exchange.description`, so that it also loads into your own module of these parts.
    ``module.description`` is a dict of everything else that the model needs: ``vocabulary``, ``separator``,
    ``normalize`` and the other fields of `charrnn.text.usage.Usage`.

    Raises
    ------
    MissingPackageError
        If PyTorch is not installed.

    See Also
    --------
    from_torch : the opposite direction.

    Examples
    --------
    ``to_torch(checkpoint).state_dict()`` has these names and shapes:

    >>> from charrnn.paths import PRETRAINED
    >>> from charrnn.checkpoint import load
    >>> from charrnn.exchange.description import to_state_dict
    >>> checkpoint = load(PRETRAINED)
    >>> for name, array in to_state_dict(checkpoint.model, checkpoint.params).items():
    ...     print(name, array.shape)
    rnn.weight_ih_l0 (960, 61)
    rnn.weight_hh_l0 (960, 320)
    rnn.bias_ih_l0 (960,)
    rnn.bias_hh_l0 (960,)
    linear.weight (61, 320)
    linear.bias (61,)
    """
    with needing("torch", "to_torch"):
        from charrnn.exchange.torch_module import build
    description = describe(checkpoint, checkpoint.corpus.name)
    return build(checkpoint.model, to_state_dict(checkpoint.model, checkpoint.params), description)


def from_torch(
    state_dict: "Mapping[str, Any] | TorchCharRNN",
    chars: Sequence[str] | None = None,
    name: str | None = None,
    **usage: Any,
) -> Checkpoint:
    """Return a PyTorch model as a checkpoint, to save, sample from, score with, or train further.

    The state_dict must be that of one `nn.RNN` (with tanh; a state_dict does not tell), `nn.LSTM` or `nn.GRU`, or of
    an `nn.ModuleList` of them, of one `nn.Linear`, and at most one `nn.Embedding`; without one, the input is one-hot.
    The modules may have any names. Where embedding and output have equal weights, the model is tied. Biases may be
    missing.

    Parameters
    ----------
    state_dict : mapping of str to tensor or array
        What a module's ``state_dict()`` returns; read, not changed; on any device. A module that `to_torch` made can
        be passed directly: the defaults of all other arguments are then its description.
    chars : str or sequence of str
        The V characters in the order of their ids, each once. The checkpoint numbers them in code-point order.
    name : the name of the training text, for `charrnn info`; by default ``imported``
    usage : fields of `charrnn.text.usage.Usage`, where they differ from those of a model of one running text:
        ``separator``, ``longest_item``, ``normalize``, ``unknown``

    Returns
    -------
    A checkpoint, in float64 if any weight is, else in float32.

    Raises
    ------
    ExchangeError
        If the state_dict has other parts, lacks one, or has shapes that do not fit together; if `chars` cannot be a
        vocabulary; or if a field of `usage` does not fit the model.
    TypeError
        If `usage` has an unknown field.

    Examples
    --------
    >>> import numpy as np
    >>> from charrnn.exchange.pytorch import from_torch
    >>> weights = {"rnn.weight_ih_l0": np.zeros((20, 3)), "rnn.weight_hh_l0": np.zeros((20, 5)),
    ...            "head.weight": np.zeros((3, 5)), "head.bias": np.log([0.5, 0.25, 0.25])}
    >>> checkpoint = from_torch(weights, "cab")
    >>> checkpoint.model
    CharRNN(vocab_size=3, cell='lstm', hidden_sizes=(5,), embedding_size=0, tied=False)
    >>> checkpoint.vocabulary.characters
    'abc'
    >>> np.exp(checkpoint.params["linear.b_y"])
    array([0.25, 0.25, 0.5 ])
    """
    description = getattr(state_dict, "description", None)
    if isinstance(description, Mapping) and "vocabulary" in description:
        chars = description["vocabulary"] if chars is None else chars
        name = description["name"] if name is None else name
        usage = {**Usage.from_values(description).to_values(), **usage}
        state_dict = state_dict.state_dict()  # type: ignore[union-attr]  # only a module has a description
    if not isinstance(state_dict, Mapping):
        raise ExchangeError(f"expected a state_dict, got a {type(state_dict).__name__}: pass module.state_dict()")
    order = _code_point_order(chars or "")
    model, params = _read(state_dict, len(order))
    _renumber(model, params, order)
    vocabulary = Vocabulary("".join((chars or "")[old] for old in order))
    try:
        return imported(model, params, vocabulary, "imported" if name is None else name, Usage(**usage))
    except ValueError as error:
        raise ExchangeError(f"the model cannot be used this way: {error}") from error


# ---- .safetensors: the same names and layout in a file, with the description as metadata ----


def as_safetensors(checkpoint: Checkpoint, name: str) -> bytes:
    """Return a model as the bytes of a .safetensors file.

    The tensors are those of `to_torch`'s state_dict: PyTorch reads them with
    ``load_state_dict(safetensors.torch.load_file(path))``. The metadata is the description; ``vocabulary`` is one
    string, in the order of the ids.
    """
    with needing("safetensors", "a .safetensors"):
        from safetensors.numpy import save
    metadata = {"format": "pt", **as_strings(describe(checkpoint, name))}
    return _sorted_metadata(save(to_state_dict(checkpoint.model, checkpoint.params), metadata))


def _sorted_metadata(data: bytes) -> bytes:
    """Sort the metadata in a file's header, which the package writes in a new order at each call."""
    stop = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:stop])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the weights start at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[stop:]


def from_safetensors(path: str | Path) -> Checkpoint:
    """Read a model from a .safetensors file that charrnn wrote.

    Parameters
    ----------
    path : the file; its metadata must have a ``vocabulary``

    Raises
    ------
    ExchangeError
        If the file is missing or damaged, or is not a model that `from_torch` can read.
    MissingPackageError
        If safetensors is not installed.

    See Also
    --------
    from_torch : for the tensors of a file without a vocabulary.

    Examples
    --------
    >>> from charrnn.paths import PRETRAINED
    >>> from charrnn.checkpoint import load
    >>> from charrnn.exchange.pytorch import from_safetensors
    >>> from charrnn.report.pages import export
    >>> size = export(load(PRETRAINED), "model.safetensors")
    >>> checkpoint = from_safetensors("model.safetensors")
    >>> (checkpoint.params.vector == load(PRETRAINED).params.vector).all()
    np.True_
    """
    with needing("safetensors", "a .safetensors"):
        from safetensors import SafetensorError, safe_open
    where = shown(str(path))
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise ExchangeError(f"{where} cannot be read as .safetensors ({shown(str(error))})") from error
    if "vocabulary" not in metadata:
        raise ExchangeError(f"{where} has no vocabulary: pass its tensors and their characters to from_torch")
    try:
        usage = Usage.from_strings(metadata)
    except ValueError as error:
        raise ExchangeError(f"{where} has metadata that charrnn cannot read ({shown(str(error))})") from error
    return from_torch(arrays, metadata["vocabulary"], metadata.get("name", Path(path).stem), **usage.to_values())


# ---- reading a state_dict ----


def _code_point_order(chars: Sequence[str]) -> list[int]:
    """Return the ids of the characters, sorted by code point."""
    if not chars or any(len(c) != 1 for c in chars):
        raise ExchangeError("chars must be single characters, one for each id; models of longer tokens cannot be read")
    points = code_points("".join(chars))
    order = np.argsort(points, kind="stable")
    points = points[order]
    if (points[1:] == points[:-1]).any():
        twice = chr(points[1:][points[1:] == points[:-1]][0])
        raise ExchangeError(f"chars has {twice!a} twice: each id needs its own character")
    if ((points >= 0xD800) & (points <= 0xDFFF)).any():
        raise ExchangeError("chars has a surrogate, which is half a character")
    return [int(old) for old in order]


def _renumber(model: CharRNN, params: Parameters, order: list[int]) -> None:
    """Give the characters new ids: the old id ``order[i]`` becomes i."""
    table = "embedding.W_e" if model.embedding else "cells.0.W_xh"
    for name in (table, "linear.W_hy", "linear.b_y"):
        if name in params:
            params[name] = np.take(params[name], order, 0 if name == table else -1)


def _read(state_dict: Mapping[str, Any], V: int) -> tuple[CharRNN, Parameters]:
    """Return the model of V characters in a state_dict, and its weights in float32 or float64."""
    arrays = {str(name): _array(str(name), value) for name, value in state_dict.items()}
    recurrent = {name: match for name in arrays if (match := _RECURRENT.fullmatch(name))}
    layers = _layers(arrays, recurrent)
    others = {name: array for name, array in arrays.items() if name not in recurrent}
    embedding, weight, bias = _input_and_output(others, V, layers[0].weight_ih.shape[1], layers[-1].H)
    tied = embedding is not None and embedding.shape == weight.shape and np.array_equal(embedding, weight)
    E = 0 if embedding is None else embedding.shape[1]
    model = CharRNN(V, str(layers[0].cell), tuple(layer.H for layer in layers), E, tied=tied)
    found: dict[str, Array] = {"linear.W_hy": weight.T, "linear.b_y": bias}
    if embedding is not None:
        found["embedding.W_e"] = embedding
    for k, layer in enumerate(layers):
        found |= {f"cells.{k}.{name}": array for name, array in layer.params().items()}
    is_double = any(array.dtype.itemsize > 4 for array in arrays.values())
    params = Parameters(model.shapes(), dtype=np.float64 if is_double else np.float32)
    for name in params:
        params[name] = found[name]
    return model, params


def _array(name: str, value: Any) -> Array:
    """Return the numbers of a tensor or an array."""
    if hasattr(value, "detach"):  # a tensor may be on another device and require gradients
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:  # for example bfloat16
        raise ExchangeError(f"{shown(name)} has a data type that NumPy lacks ({error}); make it float32") from error
    if array.dtype.kind != "f":
        raise ExchangeError(f"{shown(name)} has {array.dtype} numbers; weights must be float32 or float64")
    if not np.isfinite(array).all():
        raise ExchangeError(f"{shown(name)} has numbers that are not finite")
    return array.astype(np.promote_types(array.dtype, np.float32))


# A recurrent parameter's name: its module, the parameter, and the layer in the module.
_RECURRENT = re.compile(r"((?:.*\.)?)((?:weight|bias)_(?:ih|hh|hr))(?:_l(\d+))?(_reverse)?", re.DOTALL)
_CELLS = {1: "vanilla", 4: "lstm", 3: "gru"}  # by the number of gates


@dataclass(frozen=True)
class _Layer:
    """One recurrent layer, in PyTorch's layout."""

    name: str
    weight_ih: Array  # (G·H, D)
    weight_hh: Array  # (G·H, H)
    bias_ih: Array  # (G·H,)
    bias_hh: Array  # (G·H,)

    @property
    def H(self) -> int:  # noqa: N802 - the field's own letter
        return int(self.weight_hh.shape[1])

    @property
    def cell(self) -> str | None:
        rows, H = self.weight_hh.shape
        return _CELLS.get(rows // H) if H and rows % H == 0 else None

    def params(self) -> dict[str, Array]:
        """Return the arrays of the same layer here, under their short names."""
        weights = {"W_xh": self.weight_ih.T, "W_hh": self.weight_hh.T}
        if self.cell != "gru":
            return weights | {"b_h": self.bias_ih + self.bias_hh}
        b_h = self.bias_ih.copy()
        b_h[: -self.H] += self.bias_hh[: -self.H]  # the rest is inside r ⊙ (…) and stays separate
        return weights | {"b_h": b_h, "b_hn": self.bias_hh[-self.H :]}


def _layers(arrays: Mapping[str, Array], recurrent: Mapping[str, re.Match[str]]) -> list[_Layer]:
    """Return the recurrent layers, lowest first, after checking that each fits the one below."""
    parts: dict[tuple[str, int], dict[str, Array]] = {}
    for name, match in recurrent.items():
        module, part, layer, is_reverse = match.groups()
        if is_reverse:
            raise ExchangeError(f"{shown(name)} reads the text backwards: a bidirectional model cannot write")
        if part.endswith("hr"):
            raise ExchangeError(f"{shown(name)} projects the hidden state, which charrnn's cells cannot do")
        if layer is None:
            raise ExchangeError(f"{shown(name)} is of a cell such as nn.LSTMCell: use nn.RNN, nn.LSTM or nn.GRU")
        parts.setdefault((module, int(layer)), {})[part] = arrays[name]
    if not parts:
        raise ExchangeError("the state_dict has no weight_ih_l0: it has no nn.RNN, nn.LSTM or nn.GRU")
    layers = [_layer(key, parts[key]) for key in _in_order(list(parts))]
    for lower, upper in pairwise(layers):
        if upper.cell != lower.cell:
            raise ExchangeError(f"{shown(upper.name)} and {shown(lower.name)} are different kinds of cell")
        if upper.weight_ih.shape[1] != lower.H:
            raise ExchangeError(
                f"{shown(upper.name)} takes {upper.weight_ih.shape[1]} inputs, but {shown(lower.name)} "
                f"below it has {lower.H} hidden units"
            )
    return layers


def _in_order(keys: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Sort layers, given as (module, layer in it), from the lowest up; several modules must be numbered."""
    numbered = {module: re.fullmatch(r"(.*?)(\d+)\.", module, re.DOTALL) for module, _ in keys}
    if len({match[1] if match else module for module, match in numbered.items()}) > 1:
        names = " and ".join(f"{shown(module)}*" for module in sorted(numbered)[:2])
        raise ExchangeError(f"{names} are recurrent modules without an order: put them in one nn.ModuleList")
    for module, layer in keys:
        if layer and (module, layer - 1) not in keys:
            raise ExchangeError(f"{shown(module)}*_l{layer} has no layer {layer - 1} below it")
    return sorted(keys, key=lambda key: (int(match[2]) if (match := numbered[key[0]]) else 0, key[1]))


def _layer(key: tuple[str, int], parts: Mapping[str, Array]) -> _Layer:
    """Return one layer from its arrays, after checking their shapes."""
    name = f"{key[0]}*_l{key[1]}"
    for part in ("weight_ih", "weight_hh"):
        if part not in parts:
            raise ExchangeError(f"{shown(name)} has no {part}")
        if parts[part].ndim != 2:
            raise ExchangeError(f"{shown(name)}: {part} must be a matrix, but has shape {parts[part].shape}")
    weight_ih, weight_hh = parts["weight_ih"], parts["weight_hh"]
    zeros = np.zeros(len(weight_hh), weight_hh.dtype)
    layer = _Layer(name, weight_ih, weight_hh, parts.get("bias_ih", zeros), parts.get("bias_hh", zeros))
    if not layer.cell or {weight_ih.shape[:1], layer.bias_ih.shape, layer.bias_hh.shape} != {weight_hh.shape[:1]}:
        shapes = ", ".join(f"{part} {array.shape}" for part, array in parts.items())
        raise ExchangeError(f"{shown(name)} is not a layer of an nn.RNN, nn.LSTM or nn.GRU: {shapes}")
    return layer


def _input_and_output(others: Mapping[str, Array], V: int, D: int, H: int) -> tuple[Array | None, Array, Array]:
    """Return the weights of the nn.Embedding, if any, and the weights and bias of the nn.Linear."""
    outputs = [name for name, array in others.items() if array.shape == (V, H)]
    if not outputs:
        raise ExchangeError(f"no nn.Linear with a weight of shape {(V, H)} turns {H} hidden units into {V} scores")
    if len(outputs) > 1:  # an embedding of the same size has no bias
        outputs = [name for name in outputs if _bias_of(name) in others] or outputs
    if len(outputs) > 1:
        raise ExchangeError(f"{' and '.join(map(shown, outputs))} could each be the output: only that may have a bias")
    output = outputs[0]
    bias = _bias_of(output)
    embedding = next((name for name, array in others.items() if array.shape == (V, D) and name != output), None)
    if not embedding and D != V:
        hint = "; if the weights are tied, pass them under both names" if D == H else ""
        raise ExchangeError(f"no nn.Embedding of shape {(V, D)} makes the {D} inputs of the lowest layer{hint}")
    if bias in others and others[bias].shape != (V,):
        raise ExchangeError(f"{shown(bias)} must have one number for each of {V} characters, not {others[bias].shape}")
    if unknown := [name for name in others if name not in (output, embedding, bias)]:
        raise ExchangeError(
            f"{shown(unknown[0])} belongs to no nn.Embedding, nn.RNN, nn.LSTM, nn.GRU or nn.Linear that charrnn expects"
        )
    scores = others.get(bias, np.zeros(V, others[output].dtype))
    return others[embedding] if embedding else None, others[output], scores


def _bias_of(weight: str) -> str:
    return f"{weight.removesuffix('weight')}bias"
