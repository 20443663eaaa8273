"""A checkpoint leads back to a command that makes the same checkpoint."""

import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint
from charrnn.config import RECIPES, TrainConfig
from charrnn.text.corpus import CorpusInfo
from charrnn.training.retracing import command_for, epochs, parts
from charrnn.training.start import start_run
from tests.conftest import TEXT, Charrnn

DROPPING = "--dropout 0 --weight-drop 0"  # said always, as what the default recipe drops goes by the text
BASH = shutil.which("bash")
LONG = CorpusInfo("kafka", ("kafka.txt",), "utf-8", "0" * 64, 1_000_000)


@pytest.mark.parametrize(
    "options",
    [
        ("--hidden-size", "8", "--steps", "7"),
        ("--hidden-size", "8", "--epochs", "0.5"),
        ("--hidden-size", "8", "--steps", "3", "--by-line"),
        ("--hidden-size", "8", "--steps", "3", "--separator", "the "),
        ("--recipe", "min-char-rnn", "--steps", "30", "--by-line"),
        ("--recipe", "items", "--separator", "", "--steps", "2", "--hidden-size", "8"),
        ("--hidden-size", "8,6", "--embedding-size", "6", "--tied", "--steps", "4", "--dropout", "0.125"),
        ("--recipe", "min-char-rnn", "--steps", "30", "--val-fraction", "0.1"),
        ("--hidden-size", "8", "--num-layers", "2", "--cell", "lstm", "--optimizer", "adam", "--steps", "3"),
        (
            "--hidden-size",
            "8",
            "--learning-rate",
            "0.0123",
            "--batch-size",
            "3",
            "--clip-norm",
            "0",
            "--rng-seed",
            "5",
            "--steps",
            "3",
        ),
        (
            "--cell",
            "vanilla",
            "--steps",
            "3",
            "--schedule-steps",
            "9",
            "--dtype",
            "float64",
            "--encoding",
            "latin-1",
            "--threads",
            "1",
        ),
    ],
    ids=" ".join,
)
def test_the_command_of_a_checkpoint_makes_its_bytes_again(charrnn: Charrnn, options: tuple[str, ...]) -> None:
    Path("lamp post.txt").write_text(TEXT, newline="")
    assert charrnn("train", "lamp post.txt", *options, "-q", "--checkpoint", "one.npz").code == 0
    trained = checkpoint.load("one.npz")
    program, *arguments = shlex.split(command_for(trained.corpus, TrainConfig.from_json(trained.config)))
    assert program == "charrnn"
    assert charrnn(*arguments, "-q", "--checkpoint", "two.npz").code == 0
    assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_its_own_command(name: str) -> None:
    words = command_for(LONG, RECIPES[name].config)
    how = {"default": DROPPING, "items": f"--by-line {DROPPING}"}
    assert words == f"charrnn train kafka.txt {how.get(name, f'--recipe {name}')}"


def test_bounds_are_given_all_or_none_as_one_that_is_given_lifts_the_others() -> None:
    config = RECIPES["default"].config
    assert command_for(LONG, config.with_bounds({"minutes": 3})).endswith(f"train kafka.txt {DROPPING} --minutes 3")
    both = config.with_bounds({"steps": config.steps, "epochs": 2.5})
    assert command_for(LONG, both).endswith(f"train kafka.txt {DROPPING} --steps {config.steps} --epochs 2.5")


def test_the_default_text_goes_without_saying() -> None:
    corpus = CorpusInfo("harbour-clerk", ("harbour-clerk.txt",), "utf-8", "0" * 64, 1_000_000)
    assert command_for(corpus, RECIPES["default"].config) == f"charrnn train {DROPPING}"


@pytest.mark.skipif(not BASH, reason="asks bash")
@pytest.mark.parametrize("separator", ["\n\n", "--\n", "\t", "it's\n", "\\\n", "\x07f", "\u2028é"])
def test_a_separator_reads_back_from_a_single_line_in_a_shell(separator: str) -> None:
    words = command_for(LONG, replace(RECIPES["min-char-rnn"].config, separator=separator))
    assert words.isprintable()
    printed = subprocess.run([str(BASH), "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True)
    arguments = printed.stdout.decode().split("\0")
    assert arguments[arguments.index("--separator") + 1] == separator


def test_what_was_typed_is_logged_as_it_can_be_typed_again(charrnn: Charrnn) -> None:
    Path("poems.txt").write_text("the lamp\n\nwent round\n\n" * 9)
    typed = ("poems.txt", "--separator", "\n\n", "--hidden-size", "4", "--steps", "1", "--checkpoint", "poems.npz")
    assert charrnn("train", *typed).code == 0
    said = charrnn("info", "poems.npz").out.decode().splitlines()
    (command,) = (line for line in said if line.startswith("command"))
    assert " train poems.txt --separator $'\\n\\n' --hidden-size 4 " in command


@pytest.mark.parametrize("separator", ["", " "])
def test_parts_and_epochs_are_those_of_the_run(text_file: Path, separator: str) -> None:
    changes: dict[str, Any] = {"hidden_sizes": (4,), "batch_size": 3, "seq_length": 10, "steps": 11}
    changes["separator"] = separator
    prepared = start_run([str(text_file)], changes, path=Path("run.npz"))
    for _ in prepared.run.events():
        pass
    trained = checkpoint.load("run.npz")
    config = TrainConfig.from_json(trained.config)
    held_out = prepared.validation_characters
    total = sum(len(word) + 1 for word in TEXT.removesuffix("\n").split(separator)) if separator else len(TEXT)
    assert parts(trained.corpus, config) == (total - held_out, held_out)
    assert epochs(trained, config) == prepared.run.trainer.epoch
