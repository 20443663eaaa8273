"""Sets of characters that a sample may or may not have, as a person names them."""

import difflib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from charrnn.errors import ConfigError
from charrnn.text.vocabulary import Vocabulary

CLASSES: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "letters": str.isalpha,
        "upper": str.isupper,
        "lower": str.islower,
        "digits": str.isdecimal,
        "space": lambda c: c.isspace() and c != "\n",
        "newline": lambda c: c == "\n",
        "punctuation": lambda c: unicodedata.category(c)[0] in "PS",
        "ascii": str.isascii,
    }
)
_NEAR = 0.75  # of `difflib`'s ratio: one letter off in a word of five


def banned_ids(
    vocabulary: Vocabulary, allow: Sequence[str], ban: Sequence[str], never: Sequence[int] = ()
) -> tuple[int, ...]:
    """Return the ids of the characters that may not be drawn.

    Parameters
    ----------
    vocabulary : the model's
    allow : sets of characters (see `in_set`), of which a character must be in one; none for no such condition
    ban : likewise, of which it must be in none
    never : ids that may not be drawn in any case

    Raises
    ------
    ConfigError
        If a set is empty or looks like the name of a class, or if no character is left.
    """
    allowed, out = [in_set(words, "--allow") for words in allow], [in_set(words, "--ban") for words in ban]
    banned = tuple(
        number
        for number, c in enumerate(vocabulary.characters)
        if number in never or (allowed and not any(has(c) for has in allowed)) or any(has(c) for has in out)
    )
    if len(banned) == len(vocabulary):
        raise ConfigError("--allow and --ban leave no character that the model could write")
    return banned


def in_set(words: str, option: str) -> Callable[[str], bool]:
    """Return the question whether a character is in a set: names from `CLASSES` with commas, or the characters."""
    names = words.split(",")
    if all(name in CLASSES for name in names):
        return lambda c: any(CLASSES[name](c) for name in names)
    if not words:
        raise ConfigError(f"{option} is empty: give characters, or of {', '.join(CLASSES)}")
    wrong = [name for name in names if name not in CLASSES]
    near = [guess for name in wrong for guess in difflib.get_close_matches(name.lower(), CLASSES, 1, _NEAR)]
    if near or len(wrong) < len(names):
        raise ConfigError(
            f"{option} {words}: {wrong[0]} is no class{f', did you mean {near[0]}?' if near else '.'} There are "
            f"{', '.join(CLASSES)}, with commas between; to mean the very characters, write them in another order"
        )
    return lambda c: c in words
