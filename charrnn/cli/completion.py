"""Types of arguments that a shell can complete: checkpoints and texts by name."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from charrnn.bundled import CORPORA, LOCAL_CHECKPOINTS
from charrnn.errors import shown

_ENDS_OF_FOLDERS = tuple(filter(None, (os.sep, os.altsep)))

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    Items = list[CompletionItem[str]]


class FilePath(click.ParamType[Path]):
    """A file's name; who opens it says what is wrong with it."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; no name, which often is a variable that is not set, and a folder's are refused."""
        if not str(value):
            self.fail("the file's name is empty.", param, ctx)
        if str(value).endswith(_ENDS_OF_FOLDERS):
            self.fail(f"{shown(str(value))} names a folder: name a file.", param, ctx)
        return Path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "Items":  # noqa: ARG002
        """Let the shell complete files."""
        return _offer((), incomplete)


class CheckpointPath(FilePath):
    """A checkpoint's file: those here and in ./checkpoints are offered."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "Items":  # noqa: ARG002
        """Offer the checkpoints that begin so."""
        return _offer(checkpoints(), incomplete)


class TextName(click.ParamType[str]):
    """A text: files here, those in ./corpora and the bundled ones are offered.

    Parameters
    ----------
    or_checkpoint : whether it may also be a checkpoint
    """

    name = "text"

    def __init__(self, *, or_checkpoint: bool = False) -> None:
        self._or_checkpoint = or_checkpoint

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the name."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "Items":  # noqa: ARG002
        """Offer the texts that begin so."""
        from charrnn.text.finding import LOCAL_CORPORA

        texts = [
            _typed(path if folder == LOCAL_CORPORA and _is_taken_otherwise(path.name) else Path(path.name))
            for folder in (Path(), LOCAL_CORPORA, CORPORA)
            for path in _files(folder)
            if _may_be_text(path)
        ]
        return _offer([*(checkpoints() if self._or_checkpoint else ()), *texts], incomplete)


def checkpoints() -> list[str]:
    """Return the checkpoints in ./checkpoints and here."""
    return [_typed(path) for folder in (LOCAL_CHECKPOINTS, Path()) for path in _files(folder) if path.suffix == ".npz"]


def _typed(path: Path) -> str:
    """Return a path as it can be typed: the first character must not make it an option or someone's home."""
    return f"./{path}" if _is_taken_otherwise(str(path)) else str(path)


def _is_taken_otherwise(name: str) -> bool:
    return name.startswith(("-", "~"))


def _may_be_text(path: Path) -> bool:
    return path.suffix != ".npz" and not path.name.startswith(".") and path.name != "README.md"


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return []


def _offer(names: Iterable[str], incomplete: str) -> "Items":
    """Return the names that begin so; where there is none, let the shell complete a path of its own."""
    from click.shell_completion import CompletionItem

    from charrnn.cli.shells import NAME

    items: Items = [CompletionItem(name, NAME) for name in dict.fromkeys(names) if name.startswith(incomplete)]
    return items or [CompletionItem(incomplete, type="file")]
