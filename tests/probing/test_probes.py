"""Each probe on a text where its answer can be seen, and correlation by its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.probing import PROBES, correlations

# A row of marks below each text: the probe's value at each character.
ROWS = [
    ("inside quotes", 'say "hi" so', "00001110000"),
    ("inside quotes", "a “b” «c» d", "00110011000"),
    ("inside quotes", "„b“ c", "11000"),
    ("inside quotes", '"a\nb\n\nc"d', "111110011"),
    ("position in line", "ab\ncde\n\nf", "120123001"),
    ("after a capital", "An I, Éa", "10010010"),
    ("inside a word", "An é, 4x", "11010001"),
    ("near a newline", "a long line here\nend", "00000000111111110000"),
    ("near a newline", "ab\n\nc", "11100"),
    ("near a newline", "no line ends", "000000000000"),
]


@pytest.mark.parametrize(("name", "text", "marks"), ROWS)
def test_a_probe_says_what_can_be_seen(name: str, text: str, marks: str) -> None:
    assert "".join(str(int(value)) for value in PROBES[name](text)) == marks


@given(st.text(alphabet='aB "\n“”', min_size=1))
def test_a_probe_looks_at_the_text_so_far_but_for_the_one_that_looks_ahead(text: str) -> None:
    for name, probe in PROBES.items():
        values = probe(text)
        assert values.shape == (len(text),)
        for length in range(1, len(text)):
            if name != "near a newline":
                np.testing.assert_array_equal(probe(text[:length]), values[:length])


def test_correlation_is_pearson_s_and_0_where_nothing_changes() -> None:
    rng = np.random.default_rng(0)
    activations, probe = rng.integers(-127, 128, (4, 50)).astype(np.int8), rng.normal(size=50)
    activations[2] = 9
    found = correlations(activations, probe)
    for unit in (0, 1, 3):
        assert found[unit] == pytest.approx(np.corrcoef(activations[unit], probe)[0, 1], rel=1e-12)
    assert found[2] == 0
    assert (correlations(activations, np.full(50, 0.1)) == 0).all()


def test_a_unit_that_is_the_probe_follows_it_wholly() -> None:
    probe = PROBES["inside quotes"]('he said "yes" and "no"')
    both = np.stack([100 * probe - 50, -7 * probe]).astype(np.int8)
    assert correlations(both, probe) == pytest.approx([1, -1])


def test_correlations_in_blocks_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    activations, probe = rng.integers(-127, 128, (7, 30)).astype(np.int8), rng.normal(size=30)
    whole = correlations(activations, probe)
    monkeypatch.setattr("charrnn.probing._BLOCK_NUMBERS", 60)
    np.testing.assert_allclose(correlations(activations, probe), whole, rtol=1e-12)
