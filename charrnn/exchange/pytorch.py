"""A checkpoint as a PyTorch module, and a PyTorch model's state_dict as a checkpoint."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.errors import ExchangeError
from charrnn.exchange.description import describe, imported
from charrnn.exchange.foreign import read_state_dict
from charrnn.exchange.optional import needing
from charrnn.exchange.state_dict import to_state_dict
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Parameters
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
    A `torch.nn.Module` on the CPU, in the checkpoint's data type: an embedding or one-hot input, `nn.RNN`, `nn.LSTM` or
    `nn.GRU`, and `nn.Linear`. ``module(ids, state)`` takes ids (T, B), and a state that it returned (by default zeros),
    to ``(logits, state)``, the logits (T, B, V). Its state_dict has the names that `charrnn.exchange.state_dict` lists,
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

    >>> from charrnn.bundled import PRETRAINED
    >>> from charrnn.checkpoint import load
    >>> from charrnn.exchange.state_dict import to_state_dict
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
