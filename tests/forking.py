"""Processes that start at once: each is a fork of one that has loaded NumPy and the whole program.

A process of the program takes a third of a second to start, which a table of a hundred mistakes pays a hundred times.
The forks have their own streams, folder, environment and end, so nothing that the program does is different in them
but for the start and the end of Python itself.
"""

import atexit
import codecs
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from charrnn.environment import THREAD_VARIABLES
from tests.conftest import REPOSITORY, Outcome

_STREAMS = ("stdin", "stdout", "stderr")
_PATIENCE = 60  # seconds; more is a hang
_NOBODY = 65534


class Forks:
    """Runs the command in forks, one after the other; a context manager that ends the process they come from."""

    def __enter__(self) -> Self:
        self._begin()
        return self

    def _begin(self) -> None:
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        # The program asks for one thread before it loads NumPy; here a test module may have loaded it before.
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **dict.fromkeys(THREAD_VARIABLES, "1")}
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.forking", str(requests), str(answers)],
            pass_fds=(requests, answers),
            env=environment,
            start_new_session=True,
        )
        os.close(requests)
        os.close(answers)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        os.close(self._requests)
        self._parent.wait()
        os.close(self._answers)

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        streams: Mapping[str, str] = {},
        environment: Mapping[str, str] = {},
        as_nobody: bool = False,
    ) -> Outcome:
        """Run the command in the current folder.

        Parameters
        ----------
        streams : files that stand for stdout and stderr; what goes to them is not in the outcome
        environment : variables that it has besides ours
        as_nobody : whether to give up the rights of root, where we have them
        """
        folder = Path(".streams").absolute()
        folder.mkdir()
        places = {name: str(folder / name) for name in _STREAMS}
        for name, place in places.items():
            Path(place).write_bytes(stdin if name == "stdin" else b"")
        request = {
            "arguments": arguments,
            "folder": str(Path.cwd()),
            "streams": {**places, **streams},
            "environment": dict(environment),
            "as_nobody": as_nobody and os.geteuid() == 0,
        }
        os.write(self._requests, json.dumps(request).encode() + b"\n")
        code = int(self._answer())
        outcome = Outcome(code, Path(places["stdout"]).read_bytes(), Path(places["stderr"]).read_text(encoding="utf-8"))
        for place in places.values():
            Path(place).unlink()
        folder.rmdir()
        return outcome

    def _answer(self) -> bytes:
        ready, _, _ = select.select([self._answers], [], [], _PATIENCE)
        if not ready:
            os.killpg(self._parent.pid, signal.SIGKILL)  # the fork too
            self._end()
            self._begin()
            raise TimeoutError("the command hangs")
        return os.read(self._answers, 100)


def _load_everything() -> None:
    import charrnn

    for module in pkgutil.walk_packages(charrnn.__path__, "charrnn."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ModuleNotFoundError):  # what needs a package that is not installed stays out
                importlib.import_module(module.name)
    for encoding in ("ascii", "latin-1", "utf-32-le"):  # which somebody without rights might not find any more
        codecs.lookup(encoding)


def _lines(descriptor: int) -> Iterator[bytes]:
    rest = b""
    while block := os.read(descriptor, 1 << 16):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole


def _become(request: dict[str, Any]) -> None:
    for number, name in enumerate(_STREAMS):
        flags = os.O_RDONLY if name == "stdin" else os.O_WRONLY
        opened = os.open(request["streams"][name], flags)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    sys.argv = ["charrnn", *request["arguments"]]
    if request["as_nobody"]:
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)


def _leave(code: Any) -> NoReturn:
    """End as Python does, but without taking all modules apart, which costs more than the command."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def _serve(requests: int, answers: int) -> None:
    from charrnn.cli import main

    for line in _lines(requests):
        child = os.fork()
        if not child:
            _become(json.loads(line))
            try:
                main.run()
            except SystemExit as leaving:
                _leave(leaving.code)
        _, status = os.waitpid(child, 0)
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    warnings.simplefilter("error")  # a warning on stderr is a mistake like another
    _load_everything()
    gc.freeze()  # nor are they looked through again
    with contextlib.suppress(BrokenPipeError):
        _serve(*map(int, sys.argv[1:]))
