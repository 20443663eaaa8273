"""F13: whatever a model writes and a user mistypes, a terminal is sent nothing that it would obey; a file gets it all.

The program runs on a real pseudo-terminal, and every byte that arrives at its other end is looked at.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import termios
import unicodedata
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, TINY, Charrnn
from tests.faults import hostile
from tests.faults.conftest import Tried

BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# What tqdm sends by itself: "cursor up" and "erase line".
OWN = re.compile(r"\x1b\[[AK]|[\n\r\t]")
# Runs many commands one after the other on one terminal, each between two marks.
MANY = """
import json, sys
from charrnn.cli import main
for arguments in json.load(open(sys.argv[1])):
    sys.argv[1:] = arguments
    sys.stderr.write(f"<{main.invoke()}>"); sys.stderr.flush()
"""
TEXT = "".join(f"{name}: {sequence}\n" for name, sequence in hostile.SEQUENCES.items()) * 4


def on_a_terminal(commands: list[list[str]]) -> str:
    """Run commands on a pseudo-terminal; return all that it was sent."""
    Path("commands.json").write_text(json.dumps(commands))
    ours, theirs = os.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST  # every byte as it was sent
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    command = [sys.executable, "-c", MANY, "commands.json"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        sent = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while piece := os.read(ours, 65536):
                sent += piece
        assert process.wait() == 0
    os.close(ours)
    return sent.decode()


def obeyed(sent: str) -> set[str]:
    """Characters that a terminal would obey."""
    return {c for c in OWN.sub("", sent) if unicodedata.category(c) in ("Cc", "Cs") or c in BIDI}


@pytest.fixture
def model(charrnn: Charrnn) -> str:
    """A model of all the sequences."""
    Path("hostile.txt").write_text(TEXT, encoding="utf-8", newline="")
    # NUL cannot be given on a command line, so it is learned apart from the others.
    assert charrnn("train", "hostile.txt", *TINY, "--steps", "2", "-q", "--checkpoint", "hostile.npz").code == 0
    return "hostile.npz"


def test_samples_of_a_training_on_hostile_text_send_no_control(tried: Tried) -> None:
    Path("hostile.txt").write_text(TEXT, encoding="utf-8", newline="")
    options = ["--steps", "6", "--sample-every", "1", "--sample-length", "400", "--eval-every", "2"]
    sent = on_a_terminal([["train", "hostile.txt", *TINY, *options, "--checkpoint", "run.npz"]])
    assert "a sample after 6 steps" in sent
    assert sent.endswith("<0>")
    assert not obeyed(sent)
    assert r"\x1b" in sent
    assert r"\x9b" in sent
    tried("F13", progress_samples=6)


def test_samples_send_no_control_and_a_file_gets_every_character(charrnn: Charrnn, model: str, tried: Tried) -> None:
    # Line ends are one in training, and NUL no argument can hold.
    seeds = [s.replace("\r", "\n") for s in hostile.SEQUENCES.values() if "\0" not in s]
    commands = [["sample", model, "--seed", seed, "-n", "80", "--rng-seed", "3", "--report"] for seed in seeds]
    sent = on_a_terminal(commands)
    assert sent.count("<0>") == len(seeds)
    assert not obeyed(sent)
    for seed, command in zip(seeds, commands, strict=True):
        harmful = next((c for c in seed if c != "\n" and (unicodedata.category(c) == "Cc" or c in BIDI)), None)
        assert harmful is None or ascii(harmful)[1:-1] in sent
        exact = charrnn(*command).out.decode()
        assert exact.startswith(seed)
        assert len(exact) == len(seed) + 80
    tried("F13", sequences_sampled=len(seeds))


def test_errors_and_names_send_no_control(model: str, tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")  # the program's own colour is no control of theirs
    sequences = [s for s in hostile.SEQUENCES.values() if "\0" not in s]
    commands = []
    for sequence in sequences:
        name = sequence.replace("/", "_")[:60]
        Path(f"{name}.txt").write_bytes(b"ab\xff")
        Path(f"{name}.npz").write_bytes(b"PK\3\4 no")
        commands += [
            ["sample", model, "--seed", "Ж" + sequence],
            ["sample", f"{name}.npz"],
            ["sample", f"no {name}.npz"],
            ["train", f"{name}.txt"],
            ["train", f"no {name}.txt"],
            ["train", "hostile.txt", "--encoding", sequence],
            ["train", "hostile.txt", "--checkpoint", f"{name}.npz"],
            ["train", "hostile.txt", "--hidden-size", sequence],
            ["train", "hostile.txt", f"--{sequence}"],
            ["score", model, f"{name}.txt"],
            [sequence],
        ]
    sent = on_a_terminal(commands)
    assert sent.count("<1>") + sent.count("<2>") == len(commands)
    assert not obeyed(sent)
    tried("F13", errors=len(commands))


def test_a_checkpoint_with_a_hostile_name_is_introduced_and_saved_to_without_control(model: str, tried: Tried) -> None:
    data = Path(model).read_bytes()
    commands, names = [], []
    for number, sequence in enumerate(s for s in hostile.SEQUENCES.values() if "\0" not in s):
        name = f"{number}{sequence.replace('/', '_')[:60]}"
        names.append(name)
        Path(f"{name}.txt").write_text(TEXT, encoding="utf-8")
        Path(f"{name}.npz").write_bytes(data)
        commands.append(["sample", f"{name}.npz", "-n", "3"])
    train = ["train", f"{names[0]}.txt", *TINY, "--steps", "2"]  # its default checkpoint has the name too
    sent = on_a_terminal([*commands, train, train, ["train", "--resume"], ["sample", "-n", "1"]])
    assert sent.count("<0>") == len(commands) + 4
    assert not obeyed(sent)
    tried("F13", names=len(names))
