"""The page of commands is what the program says."""

from tests.commands_page import PAGE, page
from tests.conftest import Charrnn


def test_the_page_of_commands_is_what_the_program_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.commands_page`"


def test_the_page_shows_what_a_user_sees(charrnn: Charrnn) -> None:
    help_text = charrnn("gradcheck", "--help").out.decode()
    squeezed = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert " ".join(help_text.split()) in squeezed
