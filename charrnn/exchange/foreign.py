"""A state_dict that PyTorch made: its parts found by their names and shapes, and turned into a model of ours.

What is looked for is a language model as people write one: an `nn.Embedding` or one-hot input, an `nn.RNN`, `nn.LSTM`
or `nn.GRU` (or several, or their cells), and an `nn.Linear`, under whatever names. All the rest is refused: a model
that is read must be the model that was written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from charrnn.errors import ExchangeError, shown
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Array, Parameters

# The last part of a recurrent parameter's name: of layer 3, `weight_ih_l3`; of an `nn.LSTMCell`, `weight_ih`.
_RECURRENT = re.compile(r"(.*?)((?:weight|bias)_(?:ih|hh|hr))(?:_l(\d+))?(_reverse)?", re.DOTALL)
_CELLS = {1: "vanilla", 4: "lstm", 3: "gru"}  # by blocks of H rows


@dataclass(frozen=True)
class _Layer:
    """One recurrent layer, in PyTorch's layout."""

    name: str
    weight_ih: Array  # (G·H, D)
    weight_hh: Array  # (G·H, H)
    bias_ih: Array  # (G·H,)
    bias_hh: Array  # (G·H,)

    @property
    def cell(self) -> str | None:
        rows, H = self.weight_hh.shape
        return _CELLS.get(rows // H) if H and rows % H == 0 else None

    def params(self) -> dict[str, Array]:
        """Return the arrays that ours has, by their short names."""
        H = self.weight_hh.shape[1]
        weights = {"W_xh": self.weight_ih.T, "W_hh": self.weight_hh.T}
        if self.cell != "gru":
            return weights | {"b_h": self.bias_ih + self.bias_hh}
        b_h = self.bias_ih.copy()
        b_h[:-H] += self.bias_hh[:-H]  # that of n is multiplied by r first
        return weights | {"b_h": b_h, "b_hn": self.bias_hh[-H:]}


def read_state_dict(state_dict: Mapping[str, Any], V: int) -> tuple[CharRNN, Parameters]:
    """Return the model that a state_dict of V characters is, and its weights, in float32 or float64.

    Raises
    ------
    ExchangeError
        If it is none that can be read; the sentence says what is in the way.
    """
    arrays = {str(name): _array(str(name), value) for name, value in state_dict.items()}
    recurrent = {name: match for name in arrays if (match := _RECURRENT.fullmatch(name))}
    layers = _layers(arrays, recurrent)
    others = {name: array for name, array in arrays.items() if name not in recurrent}
    embedding, weight, bias = _around(others, V, layers[0].weight_ih.shape[1], layers[-1].weight_hh.shape[1])
    tied = embedding is not None and embedding.shape == weight.shape and np.array_equal(embedding, weight)
    model = CharRNN(
        V,
        str(layers[0].cell),
        tuple(layer.weight_hh.shape[1] for layer in layers),
        0 if embedding is None else embedding.shape[1],
        tied=tied,
    )
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
    """Return a tensor's or an array's numbers."""
    if hasattr(value, "detach"):  # a tensor, which may be on another device, and want gradients
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:  # bfloat16, say
        raise ExchangeError(f"{shown(name)} is of no type that NumPy has ({error}); make it float32") from error
    if array.dtype.kind != "f":
        raise ExchangeError(f"{shown(name)} has {array.dtype} numbers; give weights in float32 or float64")
    if not np.isfinite(array).all():
        raise ExchangeError(f"{shown(name)} has numbers that are not finite")
    return array.astype(np.promote_types(array.dtype, np.float32))


def _layers(arrays: Mapping[str, Array], recurrent: Mapping[str, re.Match[str]]) -> list[_Layer]:
    """Put the recurrent layers together, lowest first, and see that each fits the one below."""
    parts: dict[tuple[str, int], dict[str, Array]] = {}
    for name, match in recurrent.items():
        prefix, part, layer, is_reverse = match.groups()
        if is_reverse:
            raise ExchangeError(f"{shown(name)} reads the text backwards: a model that writes cannot be bidirectional")
        if part.endswith("hr"):
            raise ExchangeError(f"{shown(name)} is a projection of the hidden state, which charrnn's cells have not")
        parts.setdefault((prefix, int(layer or 0)), {})[part] = arrays[name]
    if not parts:
        raise ExchangeError("the state_dict has no weight_ih_l0: nothing in it is an nn.RNN, nn.LSTM or nn.GRU")
    for prefix, layer in parts:
        if layer and (prefix, layer - 1) not in parts:
            raise ExchangeError(f"{shown(prefix)} has a layer {layer} and no layer {layer - 1} below it")
    layers = [_layer(key, parts[key]) for key in _in_order(list(parts))]
    for lower, upper in pairwise(layers):
        if upper.cell != lower.cell:
            raise ExchangeError(f"{shown(upper.name)} is another kind of cell than {shown(lower.name)}: give one kind")
        if upper.weight_ih.shape[1] != lower.weight_hh.shape[1]:
            raise ExchangeError(
                f"{shown(upper.name)} takes {upper.weight_ih.shape[1]} inputs, but {shown(lower.name)} "
                f"below it has {lower.weight_hh.shape[1]} hidden units"
            )
    return layers


def _in_order(keys: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Sort layers: modules by the numbers in their names, else as they come, and the layers in one by theirs."""
    prefixes = list(dict.fromkeys(prefix for prefix, _ in keys))
    prefixes.sort(key=lambda prefix: [int(digits) for digits in re.findall(r"\d+", prefix)])
    return sorted(keys, key=lambda key: (prefixes.index(key[0]), key[1]))


def _layer(key: tuple[str, int], parts: Mapping[str, Array]) -> _Layer:
    name = f"{key[0]}*_l{key[1]}"
    for part in ("weight_ih", "weight_hh"):
        if part not in parts:
            raise ExchangeError(f"{shown(name)} has no {part}")
        if parts[part].ndim != 2:
            raise ExchangeError(f"{shown(name)} has a {part} of shape {parts[part].shape}, which is no matrix")
    weight_ih, weight_hh = parts["weight_ih"], parts["weight_hh"]
    zeros = np.zeros(len(weight_hh), weight_hh.dtype)
    layer = _Layer(name, weight_ih, weight_hh, parts.get("bias_ih", zeros), parts.get("bias_hh", zeros))
    if not layer.cell or {weight_ih.shape[:1], layer.bias_ih.shape, layer.bias_hh.shape} != {weight_hh.shape[:1]}:
        shapes = ", ".join(f"{part} {array.shape}" for part, array in parts.items())
        raise ExchangeError(f"{shown(name)} is no layer of an nn.RNN, nn.LSTM or nn.GRU: {shapes}")
    return layer


def _around(others: Mapping[str, Array], V: int, D: int, H: int) -> tuple[Array | None, Array, Array]:
    """Find what stands around the recurrent layers: the embedding, if any, and the output's weight and bias."""
    matrices = {name: array for name, array in others.items() if array.ndim == 2}
    outputs = [name for name, array in matrices.items() if array.shape == (V, H)]
    embeddings = [name for name, array in matrices.items() if array.shape == (V, D)]
    if not outputs:
        raise ExchangeError(
            f"no weight of shape {(V, H)} turns {H} hidden units into scores of the {V} characters given"
        )
    if len(outputs) > 1:
        outputs = _scoring(outputs, others)
    output = outputs[0]
    embedding = next((name for name in embeddings if name != output), None)
    if not embedding and D != V:
        both = " (a matrix that is both embedding and output must stand under both names)" if embeddings else ""
        raise ExchangeError(f"no embedding of shape {(V, D)} gives the {D} inputs of the lowest layer{both}")
    bias = f"{output.removesuffix('weight')}bias"
    if bias in others and others[bias].shape != (V,):
        raise ExchangeError(f"{shown(bias)} has shape {others[bias].shape}, not one number for each of {V} characters")
    if unknown := [name for name in others if name not in (output, embedding, bias)]:
        raise ExchangeError(f"{shown(unknown[0])} has no place in an embedding, recurrent layers and one output layer")
    scores = others.get(bias, np.zeros(V, others[output].dtype))
    return others[embedding] if embedding else None, others[output], scores


def _scoring(names: list[str], others: Mapping[str, Array]) -> list[str]:
    """Of matrices of one shape, choose those that can be the output's: with a bias, or not called an embedding."""
    with_bias = [name for name in names if f"{name.removesuffix('weight')}bias" in others]
    not_named = [name for name in names if "emb" not in name.lower()]
    for chosen in (with_bias, not_named):
        if len(chosen) == 1:
            return chosen
    raise ExchangeError(
        f"{' and '.join(map(shown, names))} could each be the output layer: give it a bias, or rename one"
    )
