"""Where the licence of Project Gutenberg stands in a text.

Since 1991 its files had several forms. The book stands between two markers, each at the beginning of a line::

    *END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*       1993
    *** START OF THIS PROJECT GUTENBERG EBOOK METAMORPHOSIS ***            since 2003
    End of the Project Gutenberg EBook of Metamorphosis, by Franz Kafka    until about 2019
    *** END OF THE PROJECT GUTENBERG EBOOK METAMORPHOSIS ***

Either may be missing, and a file may be several books. What is before the first marker, with the names of those who
made the file, and what is after the second, all count as the licence.
"""

import re

LONGEST_HEADER = 40_000  # characters; the small print takes 15,000
_LONGEST_LINE = 1000  # characters; a longer line is no marker
_MARKERS = re.compile(
    r"""^[ \t]*(?:
    (?P<start>
        (?: \*{3}[ ]?START[ ]OF[ ]TH(?:E|IS)[ ](?:COPYRIGHTED[ ])?PROJECT[ ]GUTENBERG
            (?: .*\*{3} | .*(?:\n.+){1,3}?\*{3} )?  # a long title takes several lines
        |   \*{1,3}END[ *]{1,2}THE[ ]SMALL[ ]PRINT
        ).*\s*
        (?: (?: Produced[ ]by | E-?text[ ]prepared[ ]by | This[ ]e-?(?:text|book)[ ]was[ ]p
            |   Transcribed[ ](?:by|from) ) .*(?:\n.+)*\s* )?
    )
    |   \*{3}[ ]?END[ ]OF[ ]TH(?:E|IS)[ ](?:COPYRIGHTED[ ])?PROJECT[ ]GUTENBERG
    |   (?:End|Ende|Einde|Fin|Fine|Fim|Slut)\b.{,30}\bProje[ck]t[ ]Gutenberg
    )""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


class LicenceFinder:
    """Finds the licence in a text that is read a block at a time, and leaves it out if `is_stripping`."""

    def __init__(self, *, is_stripping: bool = False) -> None:
        self.found: list[tuple[int, int]] = []
        """Where the licence begins and ends in the text that `read` returned; empty if it is left out."""
        self.licence = self.characters = 0
        """Characters of the licence, and of the whole text."""
        self._is_stripping = is_stripping
        self._rest = ""  # what may belong to a marker, or at first to the header
        self._is_beginning, self._is_licence = True, False

    def read(self, text: str, *, final: bool) -> str:
        """Return what a block completes."""
        text = self._rest + text
        if final:
            cut = len(text)
        elif self._is_beginning and len(text) < LONGEST_HEADER:
            cut = 0
        else:
            cut = text.rfind("\n")
            cut = len(text) if cut < 0 or len(text) - cut > _LONGEST_LINE else cut
        text, self._rest = text[:cut], text[cut:]
        if not text:
            return ""
        kept, begin = [], 0
        # Words that every marker has are found far quicker; those of the small print only end a header.
        words = ["PROJECT GUTENBERG", "t Gutenberg"]
        words += ["THE SMALL PRINT"] if self._is_beginning or self._is_licence else []
        for marker in _MARKERS.finditer(text) if any(word in text for word in words) else ():
            if not marker["start"]:
                kept.append(self._take(text[begin : marker.start()], is_licence=self._is_licence))
                begin = marker.start()
                self._is_licence, self._is_beginning = True, False
            elif self._is_licence or (self._is_beginning and marker.start() < LONGEST_HEADER):
                kept.append(self._take(text[begin : marker.end()], is_licence=True))
                begin = marker.end()
                self._is_licence = False
        kept.append(self._take(text[begin:], is_licence=self._is_licence))
        self._is_beginning = False
        return "".join(kept)

    def _take(self, piece: str, *, is_licence: bool) -> str:
        """Count a piece of the text, and return what to keep of it."""
        start = self.characters
        self.characters += len(piece)
        if not (is_licence and piece):
            return piece
        self.licence += len(piece)
        if self._is_stripping:
            return ""
        if self.found and self.found[-1][1] == start:
            start = self.found.pop()[0]
        self.found.append((start, self.characters))
        return piece
