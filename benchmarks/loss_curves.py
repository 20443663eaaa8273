"""charrnn and its rivals from the same weights over the same text: their losses, step by step, in float32."""

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from unittest.mock import patch

from charrnn_step import make_trainer
from measure import Answer, answer
from workload import Shape

from charrnn.optim import OPTIMIZERS, Adagrad, Adam
from charrnn.training import trainer

_STEPS = 20
_TRAINERS = {
    "PyTorch": ("torch_step", "TorchTrainer"),
    "JAX": ("jax_step", "JaxTrainer"),
    "Keras": ("keras_step", "KerasTrainer"),
}


def run(request: Mapping[str, Any]) -> Answer:
    """Return each one's losses, nats a character."""
    shape = Shape(*request["shape"])
    # Where eps stands is not the same in all of them: here it vanishes next to any gradient but 0.
    optimizers = {**OPTIMIZERS, "adagrad": partial(Adagrad, eps=1e-30), "adam": partial(Adam, eps=1e-15)}
    with patch.object(trainer, "OPTIMIZERS", optimizers):
        ours = make_trainer(shape)
    steps: dict[str, Callable[[], float]] = {"charrnn": lambda: ours.train_step(0.0).loss}
    for name in request["rivals"]:
        module, kind = _TRAINERS[name]
        steps[name] = getattr(importlib.import_module(module), kind)(shape, ours.params).train_step
    return {name: [step() for _ in range(_STEPS)] for name, step in steps.items()}


if __name__ == "__main__":
    answer(run)
