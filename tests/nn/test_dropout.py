"""What is dropped, how often, by whom; that the gradient goes through the masks is `gradcheck`'s business."""

import numpy as np
import pytest

from charrnn.nn.dropout import DropoutRates, DropoutWorkspace
from charrnn.nn.model import CharRNN

T, B, V = 40, 6, 5
MODEL = CharRNN(V, "gru", (30, 20))
SHAPES = [(30, 90), (20, 60)]


def drawn(dropout: DropoutRates, seed: int = 0, streams: range = range(B)) -> DropoutWorkspace:
    masks = DropoutWorkspace.allocate(dropout, SHAPES, streams, T, B, np.dtype(np.float64))
    masks.draw(np.random.default_rng(seed))
    return masks


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_that_is_asked_for_is_dropped_and_the_mean_stays(share: float) -> None:
    masks = drawn(DropoutRates(outputs=share, weights=share))
    for mask in masks.masks + masks.weight_masks:
        dropped, kept = np.unique(mask)
        assert dropped == 0
        assert kept == pytest.approx(1 / (1 - share), rel=1e-4)  # a share is kept to a 65,536th
        assert np.mean(mask == 0) == pytest.approx(share, abs=4 * np.sqrt(0.25 / mask.size))


def test_each_step_has_its_own_mask_unless_it_is_locked() -> None:
    free, locked = drawn(DropoutRates(outputs=0.5)), drawn(DropoutRates(outputs=0.5, locked=True))
    assert all((mask[0] != mask[1]).any() for mask in free.masks)
    seen = locked.forward(0, np.ones((1, T, B, 30)))[0]
    assert (seen == seen[0]).all()
    assert (seen[0, 0] != seen[0, 1]).any()


def test_layers_and_draws_have_masks_of_their_own() -> None:
    first, second = drawn(DropoutRates(0.5, 0.5)), drawn(DropoutRates(0.5, 0.5), seed=1)
    assert (first.masks[0][..., :20] != first.masks[1]).any()
    assert (first.masks[0] != second.masks[0]).any()
    assert (first.weight_masks[0] != second.weight_masks[0]).any()


@pytest.mark.parametrize("locked", [False, True])
def test_a_stream_has_the_same_masks_whoever_computes_it(locked: bool) -> None:
    whole = drawn(DropoutRates(0.5, 0.3, locked=locked))
    for streams in (range(2), range(2, 5), range(5, B)):
        part = drawn(DropoutRates(0.5, 0.3, locked=locked), streams=streams)
        for mask, same in zip(part.masks, whole.masks, strict=True):
            np.testing.assert_array_equal(mask, same[:, streams.start : streams.stop])
        for mask, same in zip(part.weight_masks, whole.weight_masks, strict=True):
            np.testing.assert_array_equal(mask, same)


def test_without_a_generator_nothing_is_dropped() -> None:
    masks, ones, params = drawn(DropoutRates(0.5, 0.5)), np.ones((1, T, B, 30)), {"W_hh": np.ones((30, 90))}
    masks.draw(None)
    assert masks.forward(0, ones) is ones
    assert masks.weights(0, params) is params
    masks.backward(0, ones)
    masks.weights_backward(0, params)
    assert ones.all()
    assert params["W_hh"].all()
