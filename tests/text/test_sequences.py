"""One long sequence into rows of fixed length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn
from charrnn.text.vocabulary import Vocabulary, tokenize


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 9))
def test_each_row_is_where_the_stride_says_and_none_is_missing(N: int, T: int, stride: int) -> None:
    ids = np.arange(N)
    rows = tokenize(ids, T, stride=stride)
    wanted = [ids[start : start + T] for start in range(0, N, stride) if start + T <= N]
    assert rows.shape == (len(wanted), T)
    assert all((row == part).all() for row, part in zip(rows, wanted, strict=True))


def test_rows_are_a_copy_and_do_not_overlap_by_default() -> None:
    ids = np.arange(6)
    rows = tokenize(ids, 3)
    rows[0, 0] = 9
    assert ids[0] == 0
    assert rows[1].tolist() == [3, 4, 5]


def test_a_text_of_five_alphabets_is_five_rows_of_26() -> None:
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = Vocabulary.from_text(alphabet)
    rows = vocabulary.tokenize(5 * alphabet, 26)
    assert rows.shape == (5, 26)
    assert [vocabulary.decode(row) for row in rows] == [alphabet] * 5


def test_what_cannot_be_cut_is_refused() -> None:
    for ids, T, stride in (([[1, 2]], 1, None), ([1, 2], 0, None), ([1, 2], 1, 0)):
        with pytest.raises(ValueError, match="tokenize cuts one sequence"):
            tokenize(ids, T, stride=stride)


def test_stand_ins_for_integers_are_as_many_and_go_there_and_back() -> None:
    vocabulary = Vocabulary.of_integers(300)
    ids = np.arange(300)
    np.testing.assert_array_equal(vocabulary.encode(vocabulary.decode(ids)), ids)
    assert "\n" not in vocabulary.characters
    assert len(Vocabulary.of_integers(131_072)) == 131_072
    for V in (0, 131_073):
        with pytest.raises(ValueError, match="131,072"):
            Vocabulary.of_integers(V)


def test_one_hot_vectors_have_a_one_where_the_id_is() -> None:
    ids = np.random.default_rng(0).integers(0, 7, (2, 3))
    vectors = charrnn.one_hot(ids, 7)
    assert vectors.shape == (2, 3, 7)
    np.testing.assert_array_equal(vectors.argmax(axis=-1), ids)
    assert vectors.sum() == 6
    for wrong, error in (([7], IndexError), ([-1], IndexError), ([0.5], TypeError)):
        with pytest.raises(error):
            charrnn.one_hot(wrong, 7)
