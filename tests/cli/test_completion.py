"""A shell completes commands, options, checkpoints and texts."""

import os
import subprocess
from pathlib import Path

import pytest

from charrnn import bundled
from tests.conftest import command

SHELLS = ("bash", "zsh", "fish")


def offered(shell: str, *words: str) -> list[str]:
    """What the shell is offered for the last of the words after ``charrnn``."""
    line = ["charrnn", *words]
    place = words[-1] if shell == "fish" else str(len(words))
    environment = os.environ | {
        "_CHARRNN_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(line[:-1] if shell == "fish" else line),
        "COMP_CWORD": place,
    }
    done = subprocess.run(command([]), env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    if shell == "zsh":  # three lines an item: type, value, help
        lines = done.stdout.splitlines()
        return [f"{kind},{value}" for kind, value in zip(lines[::3], lines[1::3], strict=True)]
    return [item.split("\t")[0] for item in done.stdout.splitlines()]


@pytest.fixture(autouse=True)
def files() -> None:
    for name in ("checkpoints/kafka.npz", "checkpoints/kafka-best.npz", "here.npz", "mine.txt", "corpora/poe.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_options_checkpoints_and_texts_are_completed(shell: str) -> None:
    assert offered(shell, "sa") == ["plain,sample"]
    assert offered(shell, "sample", "--min") == ["plain,--min-p"]
    assert offered(shell, "sample", "checkpoints/k") == [
        "plain,checkpoints/kafka-best.npz",
        "plain,checkpoints/kafka.npz",
    ]
    assert offered(shell, "train", "po") == ["plain,poe.txt"]
    assert offered(shell, "train", "harb") == [f"plain,{bundled.DEFAULT_CORPUS}"]


def test_a_place_for_a_checkpoint_is_offered_no_text_and_the_other_way_round() -> None:
    checkpoints = {"checkpoints/kafka-best.npz", "checkpoints/kafka.npz", "here.npz"}
    texts = {"mine.txt", "poe.txt", *bundled.corpus_names()}
    for words in (["sample", ""], ["gradcheck", ""], ["train", "--init-from", ""], ["train", "--checkpoint", ""]):
        assert {item.removeprefix("plain,") for item in offered("bash", *words)} == checkpoints
    for words in (["train", ""], ["gradcheck", "--text", ""], ["sample", "--seed-file", ""]):
        assert {item.removeprefix("plain,") for item in offered("bash", *words)} == texts
    assert {item.removeprefix("plain,") for item in offered("bash", "score", "")} == checkpoints | texts


@pytest.mark.parametrize("shell", SHELLS)
def test_a_name_that_cannot_be_printed_takes_nothing_from_the_others(shell: str) -> None:
    for name in (b"mi\xff.txt", b"mi\n.txt"):
        Path(os.fsdecode(name)).touch()
    assert offered(shell, "train", "mi") == ["plain,mine.txt"]


def test_what_is_not_known_is_left_to_the_shell_s_own_completion_of_files() -> None:
    assert offered("bash", "train", "../else") == ["file,../else"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_line_for_a_shell_prints_its_script(shell: str) -> None:
    environment = os.environ | {"_CHARRNN_COMPLETE": f"{shell}_source"}
    done = subprocess.run(command([]), env=environment, capture_output=True, text=True, check=True)
    assert f"_CHARRNN_COMPLETE={shell}_complete" in done.stdout
