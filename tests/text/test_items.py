"""Items are those of `str.split` in each file, without blank ones, and each reads the same wherever it stands."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import train
from charrnn.checkpoint import Checkpoint, load
from charrnn.text import items as module
from charrnn.text.items import ItemCleaner, Items, find_items
from charrnn.text.streams import NO_TARGET
from tests.conftest import TINY, Charrnn

texts = st.text("ab\n|", max_size=40)
separators = st.sampled_from(["\n", "|", "\n\n", "||", "a|", "aba"])


def ids_of(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(text.encode("latin-1"), dtype=np.uint8)


def find(text: str, separator: str) -> tuple[Items, int]:
    return find_items(ids_of(text), ids_of(separator).astype(np.intp))


def texts_of(items: Items) -> list[str]:
    spans = zip(items.starts, items.lengths, strict=True)
    return [bytes(items.ids[start : start + length]).decode("latin-1") for start, length in spans]


@given(texts, separators)
def test_the_items_are_those_of_split_without_the_empty_ones(text: str, separator: str) -> None:
    items, empty = find(text, separator)
    parts = text.split(separator)
    assert texts_of(items) == [part for part in parts if part]
    assert empty == parts.count("") - (parts[-1] == "")  # after the last separator there is nothing
    assert items.characters == sum(len(part) + len(separator) for part in parts if part)
    assert items.longest == max(map(len, parts))


@pytest.mark.parametrize("piece_size", [1, 2, 3, 7])
@given(texts, separators)
def test_a_separator_is_found_across_the_blocks_that_are_searched(piece_size: int, text: str, separator: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE_SIZE", piece_size)
        items, _ = find(text, separator)
    assert texts_of(items) == [part for part in text.split(separator) if part]


@given(texts, separators)
def test_a_window_begins_with_the_separators_end_and_closes_with_the_whole_of_it(text: str, separator: str) -> None:
    items, _ = find(text, separator)
    if len(items):
        window = items.window(np.arange(len(items)), 0, 50)
        for column, item in zip(window.T, texts_of(items), strict=True):
            expected = [*(separator[-1] + item + separator).encode("latin-1")]
            assert column.tolist() == expected + [NO_TARGET] * (50 - len(expected))


@given(texts, separators, st.integers(0, 20), st.integers(0, 20))
def test_a_later_window_is_a_cut_of_the_whole(text: str, separator: str, start: int, length: int) -> None:
    items, _ = find(text, separator)
    numbers = np.arange(len(items))[::-1]
    np.testing.assert_array_equal(
        items.window(numbers, start, start + length), items.window(numbers, 0, 60)[start : start + length]
    )


@given(texts, separators)
def test_joined_items_stand_as_a_file_would_have_them(text: str, separator: str) -> None:
    items, _ = find(text, separator)
    joined = items.joined()
    assert bytes(joined).decode("latin-1") == "".join(part + separator for part in texts_of(items))
    assert joined.dtype == items.ids.dtype


@given(texts, separators, st.text("ab", max_size=3))
def test_an_item_is_found_among_them_and_nothing_else(text: str, separator: str, wanted: str) -> None:
    items, _ = find(text, separator)
    assert items.has(ids_of(wanted)) == (wanted in texts_of(items))
    assert all(items.has(ids_of(item)) for item in texts_of(items))


@given(st.text("ab\n| ", max_size=40), separators, st.lists(st.integers(0, 40), max_size=5))
def test_what_belongs_to_no_item_is_dropped_however_the_text_is_cut(text: str, separator: str, cuts: list[int]) -> None:
    cleaner, places = ItemCleaner(separator), [0, *sorted(cuts), len(text)]
    blocks = [cleaner.clean(text[begin:end], final=False) for begin, end in itertools.pairwise(places)]
    cleaned = "".join([*blocks, cleaner.clean("", final=True)])
    *parts, last = text.split(separator)
    parts.append(last.removesuffix("\n"))
    assert cleaned == separator.join(part if part.strip() else "" for part in parts)
    items, blank = find(cleaned, separator)
    assert texts_of(items) == [part for part in parts if part.strip()]
    assert blank == sum(not part.strip() for part in parts[:-1])


@given(st.lists(st.text("ab|", min_size=1, max_size=12), max_size=5), separators)
def test_no_item_reaches_from_one_file_into_the_next(files: list[str], separator: str) -> None:
    ends = list(itertools.accumulate(map(len, files)))
    items, _ = find_items(ids_of("".join(files)), ids_of(separator).astype(np.intp), file_ends=ends)
    assert texts_of(items) == [part for file in files for part in file.split(separator) if part]


@pytest.mark.parametrize("piece_size", [1, 3, 1 << 20])
@given(texts, separators)
def test_of_equal_items_all_but_the_first_are_repeats(piece_size: int, text: str, separator: str) -> None:
    items, _ = find(text, separator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE_SIZE", piece_size)
        is_repeat = items.repeats()
    parts = texts_of(items)
    assert is_repeat.tolist() == [part in parts[:k] for k, part in enumerate(parts)]


@given(texts, separators)
def test_joined_items_are_told_where_each_begins(text: str, separator: str) -> None:
    items, _ = find(text, separator)
    pieces = np.split(items.joined(), items.joined_starts())[1:]
    assert [bytes(piece).decode() for piece in pieces] == [part + separator for part in texts_of(items)]


def test_chosen_items_keep_their_text() -> None:
    items, _ = find("a|bb|ccc|", "|")
    assert texts_of(items.choose(np.array([2, 0]))) == ["ccc", "a"]
    assert len(items.choose(slice(0))) == 0
    assert items.choose(slice(0)).longest == 0


def trained(charrnn: Charrnn, text: str, *options: str) -> Checkpoint:
    Path("t.txt").write_text(text, newline="")
    outcome = charrnn("train", "t.txt", *options, *TINY, "--steps", "3", "--checkpoint", "run.npz", "--overwrite")
    assert outcome.code == 0, outcome.err
    return load("run.npz")


@pytest.mark.filterwarnings("ignore:.*repeat an earlier one", "ignore:left out")
@pytest.mark.parametrize(
    ("options", "plain", "more"),
    [
        (("--separator", "-="), "anna-=bob-=eve" * 20, "anna-=bob-=eve" * 20 + "\n"),
        (("--separator", "-=", "--max-vocab", "7"), "an\nna-=bob-=eve" * 20, "an\nna-=bob-=eve" * 20 + "\n"),
        (("--by-line",), "anna\n\nbob\n" * 20, "anna\n \t\nbob\n" * 20),
    ],
)
def test_what_belongs_to_no_item_is_not_learned(
    charrnn: Charrnn, options: tuple[str, ...], plain: str, more: str
) -> None:
    models = [trained(charrnn, text, *options) for text in (plain, more)]
    assert models[0].vocabulary == models[1].vocabulary
    np.testing.assert_array_equal(models[0].params.vector, models[1].params.vector)
    outcome = charrnn("train", "t.txt", "--resume", "--checkpoint", "run.npz", "--steps", "4")
    assert outcome.code == 0, outcome.err
    Path("t.txt").write_text(plain, newline="")
    outcome = charrnn("train", "t.txt", "--resume", "--checkpoint", "run.npz", "--steps", "5", "--allow-new-text")
    assert outcome.code == 0, outcome.err
    runs = [train(text, separator=models[0].separator, steps=1, val_fraction=0) for text in (plain, more)]
    assert runs[0].vocabulary == runs[1].vocabulary
