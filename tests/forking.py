"""Processes that start at once: each is a fork of one that has loaded NumPy and the whole program.

A process of the program takes a third of a second to start, which a table of a hundred mistakes pays a hundred times.
The forks have their own streams, folder, environment and end, so nothing that the program does is different in them
but for the start and the end of Python itself. `Forks.run` waits for the end of one, `Forks.start` does not.
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
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TextIO

from charrnn.environment import THREAD_VARIABLES
from tests.conftest import REPOSITORY, Outcome

_STREAMS = ("stdin", "stdout", "stderr")
_PATIENCE = 60  # seconds; more is a hang
_NOBODY = 65534


class Fork:
    """A command that runs, as `subprocess.Popen` would show it. What it writes to stdout is lost."""

    def __init__(self, forks: "Forks", pid: int, stderr: TextIO) -> None:
        self.pid, self.stderr = pid, stderr
        self.returncode: int | None = None
        self._forks = forks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self.wait()
        self.stderr.close()

    def poll(self) -> int | None:
        """Return the exit code, or None while the command runs."""
        if self.returncode is None and (answer := self._forks.ask({"poll": self.pid})) != "running":
            self.returncode = int(answer)
        return self.returncode

    def wait(self, timeout: float = _PATIENCE) -> int:
        """Return the exit code, or raise `TimeoutExpired` if the command does not end soon."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("charrnn", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the command has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the command at once."""
        self.send_signal(signal.SIGKILL)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what is left to read of stderr."""
        stuck = threading.Timer(_PATIENCE, os.kill, (self.pid, signal.SIGKILL))
        stuck.start()
        said = self.stderr.read()
        stuck.cancel()
        self.stderr.close()
        return self.wait(), said


class Forks:
    """Runs the command in forks; a context manager that ends the process they come from."""

    def __enter__(self) -> Self:
        self._begin()
        return self

    def _begin(self) -> None:
        self._one_at_a_time = threading.Lock()
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
            "environment": {**_folders(), **environment},
            "as_nobody": as_nobody and os.geteuid() == 0,
        }
        code = int(self.ask({"run": request}))
        outcome = Outcome(code, Path(places["stdout"]).read_bytes(), Path(places["stderr"]).read_text(encoding="utf-8"))
        for place in places.values():
            Path(place).unlink()
        folder.rmdir()
        return outcome

    def start(self, *arguments: str, folder: Path | None = None) -> Fork:
        """Start the command in a folder, or in the current one, with nothing to read on stdin."""
        with tempfile.TemporaryDirectory() as place:
            pipe = f"{place}/stderr"
            os.mkfifo(pipe)
            request = {
                "arguments": arguments,
                "folder": str(folder or Path.cwd()),
                "streams": {"stdin": os.devnull, "stdout": os.devnull, "stderr": pipe},
                "environment": _folders(),
                "as_nobody": False,
            }
            pid = int(self.ask({"start": request}))
            return Fork(self, pid, Path(pipe).open(encoding="utf-8"))  # waits until the fork has opened it too

    def ask(self, request: dict[str, Any]) -> str:
        """Send a request to the process that forks, and return its answer."""
        with self._one_at_a_time:
            os.write(self._requests, json.dumps(request).encode() + b"\n")
            ready, _, _ = select.select([self._answers], [], [], _PATIENCE)
            if not ready:
                os.killpg(self._parent.pid, signal.SIGKILL)  # the fork too
                self._end()
                self._begin()
                raise TimeoutError("the command hangs")
            return os.read(self._answers, 100).decode().strip()


def _folders() -> dict[str, str]:
    """The variables that say where a test's files are."""
    return {name: os.environ[name] for name in ("CHARRNN_CACHE",) if name in os.environ}


def _load_everything() -> None:
    import charrnn

    for module in pkgutil.walk_packages(charrnn.__path__, "charrnn."):
        if not module.name.endswith("__main__"):
            # What needs a package, or a library such as MPI's, that is not installed stays out.
            with contextlib.suppress(ImportError, RuntimeError):
                importlib.import_module(module.name)
    # What is loaded late, which somebody without rights might not find any more.
    importlib.import_module("numpy.ma")
    for encoding in ("ascii", "latin-1", "utf-32-le"):
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
    # As Python makes them at its start: those of the process that forks know whether they are files or pipes.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as it runs
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
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


def _fork(request: dict[str, Any], *ours: int) -> int:
    """Fork a process that does what is asked for, without the descriptors that are ours alone; return its id."""
    from charrnn.cli import main

    child = os.fork()
    if not child:
        for descriptor in ours:
            os.close(descriptor)
        _become(request)
        try:
            main.run()
        except SystemExit as leaving:
            _leave(leaving.code)
    return child


def _serve(requests: int, answers: int) -> None:
    for line in _lines(requests):
        match json.loads(line):
            case {"run": request}:
                _, status = os.waitpid(_fork(request, requests, answers), 0)
                answer = str(os.waitstatus_to_exitcode(status))
            case {"start": request}:
                answer = str(_fork(request, requests, answers))
            case {"poll": pid}:
                ended, status = os.waitpid(pid, os.WNOHANG)
                answer = str(os.waitstatus_to_exitcode(status)) if ended else "running"
        os.write(answers, answer.encode() + b"\n")


if __name__ == "__main__":
    warnings.simplefilter("error")  # a warning on stderr is a mistake like another
    _load_everything()
    gc.freeze()  # nor are they looked through again
    with contextlib.suppress(BrokenPipeError):
        _serve(*map(int, sys.argv[1:]))
