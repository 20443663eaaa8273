"""Writing texts with a trained model: what a text begins from, where it ends, and who writes it.

`Writer` writes what a `SampleConfig` asks for: one text, or several side by side. `sample_text` is its short form.
`excerpt` writes the samples shown in training. In `Turns` a person and the network write one text by turns.
"""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.config import SampleConfig
from charrnn.errors import ConfigError, NoMatchError, UnknownCharacterError
from charrnn.nn.model import CharRNN
from charrnn.nn.output import log_softmax
from charrnn.nn.parameters import Parameters
from charrnn.sampling.filters import Filters, NoBlankItems, Shaper, SideBySide, banned_ids
from charrnn.sampling.novelty import Known, NovelTexts
from charrnn.sampling.sampler import DEFAULT_FILTERS, Generation, OwnGenerators, sample
from charrnn.text.items import Items
from charrnn.text.passage import read_passage
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Fitted, Vocabulary, leave_out, nearest, unescaped

_DEFAULT = SampleConfig()
_AT_ONCE = 64  # items that are drawn side by side in a search


class Trained(Protocol):
    """A model that can write: a `charrnn.Checkpoint`, or a `charrnn.Run` at any step."""

    @property
    def model(self) -> CharRNN:
        """The network."""

    @property
    def params(self) -> Parameters:
        """Its weights."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Its characters."""

    @property
    def usage(self) -> Usage:
        """How to use it as it was trained: what ends an item, how typed texts are read."""


# What a text begins from


def line_start(vocabulary: Vocabulary, rng: np.random.Generator, separator: str = "") -> str:
    """Return what to begin from without a seed text.

    For items that is the last character of the separator (see `charrnn.text.items`). For running text it is a line
    feed, or a random character if the vocabulary has no line feed.
    """
    characters = vocabulary.characters
    if separator:
        return separator[-1]
    return "\n" if "\n" in characters else characters[rng.integers(len(characters))]


def read_seed(
    text: str | None, file: str | None, vocabulary: Vocabulary, *, encoding: str = "utf-8", of_item: bool = False
) -> tuple[str, tuple[str, ...]]:
    """Return the seed text, from the command line or from a file, and notes on what was changed in reading it.

    The beginning of an item does not include the line feed at the end of a file.
    """
    if file is None:
        text = unescaped(text or "", vocabulary)
        is_note = _is_number(text) and not vocabulary.unknown(text)
        return text, (f"{text} is the text to continue; for a random seed use --rng-seed {text}",) * is_note
    if text is not None:
        raise ConfigError("{} and {} both give a seed text: give one of them", "seed", "seed_file")
    passage = read_passage([file], vocabulary, encoding=encoding)
    whole = passage.text()
    return whole.removesuffix("\n") if of_item else whole, passage.notes


def _is_number(text: str) -> bool:
    """Whether a seed text may be meant as a random seed."""
    return text.strip().removeprefix("-").isdigit()


def fit_seed(text: str, vocabulary: Vocabulary, unknown: str, read: Callable[[str], str] = str) -> Fitted:
    """Return a text, normalized by `read`, in characters that the model knows.

    `unknown` says what to do with others: ``error`` (raise `UnknownCharacterError`), ``skip`` or ``nearest``.
    """
    text = read(text)
    if unknown == "skip":
        return leave_out(text, vocabulary)
    if unknown == "nearest":
        return nearest(text, vocabulary)
    try:
        vocabulary.encode(text)
    except UnknownCharacterError as error:
        if _is_number(text):
            message, fields = "{reason} ({} is text; for random numbers use {} {text})", ["seed", "rng_seed"]
        else:
            message, fields = "{reason} ({} nearest replaces them by similar ones)", ["unknown"]
        raise UnknownCharacterError(message, *fields, reason=error, text=text) from error
    return Fitted(text, {})


# Where a text ends


class Reason(StrEnum):
    """Why a text ended."""

    LENGTH = "length"
    LINES = "lines"
    STOP = "stop"
    ITEM = "item"


@dataclass(frozen=True)
class Bounds:
    """Where a text ends: at the first bound it reaches."""

    length: int | None = None  # characters; None for no bound
    lines: int = 0  # line feeds, including the last; 0 for no bound
    stops: tuple[str, ...] = ()  # it ends before the first of these; none is empty
    separator: str = ""  # it ends before this too, as an item; empty for no bound


class Ending:
    """Follows a text as it grows, and says when it ends.

    A character is settled once no stop text can begin at it. The settled characters are always a beginning of those
    that were taken, and are never taken back. `before` is what the item has before the first character taken, such as a
    seed; the separator may begin in it.
    """

    def __init__(self, bounds: Bounds, before: str = "") -> None:
        self._bounds = bounds
        self._separators = (bounds.separator,) if bounds.separator else ()
        self._length = self._lines = 0
        self._before = _beginning_in(before, self._separators)  # may be the beginning of a separator
        self._held = ""  # taken and not settled: may be the beginning of a stop text, or continue that of a separator
        self.reason: Reason | None = Reason.LENGTH if bounds.length == 0 else None
        """Why it has ended, or None while it grows."""
        self.overlap = 0
        """How many characters of the separator that ended it came before the first character taken."""

    def take(self, character: str) -> str:
        """Take the next character, and return what it settles: nothing once the text has ended."""
        if self.reason:
            return ""
        self._length += 1
        if self._length == self._bounds.length:
            self.reason = Reason.LENGTH
        if character == "\n":
            self._lines += 1
            if self._lines == self._bounds.lines:
                self.reason = Reason.LINES
        return self._unless_stopped(character) if self._bounds.stops or self._separators else character

    def _unless_stopped(self, character: str) -> str:
        text = self._held + character
        whole = self._before + text  # a separator may begin before the text, other stop texts may not
        found = [stop for stop in self._bounds.stops if text.endswith(stop)]
        found += [separator for separator in self._separators if whole.endswith(separator)]
        if found:
            longest = max(found, key=len)
            self.reason = Reason.ITEM if longest in self._separators else Reason.STOP
            self.overlap = max(len(longest) - len(text), 0)
            return text[: max(len(text) - len(longest), 0)]
        if self.reason:
            return text
        separator = _beginning_in(whole, self._separators)
        held = max(len(_beginning_in(text, self._bounds.stops)), min(len(separator), len(text)))
        self._held = text[len(text) - held :]
        self._before = separator[: max(len(separator) - held, 0)]
        return text[: len(text) - held]


def _beginning_in(text: str, stops: tuple[str, ...]) -> str:
    """Return the longest end of a text with which a stop text begins."""
    longest = max(map(len, stops), default=0)
    ends = (text[start:] for start in range(max(len(text) - longest, 0), len(text)))
    return next((end for end in ends if any(stop.startswith(end) for stop in stops)), "")


# Who writes it


@dataclass
class Sample:
    """One of the texts that a `Writer` writes."""

    rng_seed: int  # given alone, it writes this text again
    temperature: float
    ending: Ending
    log_probs: list[float] = field(default_factory=list)
    """If asked for, ln p of each character drawn, by the model before any filter; a stop text's come last."""


class Writer:
    """Writes the texts that a configuration asks for, side by side in a batch.

    Parameters
    ----------
    trained : a checkpoint, or a run
    config : how characters are drawn, where a text ends, and how many there are
    rng_seed : the random seed of the first text. Each further text has the next number, the same for each temperature.
    training : what the model was trained on, for ``config.novel``: (N,) ids or items, as
        `charrnn.training.data.learned` returns it

    Attributes
    ----------
    samples : one for each text, one temperature after another
    drawn : how many items `search` has drawn
    bounds : where each text ends

    Raises
    ------
    ConfigError
        If a value is outside its range, or values do not go together.

    Examples
    --------
    >>> import charrnn
    >>> trained = charrnn.load(charrnn.PRETRAINED)
    >>> writer = charrnn.Writer(trained, charrnn.SampleConfig(num=3, length=10), rng_seed=0)
    >>> texts = ["".join(pieces) for pieces in zip(*writer.write("The light"))]
    >>> [len(text) for text in texts]
    [10, 10, 10]

    """

    def __init__(
        self,
        trained: Trained,
        config: SampleConfig,
        rng_seed: int,
        training: NDArray[np.integer] | Items | None = None,
    ) -> None:
        usage, vocabulary = trained.usage, trained.vocabulary
        if usage.separator:
            config = config.of_items(usage.longest_item)
        if config.match and not usage.separator:
            raise ConfigError("{} picks items, and this model writes running text", "match")
        config = config.read_by(lambda text: usage.read(unescaped(text, vocabulary)))
        self._trained, self._config = trained, config
        writable = _writable(config, usage, vocabulary)
        banned = tuple(number for number, c in enumerate(vocabulary.characters) if c not in writable)
        self._writes_lines = "\n" in writable
        self.bounds = Bounds(config.most_characters, config.lines, config.stops, usage.separator)
        filters = tuple(Filters(t, config.top_k, config.top_p, config.min_p, banned) for t in config.temperatures)
        self._first_filters, self._filters = filters[0], SideBySide(filters) if len(filters) > 1 else filters[0]
        self._known = None
        if config.novel:
            if training is None:
                raise ConfigError("{} needs the training text", "novel")
            self._known = Known(training, vocabulary, config.novel)
        self.samples = [
            Sample(rng_seed + k, temperature, Ending(self.bounds))
            for temperature in config.temperatures
            for k in range(config.num)
        ]
        self.drawn = 0

    def fit(self, text: str) -> Fitted:
        """Return a typed text in characters that the model knows, as ``config.unknown`` says."""
        return fit_seed(text, self._trained.vocabulary, self._config.unknown, self._trained.usage.read)

    def write(self, seed_text: str, *, with_log_probs: bool = False) -> Iterator[list[str]]:
        """Yield what each text gains, step by step, until all have ended.

        Parameters
        ----------
        seed_text : what every text continues, not yielded; if empty, each begins as `line_start` says. The seed of an
            item is its beginning.
        with_log_probs : whether to keep each sample's `log_probs`

        Raises
        ------
        ConfigError
            If the seed text goes beyond the end of an item.
        UnknownCharacterError
            If the model never saw a character of the seed text, and ``config.unknown`` is ``error``.
        """
        return self._steps(self.samples, self._checked(seed_text), with_log_probs=with_log_probs)

    def search(self, seed_text: str, *, with_log_probs: bool = False) -> Iterator[tuple[Sample, str]]:
        """Yield ``config.num`` items that match ``config.match``, each with its sample.

        The random seeds are tried one after another, and `drawn` counts them. The parameters are those of `write`.

        Raises
        ------
        NoMatchError
            If fewer match of ``config.tries`` items.
        ConfigError, UnknownCharacterError
            As `write` does.
        """
        seed_text, first, config = self._checked(seed_text), self.samples[0], self._config
        matches, found, self.drawn = re.compile(config.match).search, 0, 0
        while self.drawn < config.tries:
            seeds = range(first.rng_seed + self.drawn, first.rng_seed + min(self.drawn + _AT_ONCE, config.tries))
            samples = [Sample(seed, first.temperature, Ending(self.bounds)) for seed in seeds]
            steps = self._steps(samples, seed_text, with_log_probs=with_log_probs)
            for own, pieces in zip(samples, zip(*steps, strict=True), strict=True):
                self.drawn += 1
                text = "".join(pieces)
                item = seed_text + text
                if own.ending.reason is Reason.ITEM and matches(item[: len(item) - own.ending.overlap]):
                    found += 1
                    yield own, text
                    if found == config.num:
                        return
        few = f"only {found}" if found else "none"
        message = "{} {match} matches {few} of {drawn:,} items; change it, or raise {}"
        raise NoMatchError(message, "match", "tries", match=repr(config.match), few=few, drawn=self.drawn)

    def _checked(self, seed_text: str) -> str:
        """Return a seed text in known characters; for items, make sure that it does not go beyond one."""
        seed_text, separator = self.fit(seed_text).text, self.bounds.separator
        if separator and separator in seed_text:
            raise ConfigError(f"the seed text has {separator!r}, which ends an item: give one item's beginning")
        return seed_text

    def turns(self) -> "Turns":
        """Return the first text as one written by turns, each of which is a line unless more are asked for."""
        bounds = replace(self.bounds, lines=self.bounds.lines or int(self._writes_lines))
        if self.bounds.separator == "\n":  # the line that ends a turn ends its item too
            bounds = replace(bounds, separator="")
        rng = np.random.default_rng(self.samples[0].rng_seed)
        return Turns(self._trained, self._first_filters, bounds, rng, self._known)

    def _steps(self, samples: list[Sample], seed_text: str, *, with_log_probs: bool) -> Iterator[list[str]]:
        vocabulary, separator = self._trained.vocabulary, self.bounds.separator
        for own in samples:
            own.ending, own.log_probs = Ending(self.bounds, seed_text if separator else ""), []
        generators = [np.random.default_rng(own.rng_seed) for own in samples]
        begin = partial(line_start, vocabulary, separator=separator)
        seeds = [seed_text if seed_text and not separator else begin(rng) + seed_text for rng in generators]
        texts = Generation(self._trained.model, self._trained.params, len(samples))
        texts.read(np.stack([vocabulary.encode(seed) for seed in seeds], axis=1))
        rng = OwnGenerators(generators) if len(samples) > 1 else generators[0]
        shaper = following(self._filters, vocabulary, separator, [seed_text] * len(samples), self._known)
        drawn, endings = texts.write(rng, shaper), [own.ending for own in samples]
        while not all(ending.reason for ending in endings):
            ids = next(drawn)
            if with_log_probs:
                _keep_log_probs(samples, texts.logits, ids)
            characters = [vocabulary.characters[number] for number in ids.tolist()]
            yield [ending.take(character) for ending, character in zip(endings, characters, strict=True)]


def following(
    filters: Shaper, vocabulary: Vocabulary, separator: str, texts: list[str], known: Known | None = None
) -> NoBlankItems | NovelTexts:
    """Return a shaper that also heeds what each of some texts has so far: the `texts`, and what is drawn after them."""
    shaper = NoBlankItems(filters, vocabulary.characters, separator, texts)
    return NovelTexts(shaper, known, texts, separator) if known else shaper


def sample_text(
    trained: Trained, seed_text: str = "", config: SampleConfig = _DEFAULT, *, rng_seed: int
) -> Iterator[str]:
    """Yield the characters of a text one by one, each as soon as it is drawn.

    Parameters
    ----------
    trained : a checkpoint, or a run
    seed_text : what the text continues, not yielded; if empty, the text begins as a line does
    config : how characters are drawn, and where the text ends
    rng_seed : the same number writes the same text

    Raises
    ------
    ConfigError
        If a value is outside its range, or `config` asks for several texts, `match` or `novel`; use a `Writer` for
        those.
    UnknownCharacterError
        If the model never saw a character of the seed text, and ``config.unknown`` is ``error``.

    Examples
    --------
    >>> import charrnn
    >>> how = charrnn.SampleConfig(temperatures=(0.0,), length=25)
    >>> "".join(charrnn.sample_text(charrnn.load(charrnn.PRETRAINED), "The light", how, rng_seed=4))
    ' was a stairs and the sta'

    """
    if config.is_several or config.match or config.novel:
        raise ConfigError("sample_text writes one text, without match or novel; use a Writer for those")
    pieces = Writer(trained, config, rng_seed).write(seed_text)
    return (character for (piece,) in pieces for character in piece)


def excerpt(trained: Trained, rng: np.random.Generator, characters: int, filters: Shaper = DEFAULT_FILTERS) -> str:
    """Write a few characters from a line start, or whole items that have at most `characters` in all.

    An item that does not end in time is left out, unless it is the only one, so that there is always something to see.
    """
    model, params, vocabulary, separator = trained.model, trained.params, trained.vocabulary, trained.usage.separator
    seed = vocabulary.encode(line_start(vocabulary, rng, separator))
    if not separator:
        return vocabulary.decode(list(islice(sample(model, params, seed, rng, filters), characters)))
    items: list[str] = []
    left = characters
    while left > 0:
        item, ending = "", Ending(Bounds(left, separator=separator))
        drawn = sample(model, params, seed, rng, NoBlankItems(filters, vocabulary.characters, separator, [""]))
        while not ending.reason:
            item += ending.take(vocabulary.characters[next(drawn)])
        is_whole = ending.reason is Reason.ITEM
        if is_whole or not items:
            items.append(item)
        left = left - len(item) - len(separator) if is_whole else 0
    return separator.join(items)


class Turns:
    """A text that a person and the network write by turns; `bounds` say where a turn of the network ends.

    The network remembers what both have written, but starts afresh after each item.
    """

    def __init__(
        self, trained: Trained, filters: Filters, bounds: Bounds, rng: np.random.Generator, known: Known | None = None
    ) -> None:
        self._filters, self._bounds, self._rng, self._known = filters, bounds, rng, known
        self.text = ""
        """All that was written so far."""
        self._vocabulary, self._separator, self._item = trained.vocabulary, trained.usage.separator, ""
        self._line_end = "\n" if "\n" in trained.vocabulary.characters else ""
        self._text = Generation(trained.model, trained.params, 1)
        self._text.read(self._vocabulary.encode(line_start(self._vocabulary, rng, self._separator))[:, None])
        self._beginning = self._text.mark()
        self.is_within_line = False
        """Whether what comes next continues a line, or an item."""

    def read(self, text: str) -> None:
        """Read what was written, all of it in known characters."""
        if not text:
            return
        self.text += text
        self.is_within_line = not text.endswith("\n")
        if self._separator:
            *ended, self._item = (self._item + text).split(self._separator)
            if ended:
                self._text.rewind(self._beginning)
                text = self._item
                self.is_within_line = self.is_within_line and bool(text)  # a new item begins a line
        self._text.read(self._vocabulary.encode(text)[:, None])

    def read_line(self, text: str, *, is_finished: bool = True) -> None:
        """Read what the person typed as a separate line, or the beginning of one; an empty text does nothing."""
        if text:
            self.read(self._line_end * self.is_within_line + text + self._line_end * is_finished)

    def reset(self) -> None:
        """Forget all that was written."""
        self._text.rewind(self._beginning)
        self.text, self._item, self.is_within_line = "", "", False

    def seed(self, rng_seed: int) -> None:
        """Draw the next turns from a random seed."""
        self._rng = np.random.default_rng(rng_seed)

    def warm(self, temperature: float) -> None:
        """Draw the next turns at another temperature; raise `ConfigError` if it is out of range."""
        self._filters = replace(self._filters, temperature=temperature)

    def write(self) -> Generator[str]:
        """Yield the network's turn, piece by piece.

        When the turn ends, or is ended by closing the iterator, the network remembers the pieces that were yielded, and
        not a stop text.
        """
        characters, ending, written = self._vocabulary.characters, Ending(self._bounds, self._item), ""
        start = self._text.mark()
        before = self.text[-self._known.longest :] if self._known and not self._separator else self._item
        shaper = following(self._filters, self._vocabulary, self._separator, [before], self._known)
        drawn = self._text.write(self._rng, shaper)
        try:
            while not ending.reason:
                piece = ending.take(characters[int(next(drawn)[0])])
                written += piece
                yield piece
                if ending.reason is Reason.LINES and not written.strip():  # blank lines are no turn
                    left = None if self._bounds.length is None else self._bounds.length - len(written)
                    ending = Ending(replace(self._bounds, length=left), self._item + written)
        finally:
            self._text.rewind(start)
            self.read(written + self._separator[ending.overlap :] * (ending.reason is Reason.ITEM))


def _writable(config: SampleConfig, usage: Usage, vocabulary: Vocabulary) -> set[str]:
    """Return the characters that may be drawn; raise `ConfigError` if an item, or an end, could never be written."""
    separator = usage.separator
    banned = set(banned_ids(vocabulary, config.allow, config.ban, usage.never_written(vocabulary)))
    writable = {c for number, c in enumerate(vocabulary.characters) if number not in banned}
    if separator:
        if not writable - {separator[-1]}:
            raise ConfigError("no character is left that an item could have: check {} and {}", "allow", "ban")
        if (config.allow or config.ban) and not "".join(writable - {separator}).strip():
            raise ConfigError(
                "{} and {} leave only white space, and no item is blank: allow other characters", "allow", "ban"
            )
        if len(separator) == 1:  # it is not part of an item, and must come for an item to end
            writable.add(separator)
        if missing := set(separator) - writable:
            raise ConfigError(
                "{} and {} leave out {missing!r}, which is needed to end an item", "allow", "ban", missing=min(missing)
            )
    for stop in config.stops:
        if missing := set(stop) - writable:
            message = "{} {stop!r} can never appear: the model does not write {missing!r}"
            raise ConfigError(message, "stops", stop=stop, missing=min(missing))
    if config.lines and "\n" not in writable:
        raise ConfigError("{} counts line ends, and the model writes none: use {}", "lines", "length")
    return writable


def _keep_log_probs(samples: Sequence[Sample], logits: NDArray[np.floating], ids: NDArray[np.intp]) -> None:
    log_probs = log_softmax(logits.astype(np.float64))[np.arange(len(ids)), ids]
    for own, log_prob in zip(samples, log_probs.tolist(), strict=True):
        if own.ending.reason is None:
            own.log_probs.append(log_prob)
