"""What is not plain text: documents that are read as text, archives of texts, and binaries that are named.

`read_document` yields the text of a book (.epub), a web page (.html) or a Word document (.docx): paragraphs in reading
order with a blank line between, without styles, scripts and tables of contents. `Archive` opens a .zip file, and
`name_binary` says what a file is that cannot be read.

Files may be damaged or hostile. What is unpacked is bounded, entities in XML are refused, and the names in an archive
are looked up in it and never on the disk.
"""

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from posixpath import dirname, join, normpath
from typing import Any, BinaryIO, cast
from urllib.parse import unquote
from xml.parsers import expat

from charrnn.errors import UnreadableTextError, shortened, shown
from charrnn.machine import format_bytes

MOST_UNPACKED = 64 << 20  # bytes of a document with its markup; a long novel has a few million
_LONGEST_INDEX = 4 << 20  # bytes of what lists the parts of a document
_LONGEST_DIRECTORY = 16 << 20  # bytes that list the files of an archive, some 200,000
_MOST_TIMES = 200  # a text longer than `MOST_UNPACKED` is at most so many times as long as its .zip file

# What zipfile raises for damaged or hostile files.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError),
    *(RuntimeError, ValueError, LookupError, OverflowError),
)

_ZIP = rb"PK\x03\x04.{26}"  # and the name of the first file
# The beginnings of files that are not text: what they are, and what to do.
_BINARIES = (
    (rb"%PDF-", "a PDF file", "convert it with pdftotext"),
    (
        rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*",
        "an image",
        "give a text, or read it by OCR first",
    ),
    (_ZIP + rb"mimetypeapplication/epub", "an EPUB book", "give it a name that ends in .epub"),
    (_ZIP + rb"mimetypeapplication/vnd\.oasis", "an OpenDocument file", "save it as .docx or as plain text"),
    (
        _ZIP + rb"(\[Content_Types\]|_rels/|docProps/|word/)",
        "an Office document",
        "give a Word document a name that ends in .docx; save any other as plain text",
    ),
    (_ZIP + rb"[\w./-]+\.npy", "a checkpoint or another .npz file", "give a text, such as the one that it learned"),
    (_ZIP + rb".{,80}?data\.pkl", "a PyTorch checkpoint", "give a text"),
    (rb"PK\x03\x04", "a zip file", "give it a name that ends in .zip, or unpack it first"),
    (rb"\xd0\xcf\x11\xe0", "an old or protected Office document", "save it as .docx or as plain text"),
    (rb"\{\\rtf", "an RTF document", "save it as .docx or as plain text"),
    (rb".{60}BOOKMOBI", "a Kindle book", "convert it to .epub"),
    (rb"\x1f\x8b", "a gzip file", "unpack it first, or give it a name that ends in .gz"),
    (rb"\xfd7zXZ\0", "an xz file", "unpack it first, or give it a name that ends in .xz"),
    (rb"BZh[1-9](1AY&SY|\x17rE8P)", "a bzip2 file", "unpack it first, or give it a name that ends in .bz2"),
    (rb"\x28\xb5\x2f\xfd", "a zstd file", "unpack it first, or give it a name that ends in .zst"),
    (rb".{257}ustar|7z\xbc\xaf|Rar!\x1a", "an archive", "unpack it first"),
    (rb"ID3[\x02-\x04]|OggS\0|fLaC\0|RIFF....WAVE|\0\0\0.ftyp", "a sound or a film", "give a text"),
    (rb"\x93NUMPY|\x89HDF\r\n|SQLite format 3\0|PAR1", "a file of data", "give a text"),
)


def name_binary(beginning: bytes) -> str | None:
    """Return what a file is that begins so, and what to do, as the end of a sentence; None if it may be text."""
    for pattern, what, way in _BINARIES:
        if re.match(pattern, beginning[:512], re.DOTALL):
            return f"is not text, it looks like {what}: {way}"
    return None


def _damaged(name: str, why: object) -> UnreadableTextError:
    return UnreadableTextError(f"{name} is damaged ({shown(str(why))}): use another copy")


def _too_long(name: str) -> UnreadableTextError:
    most = format_bytes(MOST_UNPACKED)
    return UnreadableTextError(f"{name} unpacks to more than {most}, which no book does: save its text as a .txt file")


def read_into_memory(blocks: Iterable[bytes], name: str) -> BinaryIO:
    """Return a file with the blocks of a document, which is read back and forth."""
    file = io.BytesIO()
    for block in blocks:
        file.write(block)
        if file.tell() > MOST_UNPACKED:
            raise _too_long(name)
    file.seek(0)
    return file


class _BoundedFile:
    """An open file of which zipfile cannot read much at once, whatever length a directory claims to have."""

    def __init__(self, file: BinaryIO) -> None:
        self._read, self.seek, self.tell, self.seekable = file.read, file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _LONGEST_DIRECTORY:
            raise ValueError(f"its directory has {size:,} bytes")
        return self._read(size)


class Member:
    """A file of an archive, open for reading."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> None:
        self._name = name
        try:
            self._file: Any = archive.open(info)
        except _DAMAGE as error:
            raise _damaged(name, error) from error

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end."""
        try:
            return cast("bytes", self._file.read(size))
        except _DAMAGE as error:
            raise _damaged(self._name, error) from error

    def peek(self, size: int) -> bytes:
        """Return the next bytes, which are read again."""
        try:
            return cast("bytes", self._file.peek(size))
        except _DAMAGE as error:
            raise _damaged(self._name, error) from error


class Archive:
    """A .zip file, or a document that is one; `name` is what a message calls it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._left = MOST_UNPACKED
        self._length = file.seek(0, 2)
        file.seek(0)
        beginning = file.read(512)
        if not beginning.startswith(b"PK") and (kind := name_binary(beginning)):
            raise UnreadableTextError(f"{name} {kind}")
        try:
            self._zip = zipfile.ZipFile(cast("BinaryIO", _BoundedFile(file)))
        except _DAMAGE as error:
            raise _damaged(name, error) from error

    def texts(self) -> list[zipfile.ZipInfo]:
        """Return the files that are not hidden, in the order of their names."""
        found = {info.filename: info for info in self._zip.infolist() if not info.is_dir()}
        names = sorted(found, key=lambda name: name.split("/"))
        texts = [found[name] for name in names if not re.search(r"(^|/)(\.[^./]|__MACOSX/)", name)]
        total = sum(info.file_size for info in texts)
        if total > max(MOST_UNPACKED, _MOST_TIMES * self._length):
            raise UnreadableTextError(
                f"{self.name} would unpack to {format_bytes(total)}, {total // self._length:,} times its size, "
                "which no texts do: use another copy"
            )
        return texts

    def open(self, info: zipfile.ZipInfo) -> Member:
        """Open a file of the archive."""
        if info.flag_bits & 1:
            raise UnreadableTextError(f"{self.name} is protected by a password: unpack it first")
        return Member(self._zip, info, self.name)

    def read(self, name: str, most: int = MOST_UNPACKED) -> bytes:
        """Return a part of a document; all parts together are bounded."""
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise _damaged(self.name, f"it has no {shortened(name)}") from None
        self._left -= info.file_size
        if self._left < 0 or info.file_size > most:
            raise _too_long(self.name)
        return self.open(info).read(info.file_size)

    def has(self, name: str) -> bool:
        """Whether the archive has a file of this name."""
        return name in self._zip.NameToInfo


def read_document(file: BinaryIO, suffix: str, name: str, encoding: str, errors: str) -> Iterator[str]:
    """Yield the text of a document, a chapter at a time.

    Parameters
    ----------
    file : open at its beginning
    suffix : of its name, in lower case: ``.epub``, ``.docx`` or that of a web page
    name : what a message calls it
    encoding, errors : of a web page, if it does not name its encoding

    Raises
    ------
    UnreadableTextError
        If it is damaged, protected, too long, or has characters that are not in its encoding.
    """
    readers = {".epub": _read_book, ".docx": _read_word}
    if suffix in readers:
        parts = readers[suffix](Archive(file, name))
    else:
        parts = iter([_read_page(file.read(MOST_UNPACKED + 1), name, encoding, errors)])
    between = ""
    for paragraphs in parts:
        if paragraphs:
            yield between + "\n\n".join(paragraphs)
            between = "\n\n"
    if between:
        yield "\n"


# XML: the parts that say what is in a document, and the text of a Word document.

Attributes = dict[str, str]


def _parse_xml(
    data: bytes,
    name: str,
    start: Callable[[str, Attributes], object],
    end: Callable[[str], object] = lambda _: None,
    text: Callable[[str], object] = lambda _: None,
) -> None:
    """Tell the handlers what is in an XML file, with all names without their namespaces."""

    def refuse(*_: object) -> None:
        raise _damaged(name, "its XML has entities, which no document needs")

    def local(qualified: str) -> str:
        return qualified.rpartition(" ")[2]

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = lambda tag, values: start(local(tag), {local(key): values[key] for key in values})
    parser.EndElementHandler = lambda tag: end(local(tag))
    parser.CharacterDataHandler = text
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise _damaged(name, error) from error


def _find_elements(archive: Archive, part: str, *tags: str) -> dict[str, list[Attributes]]:
    """Return the attributes of all elements with these names in a part of a document."""
    found: dict[str, list[Attributes]] = {tag: [] for tag in tags}

    def start(tag: str, attributes: Attributes) -> None:
        if tag in found:
            found[tag].append(attributes)

    _parse_xml(archive.read(part, _LONGEST_INDEX), archive.name, start)
    return found


def _resolve(base: str, reference: str) -> str:
    """Return the name in the archive that a reference in one of its parts means."""
    path = unquote(reference.partition("#")[0])
    return normpath(path.lstrip("/") if path.startswith("/") else join(dirname(base), path))


def _read_book(archive: Archive) -> Iterator[list[str]]:
    """Yield the paragraphs of each chapter of an EPUB book, in the order of its spine.

    EPUB 2 and 3: META-INF/container.xml names the package, whose spine lists the chapters.
    """
    roots = _find_elements(archive, "META-INF/container.xml", "rootfile")["rootfile"]
    package = normpath(roots[0].get("full-path", "")) if roots else ""
    found = _find_elements(archive, package, "item", "itemref", "reference")
    items = {item.get("id"): item for item in found["item"]}
    chapters = [reference.get("idref") for reference in found["itemref"] if reference.get("linear") != "no"]
    if not chapters:
        raise _damaged(archive.name, "it has no spine, which lists the chapters")
    contents = {_resolve(package, guide.get("href", "")) for guide in found["reference"] if guide.get("type") == "toc"}
    protected = _protected_parts(archive)
    for chapter in dict.fromkeys(chapters):
        if chapter not in items:
            raise _damaged(archive.name, f"its spine lists {chapter}, which it does not have")
        item = items[chapter]
        path = _resolve(package, item.get("href", ""))
        is_contents = path in contents or "nav" in item.get("properties", "").split()
        if is_contents or item.get("media-type", "").startswith("image/"):
            continue
        if path in protected:
            raise UnreadableTextError(f"{archive.name} is protected against copying: use a copy that is not")
        yield _read_page(archive.read(path), f"{archive.name}/{shown(path)}", "utf-8", "strict")


def _protected_parts(archive: Archive) -> set[str]:
    if not archive.has("META-INF/encryption.xml"):
        return set()
    found = _find_elements(archive, "META-INF/encryption.xml", "CipherReference")["CipherReference"]
    return {normpath(unquote(reference.get("URI", ""))) for reference in found}


class _Paragraphs:
    """Text on its way to paragraphs."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._pieces: list[str] = []

    def add(self, text: str) -> None:
        self._pieces.append(text)

    def take(self) -> str:
        """Return the text since the last paragraph."""
        text = "".join(self._pieces).replace("\xad", "")  # soft hyphens, which a reader does not see
        self._pieces.clear()
        return text

    def end(self, text: str) -> None:
        """Add a paragraph; its lines have no blanks at their ends."""
        lines = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
        if lines:
            self.found.append(re.sub(r"\n{3,}", "\n\n", lines))


# Office Open XML (ECMA-376, part 1, section 17). Left out: deleted and moved text, the second form of a text box for
# old programs, readings above characters, and tab stops, which have the same name as tabs.
_WORD_LEFT_OUT = {"del", "moveFrom", "Fallback", "rt", "tabs"}
_WORD_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


class _WordText:
    """What the elements of a Word document mean for its text."""

    def __init__(self) -> None:
        self.paragraphs = _Paragraphs()
        self._left_out = 0  # elements around this place whose text is left out
        self._is_text = self._is_instruction = self._is_contents = False
        self._fields: list[bool] = []  # of the fields around this place, whether each is a table of contents

    def start(self, tag: str, attributes: Attributes) -> None:
        self._left_out += tag in _WORD_LEFT_OUT
        self._is_text, self._is_instruction = tag == "t", tag == "instrText"
        if tag == "p":
            self._end_paragraph()
        elif tag == "pStyle":
            self._is_contents = attributes.get("val", "").startswith("TOC")
        elif tag == "fldChar" and attributes.get("fldCharType") == "begin":
            self._fields.append(False)
        elif tag == "fldChar" and attributes.get("fldCharType") == "end" and self._fields:
            self._fields.pop()
        elif tag in _WORD_SIGNS:
            self._add(_WORD_SIGNS[tag])

    def end(self, tag: str) -> None:
        self._left_out -= tag in _WORD_LEFT_OUT
        self._is_text = self._is_instruction = False
        if tag == "p":
            self._end_paragraph()

    def text(self, text: str) -> None:
        if self._is_text:
            self._add(text)
        elif self._is_instruction and self._fields and text.split()[:1] == ["TOC"]:
            self._fields[-1] = True

    def _add(self, text: str) -> None:
        if not (self._left_out or self._is_contents or any(self._fields)):
            self.paragraphs.add(text)

    def _end_paragraph(self) -> None:
        self.paragraphs.end(self.paragraphs.take().strip())
        self._is_contents = False


def _read_word(archive: Archive) -> Iterator[list[str]]:
    """Yield the paragraphs of a Word document."""
    relations = _find_elements(archive, "_rels/.rels", "Relationship")["Relationship"]
    main = [relation for relation in relations if relation.get("Type", "").endswith("/officeDocument")]
    reader = _WordText()
    part = _resolve("", main[0].get("Target", "")) if main else "word/document.xml"
    _parse_xml(archive.read(part), archive.name, reader.start, reader.end, reader.text)
    yield reader.paragraphs.found


# Web pages and the chapters of books (HTML 5, XHTML).

_BLOCKS = re.compile(
    "address|article|aside|blockquote|body|caption|center|d[dlt]|details|dialog|div|fieldset|fig(caption|ure)|footer|form"
    "|h[1-6r]|header|html|legend|li|main|ol|p|pre|section|summary|table|t(body|foot|head|r)|title|ul"
)
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_NEVER_CLOSED = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_LEFT_OUT = re.compile(
    "audio|button|canvas|iframe|nav|noscript|r[pt]|script|select|style|svg|template|textarea|title|video"
)
# Values of class, id, role and epub:type: of tables of contents, and of the numbers of printed pages.
_LEFT_OUT_KINDS = re.compile("(doc-)?(toc|pagelist|page-list|pagebreak)|landmarks|navigation|page(num|no|number)")
_VERSE = re.compile("verse|line")  # values of class: lines of one paragraph
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_NEVER_ENDING = re.compile("(?:<[^<>]*+){500}")  # html.parser would take hours for a million of them
_ELSEWHERE = re.compile(r"\s*([a-z]+:|//)", re.IGNORECASE)  # a link to another site


class _Page(HTMLParser):
    """Reads a web page as a browser without styles would show it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs = _Paragraphs()
        self._left_out, self._depth = "", 0  # the element that is left out, and how many of its name are open
        self._preformatted = self._links = self._headings = 0  # how many are open
        self._is_verse = False  # whether the innermost <div> is a line of verse
        self._is_linked = self._has_words = False  # of the paragraph: any link, and any letter outside of links

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_block = bool(_BLOCKS.fullmatch(tag))
        if self._left_out == "p" and is_block:  # a paragraph ends where the next one begins
            self._left_out = ""
        if self._left_out:
            self._depth += tag == self._left_out
            return
        values = dict(attrs)
        kinds = " ".join(values.get(name) or "" for name in ("class", "id", "role", "epub:type")).lower().split()
        is_verse = tag == "div" and any(map(_VERSE.fullmatch, kinds))
        if is_block and not is_verse:
            self._end_paragraph()
        self._is_verse = is_verse or (self._is_verse and tag != "div")
        is_left_out = _LEFT_OUT.fullmatch(tag) or "hidden" in values or any(map(_LEFT_OUT_KINDS.fullmatch, kinds))
        if is_left_out and tag not in _NEVER_CLOSED:
            self._left_out, self._depth = tag, 1
            return
        if tag == "br" or is_verse:
            self.paragraphs.add("\n")
        elif tag in {"td", "th"}:
            self.handle_data(" ")
        elif tag == "a" and (href := values.get("href")) and not _ELSEWHERE.match(href):
            self._links += 1
        self._preformatted += tag == "pre"
        self._headings += tag in _HEADINGS

    def handle_endtag(self, tag: str) -> None:
        if self._left_out:
            self._depth -= tag == self._left_out
            if not self._depth:
                self._left_out = ""
            return
        if tag == "div" and self._is_verse:
            self._is_verse = False
        elif _BLOCKS.fullmatch(tag):
            self._end_paragraph()
        if tag == "a":
            self._links = 0
        elif tag == "pre":
            self._preformatted = max(self._preformatted - 1, 0)
        elif tag in _HEADINGS:
            self._headings = 0

    def handle_data(self, data: str) -> None:
        if self._left_out:
            return
        self.paragraphs.add(data if self._preformatted else _BLANKS.sub(" ", data))
        if self._links:
            self._is_linked = True
        elif not self._has_words:
            self._has_words = any(map(str.isalpha, data))

    def unknown_decl(self, data: str) -> None:
        """Read what XHTML may mark as plain characters."""
        if data.startswith("CDATA["):
            self.handle_data(data.removeprefix("CDATA["))

    def close(self) -> None:
        super().close()
        self._end_paragraph()

    def _end_paragraph(self) -> None:
        text = self.paragraphs.take()
        if not self._preformatted:
            text = "\n".join(_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
        # A paragraph of nothing but links is an entry of a table of contents, or of a menu.
        if self._has_words or self._headings or not self._is_linked:
            self.paragraphs.end(text if self._preformatted else text.strip())
        self._is_linked = self._has_words = False
        self._links = 0  # one that was never closed ends here


def _read_page(data: bytes, name: str, encoding: str, errors: str) -> list[str]:
    """Return the paragraphs of a web page, or of a chapter of a book."""
    if len(data) > MOST_UNPACKED:
        raise _too_long(name)
    if kind := name_binary(data):
        raise UnreadableTextError(f"{name} {kind}")
    page, text = _Page(), _decode(data, name, encoding, errors)
    if _NEVER_ENDING.search(text):
        raise _damaged(name, "it has tags that never end")
    try:
        page.feed(text)
        page.close()
    except AssertionError as error:  # how html.parser refuses some declarations
        raise _damaged(name, error) from error
    return page.paragraphs.found


_NAMED_ENCODING = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def _decode(data: bytes, name: str, encoding: str, errors: str) -> str:
    """Decode a web page by its byte-order mark, the encoding that it names, or the one given."""
    if named := _NAMED_ENCODING.search(data[:1024]):
        encoding = _known_encoding(named[1].decode()) or encoding
    encoding = next((known for mark, known in _MARKS if data.startswith(mark)), encoding)
    try:
        return data.decode(encoding, errors)
    except UnicodeError as error:
        where = f"byte offset {error.start}" if isinstance(error, UnicodeDecodeError) else "its beginning"
        raise UnreadableTextError(
            f"{name} is not {shown(encoding)} at {where}: try --encoding latin-1 or --errors replace"
        ) from error
    except LookupError as error:
        raise UnreadableTextError(f"there is no text encoding {shown(encoding)}: try utf-8 or latin-1") from error


def _known_encoding(named: str) -> str | None:
    """Return the encoding that a page means by a name, as browsers do; None if Python does not know it."""
    named = named.lower()
    if named in {"iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii"}:
        return "cp1252"
    try:
        "".encode(named)
    except (LookupError, ValueError):
        return None
    return None if named.startswith("utf-16") else named  # its name could be read, so it is not UTF-16
