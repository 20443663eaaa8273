"""What enters a page stays what it is; a page is written whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import ConfigError, PageError
from charrnn.report import page


@given(st.text(st.characters(codec="utf-8")))
def test_json_in_a_page_is_ascii_without_markup_and_reads_back_exactly(text: str) -> None:
    written = page.harmless_json({"text": text})
    assert written.isascii()
    assert not set("<>&") & set(written)
    assert json.loads(written) == {"text": text}


def test_what_is_put_in_is_never_taken_for_a_place_or_a_tag() -> None:
    filled = page.fill(
        "export.html", (), (), title=page.escaped("<b>{{data}}\x1b\u202e"), about="", data="{{title}}", blobs=""
    )
    assert "<h1>&lt;b&gt;{{data}}\\x1b\\u202e</h1>" in filled
    assert ">{{title}}</script>" in filled


def test_every_place_of_a_template_must_be_filled() -> None:
    with pytest.raises(KeyError):
        page.fill("export.html", (), ())


def test_numbers_are_little_endian_whatever_the_machine() -> None:
    big, little = (page.blob("x", np.array([1.5, -2], dtype=f"{order}f4")) for order in "><")
    assert big == little == '<script type="text/plain" id="x">AADAPwAAAMA=</script>'


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
        page.check_suffix(Path(name), (".html",))


def test_a_page_replaces_an_older_one_and_leaves_nothing_else() -> None:
    path = Path("page.html")
    path.write_text("old")
    assert page.write_page(path, "é") == 2
    assert path.read_bytes() == "é".encode()
    assert [entry.name for entry in Path().iterdir()] == ["page.html"]


def test_a_page_behind_a_link_is_written_where_the_link_points() -> None:
    Path("folder").mkdir()
    Path("page.html").symlink_to("folder/real.html")
    page.write_page(Path("page.html"), "new")
    assert Path("folder/real.html").read_text() == "new"
    assert Path("page.html").is_symlink()


@pytest.mark.parametrize("name", ["folder.html", "missing/page.html", "a\0.html"])
def test_a_page_that_cannot_be_written_is_one_sentence(name: str) -> None:
    Path("folder.html").mkdir()
    with pytest.raises(PageError, match=r"cannot write .*; make room or choose another place"):
        page.write_page(Path(name), "new")
    assert [entry.name for entry in Path().iterdir()] == ["folder.html"]
