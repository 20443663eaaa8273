"""A text ends at the first bound it reaches, and no character of it is ever taken back."""

from hypothesis import given
from hypothesis import strategies as st

from charrnn.sampling.writing import Bounds, Ending, Reason

texts = st.text("ab\n", max_size=40)
bounds = st.builds(
    Bounds,
    length=st.none() | st.integers(0, 12),
    lines=st.integers(0, 3),
    stops=st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3).map(tuple),
    separator=st.sampled_from(["", "\n", "ab", "\n\n"]),
)


def watched(text: str, bounds: Bounds, before: str = "") -> tuple[list[str], Ending]:
    """What each character settles."""
    ending = Ending(bounds, before)
    return [ending.take(c) for c in text], ending


def slow_ending(text: str, bounds: Bounds) -> tuple[str, Reason | None]:
    """Where a text ends, by looking at each of its beginnings from the start."""
    for n in range(len(text) + 1):
        beginning = text[:n]
        ends = [*bounds.stops, *[bounds.separator] * bool(bounds.separator)]
        stops = sorted((stop for stop in ends if n and beginning.endswith(stop)), key=len)
        if stops:
            reason = Reason.ITEM if stops[-1] == bounds.separator else Reason.STOP
            return beginning[: n - len(stops[-1])], reason
        if n and bounds.lines and beginning.count("\n") == bounds.lines:
            return beginning, Reason.LINES
        if n == bounds.length:
            return beginning, Reason.LENGTH
    return text, None


@given(texts, bounds)
def test_a_text_ends_where_the_slow_search_says(text: str, bounds: Bounds) -> None:
    pieces, ending = watched(text, bounds)
    wanted, reason = slow_ending(text, bounds)
    assert ending.reason == reason
    settled = "".join(pieces)
    if reason:
        assert settled == wanted
    else:  # what is held back may begin a stop text, and is no longer than needed
        held = wanted.removeprefix(settled)
        assert wanted.startswith(settled)
        assert not held or any(stop.startswith(held) and stop != held for stop in (*bounds.stops, bounds.separator))


@given(texts, bounds)
def test_what_is_settled_is_never_taken_back(text: str, bounds: Bounds) -> None:
    final, _ = slow_ending(text, bounds)
    settled = ""
    for piece in watched(text, bounds)[0]:
        settled += piece
        assert final.startswith(settled)


@given(st.text("ab\n", max_size=5), texts, st.sampled_from(["\n", "ab", "\n\n", "aba", "aab"]))
def test_an_item_that_goes_on_from_a_seed_ends_where_it_would_without(seed: str, text: str, separator: str) -> None:
    """The seed and what follows are one item: it ends at the first separator, which may begin in the seed."""
    if separator in seed:
        return
    pieces, ending = watched(text, Bounds(separator=separator), seed)
    item, *rest = (seed + text).split(separator)
    assert (ending.reason is Reason.ITEM) == bool(rest)
    if rest:
        assert seed + "".join(pieces) == item + separator[: ending.overlap]
    else:
        assert (seed + text).startswith(seed + "".join(pieces))


@given(texts)
def test_without_stop_texts_each_character_is_settled_at_once(text: str) -> None:
    assert watched(text, Bounds())[0] == list(text)


def test_no_length_is_an_ended_text() -> None:
    assert Ending(Bounds(length=0)).reason is Reason.LENGTH
    assert Ending(Bounds(length=0)).take("a") == ""
