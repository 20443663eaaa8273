"""Dropout: what a network must do without while it learns, so that it cannot learn a text by heart.

Each kept number is divided by the share that is kept, so that its mean stays; text is scored and written with nothing
dropped. Two kinds, each with one mask a layer:

- *Outputs* of a layer, on their way up, never on their way to the next step (Zaremba et al., 2014); one mask for each
  step or, *locked*, one for all steps of a chunk (Gal & Ghahramani, 2016).
- *W_hh*, the same weights for all steps and streams of a chunk: weight-drop (Merity, Keskar & Socher, 2018).

A product with a mask is its own derivative: ``y = m x`` gives ``d_x = m d_y``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from charrnn.nn.parameters import Array

# A share is kept to a 65,536th, so that 64 random bits serve four numbers: 0.5 ms for the 750,000 of a step of the
# default shape, where `Generator.random` took 1.1. Drawn in blocks that stay in the second-level cache.
_LEVELS = 2**16
_BLOCK_NUMBERS = 16_384


@dataclass(frozen=True)
class Dropout:
    """How much is dropped: shares from 0 (nothing) to below 1."""

    outputs: float = 0.0
    weights: float = 0.0
    locked: bool = False

    def __bool__(self) -> bool:
        return bool(self.outputs or self.weights)


@dataclass(frozen=True)
class DropoutWorkspace:
    """Masks for T steps of B streams, and what they leave, in arrays made once.

    Each list has one array a layer of H units and G gates, or none where nothing is dropped: 2·T·B·H numbers for the
    outputs (locked: T·B·H + B·H), 2·G·H·H for the weights. Where the B streams are some of a larger batch, the random
    numbers are drawn for all of it, so that a stream's masks do not depend on who trains it.
    """

    dropout: Dropout
    drawn: tuple[Array, ...]  # (T, streams of the whole batch, H), or (1, …) where locked
    masks: tuple[Array, ...]  # (T or 1, B, H), views of `drawn`: 0, or 1 over the share that is kept
    outputs: tuple[Array, ...]  # (T, B, H): a layer's outputs times their mask
    weight_masks: tuple[Array, ...]  # (H, G·H)
    W_hh: tuple[Array, ...]  # (H, G·H): W_hh times its mask

    @classmethod
    def allocate(
        cls,
        dropout: Dropout,
        shapes: Sequence[tuple[int, ...]],
        streams: range,
        T: int,
        B: int,
        dtype: np.dtype[Any],
    ) -> Self:
        """Make room.

        Parameters
        ----------
        shapes : of each layer's W_hh
        streams : which of a batch's B streams these are
        """
        real = np.zeros(0, dtype).real.dtype  # gradcheck sends complex numbers through masks of real ones
        of_outputs, of_weights = (shapes if share else () for share in (dropout.outputs, dropout.weights))
        drawn = tuple(np.empty((1 if dropout.locked else T, B, H), real) for H, _ in of_outputs)
        return cls(
            dropout,
            drawn,
            masks=tuple(mask[:, streams.start : streams.stop] for mask in drawn),
            outputs=tuple(np.empty((T, len(streams), H), dtype) for H, _ in of_outputs),
            weight_masks=tuple(np.empty(shape, real) for shape in of_weights),
            W_hh=tuple(np.empty(shape, dtype) for shape in of_weights),
        )

    def draw(self, rng: np.random.Generator) -> None:
        """Draw all masks anew."""
        for share, masks in ((self.dropout.outputs, self.drawn), (self.dropout.weights, self.weight_masks)):
            for mask in masks:
                _draw_mask(rng.bit_generator, mask.reshape(-1), share)

    def mask_outputs(self, layer: int, outputs: Array) -> None:
        """Keep what the layer above will see of a layer's outputs (T, B, H), in ``self.outputs``."""
        if self.masks:
            np.multiply(outputs, self.masks[layer], out=self.outputs[layer])

    def output_gradient(self, layer: int, d_outputs: Array) -> None:
        """Turn the gradient of what the layer above saw into that of the layer's outputs, in place."""
        if self.masks:
            np.multiply(d_outputs, self.masks[layer], out=d_outputs)

    def mask_weights(self, layer: int, params: Mapping[str, Array]) -> None:
        """Make a layer's W_hh of this chunk; due whenever masks or parameters have changed."""
        if self.W_hh:
            np.multiply(params["W_hh"], self.weight_masks[layer], out=self.W_hh[layer])

    def weights(self, layer: int, params: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return a layer's parameters as it uses them in this chunk."""
        return {**params, "W_hh": self.W_hh[layer]} if self.W_hh else params

    def weight_gradient(self, layer: int, grads: Mapping[str, Array]) -> None:
        """Turn the gradient of the W_hh that was used into that of W_hh, in place."""
        if self.W_hh:
            np.multiply(grads["W_hh"], self.weight_masks[layer], out=grads["W_hh"])


def _draw_mask(bits: np.random.BitGenerator, mask: Array, share: float) -> None:
    """Fill a flat mask: 0 for the share that is dropped, and 1 over the share that is kept."""
    dropped = min(round(share * _LEVELS), _LEVELS - 1)
    for start in range(0, len(mask), _BLOCK_NUMBERS):
        block = mask[start : start + _BLOCK_NUMBERS]
        levels = bits.random_raw(-(-len(block) // 4)).view(np.uint16)[: len(block)]
        np.greater_equal(levels, dropped, out=block)
        np.multiply(block, _LEVELS / (_LEVELS - dropped), out=block)
