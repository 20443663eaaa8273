"""``train --config run.toml``: options from a file, below the environment and the command line."""

from pathlib import Path

import pytest

from charrnn import checkpoint
from charrnn.config import TrainConfig
from tests.conftest import Charrnn

RUN = """
text = ["lamp.txt"]
hidden-size = [8, 6]
batch_size = 2
seq-length = 10
cell = "vanilla"
tied = false
steps = 2
dropout = 0
checkpoint = "run.npz"
quiet = true
"""


@pytest.fixture(autouse=True)
def files(text_file: Path) -> None:
    Path("lamp.txt").write_bytes(text_file.read_bytes())
    Path("run.toml").write_text(RUN)


def trained() -> TrainConfig:
    return TrainConfig.from_json(checkpoint.load("run.npz").config)


def test_the_file_gives_options_and_the_text(charrnn: Charrnn) -> None:
    outcome = charrnn("train", "--config", "run.toml")
    assert (outcome.code, outcome.err) == (0, "")
    config = trained()
    assert (config.hidden_sizes, config.batch_size, config.seq_length, config.cell) == ((8, 6), 2, 10, "vanilla")
    assert (config.steps, config.dropout) == (2, 0.0)
    assert checkpoint.load("run.npz").corpus.name == "lamp"


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(
    charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARRNN_TRAIN_SEQ_LENGTH", "11")
    monkeypatch.setenv("CHARRNN_TRAIN_STEPS", "4")
    assert charrnn("train", "--config", "run.toml", "--steps", "3").code == 0
    config = trained()
    assert (config.seq_length, config.steps, config.batch_size) == (11, 3, 2)


def test_the_environment_can_name_the_file(charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARRNN_TRAIN_CONFIG", "run.toml")
    assert charrnn("train").code == 0
    assert trained().steps == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x", "'x' is not a valid integer (CHARRNN_TRAIN_BATCH_SIZE is set) (see"),
        ("0", "must be at least 1, not 0 (CHAR"),
    ],
)
def test_an_error_names_the_variable_that_set_an_option(
    charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch, value: str, words: str
) -> None:
    monkeypatch.setenv("CHARRNN_TRAIN_BATCH_SIZE", value)
    assert words in charrnn("train", "lamp.txt").err
    # What is typed wins, and is not the variable's.
    typed = charrnn("train", "lamp.txt", "--batch-size", "-1")
    assert typed.err == "charrnn: --batch-size must be at least 1, not -1\n"


def test_an_error_says_that_the_file_set_an_option(charrnn: Charrnn) -> None:
    Path("run.toml").write_text("hidden-size = 0\n")
    outcome = charrnn("train", "lamp.txt", "--config", "run.toml")
    assert outcome.err == "charrnn: --hidden-size must be at least 1, not 0 (--config sets --hidden-size)\n"


def test_a_text_on_the_command_line_replaces_those_of_the_file(charrnn: Charrnn) -> None:
    Path("other.txt").write_bytes(Path("lamp.txt").read_bytes())
    assert charrnn("train", "other.txt", "--config", "run.toml").code == 0
    assert checkpoint.load("run.npz").corpus.name == "other"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hiden-size = 3", "has an unknown key hiden-size; did you mean hidden-size?"),
        ("zzz = 3", "has an unknown key zzz; keys are the options of `charrnn train` without their dashes"),
        ("[model]\ncell = 'gru'", "has an unknown key model"),
        ("config = 'run.toml'", "has an unknown key config"),
        ("steps = 3.5", "steps: '3.5' is not a valid integer"),
        ("steps = true", "steps must be a number or a text in quotes, not true"),
        ("tied = 1", "tied must be true or false, not 1"),
        ("cell = 'rnn'", "cell: 'rnn' is not one of"),
        ("hidden-size = ['x']", "hidden-size: expected a number or a comma-separated list, got 'x'"),
        ("text = 3", "text must be a name or a list of names"),
        ("steps = ", "is not TOML: "),
        ("batch-size = 3\nbatch_size = 4", "has batch-size twice"),
        ("rng-seed = -1", "rng-seed: -1 is not in the range x>=0"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_that_names_the_file_and_the_key(
    charrnn: Charrnn, text: str, words: str
) -> None:
    Path("bad.toml").write_text(text)
    outcome = charrnn("train", "lamp.txt", "--config", "bad.toml")
    assert outcome.code == 2
    (line,) = outcome.error_lines
    assert line.startswith("charrnn: bad.toml")
    assert words in line
    assert not list(Path().glob("**/*.npz"))


def test_a_file_that_is_missing_or_no_file_is_a_failure_with_a_suggestion(charrnn: Charrnn) -> None:
    outcome = charrnn("train", "--config", "rum.toml")
    assert outcome.code == 1
    assert outcome.err == "charrnn: rum.toml cannot be read (No such file or directory); did you mean run.toml?\n"
    assert charrnn("train", "--config", ".").code == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_file_is_read_as_editors_and_shells_of_windows_write_it(
    charrnn: Charrnn, encoding: str, line_end: str
) -> None:
    Path("lampé.txt").write_bytes(Path("lamp.txt").read_bytes())
    Path("run.toml").write_text(RUN.replace("lamp.txt", "lampé.txt"), encoding=encoding, newline=line_end)
    assert charrnn("train", "--config", "run.toml").code == 0
    assert checkpoint.load("run.npz").corpus.name == "lampé"


def test_a_file_in_another_encoding_is_refused_in_one_line(charrnn: Charrnn) -> None:
    Path("run.toml").write_text('text = "lampé.txt"', encoding="latin-1")
    outcome = charrnn("train", "--config", "run.toml")
    (line,) = outcome.error_lines
    assert outcome.code == 2
    assert "run.toml" in line
    assert "save it as UTF-8" in line
