"""Sets of characters by name or one by one."""

import pytest

from charrnn.errors import ConfigError
from charrnn.sampling.filters import CLASSES, banned_ids
from charrnn.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_text("aZé7 \t\n.,+漢")


def left(allow: tuple[str, ...] = (), ban: tuple[str, ...] = ()) -> set[str]:
    banned = banned_ids(VOCABULARY, allow, ban)
    return {c for number, c in enumerate(VOCABULARY.characters) if number not in banned}


def test_a_class_has_its_characters() -> None:
    wanted = {
        "letters": "aZé漢",
        "upper": "Z",
        "lower": "aé",
        "digits": "7",
        "space": " \t",
        "newline": "\n",
        "punctuation": ".,+",
        "ascii": "aZ7 \t\n.,+",
    }
    assert {name: left(allow=(name,)) for name in CLASSES} == {name: set(c) for name, c in wanted.items()}
    for name, characters in wanted.items():
        assert left(ban=(name,)) == set(VOCABULARY.characters) - set(characters)


def test_sets_add_up_and_what_is_banned_is_out_though_allowed() -> None:
    assert left(allow=("letters,digits",)) == set("aZé漢7")
    assert left(allow=("letters", "7 x")) == set("aZé漢7 ")
    assert left(allow=("letters",), ban=("upper", "é")) == set("a漢")
    assert left(ban=(",",)) == set(VOCABULARY.characters) - {","}
    assert left() == set(VOCABULARY.characters)


@pytest.mark.parametrize(
    ("allow", "ban", "words"),
    [
        (("digts",), (), "allow digts: unknown class 'digts' \\(did you mean digits\\?\\)"),
        ((), ("Letters",), "ban Letters: unknown class 'Letters' \\(did you mean letters"),
        (("letters,digit",), (), "did you mean digits"),
        (("letters,xyz",), (), "unknown class 'xyz'. The classes are letters"),
        (("",), (), "allow is empty"),
        (("x",), (), "no character is left"),
        (("digits",), ("ascii",), "no character is left"),
    ],
)
def test_a_set_that_means_something_else_or_leaves_nothing_is_refused(
    allow: tuple[str, ...], ban: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        banned_ids(VOCABULARY, allow, ban)
