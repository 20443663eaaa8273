"""A file that was asked for is written whole or not at all, and what its name cannot mean is refused."""

from pathlib import Path

import pytest

from charrnn.errors import ConfigError, PageError
from charrnn.report.pages import check_suffix, write_file
from tests.conftest import unix


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("page.txt", r"ends in \.txt: name a file that ends in \.html"),
        ("page", "has no ending"),
        (".html", "no ending"),
    ],
)
def test_a_suffix_that_cannot_be_written_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_suffix(Path(name), (".html",))


def test_a_file_replaces_an_older_one_and_leaves_nothing_else() -> None:
    path = Path("page.html")
    path.write_text("old")
    assert write_file(path, b"new") == 3
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in Path().iterdir()] == ["page.html"]


@unix
def test_a_file_behind_a_link_is_written_where_the_link_points() -> None:
    Path("folder").mkdir()
    Path("page.html").symlink_to("folder/real.html")
    write_file(Path("page.html"), b"new")
    assert Path("folder/real.html").read_text() == "new"
    assert Path("page.html").is_symlink()


@pytest.mark.parametrize("name", ["folder.html", "missing/page.html", "a\0.html"])
def test_a_file_that_cannot_be_written_is_one_sentence(name: str) -> None:
    Path("folder.html").mkdir()
    with pytest.raises(PageError, match=r"cannot write .*; make room or choose another place"):
        write_file(Path(name), b"new")
    assert [entry.name for entry in Path().iterdir()] == ["folder.html"]
