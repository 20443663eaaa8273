"""The page of commands is what the program says."""

import re

import click

from charrnn.cli.main import charrnn
from tests.commands_page import PAGE, page
from tests.conftest import Charrnn


def test_the_page_of_commands_is_what_the_program_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.commands_page`"


def test_the_page_has_every_command_and_every_option() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, command in charrnn.commands.items():
        section = text.split(f"## charrnn {name}\n", 1)[1].split("\n## ", 1)[0]
        options = [option for param in command.params if isinstance(param, click.Option) for option in param.opts]
        assert all(re.search(rf"(?<!\S){re.escape(option)}(?![\w-])", section) for option in options), name


def test_the_page_shows_what_a_user_sees(charrnn: Charrnn) -> None:
    help_text = charrnn("gradcheck", "--help").out.decode()
    squeezed = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert " ".join(help_text.split()) in squeezed
