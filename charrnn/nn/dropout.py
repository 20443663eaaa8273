"""Dropout: random zeros while a network learns, so that it cannot learn a text by heart.

Each number that is kept is divided by the share that is kept, so that the mean stays. Nothing is dropped when a text is
scored or written. Two kinds, each with one mask a layer:

- *Outputs* of a layer, on their way up, never on their way to the next step (Zaremba et al., 2014); one mask for each
  step or, *locked*, one for all steps of a chunk (Gal & Ghahramani, 2016).
- *W_hh*, the same weights for all steps and streams of a chunk: weight-drop (Merity, Keskar & Socher, 2018).

A product with a mask is its own derivative: ``y = m x`` gives ``d_x = m d_y``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from charrnn.nn.parameters import Array, empty

# Shares are rounded to 1/65,536, so that 64 random bits serve four numbers: 0.5 ms for the 750,000 of a step of the
# default shape, where `Generator.random` took 1.1. Drawn in blocks that stay in the second-level cache.
_LEVELS = 2**16
_BLOCK_NUMBERS = 16_384
_AT_ONCE = 4  # numbers from 64 bits


@dataclass(frozen=True)
class DropoutRates:
    """How much is dropped: shares from 0 (nothing) to below 1."""

    outputs: float = 0.0
    weights: float = 0.0
    locked: bool = False

    def __bool__(self) -> bool:
        """Whether anything is dropped."""
        return self.outputs > 0 or self.weights > 0


@dataclass
class DropoutWorkspace:
    """Masks for T steps of B streams, and what they leave, in arrays made once.

    Each tuple has one array a layer of H units and G gates, or is empty where nothing is dropped. Where the B streams
    are some of a larger batch, the random numbers of the others are skipped, so that a stream's masks do not depend on
    which process computes it.
    """

    rates: DropoutRates
    streams: range  # which of the whole batch's these are
    batch_size: int  # of the whole batch
    masks: tuple[Array, ...]  # (T or 1, B, H): 0, or 1 over the share that is kept
    by_shard: tuple[Array, ...]  # (S, T or 1, R, H): views of the masks
    outputs: tuple[Array, ...]  # (S, T, R, H): a layer's outputs times their mask
    weight_masks: tuple[Array, ...]  # (H, G·H)
    W_hh: tuple[Array, ...]  # (H, G·H): W_hh times its mask
    on: bool = False  # whether this sequence drops anything

    @classmethod
    def allocate(
        cls,
        rates: DropoutRates,
        shapes: Sequence[tuple[int, ...]],
        streams: range,
        T: int,
        batch_size: int,
        dtype: np.dtype[Any],
        S: int = 1,
    ) -> Self:
        """Make room for S shards; `shapes` are those of each layer's W_hh."""
        real = np.zeros(0, dtype).real.dtype  # gradcheck sends complex numbers through masks of real ones
        of_outputs, of_weights = (shapes if share else () for share in (rates.outputs, rates.weights))
        B = len(streams)
        masks = tuple(empty((1 if rates.locked else T, B, H), real) for H, _ in of_outputs)
        return cls(
            rates,
            streams,
            batch_size,
            masks=masks,
            by_shard=tuple(mask.reshape(len(mask), S, B // S, -1).swapaxes(0, 1) for mask in masks),
            outputs=tuple(empty((S, T, B // S, H), dtype) for H, _ in of_outputs),
            weight_masks=tuple(empty(shape, real) for shape in of_weights),
            W_hh=tuple(empty(shape, dtype) for shape in of_weights),
        )

    def draw(self, rng: np.random.Generator | None) -> None:
        """Draw all masks anew; without a generator the next sequence drops nothing."""
        self.on = rng is not None
        if rng is None:
            return
        for mask in self.masks:
            if len(self.streams) == self.batch_size:
                _draw_mask(rng.bit_generator, mask.reshape(-1), self.rates.outputs)
            else:
                _draw_some(rng.bit_generator, mask, self.rates.outputs, self.streams.start, self.batch_size)
        for mask in self.weight_masks:
            _draw_mask(rng.bit_generator, mask.reshape(-1), self.rates.weights)

    def forward(self, layer: int, outputs: Array) -> Array:
        """Return what the layer above sees of a layer's outputs (S, T, R, H)."""
        if not (self.on and self.masks):
            return outputs
        return np.multiply(outputs, self.by_shard[layer], out=self.outputs[layer])

    def backward(self, layer: int, d_outputs: Array) -> None:
        """Turn the gradient of what the layer above saw into that of the layer's outputs, in place."""
        if self.on and self.masks:
            np.multiply(d_outputs, self.by_shard[layer], out=d_outputs)

    @property
    def drops_weights(self) -> bool:
        """Whether this sequence drops weights."""
        return self.on and bool(self.W_hh)

    def weights(self, layer: int, params: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return a layer's parameters as it uses them in this sequence."""
        if not self.drops_weights:
            return params
        W_hh = np.multiply(params["W_hh"], self.weight_masks[layer], out=self.W_hh[layer])
        return {**params, "W_hh": W_hh}

    def weights_backward(self, layer: int, grads: Mapping[str, Array]) -> None:
        """Turn the gradient of the W_hh that was used into that of W_hh, in place."""
        if self.drops_weights:
            np.multiply(grads["W_hh"], self.weight_masks[layer], out=grads["W_hh"])


def _draw_mask(bits: np.random.BitGenerator, mask: Array, share: float) -> None:
    """Fill a flat mask: 0 for the share that is dropped, and 1 over the share that is kept."""
    for start in range(0, len(mask), _BLOCK_NUMBERS):
        block = mask[start : start + _BLOCK_NUMBERS]
        _fill(block, bits.random_raw(-(-len(block) // _AT_ONCE)).view(np.uint16)[: len(block)], share)


def _draw_some(bits: Any, mask: Array, share: float, first: int, batch_size: int) -> None:
    """Fill the mask (T, B, H) of some streams, from number `first` on, with what a whole batch's mask has there.

    `bits` must have ``advance``, which skips numbers without drawing them.
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
