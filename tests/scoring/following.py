"""A track that remembers what it followed."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from charrnn.scoring.reading import Piece


class Followed:
    """A track that remembers what it followed."""

    def __init__(self) -> None:
        self.done: dict[str, list[int]] = {}
        self.totals: dict[str, int] = {}

    def __call__(
        self, task: str, pieces: Iterable[Piece], total: int, size: Callable[[Any], int] = len, /
    ) -> Iterator[Piece]:
        self.totals[task], self.done[task] = total, []
        for piece in pieces:
            yield piece
            self.done[task].append(size(piece))
