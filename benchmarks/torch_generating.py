"""A rival: the loop that a PyTorch user writes to sample from an `nn.LSTM`."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from measure import Answer, answer, measure
from torch.nn.functional import one_hot
from torch_step import limit_threads

_VOCAB_SIZE = 65


@torch.inference_mode()
def sample(hidden_size: int) -> Iterator[int]:
    """Yield ids without end."""
    lstm = torch.nn.LSTM(_VOCAB_SIZE, hidden_size)
    linear = torch.nn.Linear(hidden_size, _VOCAB_SIZE)
    character, state = torch.tensor([[0]]), None
    while True:
        hidden, state = lstm(one_hot(character, _VOCAB_SIZE).float(), state)
        character = torch.multinomial(torch.softmax(linear(hidden[0]), dim=-1), 1)
        yield int(character)


def sampling_step(hidden_size: int) -> Callable[[], object]:
    """Return what draws the next character."""
    limit_threads()
    return partial(next, sample(hidden_size))


def run(request: Mapping[str, Any]) -> Answer:
    """Time a character."""
    return measure(lambda: sampling_step(request["hidden_size"]), request["seconds"])


if __name__ == "__main__":
    answer(run)
