"""Recognise the files that people give by mistake, from their first bytes."""

import re

HEAD_LENGTH = 512

# The first pattern that matches at the start of the file names it.
_KINDS = [
    (rb"PK\x03\x04.{26,}?data\.pkl", "a PyTorch checkpoint"),
    (rb"PK\x03\x04.{26}(metadata|config)\.json", "a Keras model"),
    (rb"PK\x05\x06", "an empty zip archive"),
    (rb"\x93NUMPY", "a single .npy array"),
    (rb"\x89HDF\r\n", "a Keras or HDF5 model"),
    (rb".{5}\x00{3}\{", "a safetensors file"),  # the length of a JSON header in 8 bytes, and the header
    (rb"\x80[\x02-\x05]", "a pickle file or an old PyTorch checkpoint"),
    (rb"\x1f\x8b", "a gzip file"),
    (rb"[\x03\x04]\x00{3}", "a Torch7 file of Lua's char-rnn"),
    (rb"[^\x00-\x08\x0e-\x1f\x7f]+\Z", "a text file"),
]


def looks_like(head: bytes) -> str | None:
    """Name the kind of file that begins with ``head``, or return None for a kind that is not known."""
    for pattern, kind in _KINDS:
        if re.match(pattern, head, re.DOTALL):
            return kind
    return None
