"""A place between the program and the disk: every call that changes a file is seen, and may be made to fail.

`watch` puts it there. Files opened for writing become `WatchedFile`s, whose raw reads and writes are the system calls
that reach the disk; the calls of `os` that move, remove or flush are watched as they are.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Watcher = Callable[[str, tuple[Any, ...]], None]
CALLS = ("fsync", "replace", "unlink", "chmod", "open")


class WatchedFile(io.FileIO):
    """An unbuffered file that tells a watcher, before each call, what is going to happen."""

    watcher: Watcher

    def write(self, data: Any) -> int:
        self.watcher("write", (Path(str(self.name)), self.tell(), bytes(data)))
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        self.watcher("truncate", (Path(str(self.name)), self.tell() if size is None else size))
        return super().truncate(size)

    def readinto(self, buffer: Any) -> int:
        self.watcher("read", (Path(str(self.name)),))
        return super().readinto(buffer) or 0

    def close(self) -> None:
        was_open = not self.closed
        super().close()  # first, so that a failure leaves no file open
        if was_open:
            self.watcher("close", (Path(str(self.name)),))


def watch(monkeypatch: pytest.MonkeyPatch, watcher: Watcher) -> None:
    """Call `watcher` before each call to the disk, with the call's name and arguments; what it raises is what fails."""
    really = {name: getattr(os, name) for name in CALLS}
    really_opens = io.open

    def opens(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if not set(mode) & set("wxa+"):
            return really_opens(file, mode, *args, **options)
        assert "b" in mode, "checkpoints are binary"
        watcher("create", (Path(os.fspath(file)),))
        raw = WatchedFile(file, mode.replace("b", ""))
        raw.watcher = watcher
        return io.BufferedRandom(raw)

    monkeypatch.setattr(io, "open", opens)  # what `pathlib` opens files with
    for name, call in really.items():

        def calls(*args: Any, _name: str = name, _call: Any = call, **options: Any) -> Any:
            watcher(_name, args)
            return _call(*args, **options)

        monkeypatch.setattr(os, name, calls)
