"""A rival: the loop that a PyTorch user writes to sample from an `nn.LSTM` or an `nn.GRU`."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from measure import Answer, answer, measure
from torch.nn.functional import one_hot
from torch_step import limit_threads

_VOCAB_SIZE = 65


class TorchSampler:
    """The loop a user would write: one step of the network, softmax, one draw for each stream."""

    def __init__(self, cell: str, hidden_size: int, streams: int) -> None:
        self.cells = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](_VOCAB_SIZE, hidden_size)
        self.linear = torch.nn.Linear(hidden_size, _VOCAB_SIZE)
        self.characters, self.state = torch.zeros((1, streams), dtype=torch.long), None

    def step(self) -> list[int]:
        """Draw the next character of each stream."""
        with torch.inference_mode():
            hidden, self.state = self.cells(one_hot(self.characters, _VOCAB_SIZE).float(), self.state)
            drawn = torch.multinomial(torch.softmax(self.linear(hidden[0]), dim=-1), 1)
            self.characters = drawn.reshape(1, -1)
        ids: list[int] = self.characters[0].tolist()
        return ids


def sampling_step(cell: str, hidden_size: int, streams: int) -> Callable[[], object]:
    """Return what draws the next characters."""
    limit_threads()
    return TorchSampler(cell, hidden_size, streams).step


def run(request: Mapping[str, Any]) -> Answer:
    """Time a character of every stream."""
    return measure(lambda: sampling_step(**request["network"]), request["seconds"])


if __name__ == "__main__":
    answer(run)
