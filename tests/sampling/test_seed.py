"""The text to go on from: typed or from a file, and in characters that the model knows."""

from pathlib import Path

import numpy as np
import pytest

from charrnn.errors import ConfigError, TextError, UnknownCharacterError
from charrnn.sampling.writing import fit_seed, line_start, read_seed
from charrnn.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_text("\n abc'")


def test_a_file_is_read_as_it_is_but_for_its_line_ends() -> None:
    Path("seed.txt").write_bytes("\ufeffab\r\nxé\n".encode())
    assert read_seed(None, "seed.txt", VOCABULARY) == ("ab\nxé\n", ("seed.txt: 1 CRLF line end read as LF",))
    Path("latin.txt").write_bytes("é".encode("latin-1"))
    assert read_seed(None, "latin.txt", VOCABULARY, encoding="latin-1") == ("é", ())


def test_text_is_itself_and_no_text_is_empty() -> None:
    assert read_seed("xé", None, VOCABULARY) == ("xé", ())
    assert read_seed(None, None, VOCABULARY) == ("", ())


def test_two_seeds_and_a_file_that_is_missing_or_empty_are_refused() -> None:
    with pytest.raises(ConfigError, match="give one"):
        read_seed("", "seed.txt", VOCABULARY)
    Path("seed.txt").write_bytes(b"")
    with pytest.raises(TextError, match=r"seed\.txt is empty"):
        read_seed(None, "seed.txt", VOCABULARY)
    with pytest.raises(TextError, match=r"did you mean seed\.txt"):
        read_seed(None, "seeds.txt", VOCABULARY)


def test_unknown_characters_are_refused_left_out_or_replaced() -> None:
    with pytest.raises(UnknownCharacterError, match="unknown nearest"):
        fit_seed("a’é", VOCABULARY, "error")
    assert fit_seed("a’é", VOCABULARY, "skip").text == "a"
    assert fit_seed("a’Cé", VOCABULARY, "nearest").text == "a'c"
    for unknown in ("error", "skip", "nearest"):
        assert (fit := fit_seed("abc", VOCABULARY, unknown)).text == "abc"
        assert not fit.replaced


def test_no_seed_text_begins_after_a_line_end_or_anywhere() -> None:
    rng = np.random.default_rng(0)
    assert line_start(Vocabulary("\nab"), rng) == "\n"
    assert {line_start(Vocabulary("abc"), rng) for _ in range(100)} == {"a", "b", "c"}


@pytest.mark.parametrize(("text", "is_number"), [("42", True), (" -7 ", True), ("x1", False), ("xyz", False)])
def test_number_as_seed_text_is_asked_about(text: str, is_number: bool) -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        fit_seed(text, Vocabulary("abc"), "error")
    assert ("rng_seed" in str(caught.value)) == is_number
