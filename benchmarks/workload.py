"""The training steps that are measured: how large each network is, how it learns, and what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from charrnn.config import TrainConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_PAGE = 50_000


class Shape(NamedTuple):
    """One network and one batch; a plain list of these fields is its JSON."""

    cell: str
    batch_size: int  # B
    seq_length: int  # T
    hidden_size: int  # H, of every layer
    num_layers: int  # L
    optimizer: str
    vocab_size: int = 65  # V, one-hot
    num_characters: int = 1_000_000  # in the text, or a few less (see `stream_length`)

    def __str__(self) -> str:
        sizes = (self.batch_size, self.seq_length, self.hidden_size, self.num_layers)
        return f"{self.cell} {sizes}, {self.optimizer}"

    def config(self) -> TrainConfig:
        """Return charrnn's configuration, with a learning rate that stays as it is."""
        return TrainConfig(
            cell=self.cell,
            hidden_sizes=(self.hidden_size,) * self.num_layers,
            batch_size=self.batch_size,
            seq_length=self.seq_length,
            optimizer=self.optimizer,
            learning_rate=0.002,  # gentle: `loss_curves.py` compares roundings, and a wild start magnifies them
            schedule="constant",
            warmup_steps=0,
        )

    def stream_length(self) -> int:
        """Count the transitions in each of the B streams: whole chunks, so that every step is of one size."""
        return self.num_characters // (self.batch_size * self.seq_length) * self.seq_length

    def text(self) -> NDArray[np.int16]:
        """Draw a text, always the same, with one id more than the B streams have transitions.

        Each character is one of the eight that follow the one before, so that there is something to learn: at first a
        loss of ln V, at best one of ln 8. A page is drawn and repeated, so that the drawing's own memory stays small.
        """
        import numpy as np

        size = self.batch_size * self.stream_length() + 1
        page = np.random.default_rng(0).integers(1, 9, _PAGE).cumsum() % self.vocab_size
        return np.resize(page.astype(np.int16), size)


def default_shape() -> Shape:
    """Return what `charrnn train` uses where nothing is asked for."""
    config = TrainConfig()
    (hidden_size,) = set(config.hidden_sizes)
    return Shape(
        config.cell, config.batch_size, config.seq_length, hidden_size, len(config.hidden_sizes), config.optimizer
    )


VANILLA = Shape("vanilla", 1, 25, 100, 1, "adagrad")
SHAPES = (
    VANILLA,
    Shape("lstm", 16, 50, 200, 1, "adam"),
    Shape("lstm", 50, 50, 128, 2, "adam"),
    Shape("lstm", 32, 64, 320, 2, "adam"),
    Shape("lstm", 64, 100, 256, 1, "adam"),
    Shape("lstm", 64, 128, 512, 1, "adam"),
    Shape("lstm", 8, 100, 512, 1, "adam"),
    Shape("lstm", 128, 64, 128, 3, "adam"),
    default_shape(),
)
