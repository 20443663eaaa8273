"""From the name a user gives to the file it means."""

import difflib
import stat
from pathlib import Path

from charrnn import bundled
from charrnn.errors import TextError, UnreadableTextError, shown

LOCAL_CORPORA = Path("corpora")


def find_text(name: str) -> Path:
    """Find the file that a name means.

    The path as given comes first; a bare name is then looked for in ``./corpora`` and among the bundled
    texts, with and without ``.txt``. The first that exists is meant, whatever it is.

    Raises
    ------
    TextError
        If there is none; the sentence names those that come near, and the bundled ones.
    UnreadableTextError
        If it is a directory, a pipe or a device, or cannot be looked at.
    """
    for path in _candidates(name):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
            continue
        except OSError as error:
            raise UnreadableTextError(f"{shown(name)} cannot be read ({error.strerror})") from error
        _require_file(name, mode)
        return path
    raise TextError(_not_found(name))


def _candidates(name: str) -> list[Path]:
    given = Path(name)
    if given.name != name:  # a path with folders in it means itself alone
        return [given]
    folders = (LOCAL_CORPORA, bundled.CORPORA)
    return [given, *(folder / file for folder in folders for file in (name, f"{name}.txt"))]


def _require_file(name: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise UnreadableTextError(f"{shown(name)} is a directory: name the text files in it")
    if stat.S_ISFIFO(mode):
        raise UnreadableTextError(f"{shown(name)} is a pipe: send it to stdin and name it -")
    if not stat.S_ISREG(mode):
        raise UnreadableTextError(f"{shown(name)} is not a file: copy the text into one")


def _not_found(name: str) -> str:
    here = [str(path) for path in _files(Path(name).parent)]
    others = [path.name for folder in (LOCAL_CORPORA, bundled.CORPORA) for path in _files(folder)]
    near = difflib.get_close_matches(name, sorted({*here, *others}))
    guess = f" (did you mean {' or '.join(map(shown, near))}?)" if near else ""
    bundled_names = ", ".join(bundled.corpus_names())
    return f"there is no text {shown(name)}{guess}: name a file, or one of the bundled texts: {bundled_names}"


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except (OSError, ValueError):  # a folder that cannot be listed has nothing to suggest
        return []
