"""What is called copied stands in the training text, nothing longer does, and nothing copied is called new."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.scoring import copying
from charrnn.scoring.copying import GRAM_LENGTH, find_copying
from tests import reference

BLOCKS = st.sampled_from([1, 3, 10, copying.BLOCK_LENGTH])  # in which the training text is compared
TEXTS = st.lists(st.integers(0, 2), max_size=40)


@given(TEXTS, TEXTS, st.integers(0, 30), st.integers(0, 20), BLOCKS)
def test_copying_equals_the_reference(
    sample: list[int], training: list[int], start: int, length: int, block: int
) -> None:
    sample = [*sample, *training[start : start + length]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "BLOCK_LENGTH", block)
        found = find_copying(np.array(sample, dtype=np.uint8), np.array(training, dtype=np.uint8))
    assert (found.run_start, found.run_length) == reference.longest_shared_run(sample, training)
    grams = [sample[i : i + GRAM_LENGTH] for i in range(len(sample) - GRAM_LENGTH + 1)]
    if grams:
        assert found.novel_share == 1 - sum(reference.has_run(training, gram) for gram in grams) / len(grams)
    else:
        assert found.novel_share is None


def test_a_copy_of_the_text_is_one_run_without_anything_new() -> None:
    text = np.random.default_rng(0).integers(0, 20_000, 3000).astype(np.uint16)
    found = find_copying(text[500:2500], text)
    assert (found.run_start, found.run_length, found.novel_share) == (0, 2000, 0)
