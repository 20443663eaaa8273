"""Everything that can be asked of a sample. No NumPy is imported: the command line takes its defaults from here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from charrnn.errors import ConfigError

DEFAULT_LENGTH = 500
ENDLESS = -1
UNKNOWN = ("error", "skip", "nearest")


@dataclass(frozen=True)
class SampleConfig:
    """What to write from a seed text. The filters' ranges are theirs to check (see `filters.Filters`).

    Raises
    ------
    ConfigError
        If values do not go together.

    Examples
    --------
    >>> import charrnn
    >>> charrnn.SampleConfig(temperatures=(0.7,), top_p=0.9, length=200).most_characters
    200

    """

    # How characters are drawn: one text, or one group of texts, for each temperature
    temperatures: tuple[float, ...] = (1.0,)
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    allow: tuple[str, ...] = ()  # see `characters.in_set`
    ban: tuple[str, ...] = ()
    # Where a text ends; the first bound reached counts
    length: int | None = None  # characters; None: see `most_characters`
    lines: int = 0
    stops: tuple[str, ...] = ()
    # How many
    num: int = 1
    unknown: str = "error"  # what becomes of seed characters that the model never saw

    def __post_init__(self) -> None:
        if "" in self.stops:
            raise ConfigError("--stop is empty: give the text to end before")
        if len(set(self.temperatures)) < len(self.temperatures):
            raise ConfigError("--temperature has the same number twice")
        if self.is_endless and self.is_several:
            raise ConfigError("-n -1 writes one text without end; for several give each an end: -n, --lines or --stop")

    def of_items(self, longest: int) -> Self:
        """Return the same for a model that learned items: a text is one of them, and its usual bound leaves it room.

        Parameters
        ----------
        longest : characters of the longest item it learned

        Raises
        ------
        ConfigError
            If lines are to be counted.
        """
        if self.lines:
            raise ConfigError("--lines does not go with a model that learned items, each for itself: --num K writes K")
        return replace(self, length=max(DEFAULT_LENGTH, 2 * longest)) if self.length is None else self

    def read_by(self, read: Callable[[str], str]) -> Self:
        """Return the same with every text in it as a model reads what is typed for it (see `Usage.read`)."""
        allow, ban, stops = (tuple(map(read, texts)) for texts in (self.allow, self.ban, self.stops))
        return replace(self, allow=allow, ban=ban, stops=stops)

    @property
    def is_several(self) -> bool:
        """Whether more than one text is asked for."""
        return self.num * len(self.temperatures) > 1

    @property
    def is_endless(self) -> bool:
        """Whether only Ctrl-C ends it."""
        return self.most_characters is None and not (self.lines or self.stops)

    @property
    def most_characters(self) -> int | None:
        """The bound on the length; not given, it is `DEFAULT_LENGTH`, for each line where lines are counted.

        A network that repeats itself may never end a line.
        """
        if self.length is None:
            return DEFAULT_LENGTH * max(1, self.lines)
        return None if self.length == ENDLESS else self.length
