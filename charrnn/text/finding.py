"""From the names a user gives to the files they mean."""

import difflib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from charrnn import bundled
from charrnn.errors import TextError, UnreadableTextError, counted, shown

STDIN = "-"
LOCAL_CORPORA = Path("corpora")
# In a folder, files of these kinds are no texts; what else is none shows by a NUL among its first bytes.
_NO_TEXT = re.compile(
    r".*\.(7z|avi|bin|bmp|bz2|class|db|dll|docx?|epub|exe|flac|gif|ico|ids|jar|jpe?g|mkv|mov|mp[34]|np[yz]|o|od[st]|ogg"
    r"|otf|parquet|pdf|pickle|pkl|png|pptx?|pth?|pyc|rar|safetensors|so|sqlite|tar|tar\.[gx]z|tgz|tiff?|ttf|wasm|wav"
    r"|web[mp]|woff2?|xlsx?|zip|zst|log\.jsonl)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Source:
    """One file of a corpus, or stdin."""

    name: str
    """What a message calls it."""
    path: Path | None
    """Where it is; None for stdin."""
    is_in_folder: bool = False
    """Whether only its folder was named, so that it is left out if it turns out to be no text."""

    @property
    def size(self) -> int:
        """Its bytes, packed as they are; 0 for stdin."""
        try:
            return self.path.stat().st_size if self.path else 0
        except OSError:  # gone since: who opens it says so
            return 0


def find_sources(names: Sequence[str]) -> tuple[list[Source], list[str]]:
    """Find all files that names mean, folders taken apart.

    Returns
    -------
    sources, notes
        In the order of the names, those of a folder in the order of their paths; and what a user should know of what
        was left out, a sentence each.

    Raises
    ------
    TextError, UnreadableTextError
        As `find_text`; also if no name is given, stdin twice, or a folder without a text.
    """
    if not names:
        raise TextError("no text was given: name a file, a folder, a bundled text, or - for stdin")
    if names.count(STDIN) > 1:
        raise TextError("stdin can be read only once: name - once")
    sources: list[Source] = []
    notes: list[str] = []
    seen: dict[Path, int] = {}
    for name in names:
        path = None if name == STDIN else find_text(name)
        if path is None or not path.is_dir():
            sources.append(Source("stdin" if path is None else shown(name), path))
            continue
        found = sorted(_texts_below(path), key=lambda file: file.parts)
        texts = [file for file in found if not _NO_TEXT.fullmatch(file.name)]
        if not texts:
            raise TextError(f"{shown(name)} is a folder without a text file: name another, or the files themselves")
        sources += (Source(shown(str(file)), file, is_in_folder=True) for file in texts)
        if len(texts) < len(found):
            others = counted(len(found) - len(texts), "file")
            notes.append(f"{shown(name)}: left out {others} by name (pictures, logs and the like)")
    for source in sources:
        if source.path:
            file = source.path.resolve()
            seen[file] = seen.get(file, 0) + 1
            if seen[file] == 2:
                notes.append(f"{source.name} is named more than once, and read each time")
    return sources, notes


def find_text(name: str) -> Path:
    """Find the file, or the folder, that a name means.

    The path as given comes first; a bare name is then looked for in ``./corpora`` and among the bundled
    texts, with and without ``.txt``. The first that exists is meant, whatever it is.

    Raises
    ------
    TextError
        If there is none; the sentence names those that come near, and the bundled ones.
    UnreadableTextError
        If it is a pipe or a device, or cannot be looked at.
    """
    for path in _candidates(name) if name else ():
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
            continue
        except OSError as error:
            raise UnreadableTextError(f"{shown(name)} cannot be read ({error.strerror})") from error
        _require_file(name, mode)
        return path
    raise _not_found(name)


def _candidates(name: str) -> list[Path]:
    given = Path(name)
    if given.name != name:  # a path with folders in it means itself alone
        return [given]
    folders = (LOCAL_CORPORA, bundled.CORPORA)
    return [given, *(folder / file for folder in folders for file in (name, f"{name}.txt"))]


def _texts_below(folder: Path) -> Iterator[Path]:
    """Yield the regular files of a folder and of those in it, but for hidden ones."""

    def refuse(error: OSError) -> None:
        raise UnreadableTextError(f"{shown(str(error.filename))} cannot be read ({error.strerror})") from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (path for name in files if name[0] != "." and (path := Path(parent, name)).is_file())


def _require_file(name: str, mode: int) -> None:
    if stat.S_ISFIFO(mode):
        raise UnreadableTextError(f"{shown(name)} is a pipe: send it to stdin and name it -")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UnreadableTextError(f"{shown(name)} is not a file: copy the text into one")


def _not_found(name: str) -> TextError:
    here = [str(path) for path in _files(Path(name).parent)]
    others = [path.name for folder in (LOCAL_CORPORA, bundled.CORPORA) for path in _files(folder)]
    near = difflib.get_close_matches(name, sorted({*here, *others}))
    guess = f" (did you mean {' or '.join(map(shown, near))}?)" if near else ""
    bundled_names = ", ".join(bundled.corpus_names())
    return TextError(
        f"there is no text {shown(name)}", f"{guess}: name a file, or one of the bundled texts: {bundled_names}"
    )


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except (OSError, ValueError):  # a folder that cannot be listed has nothing to suggest
        return []
