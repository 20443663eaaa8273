"""The blocks of the documentation and how they are run; ``python -m tests.documents`` rewrites the outputs they show.

A comment before a block says what is special about it:

    <!-- test: skip: REASON -->          it cannot be run here
    <!-- test: slow -->                  only with the slow tests
    <!-- test: in a clone -->            in a copy of the repository, by the shell
    <!-- test: needs MODULE, … -->       skipped where these are not installed
    <!-- test: after COMMAND -->         this command comes first
    <!-- test: output varies: REASON --> the output shown is not compared

All blocks of a page run in one folder, one after another. A block whose first comment is the name of a file is saved
under that name.
"""

import ast
import contextlib
import gzip
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY, Outcome, run_process

PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")])
_COMPARED = ("commands.md", "derivation.md")  # with the program and its source, by tests of their own
BASH = shutil.which("bash") or ""
# Short runs, where a block does not say otherwise.
SHORT = {"STEPS": "2", "EVAL_EVERY": "2", "SAMPLE_EVERY": "0", "BATCH_SIZE": "4", "THREADS": "1"}
_FENCE = re.compile(
    r"(?:^<!-- test: (?P<notes>.*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
_SHELL_SIGNS = set("|<>&;$`(){}*\\")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str
    notes: str

    @property
    def is_slow(self) -> bool:
        return bool(re.search(r"\bslow\b", self.notes))

    @property
    def is_compared(self) -> bool:
        return self.language == "console" and "output varies" not in self.notes

    @property
    def file_name(self) -> str:
        """The name that its first comment gives it, or nothing."""
        found = re.match(r"(?:#!.*\n)?# ([\w-]+\.(?:sh|py|toml))\b", self.code)
        return found[1] if found else ""

    @property
    def reason_to_skip(self) -> str:
        """Why it cannot run here, or nothing."""
        if found := re.match(r"skip: (.*)", self.notes):
            return found[1]
        if self.language != "python" and not BASH:
            return "needs bash"
        missing = [name for name in self._modules() if not importlib.util.find_spec(name)]
        if "onnxruntime" in missing and importlib.util.find_spec("onnx"):
            missing.remove("onnxruntime")  # the reference of the standard stands in for it
        missing += [name for name in self._programs() if not _is_known(name)]
        return f"needs {', '.join(missing)}" if missing else ""

    def _modules(self) -> list[str]:
        found = re.search(r"needs ([\w, ]+)", self.notes)
        names = found[1].split(", ") if found else []
        if self.language == "python" and not self.file_name:
            for node in ast.walk(ast.parse(self.code)):
                if isinstance(node, ast.Import):
                    names += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names.append(str(node.module))
        return sorted({name.partition(".")[0] for name in names})

    def _programs(self) -> set[str]:
        lines = "" if self.file_name else "\n".join(self.commands())
        return set(re.findall(r"(?:^|\| )([a-z]\w*)(?= )", lines, re.MULTILINE)) - {"charrnn", "python"}

    def commands(self) -> list[str]:
        """The commands of a shell block; in a console block those after a ``$``."""
        if self.language == "console":
            return re.findall(r"^\$ (.*)$", self.code, re.MULTILINE)
        return self.code.splitlines() if self.language == "sh" else []


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page that a reader can run."""
    text = page.read_text(encoding="utf-8") if page.name not in _COMPARED else ""
    return [
        Block(
            page, text.count("\n", 0, found.start("code")) + 1, found["language"], found["code"], found["notes"] or ""
        )
        for found in _FENCE.finditer(text)
        if found["language"] in ("sh", "console", "python", "toml")
    ]


def environment(bin_folder: Path) -> dict[str, str]:
    """Return the environment of a block: short runs, and ``charrnn`` and ``python`` are these ones."""
    bin_folder.mkdir(exist_ok=True)
    for name, command in (("charrnn", "-m charrnn"), ("python", "")):
        script = bin_folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        script.chmod(0o755)
    path = os.pathsep.join([str(bin_folder.absolute()), os.environ["PATH"], str(Path(sys.executable).parent)])
    return {
        **{f"CHARRNN_TRAIN_{name}": value for name, value in SHORT.items()},
        "CHARRNN_VIEW_LENGTH": "500",
        "PATH": path,
        "COLUMNS": "80",
        "CHARRNN_CACHE": str(bin_folder.absolute() / "cache"),
        "PYTHONPATH": str(REPOSITORY),
    }


def furnish(folder: Path) -> None:
    """Put into a folder what a clone has, and texts of the reader's own."""
    for name in ("corpora", "checkpoints"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=lambda _, names: [n for n in names if _is_a_run(n)])
    novella = (REPOSITORY / "corpora" / "harbour-clerk.txt").read_text(encoding="utf-8")
    villages = (REPOSITORY / "corpora" / "villages.txt").read_text(encoding="utf-8")
    (folder / "book.txt").write_text(novella[:20_000], encoding="utf-8", newline="")
    (folder / "letters.txt").write_text(novella[20_000:30_000], encoding="utf-8", newline="")
    (folder / "names.txt").write_text(villages[:3000], encoding="utf-8", newline="")
    shutil.copytree(folder / "corpora", folder / "novels", ignore=shutil.ignore_patterns("*.md", "harbour*"))
    (folder / "book.txt.gz").write_bytes(gzip.compress((folder / "book.txt").read_bytes()))
    with zipfile.ZipFile(folder / "books.zip", "w") as archive:
        archive.write(folder / "book.txt", "book.txt")
    package = '<package><item id="a" href="a.html"/><spine><itemref idref="a"/></spine></package>'
    with zipfile.ZipFile(folder / "book.epub", "w") as archive:
        archive.writestr("META-INF/container.xml", '<container><rootfile full-path="book.opf"/></container>')
        archive.writestr("book.opf", package)
        archive.writestr("a.html", f"<p>{novella[:20_000]}</p>")


@dataclass
class Reader:
    """Somebody who does what a page says, block after block, in the current folder.

    Parameters
    ----------
    charrnn : how to run a plain command
    """

    charrnn: Callable[..., Outcome]
    environment: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)  # of the Python blocks

    def run(self, block: Block) -> str:
        """Run a block; return what it prints on stdout, or for a console block all of it as a page shows it."""
        if found := re.search(r"after (.*)", block.notes):
            self._command(found[1], b"")
        if block.file_name:
            Path(block.file_name).write_text(block.code, encoding="utf-8", newline="")
            return ""
        if block.language == "python":
            return self._python(block)
        if block.language == "console":
            return self._console(block)
        return "".join(self._command(command, b"") for command in block.commands() if command)

    def _python(self, block: Block) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(block.code, f"{block.page.name}:{block.line}", "exec"), self.values)  # noqa: S102
        return out.getvalue()

    def _console(self, block: Block) -> str:
        shown = ""
        for part in re.split(r"^(?=\$ )", block.code, flags=re.MULTILINE)[1:]:
            command, _, rest = part[2:].partition("\n")
            typed = "".join(f"{line}\n" for line in re.findall(r"^> (.*)$", rest, re.MULTILINE))
            out = self._command(command, typed.encode())
            if typed:
                out = "".join(f"> {line}\n{answer}\n" for line, answer in _turns(typed, out))
            shown += f"$ {command}\n{out}".rstrip("\n") + "\n"
        return shown

    def _command(self, command: str, stdin: bytes) -> str:
        words = [] if _SHELL_SIGNS & set(re.sub(r"'[^']*'", "", command)) else shlex.split(command, comments=True)
        if words[:1] == ["charrnn"]:
            outcome = self.charrnn(*words[1:], stdin=stdin)
        else:
            done = subprocess.run(
                [BASH, "-c", f"set -o pipefail\n{command}"],
                env={**os.environ, **self.environment},
                input=stdin,
                capture_output=True,
                check=False,
                timeout=600,
            )
            outcome = Outcome(done.returncode, done.stdout, done.stderr.decode())
        assert outcome.code == 0, f"{command}\n{outcome.err}"
        return outcome.out.decode()


def _turns(typed: str, out: str) -> list[tuple[str, str]]:
    """Pair each line typed with the model's answer to it; a pipe gets no echo."""
    return list(zip(typed.splitlines(), out.splitlines(), strict=True))


def _is_a_run(name: str) -> bool:
    return not name.startswith("pretrained") and Path(name).suffix in (".npz", ".jsonl")


def _is_known(program: str) -> bool:
    path = os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)])
    return not subprocess.run(
        [BASH, "-c", f"type {program}"], env={**os.environ, "PATH": path}, capture_output=True, check=False
    ).returncode


def as_shown(text: str) -> str:
    """Leave out the spaces at the ends of lines, which a page cannot show."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def rewrite(page: Path) -> None:
    """Write into a page what its console blocks print today."""
    blocks = blocks_of(page)
    text = page.read_text(encoding="utf-8")
    if not any(block.is_compared for block in blocks):
        return
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        furnish(Path(name))
        settings = environment(Path("bin"))
        os.environ.update(settings)
        reader = Reader(run_process, settings)
        for block in blocks:
            if block.language not in ("sh", "console", "toml") or block.is_slow or block.reason_to_skip:
                continue
            shown = as_shown(reader.run(block))
            if block.is_compared:
                text = text.replace(block.code, shown)
    page.write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    for each in PAGES:
        rewrite(each)
