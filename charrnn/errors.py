"""Every error a user can meet.

::

    CharRNNError                 exit code 1: the work could not be done
    ├── CheckpointError          a checkpoint is missing, damaged, or cannot be written
    │   └── InUseError           another process is training into it
    ├── CacheError               the cache of prepared texts cannot be used
    ├── LogError                 the log of a run is missing or is not a log
    ├── DivergedError            training diverged, or met a number that is not finite
    ├── PageError                a page, a picture or an exported model cannot be written
    ├── ExchangeError            a model from another program cannot be read
    ├── WorkerError              a worker process died, failed, is silent or cannot be started
    ├── WrongGradientError       a derived gradient differs from its numeric check
    ├── NoMatchError             no item that was drawn is of the kind asked for
    ├── UnreadableTextError      a text exists but cannot be read (a directory, a pipe, no permission)
    └── InputError               exit code 2: the request cannot be used
        ├── ConfigError          a setting's value, or two that do not go together
        │   └── MissingPackageError  the request needs a package that is not installed
        ├── TextError            a text is missing, empty, too short, or not in its encoding
        └── UnknownCharacterError  characters the model has never seen

Each message is one sentence: what, where, and what to do. `cli/main.py` alone turns an error into a line on stderr and
an exit code.
"""

import errno
from collections.abc import Callable

_LONGEST_SHOWN = 200  # characters of a name from outside that a message quotes


# What to do about limits of the system, whichever file or process ran into them.
SHORTAGES = {
    errno.EMFILE: "the limit of this shell is reached; raise it with `ulimit -n 256`",
    errno.ENFILE: "the limit of this machine is reached; close other programs and try again",
}


def remedy(error: BaseException) -> str:
    """Say what to do about a file that could not be written."""
    return SHORTAGES.get(getattr(error, "errno", None) or 0, "make room or choose another place")


def shortened(name: str) -> str:
    """Return a name from outside; of one too long for a message, the beginning and the end."""
    if len(name) <= _LONGEST_SHOWN:
        return name
    half = _LONGEST_SHOWN // 2
    return f"{name[:half]}...{name[-half:]}"


def shown(name: str) -> str:
    """Return a name from outside as a message may print it: short, and escaped if it has control characters."""
    name = shortened(name)
    return name if name and name.isprintable() else ascii(name)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 file, 2,000 files."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


class CharRNNError(Exception):
    """An error whose message is one sentence for the user.

    A message that concerns settings is a template: ``{}`` stands for the name of a field, in the order of `fields`.
    Python shows ``hidden_sizes``, the command line ``--hidden-size``.

    Parameters
    ----------
    message : the sentence, or the template if there are `fields`
    fields : names of the settings concerned, the one at fault first
    values : what else the template mentions, by name

    Examples
    --------
    >>> import charrnn
    >>> try:
    ...     charrnn.TrainConfig(steps=-1)
    ... except charrnn.CharRNNError as error:
    ...     print(error)
    ...     print(error.worded(str.upper))
    steps must be 0 or more, not -1
    STEPS must be 0 or more, not -1

    """

    exit_code = 1

    def __init__(self, message: str, *fields: str, **values: object) -> None:
        self.fields = fields
        self._message, self._values = message, values
        super().__init__(self.worded(str))

    @property
    def field(self) -> str | None:
        """Name of the setting at fault, if the error concerns one."""
        return self.fields[0] if self.fields else None

    def worded(self, spelling: Callable[[str], str]) -> str:
        """Return the message with each field's name as `spelling` writes it."""
        if not self.fields:
            return self._message
        return self._message.format(*map(spelling, self.fields), **self._values)

    def __str__(self) -> str:
        return self.worded(str)


class CheckpointError(CharRNNError):
    """A checkpoint is missing, damaged, not a checkpoint, or cannot be written."""


class InUseError(CheckpointError):
    """Another process is training into this checkpoint."""


class CacheError(CharRNNError):
    """The cache of prepared texts cannot be written, or lacks the text asked for."""


class LogError(CharRNNError):
    """The log of a run is missing, cannot be read, or is not a log."""


class DivergedError(CharRNNError):
    """Training diverged: the loss rose far above its start, or a loss or gradient is not finite.

    Parameters
    ----------
    reason : what happened, and where
    """

    def __init__(self, reason: str) -> None:
        super().__init__("{reason}; try a lower {}", "learning_rate", reason=reason)
        self.reason = reason


class PageError(CharRNNError):
    """A page for a browser, a picture or an exported model cannot be written."""


class ExchangeError(CharRNNError):
    """A model from another program, or an exported file, cannot be read."""


class WorkerError(CharRNNError):
    """A worker process died, failed, does not answer, or cannot be started."""


class WrongGradientError(CharRNNError):
    """A derived gradient differs from its numeric check."""


class NoMatchError(CharRNNError):
    """Of the items that were drawn, too few match."""


class UnreadableTextError(CharRNNError):
    """A text exists but cannot be read: a directory, a pipe given as a file, no permission."""


class InputError(CharRNNError):
    """The request cannot be used as it stands."""

    exit_code = 2


class ConfigError(InputError):
    """A setting's value cannot be used, or does not go with another."""


class MissingPackageError(ConfigError):
    """The request needs a package that is not installed."""


class TextError(InputError):
    """A text is missing, empty, too short, or not in the encoding given.

    Parameters
    ----------
    reason : what is wrong
    advice : what to do about it, if the user has just named the text
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}{advice}")
        self.reason = reason


class UnknownCharacterError(InputError):
    """A text has characters that the model has never seen."""
