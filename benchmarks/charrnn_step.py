"""A rival: charrnn's own training step."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from measure import compete
from workload import Shape

from charrnn.text.vocabulary import Vocabulary
from charrnn.training.trainer import Trainer


def make_trainer(shape: Shape, threads: int = 1) -> Trainer:
    """Build the trainer, for at most so many cores."""
    vocabulary = Vocabulary("".join(map(chr, range(0x100, 0x100 + shape.vocab_size))))
    return Trainer(replace(shape.config(), threads=threads), vocabulary, shape.text())


def training_step(shape: Shape, threads: int = 1) -> Callable[[], object]:
    """Return the step of a fresh trainer."""
    trainer = make_trainer(shape, threads)
    return lambda: trainer.train_step(0.0)


def build(request: Mapping[str, Any]) -> Callable[[], object]:
    """Return the step that a request asks for."""
    return training_step(Shape(*request["shape"]), request["threads"])


if __name__ == "__main__":
    compete(build)
