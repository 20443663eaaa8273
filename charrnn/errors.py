"""Every error a user can meet.

::

    CharRNNError                 exit code 1: it could not be done
    ├── CheckpointError          a checkpoint is missing, damaged, or cannot be written
    │   └── InUseError           another process trains into it
    ├── CacheError               the cache of prepared texts cannot be used
    ├── LogError                 the log of a run is missing, or is none
    ├── DivergedError            training lost what it had learned, or met a number that is not finite
    ├── PageError                a page, a picture or an exported model cannot be written
    ├── ExchangeError            a model from elsewhere is none that can be read
    ├── WorkerError              a worker process died, failed, is silent or cannot be started
    ├── WrongGradientError       a derived gradient differs from its numeric check
    ├── UnreadableTextError      a text exists but cannot be read (a directory, a pipe, no permission)
    └── InputError               exit code 2: the request cannot be used
        ├── ConfigError          an option's value, or two that do not go together
        │   └── MissingPackageError  what was asked for needs a package that is not installed
        ├── TextError            a text that is missing, empty, too short, or not in its encoding
        └── UnknownCharacterError  characters the model never saw

Each carries one sentence for a person: what, where, and what to do next. `cli/main.py` is the one place that turns
them into a line on stderr and an exit code.
"""

_LONGEST_SHOWN = 200  # characters of a name from outside that a message quotes


def shortened(name: str) -> str:
    """Return the beginning and the end of a name from outside that is too long for a message."""
    if len(name) <= _LONGEST_SHOWN:
        return name
    half = _LONGEST_SHOWN // 2
    return f"{name[:half]}...{name[-half:]}"


def shown(name: str) -> str:
    """Return a name from outside as a message may print it: short, and escaped where it would upset a terminal."""
    name = shortened(name)
    return name if name and name.isprintable() else ascii(name)


def counted(number: int, noun: str) -> str:
    """Return so many of a thing: 1 file, 2,000 files."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


class CharRNNError(Exception):
    """An error whose message is one sentence for the user.

    Examples
    --------
    >>> import charrnn
    >>> try:
    ...     charrnn.TrainConfig(steps=-1)
    ... except charrnn.CharRNNError as error:
    ...     print(error)
    --steps must be 0 or more, not -1

    """

    exit_code = 1


class CheckpointError(CharRNNError):
    """A checkpoint is missing, damaged, made by something else, or cannot be written."""


class InUseError(CheckpointError):
    """Another process trains into this checkpoint."""


class CacheError(CharRNNError):
    """The cache of prepared texts cannot be written, or has not what was asked for."""


class LogError(CharRNNError):
    """The log of a run is missing, cannot be read, or is none."""


class DivergedError(CharRNNError):
    """Training lost what it had learned, or met a loss or a gradient that is not finite.

    Parameters
    ----------
    reason : what was met, and where
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; try a lower --learning-rate")
        self.reason = reason


class PageError(CharRNNError):
    """A page for a browser, a picture or an exported model cannot be written."""


class ExchangeError(CharRNNError):
    """A model from another program, or an exported file, cannot be read as a model of this one."""


class WorkerError(CharRNNError):
    """A worker process died, failed, does not answer, or cannot be started."""


class WrongGradientError(CharRNNError):
    """A derived gradient differs from its numeric check."""


class UnreadableTextError(CharRNNError):
    """A text is there but cannot be read: a directory, a pipe given as a file, no permission."""


class InputError(CharRNNError):
    """The request cannot be used as it stands."""

    exit_code = 2


class ConfigError(InputError):
    """An option's value cannot be used, or does not go with another."""


class MissingPackageError(ConfigError):
    """What was asked for needs a package that is not installed."""


class TextError(InputError):
    """A text is missing, empty, too short, or not in the encoding given.

    Parameters
    ----------
    reason : what is wrong
    advice : what to do about it, for whoever has just named the text; others leave it out
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}{advice}")
        self.reason = reason


class UnknownCharacterError(InputError):
    """A text has characters that the model never saw."""
