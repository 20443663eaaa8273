"""What an archive may hold: the rules that the reader enforces and the writer keeps.

A charrnn archive is the plainest zip file there is: its members follow one another from the first byte, the
directory follows them, and the file ends with the 22 bytes of the end record. Each member is one ``.npy``
array.
"""

import os
import re

from charrnn.errors import ConfigError

LIMIT_VARIABLE = "CHARRNN_MAX_CHECKPOINT_BYTES"
DEFAULT_LIMIT = 1 << 30  # bytes
MAX_ARRAYS = 1024  # the deepest network, with an optimizer's memories and a state to go back to, has 900
DTYPES = frozenset({"<f2", "<f4", "<f8", "<i8", "<u4", "|u1"})
NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)  # no "..", no leading "/", nothing a terminal would obey


class RefusedError(Exception):
    """Why a file is not an archive of ours, worded to follow the file's name."""


def damaged(what: str) -> RefusedError:
    """Refusal of a file that was perhaps ours once."""
    return RefusedError(f"is damaged ({what}); use another copy or an earlier checkpoint")


def reason(error: BaseException) -> str:
    """Plain words for a failure of the system; never empty, though ``strerror`` and the message may be."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def size_limit() -> int:
    """Return the largest file to read, in bytes: ``CHARRNN_MAX_CHECKPOINT_BYTES``, or 1 GiB if that is unset.

    Raises
    ------
    ConfigError
        If the variable holds something other than a whole number of bytes.
    """
    text = os.environ.get(LIMIT_VARIABLE) or str(DEFAULT_LIMIT)
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ConfigError(f"{LIMIT_VARIABLE} must be a whole number of bytes, not {text!a}")
    return int(text)
