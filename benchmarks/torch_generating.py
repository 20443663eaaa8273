"""A rival: the loop that a PyTorch user writes to sample from an `nn.LSTM`."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from measure import Answer, answer, measure
from torch.nn.functional import one_hot
from torch_step import limit_threads

_VOCAB_SIZE = 65


class TorchSampler:
    """The loop a user would write: one step of the network, softmax, one draw for each stream."""

    def __init__(self, hidden_size: int, streams: int) -> None:
        self.lstm = torch.nn.LSTM(_VOCAB_SIZE, hidden_size)
        self.linear = torch.nn.Linear(hidden_size, _VOCAB_SIZE)
        self.characters, self.state = torch.zeros((1, streams), dtype=torch.long), None

    def step(self) -> list[int]:
        """Draw the next character of each stream."""
        with torch.inference_mode():
            hidden, self.state = self.lstm(one_hot(self.characters, _VOCAB_SIZE).float(), self.state)
            drawn = torch.multinomial(torch.softmax(self.linear(hidden[0]), dim=-1), 1)
            self.characters = drawn.reshape(1, -1)
        ids: list[int] = self.characters[0].tolist()
        return ids


def sampling_step(hidden_size: int, streams: int) -> Callable[[], object]:
    """Return what draws the next characters."""
    limit_threads()
    return TorchSampler(hidden_size, streams).step


def run(request: Mapping[str, Any]) -> Answer:
    """Time a character of every stream."""
    return measure(lambda: sampling_step(request["hidden_size"], request["streams"]), request["seconds"])


if __name__ == "__main__":
    answer(run)
