"""Write docs/commands.md, the help of every command, from the program itself: ``python -m tests.commands_page``."""

from collections.abc import Iterator

from charrnn.cli.main import charrnn
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "commands.md"
_WIDTH = 80
_HEAD = """# Commands

For people who look up an option: the `--help` of every command. Each option can also be set in the environment:
`--minutes` of `charrnn train` is `CHARRNN_TRAIN_MINUTES`.

<!-- This page is generated from the program: change its help, and then run `make docs`. -->
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    group = charrnn.make_context("charrnn", [], resilient_parsing=True, terminal_width=_WIDTH)
    yield _section("charrnn", charrnn.get_help(group))
    for name, command in charrnn.commands.items():
        context = command.make_context(name, [], parent=group, resilient_parsing=True)
        yield _section(f"charrnn {name}", command.get_help(context))


def _section(command: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {command}\n\n```console\n$ {command} --help\n{lines}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
