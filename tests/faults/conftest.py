"""What was tried is counted, and the counts are shown where somebody asks for them."""

from collections.abc import Callable

import pytest

from tests.faults.amount import IS_RELEASE

Tried = Callable[..., None]
_TRIED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TRIED] = []


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Tried:
    """Note for the table in README.md what a fault test has done: ``tried("F7", truncations=5213)``."""

    def note(fault: str, **counts: float | str) -> None:
        figures = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in counts.items())
        request.config.stash[_TRIED].append(f"{fault}: {figures}")

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if IS_RELEASE:
        terminalreporter.section("what was tried")
        for line in config.stash[_TRIED]:
            terminalreporter.write_line(line)
