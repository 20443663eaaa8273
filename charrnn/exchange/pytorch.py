"""A checkpoint as a PyTorch module, and a PyTorch model's state_dict as a checkpoint.

A state_dict that PyTorch made: its parts found by their names and shapes, and turned into a model of ours.

What is looked for is a language model as people write one: an `nn.Embedding` or one-hot input, an `nn.RNN`, `nn.LSTM`
or `nn.GRU` (or several, or their cells), and an `nn.Linear`, under whatever names. All the rest is refused: a model
that is read must be the model that was written.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.errors import ExchangeError, shown
from charrnn.exchange.description import describe, imported, needing, to_state_dict
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Array, Parameters
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Vocabulary, code_points

if TYPE_CHECKING:
    from charrnn.exchange.torch_module import TorchCharRNN


# The last part of a recurrent parameter's name: of layer 3, `weight_ih_l3`; of an `nn.LSTMCell`, `weight_ih`.
_FOREIGN_LAYERS = re.compile(r"(.*?)((?:weight|bias)_(?:ih|hh|hr))(?:_l(\d+))?(_reverse)?", re.DOTALL)
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
    recurrent = {name: match for name in arrays if (match := _FOREIGN_LAYERS.fullmatch(name))}
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


def to_torch(checkpoint: Checkpoint) -> "TorchCharRNN":
    """Return a model as a PyTorch module, in eval mode.

    Parameters
    ----------
    checkpoint : read, not changed

    Returns
    -------
    A `torch.nn.Module` on the CPU, in the checkpoint's data type: an embedding or one-hot input, `nn.RNN`, `nn.LSTM` or
    `nn.GRU`, and `nn.Linear`. ``module(ids, state)`` takes ids (T, B), and a state that it returned (by default zeros),
    to ``(logits, state)``, the logits (T, B, V). Its state_dict has the names in `charrnn.exchange.description`,
    so that it also loads into your own module of such parts. ``module.description`` is a dict of what else the model
    needs to be used: ``vocabulary``, ``separator``, ``normalize`` and the other fields of `charrnn.text.usage.Usage`.

    Raises
    ------
    MissingPackageError
        If PyTorch is not installed.

    See Also
    --------
    from_torch : the way back.

    Examples
    --------
    Where PyTorch is, ``to_torch(checkpoint).state_dict()`` has these names and shapes:

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
    """Return a model that PyTorch trained as a checkpoint, to be saved, sampled, scored or trained on.

    The parts are found by their names' last words and their shapes, whatever the module calls them: an `nn.Embedding`
    (without one, the input is one-hot), the layers of an `nn.RNN` (whose nonlinearity must be tanh: a state_dict does
    not say), `nn.LSTM` or `nn.GRU`, or several of one kind, and an `nn.Linear`. Where embedding and output are
    equal, the model is tied. Biases may be absent.

    Parameters
    ----------
    state_dict : mapping of str to tensor or array
        What a module's ``state_dict()`` returns; read, not changed. On any device. A module that `to_torch` made can be
        given itself: its description is then the default of all that follows.
    chars : str or sequence of str
        The V characters in the order of their ids, each once. Ids are given anew, in the order of code points.
    name : what the model learned, as `charrnn info` says it; by default ``imported``
    usage : fields of `charrnn.text.usage.Usage` that differ from those of a plain running text: ``separator``,
        ``longest_item``, ``normalize``, ``unknown``

    Returns
    -------
    A checkpoint in float64 if any weight is, else in float32.

    Raises
    ------
    ExchangeError
        If the state_dict is no such model (bidirectional, with projections or other layers, with parts missing or of
        shapes that do not fit), if `chars` is no vocabulary, or if a field of `usage` does not fit the model.
    TypeError
        If `usage` has another field.

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
        raise ExchangeError(f"a {type(state_dict).__name__} is no state_dict: give module.state_dict()")
    order = _order(chars or "")
    model, params = read_state_dict(state_dict, len(order))
    _renumber(model, params, order)
    vocabulary = Vocabulary("".join((chars or "")[place] for place in order))
    try:
        return imported(model, params, vocabulary, "imported" if name is None else name, Usage(**usage))
    except ValueError as error:
        raise ExchangeError(f"the model cannot be used as asked: {error}") from error


def _order(chars: Sequence[str]) -> list[int]:
    """Return the places of the characters in code-point order."""
    if not chars or any(len(c) != 1 for c in chars):
        raise ExchangeError("chars must be single characters, one for each id: a model of longer tokens cannot be read")
    points = code_points("".join(chars))
    order = np.argsort(points, kind="stable")
    points = points[order]
    if (points[1:] == points[:-1]).any():
        twice = chr(points[1:][points[1:] == points[:-1]][0])
        raise ExchangeError(f"chars has {twice!a} twice: each id needs a character of its own")
    if ((points >= 0xD800) & (points <= 0xDFFF)).any():
        raise ExchangeError("chars has a surrogate, which is half a character")
    return [int(place) for place in order]


def _renumber(model: CharRNN, params: Parameters, order: list[int]) -> None:
    """Give the characters new ids: old id ``order[i]`` becomes i."""
    table = "embedding.W_e" if model.embedding else "cells.0.W_xh"
    for name in (table, "linear.W_hy", "linear.b_y"):
        if name in params:
            axis = 0 if name == table else -1
            params[name] = np.take(params[name], order, axis)
