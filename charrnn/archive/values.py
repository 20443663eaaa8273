"""Plain values out of a file that nobody vouches for: each is of the type it should be, or an error says so."""

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

T = TypeVar("T")
_WORDS: Mapping[type, str] = MappingProxyType(
    {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a fraction", bool: "a yes or no"}
)
MOST_COUNTED = 1 << 62  # nanoseconds since 1970, which the cache keeps, have 61 bits
_MOST_DIGITS = 1000  # a random seed of 128 bits has 39


def parse(text: bytes) -> Any:
    """Read JSON in which no name stands twice and every number is finite.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_int=_whole, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("meta is nested too deeply") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError("meta is no JSON") from error


def _in_words(kind: type) -> str:
    return _WORDS.get(kind, "nothing")


def typed(value: object, kind: type[T]) -> T:
    """Return a value that is exactly of this type: no bool for an int."""
    if type(value) is not kind or not isinstance(value, kind):
        raise TypeError(f"meta has {_in_words(type(value))} where {_in_words(kind)} belongs")
    return value


def count(value: object, most: int = MOST_COUNTED) -> int:
    """Return a whole number of 0 or more."""
    number = typed(value, int)
    if number < 0:
        raise ValueError("meta has a negative count")
    if number > most:
        raise ValueError(f"meta has a count above {most:,}")
    return number


def number(value: object) -> float:
    """Return a finite number."""
    number = typed(value, float)
    if not math.isfinite(number):
        raise ValueError("meta has a number that is not finite")
    return number


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} in meta")


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits in meta")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice in meta")
    return values
