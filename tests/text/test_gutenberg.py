"""The licence of Project Gutenberg is found in all its forms, is not held out, and can be left out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import charrnn as library
from charrnn.cache import load_corpus
from charrnn.text import sources
from charrnn.text.corpus import Corpus, Decoding, read_corpus
from tests.conftest import TINY, Charrnn

BOOK = "The lamp went round.\n\nThe clerk counted ships.\n" * 40
LICENCE = "Section 1. You may copy it, give it away or use it again under these terms.\n" * 30
HEADER = "The Project Gutenberg EBook of The Lamp, by A. Clerk\n\nThis eBook is for the use of anyone.\n\n"
STARTS = {
    "none": "",
    "2003": HEADER + "*** START OF THIS PROJECT GUTENBERG EBOOK THE LAMP ***\n\n\n",
    "close": HEADER + "***START OF THE PROJECT GUTENBERG EBOOK THE LAMP***\n\n",
    "two lines": HEADER + "*** START OF THE PROJECT GUTENBERG EBOOK THE LAMP, AND OTHER\nTALES OF THE SEA ***\n\n",
    "produced": HEADER
    + "*** START OF THIS PROJECT GUTENBERG EBOOK THE LAMP ***\n\n\nProduced by A. Clerk\nand others\n\n\n",
    "1993": "**The Project Gutenberg Etext of The Lamp**\n\n***START**THE SMALL PRINT!**START***\n"
    f"{LICENCE}*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n",
    "2002": f"{LICENCE}*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02*END*\n\nE-text prepared by A. Clerk\n\n",
    "both": f"{LICENCE}*END*THE SMALL PRINT!\n{HEADER}*** START OF THE COPYRIGHTED PROJECT GUTENBERG EBOOK ***\n",
}
ENDS = {
    "none": "",
    "2003": "*** END OF THIS PROJECT GUTENBERG EBOOK THE LAMP ***\n" + LICENCE,
    "close": "***END OF THE PROJECT GUTENBERG EBOOK THE LAMP***\n" + LICENCE,
    "two": "End of the Project Gutenberg EBook of The Lamp\n\n*** END OF THIS PROJECT GUTENBERG EBOOK ***\n" + LICENCE,
    "1995": "End of Project Gutenberg's Etext of The Lamp, by A. Clerk\n\n",
    "German": "Ende dieses Projekt Gutenberg Etextes The Lamp\n\n",
    "French": "Fin du Project Gutenberg EBook of The Lamp\n\n" + LICENCE,
}


def read(text: str, *, strip: bool = False, separator: str = "") -> Corpus:
    Path("lamp.txt").write_text(text)
    return read_corpus(["lamp.txt"], strip_gutenberg=strip, separator=separator)


def decoded(corpus: Corpus) -> str:
    return corpus.vocabulary.decode(corpus.ids)


def note(characters: int, total: int) -> str:
    return f"{characters:,} of {total:,} characters are the Project Gutenberg licence"


@pytest.mark.parametrize("block", [7, 1 << 20])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_the_licence_is_found_in_its_historic_forms(
    monkeypatch: pytest.MonkeyPatch, start: str, end: str, block: int
) -> None:
    monkeypatch.setattr(sources, "BLOCK_SIZE", block)
    text = start + BOOK + end
    corpus = read(text)
    assert decoded(corpus) == text
    places = [(0, len(start)), (len(text) - len(end), len(text))]
    assert corpus.licences == tuple((begin, stop) for begin, stop in places if begin < stop)
    assert corpus.notes == ((note(len(start + end), len(text)),) if start or end else ())
    assert decoded(read(text, strip=True)) == BOOK


def test_several_books_in_a_file_and_in_a_folder_are_each_found() -> None:
    book = STARTS["2003"] + BOOK + ENDS["2003"]
    assert decoded(read(book * 3, strip=True)) == BOOK * 3
    corpus = read(book * 3)
    assert "".join(decoded(corpus)[begin:end] for begin, end in corpus.licences) == (STARTS["2003"] + ENDS["2003"]) * 3
    Path("books").mkdir()
    for name in "ab":
        Path("books", name).write_text(book)
    assert decoded(read_corpus(["books"], strip_gutenberg=True)) == BOOK * 2
    begin, end = read_corpus(["books"]).licences[-1]
    assert (begin, end) == (2 * len(book) - len(ENDS["2003"]), 2 * len(book))


@pytest.mark.parametrize(
    "text",
    [
        BOOK + "She read of the Project Gutenberg, and of *** END OF THIS PROJECT GUTENBERG EBOOK.\n" + BOOK,
        BOOK * 50 + STARTS["2003"] + BOOK,  # no header is so long
        "Endless is the Gutenberg Bible.\n" + BOOK,
    ],
)
def test_a_book_that_only_mentions_it_is_a_book(text: str) -> None:
    assert read(text).licences == ()
    assert decoded(read(text, strip=True)) == text
    assert read(text, strip=True).notes == (
        f"0 of {len(text):,} characters were left out: the Project Gutenberg licence",
    )


def test_items_are_read_without_it_too() -> None:
    corpus = read(STARTS["2003"] + "one\ntwo\n" + ENDS["2003"], strip=True, separator="\n")
    assert decoded(corpus) == "one\ntwo\n"


def parts(text: str, places: Sequence[tuple[int, int]], fraction: float) -> tuple[str, str]:
    ids = library.Vocabulary.from_text(text).encode(text)
    from charrnn.training.data import hold_out

    training, held_out = hold_out(ids, fraction, places)
    vocabulary = library.Vocabulary.from_text(text)
    return vocabulary.decode(training), vocabulary.decode(held_out)


@pytest.mark.parametrize("in_memory", [3, 1 << 20])
@pytest.mark.parametrize(
    ("places", "fraction", "training", "held_out"),
    [
        ([], 0.3, "abcdefg", "hij"),
        ([(0, 2)], 0.3, "abcdefg", "hij"),
        ([(8, 10)], 0.3, "abcdeij", "fgh"),
        ([(0, 2), (8, 10)], 0.3, "abcdeij", "fgh"),
        ([(0, 1), (4, 6), (9, 10)], 0.5, "abefj", "cdghi"),
        ([(0, 1), (9, 10)], 0.8, "aj", "bcdefghi"),
        ([(0, 1), (9, 10)], 0.9, "a", "bcdefghij"),  # the book is too short
        ([(5, 10)], 0.0, "abcdefghij", ""),
    ],
)
def test_held_out_is_the_end_of_the_book(
    monkeypatch: pytest.MonkeyPatch,
    places: list[tuple[int, int]],
    fraction: float,
    training: str,
    held_out: str,
    in_memory: int,
) -> None:
    monkeypatch.setattr("charrnn.text.storage.MOST_IN_MEMORY", in_memory)
    assert parts("abcdefghij", places, fraction) == (training, held_out)


def test_a_run_says_it_and_reads_the_text_the_same_way_when_it_is_resumed(charrnn: Charrnn) -> None:
    text = STARTS["2003"] + BOOK + ENDS["2003"]
    Path("lamp.txt").write_text(text)
    size = len(STARTS["2003"] + ENDS["2003"])
    begin = ("train", "lamp.txt", *TINY, "--sample-every", "0", "--steps")
    done = charrnn(*begin, "2")
    assert note(size, len(text)) in done.err
    assert "held out is the end of the book; --strip-gutenberg leaves the licence out" in done.err
    done = charrnn(*begin, "2", "--strip-gutenberg", "--checkpoint", "stripped.npz")
    assert f"{size:,} of {len(text):,} characters were left out" in done.err
    assert library.load("stripped.npz").vocabulary.characters == "".join(sorted(set(BOOK)))
    for name, characters in (("checkpoints/lamp.npz", len(text)), ("stripped.npz", len(BOOK))):
        assert charrnn("train", "--resume", "--checkpoint", name, "--steps", "4").code == 0
        assert library.load(name).corpus.characters == characters
        scored = charrnn("score", name, "lamp.txt")
        assert f"on {characters:,} characters" in scored.out.decode()
        assert "this is the training text" in scored.err
        assert charrnn("view", name, "-o", "view.html").code == 0
    refused = charrnn("train", "--resume", "--checkpoint", "checkpoints/lamp.npz", "--strip-gutenberg")
    assert (refused.code, "--strip-gutenberg cannot change" in refused.err) == (2, True)


def test_the_recipe_of_min_char_rnn_reads_the_whole_file(charrnn: Charrnn) -> None:
    text = BOOK + ENDS["2003"]
    Path("lamp.txt").write_text(text)
    done = charrnn("train", "lamp.txt", "--recipe", "min-char-rnn", "--steps", "1", "--hidden-size", "8")
    assert f"{len(text):,} characters to train on, 0 held out" in done.err


def test_an_exact_resume_of_an_older_run_holds_out_what_it_held_out(charrnn: Charrnn) -> None:
    text = BOOK + ENDS["2003"]
    Path("lamp.txt").write_text(text)
    charrnn("train", "lamp.txt", *TINY, "--steps", "2")
    trained = library.load("checkpoints/lamp.npz")
    assert trained.corpus.licence == len(ENDS["2003"])
    older = replace(trained, corpus=replace(trained.corpus, licence=0))
    said = []
    for start in (trained, older):
        evaluator = library.resume(start, ["lamp.txt"], steps=2).evaluator
        assert evaluator
        assert isinstance(evaluator.scored, np.ndarray)
        said.append(trained.vocabulary.decode(evaluator.scored))
    assert BOOK.endswith(said[0])
    assert text.endswith(said[1])


def test_a_text_in_memory_is_read_like_a_file() -> None:
    text = STARTS["2003"] + BOOK + ENDS["2003"]
    run = library.train(text, steps=1, hidden_sizes=(8,), strip_gutenberg=True)
    assert run.checkpoint().corpus.characters == len(BOOK)
    run = library.train(text, steps=1, hidden_sizes=(8,))
    assert run.checkpoint().corpus.licence == len(STARTS["2003"] + ENDS["2003"])


def test_the_cache_keeps_both_ways_to_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.text.storage.MOST_IN_MEMORY", 10)
    Path("lamp.txt").write_text(STARTS["2003"] + BOOK + ENDS["2003"])
    for _ in range(2):
        whole, stripped = (load_corpus(["lamp.txt"], Decoding(strip_gutenberg=strip)) for strip in (False, True))
        assert (len(whole.licences), stripped.licences, decoded(stripped)) == (2, (), BOOK)
    assert any("prepared before" in said for said in whole.notes)
