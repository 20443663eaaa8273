"""What a case is made of: a folder, a person who gives commands there, and what must come of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import TINY, Outcome
from tests.faults.checkpoints import MODELS
from tests.mistakes import FILES, check_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.forking import Fork, Forks

SAMPLE = ("sample", "good.npz", "-n", "5")
TRAIN = ("train", "lamp.txt", *TINY, "--steps", "5", "--checkpoint", "run.npz")
RESUME = ("train", "--resume", "--checkpoint")
LONG = ("train", "lamp.txt", *TINY, "--steps", "1000000", "--save-every", "1", "--checkpoint", "run.npz")
TEXTS = {
    **FILES,
    "a.txt": b"a" * 60,
    "two.txt": b"ab",
    "nul.txt": b"a\0b\0\0" * 30,
    "crlf.txt": b"one\r\ntwo\rthree\n" * 9,
    "marked.txt": b"\xef\xbb\xbf" + b"the lamp went round\n" * 9,
    "family.txt": "👨‍👩‍👧‍👦 🇸🇪 e\u0301\n".encode() * 20,
    "overlong.txt": b"the lamp \xc0\xaf\n",
    "cut.txt": "the lampé".encode()[:-1],
    "surrogates.txt": b"the lamp \xed\xa0\x80\n",
    "odd.txt": b"caf\xe9 au lait\n" * 20,
    "other.txt": b"the lamp went round\n" * 20,
    "strange.txt": "the lamp 0123456789 ÄÖÜ went round\n".encode() * 20,
}


class Desk:
    """An empty folder with a good checkpoint in it, and a person who gives commands there."""

    def __init__(self, forks: Forks, trained: Path) -> None:
        self.forks = forks
        self.good = trained.read_bytes()
        Path("good.npz").write_bytes(self.good)
        Path("lamp.txt").write_bytes(TEXTS["lamp.txt"])
        Path("folder").mkdir()

    def lay_out(self, *names: str) -> None:
        for name in names:
            if name in TEXTS:
                Path(name).write_bytes(TEXTS[name])
            elif name in MODELS:
                Path(name).write_bytes(MODELS[name](self.good))

    def refuse(self, arguments: tuple[str, ...], code: int, words: str, **how: Any) -> Outcome:
        self.lay_out(*arguments)
        return check_refusal(self.forks, arguments, code, words, **how)

    def do(self, *arguments: str, **how: Any) -> Outcome:
        """Run a command that must end well; nothing that is wrong with it is on stderr."""
        self.lay_out(*arguments)
        outcome = self.forks.run(*arguments, **how)
        assert outcome.code == 0, outcome.err
        assert "Traceback" not in outcome.err
        assert "Warning" not in outcome.err
        return outcome

    @contextmanager
    def training(self, *arguments: str) -> Iterator[Fork]:
        """A process of its own, in training; to be ended by the story."""
        self.lay_out(*arguments)
        with self.forks.start(*arguments) as process:
            wait_for(lambda: Path("run.npz").exists() or process.poll() is not None)
            yield process


def wait_for(is_so: Callable[[], object]) -> None:
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.02)
    raise TimeoutError


def end_of(process: Fork) -> tuple[int, list[str]]:
    """Exit code and the lines that it said."""
    code, said = process.end()
    assert "Traceback" not in said
    return code, said.splitlines()


Mistake = tuple[tuple[str, ...], int, str]
Story = Callable[[Desk], None]


@dataclass(frozen=True)
class Case:
    """What goes wrong, and how that is tried."""

    what: str
    mistakes: tuple[Mistake, ...] = ()
    story: Story | None = None
    tests: tuple[str, ...] = ()  # names of tests that prove it, or more of it, within the process
    cannot_occur: str = ""  # why, where nothing of it can be tried


def refused(*names: str, words: str = "") -> tuple[Mistake, ...]:
    """Each of these files is refused as a checkpoint."""
    return tuple((("sample", name, "-n", "1"), 1, words or name) for name in names)


def unread(*names: str, words: str, code: int = 2) -> tuple[Mistake, ...]:
    """Each of these is refused as a text."""
    return tuple((("train", name), code, words) for name in names)


def options(*rows: tuple[tuple[str, ...], str]) -> tuple[Mistake, ...]:
    """Each of these options is refused by `train`."""
    return tuple(((*TRAIN, *given), 2, words) for given, words in rows)


def filters(*rows: tuple[tuple[str, ...], str]) -> tuple[Mistake, ...]:
    """Each of these options is refused by `sample`."""
    return tuple(((*SAMPLE, *given), 2, words) for given, words in rows)
