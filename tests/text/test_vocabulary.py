import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import UnknownCharacterError
from charrnn.text.vocabulary import Vocabulary, list_characters

texts = st.text(min_size=1)  # all of Unicode but surrogates


@given(texts)
def test_decoding_what_was_encoded_gives_the_text_back(text: str) -> None:
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(texts)
def test_the_id_of_a_character_is_its_place_in_code_point_order(text: str) -> None:
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.characters == "".join(sorted(set(text)))
    assert len(vocabulary) == len(set(text))
    assert vocabulary.encode(text).tolist() == [vocabulary.characters.index(c) for c in text]


@given(texts, texts)
def test_the_order_of_a_text_does_not_change_its_vocabulary(one: str, other: str) -> None:
    first, second = Vocabulary.from_text(one + other), Vocabulary.from_text(other + one)
    assert first == second
    assert hash(first) == hash(second)


@given(texts, st.text(st.characters(exclude_categories=[])))
def test_unknown_characters_are_those_a_set_would_find(known: str, text: str) -> None:
    vocabulary = Vocabulary.from_text(known)
    unknown = "".join(sorted(set(text) - set(known)))
    assert vocabulary.unknown(text) == unknown
    if unknown:
        with pytest.raises(UnknownCharacterError):
            vocabulary.encode(text)
    else:
        assert len(vocabulary.encode(text)) == len(text)


def test_ids_are_one_dimension_of_intp() -> None:
    vocabulary = Vocabulary("ab\U0001f600")
    for text in ("", "b", "\U0001f600a"):
        ids = vocabulary.encode(text)
        assert ids.shape == (len(text),)
        assert ids.dtype == np.intp


def test_nul_and_joined_emoji_survive() -> None:
    text = "a\0b\U0001f468\u200d\U0001f469\u200d\U0001f467"
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert len(vocabulary.encode(text)) == 8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_ids_of_any_integer_type_decode(dtype: type) -> None:
    assert Vocabulary("abc").decode(np.array([2, 0, 1], dtype=dtype)) == "cab"


def test_nothing_decodes_to_nothing() -> None:
    assert Vocabulary("abc").decode([]) == ""


@pytest.mark.parametrize("bad", [-1, 3])
def test_an_id_outside_the_vocabulary_is_refused(bad: int) -> None:
    with pytest.raises(IndexError):
        Vocabulary("abc").decode([0, bad])


@pytest.mark.parametrize(
    ("characters", "why"),
    [
        ("", "at least one"),
        ("ba", "order"),
        ("acb", "order"),
        ("aa", "distinct"),
        ("a\ud800", "surrogate"),
        ("\udfff", "surrogate"),
    ],
)
def test_characters_that_make_no_vocabulary_are_refused(characters: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Vocabulary(characters)


def test_the_sentence_on_unknown_characters_is_safe_to_print_and_short() -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        Vocabulary("ab").encode("a\x1b\u202e\ud800é\x1bb")
    sentence = str(caught.value)
    assert "(4 in all): '\\x1b' (U+001B), 'é' (U+00E9), '\\u202e' (U+202E), '\\ud800' (U+D800);" in sentence
    assert sentence.isprintable()


def test_at_most_ten_characters_are_listed() -> None:
    assert list_characters("0123456789").count("U+") == 10
    assert not list_characters("0123456789").endswith("...")
    assert list_characters("0123456789a").count("U+") == 10
    assert list_characters("0123456789a").endswith(" ...")
    with pytest.raises(UnknownCharacterError, match=r"\(26 in all\).* \.\.\.;"):
        Vocabulary("0").encode("abcdefghijklmnopqrstuvwxyz" * 2)
