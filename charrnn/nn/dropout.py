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
_AT_ONCE = 4  # numbers from 64 bits


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
    numbers of the others are skipped, so that a stream's masks do not depend on who trains it.
    """

    dropout: Dropout
    streams: range  # which of the whole batch's these are
    batch_size: int  # of the whole batch
    masks: tuple[Array, ...]  # (T or 1, B, H): 0, or 1 over the share that is kept
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
        return cls(
            dropout,
            streams,
            batch_size=B,
            masks=tuple(np.empty((1 if dropout.locked else T, len(streams), H), real) for H, _ in of_outputs),
            outputs=tuple(np.empty((T, len(streams), H), dtype) for H, _ in of_outputs),
            weight_masks=tuple(np.empty(shape, real) for shape in of_weights),
            W_hh=tuple(np.empty(shape, dtype) for shape in of_weights),
        )

    def draw(self, rng: np.random.Generator) -> None:
        """Draw all masks anew."""
        for mask in self.masks:
            if len(self.streams) == self.batch_size:
                _draw_mask(rng.bit_generator, mask.reshape(-1), self.dropout.outputs)
            else:
                _draw_some(rng.bit_generator, mask, self.dropout.outputs, self.streams.start, self.batch_size)
        for mask in self.weight_masks:
            _draw_mask(rng.bit_generator, mask.reshape(-1), self.dropout.weights)

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
    for start in range(0, len(mask), _BLOCK_NUMBERS):
        block = mask[start : start + _BLOCK_NUMBERS]
        _fill(block, bits.random_raw(-(-len(block) // _AT_ONCE)).view(np.uint16)[: len(block)], share)


def _draw_some(bits: Any, mask: Array, share: float, first: int, batch_size: int) -> None:
    """Fill the mask (T, B, H) of some streams with what a mask of the whole batch would have there.

    Parameters
    ----------
    bits : whose stream can be gone along without drawing
    first : of these streams in the batch
    """
    T, B, H = mask.shape
    drawn = 0  # of 64 bits
    for t in range(T):
        start = (t * batch_size + first) * H
        words, skipped = divmod(start, _AT_ONCE)
        bits.advance(words - drawn)
        count = -(-(skipped + B * H) // _AT_ONCE)
        levels = bits.random_raw(count).view(np.uint16)[skipped : skipped + B * H]
        _fill(mask[t].reshape(-1), levels, share)
        drawn = words + count
    bits.advance(-(-T * batch_size * H // _AT_ONCE) - drawn)


def _fill(mask: Array, levels: Array, share: float) -> None:
    """Write 0 where a level is among the share that is dropped, and elsewhere 1 over the share that is kept."""
    dropped = min(round(share * _LEVELS), _LEVELS - 1)
    np.greater_equal(levels, dropped, out=mask)
    np.multiply(mask, _LEVELS / (_LEVELS - dropped), out=mask)
