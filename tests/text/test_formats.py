"""Documents are read as a person reads them; damaged and hostile ones are refused in one line."""

import bz2
import gzip
import io
import lzma
import random
import struct
import sys
import types
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from charrnn.cache import load_corpus
from charrnn.errors import TextError, UnreadableTextError
from charrnn.text import formats
from charrnn.text.corpus import read_corpus
from tests.conftest import Charrnn

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="two" href="b%20two.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="../one.xhtml" media-type="application/xhtml+xml"/>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav scripted"/>
<item id="toc" href="toc.xhtml" media-type="application/xhtml+xml"/>
<item id="notes" href="notes.xhtml" media-type="application/xhtml+xml"/>
</manifest>
<spine><itemref idref="nav"/><itemref idref="toc"/><itemref idref="two"/><itemref idref="notes" linear="no"/>
<itemref idref="one"/></spine>
<guide><reference type="toc" href="toc.xhtml#start"/></guide></package>"""
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OPS/book.opf": PACKAGE,
    "OPS/nav.xhtml": "<p>contents in nav</p>",
    "OPS/toc.xhtml": "<p>contents in guide</p>",
    "OPS/notes.xhtml": "<p>notes</p>",
    "OPS/b two.xhtml": "<html><head><title>no</title><style>p {}</style></head><body><h1>Two</h1>"
    "<p>A clerk\n  counted <i>ships</i>&nbsp;&amp; <br/>lamps.</p></body></html>",
    "one.xhtml": "<p>One<script>no()</script>.</p>",
}
TEXT = "Two\n\nA clerk counted ships\xa0&\nlamps.\n\nOne.\n"
VERSE = "a b\nc\n\nd"
LINKED = "Chapter\n\nSee it."
WORDS = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
RELATIONS = '<Relationships><Relationship Type="http://x/officeDocument" Target="/word/doc2.xml"/></Relationships>'


def zipped(members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def word(body: str) -> bytes:
    document = f"<w:document {WORDS}><w:body>{body}</w:body></w:document>"
    return zipped({"_rels/.rels": RELATIONS, "word/doc2.xml": document})


def read(name: str, data: bytes | str) -> str:
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
    corpus = read_corpus([name])
    return corpus.vocabulary.decode(corpus.ids)


def page(body: str) -> str:
    return read("page.html", body).removesuffix("\n")


@pytest.mark.parametrize("name", ["book.epub", "BOOK.EPUB"])
def test_a_book_is_read_in_the_order_of_its_spine_without_its_contents(name: str) -> None:
    assert read(name, zipped(BOOK)) == TEXT


def test_a_book_may_be_in_another_archive() -> None:
    picture = random.Random(0).randbytes(6_000_000)  # noqa: S311
    assert read("book.epub.xz", lzma.compress(zipped({"a.png": picture, **BOOK}), preset=0)) == TEXT
    assert read("book.epub.gz", gzip.compress(zipped(BOOK))) == TEXT
    assert read("books.zip", zipped({"b/book.epub": zipped(BOOK), "a.txt": "a\n"})) == "a\n" + TEXT


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>One</p><p>Two", "One\n\nTwo"),
        ("<P>One<P>Two<br>three <BR> four", "One\n\nTwo\nthree\nfour"),
        ("<ul><li>a<li>b</ul>c", "a\n\nb\n\nc"),
        ("<p>a</p><!-- no --><style>no</style><script>if (a < b) no()</script><p>b</p>", "a\n\nb"),
        ("<pre>\n  if x:\n\n      y\n</pre>z", "  if x:\n\n      y\n\nz"),
        ("<nav><p>no</p></nav><div class='x toc'><div>no</div>no</div><p hidden>no</p>yes", "yes"),
        ("<p>a<span class=pagenum>[7]</span>b<span epub:type='pagebreak' id='p8'/>c</p>", "abc"),
        (
            "<p><a href='#c1'>Chapter</a> 1</p><h2><a href='#top'>Chapter</a></h2><p>See <a href='#n'>it</a>.</p>",
            LINKED,
        ),
        ("<p><a href='https://example.org'>elsewhere</a>", "elsewhere"),
        ("<p>co\xadope&shy;rate</p>", "cooperate"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字", "漢字"),
        ("<p><![CDATA[a < b]]></p>", "a < b"),
        ("<!DOCTYPE html><html><head><title>no</title><body>yes", "yes"),
        ("<hr class=toc>yes", "yes"),
        ("<p class=toc>no<p>a<h2 class=toc>no</h2><p><a href='#b'>no</a></p><pre hidden>no</pre>b  c", "a\n\nb c"),
        ("<div class=stanza><div class='verse i2'>a <i>b</i></div>\n<div class=verse>c</div></div><div>d</div>", VERSE),
    ],
)
def test_a_page_is_read_as_a_browser_shows_it(body: str, text: str) -> None:
    assert page(body) == text


@pytest.mark.parametrize(
    "data",
    [
        "<p>Käfer</p>".encode(),
        "<meta charset=iso-8859-1><p>Käfer</p>".encode("latin-1"),
        '<?xml version="1.0" encoding="KOI8-R"?><meta charset="utf-8"><p>Käfer</p>'.encode(
            "koi8-r", "xmlcharrefreplace"
        ),
        "<p>Käfer</p>".encode("utf-16"),
        "\ufeff<meta charset=latin-1><p>Käfer</p>".encode(),
        "<meta charset=utf-16><p>Käfer</p>".encode(),
        "<meta charset=hex><p>Käfer</p>".encode(),
    ],
)
def test_a_page_is_read_in_the_encoding_that_it_names(data: bytes) -> None:
    assert read("page.htm", data) == "Käfer\n"


def test_a_page_that_names_no_encoding_has_the_one_given() -> None:
    Path("page.html").write_bytes("<p>Käfer “”</p>".encode("cp1252"))
    corpus = read_corpus(["page.html"], encoding="cp1252")
    assert corpus.vocabulary.decode(corpus.ids) == "Käfer “”\n"
    with pytest.raises(UnreadableTextError, match=r"^page.html is not utf-8 at byte offset 4: "):
        read_corpus(["page.html"])
    assert "�" in read_corpus(["page.html"], errors="replace").vocabulary.characters


def test_a_word_document_is_its_paragraphs() -> None:
    begin, end = (f'<w:fldChar w:fldCharType="{kind}"/>' for kind in ("begin", "end"))
    paragraphs = [
        '<w:pPr><w:pStyle w:val="TOCHeading"/></w:pPr><w:r><w:t>no</w:t></w:r>',
        f'<w:r>{begin}<w:instrText> TOC \\o "1-3" </w:instrText></w:r><w:r><w:t>no</w:t></w:r>',
        f"<w:r><w:t>no</w:t></w:r><w:r>{end}</w:r>",
        '<w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr><w:r><w:t>A </w:t><w:t>clerk</w:t></w:r>',
        "<w:r><w:t>counted</w:t><w:tab/><w:t>ships</w:t><w:br/><w:t>and</w:t><w:noBreakHyphen/><w:t>lamps</w:t></w:r>",
        "<w:del><w:r><w:delText>no</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>no</w:t></w:r></w:moveFrom>",
        f"<w:r>{begin}<w:instrText>PAGE</w:instrText><w:t>7</w:t>{end}</w:r>",
    ]
    body = "".join(f"<w:p>{paragraph}</w:p>" for paragraph in paragraphs)
    assert read("letter.docx", word(body)) == "A clerk\n\ncounted\tships\nand-lamps\n\n7\n"


def test_a_zip_file_is_its_texts_in_the_order_of_their_names() -> None:
    members: dict[str, str | bytes] = {
        "b.TXT": "two\n",
        "a/one.txt.gz": gzip.compress(b"one\n"),
        "c.htm": "<p>three</p>",
        "empty.txt": "",
        "folder/": "",
        ".hidden/x.txt": "no",
        "__MACOSX/x.txt": "no",
        "inner.zip": "no",
        "picture.png": "no",
        "picture.txt": b"\x89PNG\r\n",
    }
    assert read("t.zip", zipped(members)) == "one\ntwo\nthree\n"
    corpus = read_corpus(["t.zip"])
    assert (corpus.name, corpus.file_ends) == ("t", (4, 8, 14))
    assert "left out 1 file that is not text" in corpus.notes
    with pytest.raises(TextError, match=r"^p.zip is a zip file without a text file"):
        read("p.zip", zipped({"picture.png": "no"}))


def test_names_in_an_archive_mean_nothing_outside_of_it() -> None:
    Path("secret.txt").write_text("secret")
    Path("folder").mkdir()
    assert read("folder/t.zip", zipped({"../secret.txt": "inside", "/etc/passwd": "too "})) == "too inside"
    escaping = {**BOOK, "OPS/book.opf": PACKAGE.replace("../one.xhtml", "../../secret.txt")}
    assert "it has no ../secret.txt" in refusal("folder/book.epub", zipped(escaping))


@pytest.mark.parametrize("name", ["t.txt.bz2", "T.TXT.BZ2"])
def test_a_bzip2_file_is_unpacked_whole_or_refused(name: str) -> None:
    data = bz2.compress(b"the lamp\n") + bz2.compress(b"and the sea\n")
    assert read(name, data) == "the lamp\nand the sea\n"
    for damaged in (data[:-3], data + b"rubbish", data[:60] + b"?" + data[61:], b""):
        with pytest.raises(TextError, match="is a damaged bzip2 file"):
            read(name, damaged)


def test_a_zstd_file_is_unpacked_where_python_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    with pytest.raises(TextError, match=r"needs Python 3\.14 to be unpacked here: unpack it with zstd -d"):
        read("t.txt.zst", b"\x28\xb5\x2f\xfd")
    # bz2 has the same interface
    zstd = types.SimpleNamespace(ZstdDecompressor=bz2.BZ2Decompressor, ZstdError=OSError)
    monkeypatch.setitem(sys.modules, "compression.zstd", zstd)
    assert read("t.txt.zst", bz2.compress(b"the lamp\n")) == "the lamp\n"
    with pytest.raises(TextError, match="is a damaged zstd file"):
        read("t.txt.zst", b"\x28\xb5\x2f\xfd")


def test_a_folder_has_documents_too() -> None:
    Path("texts").mkdir()
    files = {"a.epub": zipped(BOOK), "b.html": b"<p>b</p>", "c.zip": zipped({"c.txt": "c\n"}), "d.zip": zipped({})}
    for name, data in {**files, "e.pdf": b"%PDF-1.7", "f.txt": b"%PDF-1.7"}.items():
        Path("texts", name).write_bytes(data)
    corpus = load_corpus(["texts"])
    assert corpus.vocabulary.decode(corpus.ids) == TEXT + "b\nc\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a PDF file: convert it with pdftotext"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "an image"),
        (zipped({"params/W.npy": "x"}), "a checkpoint or another .npz file"),
        (zipped(BOOK, zipfile.ZIP_STORED), "an EPUB book: give it a name that ends in .epub"),
        (word(""), "an Office document"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}, zipfile.ZIP_STORED), "an OpenDocument file"),
        (zipped({"a.txt": "a"}), "a zip file: give it a name that ends in .zip, or unpack it first"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or protected Office document"),
        (rb"{\rtf1\ansi hello}", "an RTF document"),
        (bytes(60) + b"BOOKMOBI", "a Kindle book: convert it to .epub"),
        (bz2.compress(b"a"), "a bzip2 file: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (bytes(257) + b"ustar", "an archive: unpack it first"),
        (b"SQLite format 3\0", "a file of data"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_file_that_is_not_text_is_named(data: bytes, said: str, encoding: str) -> None:
    Path("t.txt").write_bytes(data)
    with pytest.raises(TextError) as caught:
        read_corpus(["t.txt"], encoding=encoding)
    assert str(caught.value).startswith(f"t.txt is not text, it looks like {said}")
    assert "latin-1" not in str(caught.value)


def test_an_unknown_binary_is_not_taken_for_latin_1() -> None:
    Path("program").write_bytes(b"\x7fELF\2\1\1\0\xff\xfe")
    with pytest.raises(TextError, match=r"^program is not text \(it has control characters"):
        read_corpus(["program"])


def refusal(name: str, data: bytes | str) -> str:
    with pytest.raises(UnreadableTextError) as caught:
        read(name, data)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(name)
    return message


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in BOOK.items() if key != name}


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


EXPANDING = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
GOOD = zipped(BOOK)
DIRECTORY = GOOD.rindex(b"PK\1\2")
ENCRYPTED = GOOD.replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\1\0")
RIGHTS = '<encryption><CipherReference URI="OPS/b%20two.xhtml"/></encryption>'
HOSTILE = {
    "nothing": (b"", "damaged"),
    "not a zip file": (b"a book", "damaged (File is not a zip file)"),
    "a PDF": (b"%PDF-1.7", "a PDF file"),
    "the first half": (GOOD[: len(GOOD) // 2], "damaged"),
    "without its end": (GOOD[:-10], "damaged"),
    "without its beginning": (GOOD[300:], "damaged"),
    "no container": (zipped(without("META-INF/container.xml")), "it has no META-INF/container.xml"),
    "an empty container": (zipped({**BOOK, "META-INF/container.xml": "<container/>"}), "damaged"),
    "no package": (zipped(without("OPS/book.opf")), "it has no OPS/book.opf"),
    "no spine": (zipped({**BOOK, "OPS/book.opf": PACKAGE.replace("itemref", "x")}), "it has no spine"),
    "no chapter": (zipped(without("one.xhtml")), "it has no one.xhtml"),
    "an unknown chapter": (zipped({**BOOK, "OPS/book.opf": PACKAGE.replace('id="one"', "")}), "which it does not have"),
    "a package cut short": (zipped({**BOOK, "OPS/book.opf": PACKAGE[:500]}), "damaged"),
    "entities": (zipped({**BOOK, "OPS/book.opf": EXPANDING + PACKAGE}), "its XML has entities"),
    "a file outside": (zipped({**BOOK, "META-INF/container.xml": OUTSIDE + CONTAINER}), "its XML has entities"),
    "a strange encoding": (zipped({**BOOK, "OPS/book.opf": '<?xml version="1.0" encoding="x"?>' + PACKAGE}), "damaged"),
    "a password": (ENCRYPTED, "protected by a password"),
    "protected chapters": (zipped({**BOOK, "META-INF/encryption.xml": RIGHTS}), "protected against copying"),
    "a bomb": (zipped({**BOOK, "one.xhtml": bytes(65 << 20)}), "unpacks to more than 67.1 MB"),
    "a long package": (zipped({**BOOK, "OPS/book.opf": PACKAGE + " " * (5 << 20)}), "unpacks to more than"),
    "a wrong checksum": (patched(GOOD, DIRECTORY + 16, b"????"), "damaged"),
    "a place beyond the file": (patched(GOOD, DIRECTORY + 42, b"\xff\xff\xff\x7f"), "damaged"),
    "an unknown method": (patched(GOOD, DIRECTORY + 10, b"\x63\0"), "damaged"),
    "an endless directory": (patched(GOOD, len(GOOD) - 10, struct.pack("<L", 1 << 30)), "damaged"),
    "a chapter that is a picture": (zipped({**BOOK, "one.xhtml": b"\x89PNG\r\n"}), "an image"),
    "tags that never end": (zipped({**BOOK, "one.xhtml": "<a " * 1_000_000}), "tags that never end"),
    "not UTF-8": (zipped({**BOOK, "one.xhtml": b"<p>\xff\xfd</p>"}), "not utf-8 at byte offset 3"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_or_hostile_book_is_refused_in_a_sentence(case: str) -> None:
    data, said = HOSTILE[case]
    assert said in refusal("book.epub", data)


def test_a_word_document_that_is_damaged_or_hostile_is_refused() -> None:
    assert "its XML has entities" in refusal("a.docx", zipped({"_rels/.rels": EXPANDING + RELATIONS}))
    assert "damaged" in refusal("a.docx", word("<w:p>"))
    assert "it has no word/doc2.xml" in refusal("a.docx", zipped({"_rels/.rels": RELATIONS}))
    assert "an old or protected Office document" in refusal("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MOST_UNPACKED", 100_000)
    bomb = zipped({f"{number}.txt": bytes(30_000) for number in range(100)}, zipfile.ZIP_BZIP2)
    assert "would unpack to 3 MB, " in refusal("t.zip", bomb)
    assert "unpacks to more than" in refusal("p.html", "x" * 100_001)
    assert "unpacks to more than" in refusal("p.html.gz", gzip.compress(bytes(100_001)))


def test_every_byte_of_a_book_may_be_wrong() -> None:
    """A changed byte is an error in a sentence, or makes no difference to the program."""
    for at in range(0, len(GOOD), 7):
        try:
            read("book.epub", patched(GOOD, at, bytes([GOOD[at] ^ 0x55])))
        except (UnreadableTextError, TextError) as error:
            assert str(error).isprintable()  # noqa: PT017
        try:
            read("book.epub", GOOD[:at])
        except UnreadableTextError as error:
            assert str(error).startswith("book.epub is damaged")  # noqa: PT017


@pytest.mark.parametrize(
    "body", ["<div>" * 100_000, "<b>" * 100_000 + "x", "<p>" * 100_000, "<a href=#x>" * 50_000 + "<p>"]
)
def test_deep_nesting_is_read(body: str) -> None:
    Path("deep.html").write_text(f"{body}deep enough")
    assert load_corpus(["deep.html"]).vocabulary


def test_a_strange_declaration_is_refused_or_left_out() -> None:
    with suppress(UnreadableTextError):  # by Python's version
        assert read("page.html", "<p>ab</p><![strange[") == "ab\n"


def test_deep_xml_is_read() -> None:
    depth = 100_000
    assert read("deep.docx", word("<w:x>" * depth + "<w:p><w:r><w:t>ab</w:t></w:r></w:p>" + "</w:x>" * depth)) == "ab\n"


@pytest.mark.parametrize(("name", "data"), [("t.epub", GOOD[:-10]), ("t.docx", b""), ("t.zip", b"PK")])
def test_the_command_line_says_it_in_a_line_and_exits_with_1(charrnn: Charrnn, name: str, data: bytes) -> None:
    Path(name).write_bytes(data)
    done = charrnn("train", name, "--steps", "1")
    assert (done.code, len(done.error_lines)) == (1, 1)
    assert f"{name} is damaged" in done.err
