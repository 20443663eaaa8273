"""The map in docs/design.md is that of the code."""

from tests.design_map import PAGE, page


def test_the_map_is_that_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.design_map`"
