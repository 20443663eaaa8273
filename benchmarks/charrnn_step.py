"""A rival: charrnn's own training step."""

from collections.abc import Callable, Mapping
from typing import Any

from measure import Answer, answer, measure
from workload import Shape

from charrnn.text.vocabulary import Vocabulary
from charrnn.training.trainer import Trainer


def make_trainer(shape: Shape) -> Trainer:
    """Build the trainer; its threads are those its environment allows OpenBLAS."""
    vocabulary = Vocabulary("".join(map(chr, range(0x100, 0x100 + shape.vocab_size))))
    return Trainer(shape.config(), vocabulary, shape.text())


def training_step(shape: Shape) -> Callable[[], object]:
    """Return the step of a fresh trainer."""
    trainer = make_trainer(shape)
    return lambda: trainer.train_step(0.0)


def run(request: Mapping[str, Any]) -> Answer:
    """Time the step of a shape."""
    return measure(lambda: training_step(Shape(*request["shape"])), request["seconds"])


if __name__ == "__main__":
    answer(run)
