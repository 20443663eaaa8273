import itertools
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import TextError
from charrnn.text.streams import Chunk, Cursor, Streams, fit

sizes = st.tuples(st.integers(2, 90), st.integers(1, 20), st.integers(1, 30))


def numbered(num_characters: int, batch_size: int, seq_length: int) -> Streams:
    """Streams over a text in which each character is its own position."""
    return Streams(np.arange(num_characters), batch_size, seq_length)


def epoch_of(streams: Streams, epoch: int = 0) -> list[Chunk]:
    cursor, chunks = Cursor(epoch, 0), []
    while cursor.epoch == epoch:
        chunks.append(streams.chunk(cursor))
        cursor = streams.advance(cursor)
    assert cursor == Cursor(epoch + 1, 0)
    return chunks


def trained(chunks: list[Chunk]) -> Counter[tuple[int, int]]:
    return Counter(
        pair for c in chunks for pair in zip(c.inputs.ravel().tolist(), c.targets.ravel().tolist(), strict=True)
    )


@given(sizes, st.integers(0, 1))
def test_an_epoch_trains_every_transition_in_whole_chunks_each_where_the_last_ended(
    size: tuple[int, int, int], epoch: int
) -> None:
    num_characters, batch_size, seq_length = size
    streams = numbered(*size)
    chunks = epoch_of(streams, epoch)
    pairs = trained(chunks)
    assert set(pairs) == {(t, t + 1) for t in range(num_characters - 1)}
    assert pairs.total() - (num_characters - 1) < batch_size  # streams overlap by less than one transition each
    for before, after in pairwise(chunks):
        np.testing.assert_array_equal(after.inputs[0], before.targets[-1])
    assert len(chunks) == streams.chunks_per_epoch
    assert [c.is_first for c in chunks] == [True] + [False] * (len(chunks) - 1)
    assert all(c.inputs.shape == c.targets.shape == (seq_length, batch_size) for c in chunks[:-1])
    assert 1 <= len(chunks[-1].inputs) <= seq_length
    assert sum(len(c.inputs) for c in chunks) == streams.length


@given(sizes, st.lists(st.integers(1, 40), min_size=1))
def test_chunks_of_any_lengths_train_every_transition_in_order(size: tuple[int, int, int], lengths: list[int]) -> None:
    streams, cursor, chunks = numbered(*size), Cursor(0, 0), []
    for length in itertools.cycle(lengths):
        chunks.append(streams.chunk(cursor, length))
        cursor = streams.advance(cursor, length)
        if cursor.epoch:
            break
    assert cursor == Cursor(1, 0)
    whole = np.concatenate([chunk.inputs for chunk in chunks])
    np.testing.assert_array_equal(whole, np.concatenate([chunk.inputs for chunk in epoch_of(streams)]))


@given(sizes, st.integers(0, 3))
def test_a_chunk_depends_on_nothing_but_its_cursor(size: tuple[int, int, int], epoch: int) -> None:
    chunks, fresh = epoch_of(numbered(*size), epoch), numbered(*size)
    cursors = [Cursor(epoch, k * size[2]) for k in range(len(chunks))]
    for cursor, expected in reversed(list(zip(cursors, chunks, strict=True))):
        again = fresh.chunk(cursor)
        np.testing.assert_array_equal(again.inputs, expected.inputs)
        np.testing.assert_array_equal(again.targets, expected.targets)
        assert again.is_first == expected.is_first


@given(sizes, st.integers(1, 5))
def test_those_who_share_the_streams_read_their_own_stretch_of_the_text(size: tuple[int, int, int], ranks: int) -> None:
    whole, cursor = numbered(*size), Cursor(0, 0)
    ranks = min(ranks, size[1])
    shares = [range(k * size[1] // ranks, (k + 1) * size[1] // ranks) for k in range(ranks)]
    stretches = [whole.cut(own) for own in shares]
    # Neighbours have at most a stream's overlap and the character between them in common.
    assert sum(len(ids) for (ids,), _ in stretches) <= size[0] + (ranks - 1) * (whole.length + 1)
    parts = [make(*arrays) for arrays, make in stretches]
    while not cursor.epoch:
        chunk, mine = whole.chunk(cursor), whole.chunk(cursor, own=shares[0])
        read = [part.chunk(chunk.cursor, chunk.length, own) for part, own in zip(parts, shares, strict=True)]
        np.testing.assert_array_equal(np.hstack([own.inputs for own in read]), chunk.inputs)
        np.testing.assert_array_equal(np.hstack([own.targets for own in read]), chunk.targets)
        np.testing.assert_array_equal(mine.inputs, read[0].inputs)
        assert all(own[2:] == chunk[2:] for own in (*read, mine))
        cursor = whole.advance(cursor)


def test_changing_a_chunk_does_not_change_the_text() -> None:
    streams = numbered(20, 2, 5)
    streams.chunk(Cursor(0, 0)).inputs[:] = 99
    assert streams.ids.tolist() == list(range(20))


def test_a_worked_example() -> None:
    # 11 characters, 10 transitions, 3 streams of ceil(10 / 3) = 4, starting at 0, 3 and 10 - 4 = 6
    first, last = epoch_of(numbered(11, 3, 3))
    assert first.inputs.tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert first.targets.tolist() == [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
    assert last.inputs.tolist() == [[3, 6, 9]]
    assert last.targets.tolist() == [[4, 7, 10]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int64])
def test_a_memory_map_of_any_integer_type_gives_plain_intp(tmp_path: Path, dtype: type) -> None:
    np.arange(50, dtype=dtype).tofile(tmp_path / "ids")
    mapped = np.memmap(tmp_path / "ids", dtype=dtype, mode="r")
    chunk = Streams(mapped, 3, 7).chunk(Cursor(0, 7))
    np.testing.assert_array_equal(chunk.inputs, numbered(50, 3, 7).chunk(Cursor(0, 7)).inputs)
    assert type(chunk.inputs) is np.ndarray
    assert chunk.inputs.dtype == chunk.targets.dtype == np.intp


@pytest.mark.parametrize("position", [-1, 10])
def test_a_cursor_outside_the_streams_is_refused(position: int) -> None:
    with pytest.raises(IndexError, match="position"):
        numbered(11, 1, 3).chunk(Cursor(0, position))


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 0, 1), (2, 1, 0)])
def test_streams_of_nothing_are_refused(size: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        numbered(*size)


@given(sizes)
def test_what_fits_only_shrinks_and_no_further_than_it_must(size: tuple[int, int, int]) -> None:
    num_characters, batch_size, seq_length = size
    streams, steps, notes = fit(*size)
    assert 1 <= streams <= batch_size
    assert 1 <= steps <= seq_length
    assert streams * steps <= num_characters - 1
    assert streams == batch_size or (streams + 1) * seq_length > num_characters - 1
    assert steps == seq_length or (streams, steps) == (1, num_characters - 1)
    assert len(notes) == (streams < batch_size) + (steps < seq_length)
    assert fit(num_characters, streams, steps) == (streams, steps, ())


def test_the_notes_on_a_short_text_are_sentences() -> None:
    assert fit(1_001, 50, 50) == (
        20,
        50,
        ("batch size 20 instead of 50: the text has only 1,001 characters",),
    )
    assert fit(27, 1, 50) == (1, 26, ("sequence length 26 instead of 50: the text has only 27 characters",))


@pytest.mark.parametrize("num_characters", [0, 1])
def test_a_text_without_a_transition_cannot_be_trained(num_characters: int) -> None:
    with pytest.raises(TextError, match="at least two characters"):
        fit(num_characters, 1, 1)
