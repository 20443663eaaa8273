"""What a checkpoint remembers of the text that its model learned."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ItemCounts:
    """How many items a text had, where each was learned for itself; characters are those that were guessed."""

    training: int
    training_characters: int
    held_out: int
    held_out_characters: int
    longest: int  # characters of the longest item trained on, without its separator


@dataclass(frozen=True)
class CorpusInfo:
    """The text a model was trained on, as far as a checkpoint remembers it."""

    name: str
    sources: tuple[str, ...]
    encoding: str
    sha256: str
    characters: int
    errors: str = "strict"
    normalize: str = "none"
    items: ItemCounts | None = None  # None: one running text
    max_vocab: int = 0  # 0: no bound

    @property
    def decoding(self) -> dict[str, Any]:
        """How its bytes were read, as `charrnn.text.corpus.read_corpus` takes it."""
        return {name: getattr(self, name) for name in ("encoding", "errors", "normalize", "max_vocab")}
