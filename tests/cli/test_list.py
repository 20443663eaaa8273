"""`charrnn list` names the models here, and every command takes these names."""

import json
import os
import shutil
from pathlib import Path

import pytest

from charrnn.paths import PRETRAINED, best_path, kept_path
from tests.conftest import TINY, Charrnn

MIXED = "checkpoints/lamp.npz"


@pytest.fixture
def models(trained: Path) -> None:
    """Two runs in ./checkpoints, of which one has a best model and a kept state, and one here."""
    Path("checkpoints").mkdir()
    for age, copied in enumerate(("old.npz", "checkpoints/gale.npz", MIXED)):
        shutil.copy(trained, copied)
        os.utime(copied, (1e9 + age, 1e9 + age))
    shutil.copy(best_path(trained), best_path(Path(MIXED)))
    shutil.copy(trained, kept_path(Path(MIXED), 400))


@pytest.mark.usefixtures("models")
def test_the_newest_run_comes_first_and_the_models_of_one_run_are_one(charrnn: Charrnn) -> None:
    outcome = charrnn("list")
    assert outcome.code == 0
    assert outcome.err == ""
    lines = outcome.out.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["name", "lamp", "gale", "old", "pretrained"]
    assert lines[0].split() == ["name", "text", "model", "steps", "bits/char", "saved"]
    assert lines[2].split()[1:5] == ["lamp", "gru", "16", "60"]
    assert lines[2].endswith("days ago")


@pytest.mark.usefixtures("models")
def test_json_has_the_same_and_the_files(charrnn: Charrnn) -> None:
    listed = [json.loads(line) for line in charrnn("list", "--json").out.splitlines()]
    assert [values["name"] for values in listed] == ["lamp", "gale", "old", "pretrained"]
    assert [Path(values["checkpoint"]) for values in listed] == [
        *(best_path(Path(MIXED)), Path("checkpoints/gale.npz"), Path("old.npz"), PRETRAINED)
    ]
    info = json.loads(charrnn("info", "lamp", "--json").out)
    assert listed[0]["nats_per_char"] == info["best"]["loss"]
    assert listed[0]["step"] == info["step"]
    assert listed[1]["saved"] == "2001-09-09T01:46:41+00:00"


def test_a_damaged_model_is_left_out_and_other_files_of_numpy_are_not_mentioned(charrnn: Charrnn) -> None:
    Path("checkpoints").mkdir()
    Path("checkpoints/torn.npz").write_bytes(b"PK\3\4")
    Path("data.npz").write_bytes(b"PK\3\4")
    outcome = charrnn("list")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.decode().splitlines()] == ["name", "pretrained"]
    assert len(outcome.error_lines) == 1
    assert "left out: 'checkpoints/torn.npz'" in outcome.err


@pytest.mark.usefixtures("models")
def test_commands_take_a_short_name_and_use_the_best_model(charrnn: Charrnn, text_file: Path) -> None:
    assert charrnn("sample", "lamp", "-n", "1").err.startswith("lamp-best.npz: ")
    assert charrnn("sample", "old", "-n", "1").err.startswith("old.npz: ")
    assert charrnn("sample", "lamp-step-400", "-n", "1").err.startswith("lamp-step-400.npz: ")
    assert charrnn("score", "gale", str(text_file)).err.startswith("checkpoints/gale.npz: ")
    assert charrnn("view", "gale").err.startswith("checkpoints/gale.npz: ")
    assert charrnn("export", "lamp").err.startswith("checkpoints/lamp-best.npz: ")
    assert charrnn("plot", "lamp").code == 0
    assert charrnn("gradcheck", "lamp", "-q").code == 0
    assert charrnn("info", "pretrained").out.startswith(b"file      ")
    started = charrnn("train", str(text_file), "--init-from", "old", *TINY[2:], "--steps", "1")
    assert "starts from old.npz" in started.err


@pytest.mark.usefixtures("models")
def test_a_resume_takes_the_last_state_of_the_run_that_is_named(charrnn: Charrnn) -> None:
    outcome = charrnn("train", "--resume", "--checkpoint", "lamp", "--steps", "61")
    assert "resuming checkpoints/lamp.npz at step 60" in outcome.err


@pytest.mark.usefixtures("models")
def test_a_word_that_is_also_a_text_is_the_text_if_no_other_follows(charrnn: Charrnn, trained: Path) -> None:
    shutil.copy(trained, "checkpoints/villages.npz")
    assert "trained on lamp" in charrnn("score", "villages", "--by-line").err
    assert charrnn("score", "villages", "villages", "--by-line").err.startswith("checkpoints/villages.npz: ")


def test_a_text_in_place_of_a_model_leads_to_the_option(charrnn: Charrnn) -> None:
    outcome = charrnn("sample", "The light")
    assert outcome.code == 1
    assert "no such checkpoint: 'The light'" in outcome.err
    assert "charrnn sample --seed 'The light'" in outcome.err
    assert "--seed" not in charrnn("sample", "gone.npz").err


def test_a_name_that_no_file_can_have_is_no_model(charrnn: Charrnn) -> None:
    outcome = charrnn("sample", "a" * 5000)
    assert outcome.code == 1
    assert len(outcome.error_lines) == 1
