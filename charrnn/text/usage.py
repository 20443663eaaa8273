"""How a model is to be used, apart from its weights and its vocabulary.

All fields of `Usage` are in every form of a model: the checkpoint, each exported file, the PyTorch module and the page.
Every text that a user types for a model passes through `Usage.read`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from charrnn.config import FORMS
from charrnn.text.corpus import CorpusInfo, ItemCounts
from charrnn.text.vocabulary import UNKNOWN, Vocabulary, normalize, unknown_symbol


@dataclass(frozen=True)
class Usage:
    """How a model is to be used. The defaults are for a model of running text.

    A field of the wrong type, or a value that no model has, raises `ValueError`.
    """

    separator: str = ""  # what ends an item; empty for a model of running text
    longest_item: int = 0  # characters of the longest item, without its separator; 0 if there are no items
    normalize: str = "none"  # the Unicode form of all texts that the model reads: ``none`` or ``nfc``
    unknown: str = ""  # the symbol that stands for all rare characters and is never written; empty if there is none

    def __post_init__(self) -> None:
        for field in fields(self):
            if type(getattr(self, field.name)) is not type(field.default):
                raise ValueError(f"{field.name} must be of type {type(field.default).__name__}")
        if self.longest_item < 0:
            raise ValueError(f"longest_item must be 0 or more, not {self.longest_item}")
        if self.normalize not in FORMS:
            raise ValueError(f"normalize must be one of {', '.join(FORMS)}, not {self.normalize!r}")
        if self.unknown not in ("", UNKNOWN):
            raise ValueError(f"unknown must be U+FFFD or empty, not {self.unknown!r}")

    @classmethod
    def of(cls, separator: str, corpus: CorpusInfo, vocabulary: Vocabulary) -> Self:
        """Return the usage of a model trained on a text."""
        unknown = unknown_symbol(vocabulary, corpus.max_vocab)
        return cls(
            separator,
            longest_item=corpus.items.longest if corpus.items else 0,
            normalize=corpus.normalize,
            unknown="" if unknown is None else UNKNOWN,
        )

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """Take the fields from a description; missing ones have their defaults."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})

    @classmethod
    def from_strings(cls, strings: Mapping[str, str]) -> Self:
        """Take the fields from a description in which texts are plain and all else is JSON."""
        is_text = {field.name: isinstance(field.default, str) for field in fields(cls)}
        return cls.from_values(
            {name: text if is_text[name] else json.loads(text) for name, text in strings.items() if name in is_text}
        )

    def to_values(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def check(self, vocabulary: Vocabulary) -> None:
        """Raise `ValueError` if the separator or the unknown symbol has characters that are not in a vocabulary."""
        for name, text in (("separator", self.separator), ("unknown symbol", self.unknown)):
            if missing := vocabulary.unknown(text):
                raise ValueError(f"the {name} has {missing[0]!r}, which is not in the vocabulary")

    def remembered(self, name: str, vocabulary: Vocabulary) -> CorpusInfo:
        """Describe the text of a model from elsewhere, so that `of` gives this usage again."""
        items = ItemCounts(0, 0, 0, 0, longest=self.longest_item) if self.separator else None
        return CorpusInfo(
            name=name,
            sources=(),
            encoding="utf-8",
            sha256="",
            characters=0,
            normalize=self.normalize,
            items=items,
            max_vocab=max(len(vocabulary) - 1, 1) if self.unknown else 0,
        )

    def read(self, text: str) -> str:
        """Return a typed text, normalized as the model's own text was."""
        return normalize(text, self.normalize)

    def never_written(self, vocabulary: Vocabulary) -> tuple[int, ...]:
        """Return the ids that are never drawn."""
        return tuple(vocabulary.encode(self.unknown).tolist())
