"""Files that a person asked for, pages, pictures and models: written whole or not at all."""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from charrnn.errors import ConfigError, PageError, shown


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raise `ConfigError` where a file's name does not end in one of the suffixes that can be written."""
    if path.suffix.lower() not in suffixes:
        ending = f"ends in {shown(path.suffix)}" if path.suffix else "has no ending"
        raise ConfigError(f"-o {shown(str(path))} {ending}: name a file that ends in {' or '.join(suffixes)}")


def write_file(path: Path, data: bytes) -> int:
    """Write a file, whole or not at all, over what stood there; return its size in bytes.

    Raises
    ------
    PageError
        If it cannot be written; what stood there before is untouched.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "it exists and is not a regular file")
        with temporary.open("xb") as stream:
            stream.write(data)
        temporary.replace(os.path.realpath(path))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise PageError(f"cannot write {shown(str(path))}: {why}; make room or choose another place") from error
    finally:
        with suppress(OSError, ValueError):  # gone already after a success
            temporary.unlink()
    return len(data)
