"""Each of the 95 ways in which things go wrong for a user, tried on the command line.

A case is a list of mistakes (arguments, exit code, words of the one line), a story that a function tells, the name of
a test that proves it better, or a note why it cannot occur. Whatever is tried ends with its exit code and without a
traceback, and every file that was there before is as it was.
"""

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.faults.cases import going_on, numerics, reading, running, texts
from tests.faults.cases.desk import Desk
from tests.forking import Forks

CASES = reading.CASES | running.CASES | going_on.CASES | numerics.CASES | texts.CASES


@pytest.fixture
def desk(forks: Forks, trained: Path) -> Desk:
    return Desk(forks, trained)


@pytest.mark.parametrize("number", CASES, ids=[f"{number} {case.what}" for number, case in CASES.items()])
def test_every_case_ends_as_it_should(desk: Desk, number: int) -> None:
    case = CASES[number]
    for arguments, code, words in case.mistakes:
        desk.refuse(arguments, code, words)
    if case.story:
        case.story(desk)


def test_there_are_95_cases_and_something_is_said_of_each() -> None:
    assert list(CASES) == list(range(1, 96))
    assert all(case.mistakes or case.story or case.tests or case.cannot_occur for case in CASES.values())


def test_the_tests_that_are_named_exist() -> None:
    there = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    for case in CASES.values():
        for name in case.tests:
            assert f"def {name}(" in there
