"""How work on a long text says how far it is: whoever waits for it passes in what follows its pieces."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

Piece = TypeVar("Piece")


class Track(Protocol):
    """Follows one task; may do anything but change the pieces."""

    def __call__(
        self, task: str, pieces: Iterable[Piece], total: int, size: Callable[[Any], int] = len, /
    ) -> Iterator[Piece]:
        """Yield the pieces of a task while they are worked on.

        Parameters
        ----------
        task : what is being done, for a person: ``the model reads``
        pieces : the work, or its results as they come
        total : characters in all
        size : how many of them a piece stands for
        """


def untracked(
    task: str,  # noqa: ARG001 - nobody waits
    pieces: Iterable[Piece],
    total: int,  # noqa: ARG001
    size: Callable[[Any], int] = len,  # noqa: ARG001
    /,
) -> Iterator[Piece]:
    """Yield the pieces and say nothing."""
    return iter(pieces)
