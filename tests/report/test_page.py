"""What enters a page stays what it is."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.report import pages


@given(st.text(st.characters(codec="utf-8")))
def test_json_in_a_page_is_ascii_without_markup_and_reads_back_exactly(text: str) -> None:
    written = pages.harmless_json({"text": text})
    assert written.isascii()
    assert not set("<>&") & set(written)
    assert json.loads(written) == {"text": text}


def test_what_is_put_in_is_never_taken_for_a_place_or_a_tag() -> None:
    filled = pages.fill(
        "export.html", (), (), title=pages.escaped("<b>{{data}}\x1b\u202e"), about="", data="{{title}}", blobs=""
    )
    assert "<h1>&lt;b&gt;{{data}}\\x1b\\u202e</h1>" in filled
    assert ">{{title}}</script>" in filled


def test_every_place_of_a_template_must_be_filled() -> None:
    with pytest.raises(KeyError):
        pages.fill("export.html", (), ())


def test_numbers_are_little_endian_whatever_the_machine() -> None:
    big, little = (pages.blob("x", np.array([1.5, -2], dtype=f"{order}f4")) for order in "><")
    assert big == little == '<script type="text/plain" id="x">AADAPwAAAMA=</script>'
