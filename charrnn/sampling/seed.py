"""The text that a sample goes on from: read, and fitted to the characters that the model knows."""

from collections.abc import Callable

from charrnn.errors import ConfigError
from charrnn.sampling.sampler import encode_seed
from charrnn.text.nearest import Fitted, leave_out, nearest
from charrnn.text.passage import read_passage
from charrnn.text.vocabulary import Vocabulary


def read_seed(
    text: str | None, file: str | None, vocabulary: Vocabulary, *, encoding: str = "utf-8", of_item: bool = False
) -> tuple[str, tuple[str, ...]]:
    """Return the seed text and what was changed in reading it, a sentence each.

    Parameters
    ----------
    text, file : one of them at most; the file as `charrnn.text.passage.read_passage` takes it
    vocabulary : the model's
    encoding : of the file
    of_item : whether the text begins an item, to which the line end at the end of a file does not belong

    Raises
    ------
    ConfigError
        If both are given.
    TextError, UnreadableTextError
        If the file cannot be used.
    """
    if file is None:
        return text or "", ()
    if text is not None:
        raise ConfigError("--seed and --seed-file are two texts to go on from; give one")
    passage = read_passage([file], vocabulary, encoding=encoding)
    whole = passage.text()
    return whole.removesuffix("\n") if of_item else whole, passage.notes


def fit_seed(text: str, vocabulary: Vocabulary, unknown: str, read: Callable[[str], str] = str) -> Fitted:
    """Return a text in known characters only.

    Parameters
    ----------
    unknown : what to do with the others: ``error``, ``skip`` (leave them out) or ``nearest`` (see `nearest`)
    read : brings the text into the form of the model's own text (see `charrnn.text.usage.Usage.read`)

    Raises
    ------
    UnknownCharacterError
        If there are any and `unknown` is ``error``.
    """
    text = read(text)
    if unknown == "skip":
        return leave_out(text, vocabulary)
    if unknown == "nearest":
        return nearest(text, vocabulary)
    encode_seed(vocabulary, text)
    return Fitted(text, {})
