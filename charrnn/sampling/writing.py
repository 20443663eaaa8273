"""From what is asked for to the texts: one, or several side by side.

The text that a sample goes on from: read, and fitted to the characters that the model knows.

A running text that a person and the network write by turns.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from charrnn.config import SampleConfig
from charrnn.errors import ConfigError
from charrnn.nn.model import CharRNN
from charrnn.nn.output import log_softmax
from charrnn.nn.parameters import Parameters
from charrnn.sampling.filters import Filters, NoBlankItems, Shaper, SideBySide, banned_ids
from charrnn.sampling.sampler import Bounds, Ending, OwnGenerators, Reason, Streams, encode_seed, line_start
from charrnn.text.passage import read_passage
from charrnn.text.usage import Usage
from charrnn.text.vocabulary import Fitted, Vocabulary, leave_out, nearest


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


class Turns:
    """The network's side of it: all that either has written is kept in its state.

    Parameters
    ----------
    model, params, vocabulary : the trained network
    filters : what shapes the distribution before each draw
    bounds : where a turn of the network ends
    rng : one uniform number is drawn for each character
    separator : what ends an item, where the model learned those: whoever writes it, the next item begins from nothing
    """

    def __init__(
        self,
        model: CharRNN,
        params: Parameters,
        vocabulary: Vocabulary,
        filters: Shaper,
        bounds: Bounds,
        rng: np.random.Generator,
        separator: str = "",
    ) -> None:
        self._vocabulary, self._filters, self._bounds, self._rng = vocabulary, filters, bounds, rng
        self._separator, self._item = separator, ""
        self._streams = Streams(model, params, 1)
        self._line_end = "\n" if "\n" in vocabulary.characters else ""
        self._streams.read(vocabulary.encode(line_start(vocabulary, rng, separator))[:, None])
        self._beginning = self._streams.mark()
        self.is_within_line = False
        """Whether what comes next continues a line, or an item."""

    def read(self, text: str) -> None:
        """Take in what was written, all of it in known characters."""
        if not text:
            return
        self.is_within_line = not text.endswith("\n")
        if self._separator:
            *ended, self._item = (self._item + text).split(self._separator)
            if ended:
                self._streams.rewind(self._beginning)
                text = self._item
                self.is_within_line = self.is_within_line and bool(text)  # a new item begins a line
        self._streams.read(self._vocabulary.encode(text)[:, None])

    def read_line(self, text: str, *, is_finished: bool = True) -> None:
        """Take in what the person has typed as a line of its own, or its beginning; nothing where it is empty."""
        if text:
            before, after = self._line_end * self.is_within_line, self._line_end * is_finished
            self.read(before + text + after)

    def write(self) -> Generator[str]:
        """Yield the network's turn, piece by piece.

        When it ends, or is ended by closing the iterator, the state is that after the pieces that were yielded, and a
        stop text is forgotten.
        """
        characters, ending, written = self._vocabulary.characters, Ending(self._bounds, self._item), ""
        start = self._streams.mark()
        shaper = NoBlankItems(self._filters, characters, self._separator, [self._item])
        drawn = self._streams.write(self._rng, shaper)
        try:
            while not ending.reason:
                number = int(next(drawn)[0])
                shaper.take([number])
                piece = ending.take(characters[number])
                written += piece
                yield piece
                if ending.reason is Reason.LINES and not written.strip():  # blank lines are no turn
                    left = None if self._bounds.length is None else self._bounds.length - len(written)
                    ending = Ending(replace(self._bounds, length=left), self._item + written)
        finally:
            self._streams.rewind(start)
            self.read(written + self._separator[ending.overlap :] * (ending.reason is Reason.ITEM))


@dataclass
class Sample:
    """One of the texts that are written."""

    rng_seed: int
    """It writes this very text when it is asked for alone."""
    temperature: float
    ending: Ending
    log_probs: list[float] = field(default_factory=list)
    """Where they are kept, ln p of each character drawn by the model itself, before any filter; those of a stop text
    are the last."""


def check_ends(vocabulary: Vocabulary, config: SampleConfig, banned: Sequence[int], separator: str = "") -> Bounds:
    """Return where a text ends.

    Raises
    ------
    ConfigError
        If a stop text, a line end or the separator can never come, as a character of it is unknown or banned.
    """
    possible = set(vocabulary.characters) - {vocabulary.characters[number] for number in banned}
    for stop in config.stops:
        if missing := set(stop) - possible:
            hint = "; for a line end give a real one, $'\\n' in most shells" if "\\" in missing else ""
            raise ConfigError(f"--stop {stop!r} can never come: the model does not write {min(missing)!r}{hint}")
    if config.lines and "\n" not in possible:
        raise ConfigError("--lines counts line ends, and the model writes none; use --length")
    if missing := set(separator) - possible:
        raise ConfigError(f"--allow and --ban leave out {min(missing)!r}, by which an item ends: let it be written")
    return Bounds(config.most_characters, config.lines, config.stops, separator)


class Trained(Protocol):
    """What text can be written with: a `charrnn.Checkpoint` is one, and so is a `charrnn.Trainer` at any step."""

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
        """What else it needs to be used as it was trained: what ends an item, how typed texts are read."""


_DEFAULT = SampleConfig()


def sample_text(
    trained: Trained, seed_text: str = "", config: SampleConfig = _DEFAULT, *, rng_seed: int
) -> Iterator[str]:
    """Yield the characters of a text one by one, each as soon as it is drawn.

    Parameters
    ----------
    trained : a checkpoint, or a trainer
    seed_text : what the text goes on from, and what is not yielded; without one it begins as a line does
    config : how characters are drawn, and where the text ends
    rng_seed : the same numbers write the same text, as ``charrnn sample --rng-seed`` does

    Raises
    ------
    ConfigError
        If a value is outside its range, or several texts are asked for: a `Writer` writes those.
    UnknownCharacterError
        If the model never saw a character of the seed text, and ``config.unknown`` does not say what to do with it.

    Examples
    --------
    >>> import charrnn
    >>> how = charrnn.SampleConfig(temperatures=(0.0,), length=25)
    >>> "".join(charrnn.sample_text(charrnn.load(charrnn.PRETRAINED), "The light", how, rng_seed=4))
    ' was a stairs and the sta'

    """
    if config.is_several:
        raise ConfigError("sample_text writes one text; a Writer writes several side by side")
    writer = Writer.of(trained, config, rng_seed)
    return (character for (piece,) in writer.write(seed_text) for character in piece)


class Writer:
    """Writes the texts of one configuration side by side in a batch.

    Parameters
    ----------
    model, params, vocabulary : the trained network
    config : what is asked for
    separator : what ends an item, where the model learned those
    rng_seed : the first text's random seed; each further one's is the next number, and every temperature has the same
    never : ids that are not drawn whatever is asked for
    read : brings what a person typed, the texts of `config` and the seed text, into the form of the model's own text

    See Also
    --------
    of : takes all of these from a checkpoint.

    Raises
    ------
    ConfigError
        If a value is outside its range, or values do not go together.

    Examples
    --------
    >>> import charrnn
    >>> trained = charrnn.load(charrnn.PRETRAINED)
    >>> config = charrnn.SampleConfig(num=3, length=10)
    >>> writer = charrnn.Writer.of(trained, config, rng_seed=0)
    >>> texts = ["".join(pieces) for pieces in zip(*writer.write("The light"))]
    >>> [len(text) for text in texts]
    [10, 10, 10]

    """

    def __init__(
        self,
        model: CharRNN,
        params: Parameters,
        vocabulary: Vocabulary,
        config: SampleConfig,
        rng_seed: int,
        separator: str = "",
        never: Sequence[int] = (),
        read: Callable[[str], str] = str,
    ) -> None:
        config, banned = config.read_by(read), tuple(never)
        self._fit = partial(fit_seed, vocabulary=vocabulary, unknown=config.unknown, read=read)
        if config.allow or config.ban:
            banned = banned_ids(vocabulary, config.allow, config.ban, never)
        possible = {character for number, character in enumerate(vocabulary.characters) if number not in banned}
        if separator and not possible - {separator[-1]}:
            raise ConfigError("--allow and --ban leave no character that an item could have; allow others")
        # A separator of one character is no part of an item.
        if separator and (config.allow or config.ban) and not "".join(possible - {separator}).strip():
            raise ConfigError("--allow and --ban leave only white space, and no item is blank; allow other characters")
        if len(separator) == 1:  # it is no character of an item, and must come for an item to end
            banned = tuple(number for number in banned if vocabulary.characters[number] != separator)
        filters = tuple(Filters(t, config.top_k, config.top_p, config.min_p, banned) for t in config.temperatures)
        self.filters: Shaper = SideBySide(filters) if len(filters) > 1 else filters[0]
        self._writes_lines = "\n" in vocabulary.characters and vocabulary.characters.index("\n") not in banned
        self.bounds = check_ends(vocabulary, config, banned, separator)
        self._separator = separator
        self._model, self._params, self._vocabulary = model, params, vocabulary
        self.samples = [
            Sample(rng_seed + k, temperature, Ending(self.bounds))
            for temperature in config.temperatures
            for k in range(config.num)
        ]
        """One temperature after another."""

    @classmethod
    def of(cls, trained: Trained, config: SampleConfig, rng_seed: int) -> Self:
        """Return what writes with a checkpoint or a trainer, as its model is to be used.

        Raises
        ------
        ConfigError
            If a value is outside its range, or values do not go together.
        """
        usage, vocabulary = trained.usage, trained.vocabulary
        if usage.separator:
            config = config.of_items(usage.longest_item)
        never = usage.never_written(vocabulary)
        return cls(trained.model, trained.params, vocabulary, config, rng_seed, usage.separator, never, usage.read)

    def turns(self) -> Turns:
        """Return the first text as one that is written by turns, which end with a line unless more are asked for."""
        bounds = replace(self.bounds, lines=self.bounds.lines or int(self._writes_lines))
        rng = np.random.default_rng(self.samples[0].rng_seed)
        if self._separator == "\n":  # with the line that a turn is, its item ends
            bounds = replace(bounds, separator="")
        return Turns(self._model, self._params, self._vocabulary, self.filters, bounds, rng, self._separator)

    def write(self, seed_text: str, *, with_log_probs: bool = False) -> Iterator[list[str]]:
        """Yield by what each text grows, a step after another, until all have ended.

        Parameters
        ----------
        seed_text : what every text goes on from; without any, each begins as `line_start` says. An item always begins
            so, and the seed is its beginning.
        with_log_probs : whether to keep each sample's `log_probs`

        Raises
        ------
        ConfigError
            If the seed text goes beyond the end of an item.
        UnknownCharacterError
            If the model never saw a character of the seed text, and ``config.unknown`` does not say what to do with it.
        """
        seed_text, separator = self._fit(seed_text).text, self._separator
        if separator and separator in seed_text:
            raise ConfigError(f"the seed text has {separator!r}, by which an item ends: give the beginning of one item")
        return self._steps(seed_text, with_log_probs=with_log_probs)

    def _steps(self, seed_text: str, *, with_log_probs: bool) -> Iterator[list[str]]:
        characters, samples, is_item = self._vocabulary.characters, self.samples, bool(self._separator)
        for sample in samples:
            sample.ending, sample.log_probs = Ending(self.bounds, seed_text * is_item), []
        generators = [np.random.default_rng(sample.rng_seed) for sample in samples]
        begin = partial(line_start, self._vocabulary, separator=self._separator)
        seeds = [seed_text if seed_text and not is_item else begin(rng) + seed_text for rng in generators]
        streams = Streams(self._model, self._params, len(samples))
        streams.read(np.stack([self._vocabulary.encode(seed) for seed in seeds], axis=1))
        rng = OwnGenerators(generators) if len(samples) > 1 else generators[0]
        shaper = NoBlankItems(self.filters, characters, self._separator, [seed_text] * len(samples))
        drawn = streams.write(rng, shaper)
        endings = [sample.ending for sample in samples]
        while None in [ending.reason for ending in endings]:
            ids = next(drawn)
            if with_log_probs:
                _keep_log_probs(samples, streams.logits, ids)
            numbers = ids.tolist()
            shaper.take(numbers)
            yield [ending.take(characters[number]) for ending, number in zip(endings, numbers, strict=True)]


def _keep_log_probs(samples: Sequence[Sample], logits: NDArray[np.floating], ids: NDArray[np.intp]) -> None:
    log_probs = log_softmax(logits.astype(np.float64))[np.arange(len(ids)), ids]
    for sample, log_prob in zip(samples, log_probs.tolist(), strict=True):
        if sample.ending.reason is None:
            sample.log_probs.append(log_prob)
