"""charrnn and PyTorch from the same weights over the same text: their losses, step by step, in float32."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from unittest.mock import patch

from charrnn_step import make_trainer
from measure import Answer, answer
from torch_step import TorchTrainer, limit_threads
from workload import Shape

from charrnn.optim import OPTIMIZERS, Adagrad
from charrnn.training import workers

_STEPS = 20


def run(request: Mapping[str, Any]) -> Answer:
    """Return both lists of losses, nats a character."""
    shape = Shape(*request["shape"])
    limit_threads()
    # charrnn's eps stands inside the root and PyTorch's outside: here both vanish beside any gradient but 0.
    with patch.object(workers, "OPTIMIZERS", {**OPTIMIZERS, "adagrad": partial(Adagrad, eps=1e-30)}):
        ours = make_trainer(shape)
    theirs = TorchTrainer(shape, ours.params)
    if shape.optimizer == "adagrad":
        theirs.optimizer.param_groups[0]["eps"] = 1e-15
    return {
        "charrnn": [ours.train_step(0.0).loss for _ in range(_STEPS)],
        "PyTorch": [theirs.train_step() for _ in range(_STEPS)],
    }


if __name__ == "__main__":
    answer(run)
