"""What the planted bugs switch off is still there: a change to the program must not leave one behind unnoticed."""

import pytest

from tests.faults.changed import REPOSITORY
from tests.faults.planted import Bug, bugs


@pytest.mark.parametrize("bug", list(bugs()), ids=lambda bug: bug.name)
def test_a_safeguard_stands_once_where_it_is_to_be_switched_off(bug: Bug) -> None:
    source = (REPOSITORY / "charrnn" / bug.file).read_text(encoding="utf-8")
    assert source.count(bug.right) == 1
    assert all((REPOSITORY / test).is_file() for test in bug.tests)
