"""Texts that somebody or something spoiled: name -> what is in the file; and sequences that a terminal would obey."""

import random
import unicodedata
from collections.abc import Iterator

# Each is something a terminal, or whoever reads one, should not be sent.
SEQUENCES = {
    "clipboard (OSC 52)": "\x1b]52;c;aGk=\x07",
    "clipboard, ended by ST": "\x1b]52;c;aGk=\x1b\\",
    "link (OSC 8)": "\x1b]8;;http://x.example\x1b\\here\x1b]8;;\x1b\\",
    "title (OSC 0)": "\x1b]0;you have mail\x07",
    "notification (OSC 9)": "\x1b]9;hello\x07",
    "colour table (OSC 4)": "\x1b]4;1;rgb:00/00/00\x07",
    "iTerm file (OSC 1337)": "\x1b]1337;File=:aGk=\x07",
    "clear (CSI 2J)": "\x1b[2J",
    "colour (CSI m)": "\x1b[31;5m",
    "cursor home": "\x1b[H",
    "cursor up": "\x1b[9A",
    "erase line": "\x1b[2K",
    "report yourself (DSR)": "\x1b[6n",
    "device attributes": "\x1b[c",
    "answer back of the title": "\x1b[21t",
    "resize": "\x1b[8;1;1t",
    "alternate screen": "\x1b[?1049h",
    "mouse on": "\x1b[?1003h",
    "hidden cursor": "\x1b[?25l",
    "DCS (sixel)": "\x1bPq#0;2;0;0;0~\x1b\\",
    "DCS (termcap)": "\x1bP+q544e\x1b\\",
    "APC (kitty)": "\x1b_Ga=T;aGk=\x1b\\",
    "PM": "\x1b^x\x1b\\",
    "SOS": "\x1bXx\x1b\\",
    "reset (RIS)": "\x1bc",
    "line drawing": "\x1b(0",
    "C1 CSI": "\x9b31m",
    "C1 OSC": "\x9d52;c;aGk=\x9c",
    "C1 DCS": "\x90q\x9c",
    "C1 NEL, RI": "\x85\x8d",
    "bell, backspaces, delete": "\x07\x08\x08\x08\x7f",
    "carriage return over a line": "harmless\rrm -rf",
    "vertical tab, form feed": "\x0b\x0c",
    "shift out, shift in": "\x0e\x0f",
    "NUL and ENQ": "\0\x05",
    "bidi override": "\u202eabc\u202c",
    "bidi isolates": "\u2066a\u2067b\u2068c\u2069",
    "bidi embeddings": "\u202aa\u202bb\u202d",
    "ESC alone": "\x1b",
}
LINE = "the lamp went round, and the sea went round the lamp.\n"
UTF8 = "utf-8"


def readable() -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes and encoding of texts that are to be learned, however odd they are."""
    controls = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
    formats = "".join(c for c in map(chr, range(0x110000)) if unicodedata.category(c) == "Cf")
    rng = random.Random(12)  # noqa: S311 - texts, not secrets
    everywhere = "".join(
        chr(rng.choice([rng.randrange(0x20, 0xD800), rng.randrange(0xE000, 0x110000)])) for _ in range(600)
    )
    texts = {
        "two characters": "ab",
        "one character many times": "a" * 200,
        "two, the same": "aa",
        "one line end": "a\n",
        "line ends alone": "\n" * 50,
        "spaces": " " * 80,
        "all control characters": controls * 3,
        "all format characters": formats * 2,
        "NUL": "a\0b\0" * 40,
        "CRLF": LINE.replace("\n", "\r\n") * 4,
        "CR": LINE.replace("\n", "\r") * 4,
        "mixed line ends": "a\r\nb\rc\nd\n\r" * 12,
        "a family of seven code points": "👨\u200d👩\u200d👧\u200d👦" * 12,
        "flags": "🇩🇪🇫🇷🇯🇵" * 12,
        "one é of two code points": "e\u0301é" * 30,
        "marks without letters": "\u0301\u0300\u0323" * 30,
        "one letter under a hundred marks": ("a" + "\u0301" * 100) * 3,
        "right to left": "שלום עולם، سلام\n" * 8,
        "planes beyond the first": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢🂡𓀀\U000e0001\U0010ffff" * 9,
        "noncharacters": "\ufdd0\ufffe\uffff\U0001fffe" * 20,
        "private use": "\ue000\uf8ff\U000f0000" * 20,
        "replacement characters": "\ufffd" * 60,
        "a mark of byte order inside": "ab\ufeffcd" * 20,
        "line and paragraph separators": "a\u2028b\u2029c\x85d\x0be\x0cf" * 10,
        "spaces of all kinds": "a\xa0b\u2003c\u3000d\u200be\u2060f" * 10,
        "6,000 distinct characters": "".join(map(chr, range(0x4E00, 0x4E00 + 6000))),
        "from all of Unicode": everywhere,
        "digits of all scripts": "0٠०๐𝟘" * 20,
        "case that grows": "ßİŉǰΐﬃ" * 15,
        "quotes and percents": "%s{}'\"\\`$(x);&|<>\n" * 10,
        "JSON": '{"format": 1, "x": [NaN]}\n' * 8,
        "ANSI art": "".join(SEQUENCES.values()) * 2,
    }
    for name, text in texts.items():
        yield name, text.encode(), UTF8
    for name, sequence in SEQUENCES.items():
        yield name, (LINE[:30] + sequence + "\n").encode() * 4, UTF8
    yield "a mark of byte order", b"\xef\xbb\xbf" + LINE.encode() * 3, UTF8
    yield "all bytes as latin-1", bytes(range(256)) * 2, "latin-1"
    yield "UTF-16", (LINE * 3).encode("utf-16"), "utf-16"
    yield "UTF-16, big end first", (LINE * 3).encode("utf-16-be"), "utf-16-be"
    yield "UTF-32", (LINE * 3).encode("utf-32"), "utf-32"
    yield "Windows", "„Grüße“ – €\r\n".encode("cp1252") * 9, "cp1252"
    yield "Shift JIS", "こんにちは\n".encode("shift_jis") * 9, "shift_jis"
    yield "UTF-7", b"a+AOk-b\n" * 20, "utf-7"


def refused() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of texts that are none, in UTF-8."""
    yield "empty", b""
    yield "a mark of byte order alone", b"\xef\xbb\xbf"
    yield "one character", b"a"
    yield "one character after a mark", b"\xef\xbb\xbfa"
    yield "one line end of two", b"\r\n"
    yield "0xff", b"abc\xff" * 9
    yield "a cut character", "abcé".encode()[:-1]
    yield "an overlong slash", b"ab\xc0\xaf"
    yield "an overlong NUL", b"ab\xc0\x80"
    yield "a surrogate", b"ab\xed\xa0\x80"
    yield "two surrogates (CESU-8)", b"ab\xed\xa0\xbd\xed\xb8\x80"
    yield "beyond Unicode", b"ab\xf4\x90\x80\x80"
    yield "a byte that only continues", b"ab\x80cd"
    yield "UTF-16 as UTF-8", "the lamp".encode("utf-16")
    yield "a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    yield "wrong after a megabyte", b"a" * (1 << 20) + b"\xff"
    yield "cut at a megabyte", b"a" * ((1 << 20) - 1) + b"\xc3"
