"""Every item is read once an epoch, whole, side by side with others and apart from them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import TextError
from charrnn.text.items import Documents, Items, find_items, fit_items
from charrnn.text.streams import NO_TARGET, Chunk, Cursor

BORDER = 0
lengths = st.lists(st.integers(1, 12), min_size=1, max_size=25)
sizes = st.tuples(lengths, st.integers(1, 7), st.integers(1, 9))


def items_of(lengths: list[int]) -> Items:
    """Items in which each character is a number of its own, from 1."""
    numbers = itertools.count(1)
    text = [symbol for length in lengths for symbol in [*itertools.islice(numbers, length), BORDER]]
    items, _ = find_items(np.array(text), np.array([BORDER]))
    return items


def documents(lengths: list[int], batch_size: int, seq_length: int) -> Documents:
    return Documents(items_of(lengths), batch_size, seq_length, lambda epoch: np.random.default_rng([7, epoch]))


def epoch_of(batches: Documents, epoch: int = 0, lengths: tuple[int | None, ...] = (None,)) -> list[Chunk]:
    cursor, chunks, asked = Cursor(epoch, 0), [], itertools.cycle(lengths)
    while cursor.epoch == epoch:
        length = next(asked)
        chunks.append(batches.chunk(cursor, length))
        cursor = batches.advance(cursor, length)
    assert cursor == Cursor(epoch + 1, 0)
    return chunks


def read(chunks: list[Chunk]) -> list[list[int]]:
    """What each column guessed from one zero state to the next, in order."""
    items: list[list[int]] = []
    for chunk in chunks:
        B = chunk.inputs.shape[1]
        if chunk.is_first:
            items += [[] for _ in range(B)]
        for item, inputs, targets in zip(items[-B:], chunk.inputs.T, chunk.targets.T, strict=True):
            for symbol, guessed in zip(inputs.tolist(), targets.tolist(), strict=True):
                if guessed != NO_TARGET:
                    assert symbol == (item[-1] if item else BORDER)
                    item.append(guessed)
    return [item for item in items if item]


def whole(lengths: list[int]) -> list[list[int]]:
    starts = np.cumsum([1, *lengths[:-1]])
    return [[*range(start, start + length), BORDER] for start, length in zip(starts, lengths, strict=True)]


@given(sizes, st.integers(0, 2))
def test_every_item_is_read_once_an_epoch_in_chunks_that_say_what_counts(
    size: tuple[list[int], int, int], epoch: int
) -> None:
    lengths, _, seq_length = size
    batches = documents(*size)
    chunks = epoch_of(batches, epoch)
    assert sorted(read(chunks)) == sorted(whole(lengths))
    assert sum(chunk.characters for chunk in chunks) == batches.length
    assert epoch or len(chunks) == batches.chunks_per_epoch == batches.chunks_in(1.0)
    for before, chunk in zip([chunks[0], *chunks[:-1]], chunks, strict=True):
        steps, counted = len(chunk.inputs), chunk.targets != NO_TARGET
        assert steps <= seq_length
        assert chunk.is_first or abs(steps - len(before.inputs)) <= 1  # a batch is cut evenly
        assert chunk.characters == counted.sum() > 0
        assert chunk.share == counted.any(axis=0).mean()
        assert chunk.inputs.min() >= 0
        assert chunk.inputs.shape == chunk.targets.shape


@given(sizes, st.lists(st.integers(1, 15), min_size=1))
def test_chunks_of_any_lengths_read_every_item(size: tuple[list[int], int, int], asked: list[int]) -> None:
    assert sorted(read(epoch_of(documents(*size), 1, tuple(asked)))) == sorted(whole(size[0]))


@given(sizes, st.integers(0, 2))
def test_a_chunk_depends_on_nothing_but_its_cursor(size: tuple[list[int], int, int], epoch: int) -> None:
    batches, cursor, cursors, chunks = documents(*size), Cursor(epoch, 0), [], []
    while cursor.epoch == epoch:
        cursors.append(cursor)
        chunks.append(batches.chunk(cursor))
        cursor = batches.advance(cursor)
    for cursor, expected in reversed(list(zip(cursors, chunks, strict=True))):
        again = documents(*size).chunk(cursor)
        np.testing.assert_array_equal(again.inputs, expected.inputs)
        np.testing.assert_array_equal(again.targets, expected.targets)
        assert again[2:] == expected[2:]


@given(sizes, st.integers(1, 4), st.integers(0, 1))
def test_those_who_share_the_streams_read_their_own(size: tuple[list[int], int, int], ranks: int, epoch: int) -> None:
    whole, cursor = documents(*size), Cursor(epoch, 0)
    ranks = min(ranks, size[1])
    shares = [range(k * size[1] // ranks, (k + 1) * size[1] // ranks) for k in range(ranks)]
    parts = [make(*arrays) for arrays, make in map(whole.cut, shares)]
    while cursor.epoch == epoch:
        chunk = whole.chunk(cursor)
        read = [part.chunk(chunk.cursor, chunk.length, own) for part, own in zip(parts, shares, strict=True)]
        np.testing.assert_array_equal(np.hstack([own.inputs for own in read]), chunk.inputs)
        np.testing.assert_array_equal(np.hstack([own.targets for own in read]), chunk.targets)
        assert all(own[2:] == chunk[2:] for own in read)
        cursor = whole.advance(cursor)


def test_every_epoch_has_an_order_and_company_of_its_own() -> None:
    batches = documents([4, 5] * 300, 6, 9)
    first, second = ([chunk.targets.tolist() for chunk in epoch_of(batches, epoch)] for epoch in (0, 1))
    assert first != second
    assert [chunk.targets.tolist() for chunk in epoch_of(batches, 0)] == first
    batches_of = [{frozenset(column[0] for column in zip(*chunk, strict=True)) for chunk in e} for e in (first, second)]
    assert len(batches_of[0] & batches_of[1]) < 5


def test_items_of_similar_lengths_come_together() -> None:
    lengths = np.random.default_rng(0).integers(1, 40, 2000).tolist()
    padded = sum(chunk.targets.size for chunk in epoch_of(documents(lengths, 16, 50)))
    assert padded < 1.1 * sum(length + 1 for length in lengths)
    starts = [chunk.targets[0, 0] for chunk in epoch_of(documents(lengths, 16, 50))]
    assert abs(np.corrcoef(np.arange(len(starts)), starts)[0, 1]) < 0.3  # no order is left of the text's


def test_what_fills_no_batch_comes_last_and_is_any_items() -> None:
    last = set()
    for epoch in range(20):
        chunk = epoch_of(documents([3] * 11, 4, 9), epoch)[-1]
        assert chunk.share == 0.75
        last |= set(chunk.targets[0].tolist())
    assert len(last - {NO_TARGET}) > 6


@pytest.mark.parametrize("position", [-1, 9])
def test_a_cursor_outside_the_epoch_is_refused(position: int) -> None:
    with pytest.raises(IndexError, match="position"):
        documents([3, 4], 1, 3).chunk(Cursor(0, position))


@pytest.mark.parametrize(("count", "batch_size", "seq_length"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_documents_of_nothing_are_refused(count: int, batch_size: int, seq_length: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        Documents(items_of([2]).choose(slice(count)), batch_size, seq_length, np.random.default_rng)


def test_the_batch_shrinks_to_the_items_there_are() -> None:
    items = items_of([3, 4])
    assert fit_items(items, 2) == (2, ())
    assert fit_items(items, 5) == (2, ("batch size 2 instead of 5: there are too few items",))
    with pytest.raises(TextError, match="no items"):
        fit_items(items.choose(slice(0)), 5)
