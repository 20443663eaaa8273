"""A text in the characters that a model knows: what it never saw is replaced by what comes nearest, or left out."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from charrnn.text.vocabulary import Vocabulary

# Signs that stand for each other; the first of a row that the model knows is taken.
_KIN = ("'’‘‛′ʼ`´‹›‚", '"”“‟″„«»', "-–—―‐‑‒−", "…⋯", "·•∙*")
# fmt: off
_SPELT = {
    "…": "...", "—": "--", "«": '"', "»": '"', "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe",
    "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "þ": "th", "Þ": "Th",
    "ı": "i", "\t": " ",
}
# fmt: on
_MOST_STEPS = 3


@dataclass(frozen=True)
class Fitted:
    """A text that a model can read, and what was done to make it so."""

    text: str
    replaced: dict[str, str]
    """What was replaced, in order of appearance, and by what: nothing where it was left out."""


def leave_out(text: str, vocabulary: Vocabulary) -> Fitted:
    """Leave out the characters that are not in the vocabulary."""
    return _fit(text, frozenset(vocabulary.characters), lambda _: "")


def nearest(text: str, vocabulary: Vocabulary) -> Fitted:
    """Replace what is not in the vocabulary by what comes nearest to it.

    It is what the fewest of these steps lead to, of as many the first in this order: the same character composed or
    taken apart (é as one code point or as two), its compatible form (NFKC: ligatures, full-width letters, no-break
    space), another quote or dash, the other case, the letter without its accents, and more letters for one (ß, æ). An
    accent that follows as a code point of its own goes with its letter. What has nothing near it is left out.
    """
    known = frozenset(vocabulary.characters)
    return _fit(text, known, lambda unit: _reach(unit, known))


def _fit(text: str, known: frozenset[str], near: Callable[[str], str]) -> Fitted:
    replaced: dict[str, str] = {}
    units = [text] if known.issuperset(text) else list(_units(text))
    for unit in units:
        if unit not in replaced and not known.issuperset(unit):
            replaced[unit] = near(unit)
    return Fitted("".join(replaced.get(unit, unit) for unit in units), replaced)


def _units(text: str) -> Iterator[str]:
    """Yield each character with the accents that follow it."""
    unit = ""
    for c in text:
        if unit and not unicodedata.combining(c):
            yield unit
            unit = ""
        unit += c
    if unit:
        yield unit


def _reach(unit: str, known: frozenset[str]) -> str:
    """Return the first known text on the way from an unknown one, fewest steps first; else what of it is known."""
    reached, fresh = {unit}, [unit]
    for _ in range(_MOST_STEPS):
        fresh = list(dict.fromkeys(text for old in fresh for text in _steps(old) if text not in reached))
        for text in fresh:
            if text and known.issuperset(text):
                return text
        reached.update(fresh)
    return "".join(c for c in unit if c in known)


def _steps(text: str) -> Iterable[str]:
    yield from (unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC"))
    for row in _KIN:
        if text in row:
            yield from row
    yield from (cased for cased in (text.lower(), text.upper()) if len(cased) == len(text))
    yield "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    yield "".join(_SPELT.get(c, c) for c in text)
