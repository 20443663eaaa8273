"""A drawing made of braille characters, each a field of 2 × 4 dots, with marks among them."""

from collections.abc import Iterator

# The bit of each dot, by row and column: Unicode's "Braille Patterns".
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800
_UPPER, _LOWER = 0x1B, 0xE4  # the dots of the upper and of the lower two rows

Cell = tuple[str, int | None]  # a character, and the number of the curve that drew it last


class Canvas:
    """A grid of characters to draw on.

    Parameters
    ----------
    width, height : in characters
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._dots = [[0] * width for _ in range(height)]
        self._marks = [[""] * width for _ in range(height)]
        self._owners: list[list[int | None]] = [[None] * width for _ in range(height)]

    def draw(self, points: list[tuple[float, float]], owner: int) -> None:
        """Join points by lines; places go from 0 to 1, left to right and bottom to top, and may lie outside."""
        dots = [self._dot(x, y) for x, y in points]
        for start, end in zip(dots[:1] + dots, dots, strict=False):
            for column, row in _between(start, end):
                self._set(column, row, owner)

    def mark(self, x: float, y: float, character: str, owner: int) -> None:
        """Put a character at a place."""
        column, row = self._dot(x, y)
        column, row = column // 2, row // 4
        if 0 <= column < self.width and 0 <= row < self.height:
            self._marks[row][column], self._owners[row][column] = character, owner

    def rows(self, *, is_ascii: bool = False) -> Iterator[list[Cell]]:
        """Return the characters row by row, from the top; with `is_ascii` without braille."""
        for dots, marks, owners in zip(self._dots, self._marks, self._owners, strict=True):
            characters = [mark or _character(mask, is_ascii=is_ascii) for mask, mark in zip(dots, marks, strict=True)]
            yield list(zip(characters, owners, strict=True))

    def _dot(self, x: float, y: float) -> tuple[int, int]:
        columns, rows = 2 * self.width - 1, 4 * self.height - 1
        return round(min(max(x, -1), 2) * columns), round((1 - min(max(y, -1), 2)) * rows)

    def _set(self, column: int, row: int, owner: int) -> None:
        if 0 <= column < 2 * self.width and 0 <= row < 4 * self.height:
            self._dots[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
            self._owners[row // 4][column // 2] = owner


def _character(mask: int, *, is_ascii: bool) -> str:
    if not mask:
        return " "
    if not is_ascii:
        return chr(_BLANK + mask)
    return ":" if mask & _UPPER and mask & _LOWER else "'" if mask & _UPPER else "."


def _between(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the dots of a straight line."""
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(length + 1):
        yield tuple(round(a + (b - a) * step / length) for a, b in zip(start, end, strict=True))  # type: ignore[misc]
