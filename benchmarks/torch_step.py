"""A rival: the same training step in PyTorch, set up as well as PyTorch allows.

`nn.RNN`, `nn.LSTM` (oneDNN's kernels) or `nn.GRU` over the one-hot batch, made once a step; fused optimizer; the
gradients' norm taken over all parameters in one call; gradients set to None; the state detached and carried.
`torch.compile` leaves `nn.LSTM` uncompiled and so changes nothing, and with `torch._dynamo.config.allow_rnn` fails in
2.13.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from measure import compete
from torch.nn.functional import cross_entropy, one_hot
from workload import Shape

from charrnn.nn.parameters import Parameters

_CELLS = {"vanilla": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
_OPTIMIZERS = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam}


class TorchTrainer:
    """A network in training.

    Parameters
    ----------
    shape : what to build
    params : charrnn's weights to start from; by default PyTorch's own
    """

    def __init__(self, shape: Shape, params: Parameters | None = None) -> None:
        B, n = shape.batch_size, shape.stream_length()
        self.shape = shape
        # Stream b reads from character b n on: (n + 1, B), cut from the text without a copy.
        self.streams = torch.as_strided(torch.from_numpy(shape.text()), (n + 1, B), (1, n))
        self.cells = _CELLS[shape.cell](shape.vocab_size, shape.hidden_size, shape.num_layers)
        self.linear = torch.nn.Linear(shape.hidden_size, shape.vocab_size)
        if params:
            with torch.no_grad():
                self._load(params)
        self.parameters = [*self.cells.parameters(), *self.linear.parameters()]
        config = shape.config()
        # Each library puts eps in another place. It vanishes, so that all learn the same (see `loss_curves.py`).
        self.optimizer = _OPTIMIZERS[shape.optimizer](self.parameters, lr=config.learning_rate, eps=1e-15, fused=True)
        self.max_norm = config.clip_norm
        self.position = 0
        self.state: Any = None

    def train_step(self) -> float:
        """Learn the next chunk; return its mean loss, nats a character."""
        T, V = self.shape.seq_length, self.shape.vocab_size
        if self.position == len(self.streams) - 1:
            self.position, self.state = 0, None
        window = self.streams[self.position : self.position + T + 1].long()
        self.position += T
        self.optimizer.zero_grad(set_to_none=True)
        hidden, state = self.cells(one_hot(window[:-1], V).float(), self.state)
        loss = cross_entropy(self.linear(hidden).reshape(-1, V), window[1:].reshape(-1))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm, foreach=True)
        self.optimizer.step()
        self.state = tuple(s.detach() for s in state) if self.shape.cell == "lstm" else state.detach()
        value: float = loss.item()
        return value

    def _load(self, params: Parameters) -> None:
        for k in range(self.shape.num_layers):
            for theirs, ours in (("weight_ih", "W_xh"), ("weight_hh", "W_hh"), ("bias_ih", "b_h")):
                getattr(self.cells, f"{theirs}_l{k}").copy_(torch.from_numpy(params[f"cells.{k}.{ours}"].T))
            # The second bias is only ever added to the first, and would double its learning rate.
            second = getattr(self.cells, f"bias_hh_l{k}").zero_()
            if self.shape.cell == "gru":  # its last part is n's own bias, inside the bracket that r multiplies
                second[-self.shape.hidden_size :] = torch.from_numpy(params[f"cells.{k}.b_hn"])
                second.register_hook(_only_last(self.shape.hidden_size))
            else:
                second.requires_grad_(requires_grad=False)
        self.linear.weight.copy_(torch.from_numpy(params["linear.W_hy"].T))
        self.linear.bias.copy_(torch.from_numpy(params["linear.b_y"]))


def _only_last(size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a hook that keeps the last numbers of a gradient and makes the others 0."""
    return lambda grad: torch.cat([torch.zeros(len(grad) - size), grad[-size:]])


def limit_threads() -> None:
    """Keep PyTorch to the threads its environment allows."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def build(request: Mapping[str, Any]) -> Callable[[], object]:
    """Return the step that a request asks for."""
    limit_threads()
    return TorchTrainer(Shape(*request["shape"])).train_step


if __name__ == "__main__":
    compete(build)
