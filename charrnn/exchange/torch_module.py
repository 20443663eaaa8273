"""The network as a PyTorch module. Only this file imports PyTorch, which is optional."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from charrnn.exchange.description import is_one_module
from charrnn.nn.model import CharRNN
from charrnn.nn.parameters import Array

_RECURRENT = {"vanilla": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class TorchCharRNN(nn.Module):  # type: ignore[misc]  # mypy does not follow optional packages
    """An embedding or one-hot input, recurrent layers, and a linear output layer.

    Parameters
    ----------
    model : the network
    dtype : of its weights

    Attributes
    ----------
    description : dict of plain values: the vocabulary and everything else that the model needs (see
        `charrnn.exchange.description.describe`); empty unless `to_torch` made the module
    """

    def __init__(self, model: CharRNN, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.description: dict[str, Any] = {}
        self.vocab_size = model.vocab_size
        sizes = [model.embedding_size or model.vocab_size, *model.hidden_sizes]
        self.embedding = nn.Embedding(model.vocab_size, sizes[0], dtype=dtype) if model.embedding_size else None
        recurrent = _RECURRENT[model.cell]
        self.rnn = (
            recurrent(sizes[0], sizes[1], len(model.hidden_sizes), dtype=dtype)
            if is_one_module(model)
            else nn.ModuleList(recurrent(D, H, dtype=dtype) for D, H in pairwise(sizes))
        )
        self.linear = nn.Linear(sizes[-1], model.vocab_size, dtype=dtype)
        if self.embedding is not None and model.tied:
            self.linear.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """Return the logits of the character after each input.

        Parameters
        ----------
        ids : (T, B) integers in 0…V−1
        state : what an earlier call returned, to continue its text; None at the start of a text

        Returns
        -------
        logits : (T, B, V)
        state : after the last input: PyTorch's own, or a list of one per layer if the layers differ in size
        """
        if self.embedding is not None:
            x = self.embedding(ids)
        else:
            x = nn.functional.one_hot(ids, self.vocab_size).to(self.linear.weight.dtype)
        if not isinstance(self.rnn, nn.ModuleList):
            x, state = self.rnn(x, state)
            return self.linear(x), state
        final = []
        for layer, initial in zip(self.rnn, state or [None] * len(self.rnn), strict=True):
            x, after = layer(x, initial)
            final.append(after)
        return self.linear(x), final


def build(model: CharRNN, arrays: Mapping[str, Array], description: Mapping[str, Any]) -> TorchCharRNN:
    """Return the module with these weights, in eval mode, without changing PyTorch's random state."""
    weights = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.random.fork_rng(devices=[]):
        module = TorchCharRNN(model, weights["linear.bias"].dtype)
    module.load_state_dict(weights)
    module.description = dict(description)
    module.eval()
    return module
