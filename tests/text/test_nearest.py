"""What a model never saw becomes what comes nearest to it, and nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.text.vocabulary import Vocabulary, leave_out, nearest

ENGLISH = Vocabulary.from_text("abcdefghijklmnopqrstuvwxyzEST '\"-.,\n")


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("“the sea”, ‘it’s’", "\"the sea\", 'it's'"),
        ("wait — or – not", "wait - or - not"),
        ("and then…", "and then..."),
        ("HELLO SEA", "hEllo SEa"),  # the capitals it knows stay
        ("café naïve Émile", "cafe naive Emile"),
        ("cafe\u0301", "cafe"),  # the accent as a code point of its own
        ("ﬁve ﬂags", "five flags"),
        ("ｆｕｌｌ", "full"),
        ("no\u00a0break", "no break"),
        ("Straße, Ægir, øre", "Strasse, aegir, ore"),
        ("Ⅷ", "viii"),
        ("a§b漢c", "abc"),
    ],
)
def test_each_character_becomes_the_nearest_one_known(text: str, fitted: str) -> None:
    assert nearest(text, ENGLISH).text == fitted


def test_the_other_way_round_it_holds_too() -> None:
    typographic = Vocabulary.from_text("é“”’— ab")
    assert nearest("e\u0301 \"a\" 'b' - B", typographic).text == "é ”a” ’b’ — b"


def test_composed_and_taken_apart_are_one_character() -> None:
    assert nearest("é", Vocabulary.from_text("e\u0301")).text == "e\u0301"
    assert nearest("e\u0301", Vocabulary.from_text("eé")).text == "é"


def test_an_accent_without_a_letter_is_left_out() -> None:
    assert nearest("\u0301a", ENGLISH).text == "a"


def test_what_was_replaced_is_told_once_and_in_order() -> None:
    fitted = nearest("“é” § é", Vocabulary.from_text('e" '))
    assert list(fitted.replaced.items()) == [("“", '"'), ("é", "e"), ("”", '"'), ("§", "")]


def test_leaving_out_leaves_out_and_tells() -> None:
    fitted = leave_out("“é” e", Vocabulary.from_text("e "))
    assert (fitted.text, fitted.replaced) == (" e", {"“": "", "é": "", "”": ""})


@given(st.text(), st.text("aé\"' \n-", min_size=1))
def test_only_known_characters_come_out_and_a_known_text_as_it_is(text: str, known: str) -> None:
    vocabulary = Vocabulary.from_text(known)
    for fit in (nearest, leave_out):
        fitted = fit(text, vocabulary)
        assert not vocabulary.unknown(fitted.text)
        assert fit(known, vocabulary).text == known
        assert (fitted.text == text) == (not fitted.replaced)
        assert fit(fitted.text, vocabulary).text == fitted.text
