"""`charrnn plot` draws runs in the terminal and as pictures, and `charrnn train` ends with a small one."""

import shutil
from pathlib import Path

import pytest

from charrnn import paths
from tests.conftest import TINY, Charrnn, bytes_in

QUICK = (*TINY, "--steps", "40", "--eval-every", "10", "-q")


def test_the_newest_run_is_drawn_on_stdout_and_else_the_model_that_ships(charrnn: Charrnn, text_file: Path) -> None:
    shipped = charrnn("plot")
    assert shipped.code == 0
    assert shipped.err == f"{paths.PRETRAINED} has no log of its steps: only its evaluations can be drawn\n"
    assert "o  pretrained " in shipped.out.decode()
    charrnn("train", str(text_file), *QUICK)
    mine = charrnn("plot")
    assert (mine.code, mine.err) == (0, "")
    for words in ("loss, bits/char; held out: o", "learning rate", "gradient norm", "o  lamp "):
        assert words in mine.out.decode()


def test_checkpoints_and_logs_are_drawn_one_over_the_other(charrnn: Charrnn, text_file: Path) -> None:
    for name in ("one", "two"):
        charrnn("train", str(text_file), *QUICK, "--checkpoint", f"{name}.npz")
    outcome = charrnn("plot", "one-best.npz", "two.log.jsonl")
    assert outcome.code == 0
    assert [line.split()[:2] for line in outcome.out.decode().splitlines()[-2:]] == [["a", "one"], ["b", "two"]]


def test_a_picture_is_written_and_stdout_left_alone(charrnn: Charrnn, text_file: Path) -> None:
    charrnn("train", str(text_file), *QUICK, "--checkpoint", "run.npz")
    outcome = charrnn("plot", "run.npz", "-o", "loss.svg")
    picture = Path("loss.svg").read_bytes()
    assert picture.startswith(b"<svg ")
    said = f"wrote loss.svg ({len(picture) / 1e3:.0f} kB)\n"
    assert (outcome.code, outcome.out, outcome.err) == (0, b"", said)


@pytest.mark.parametrize("name", ["loss.png", "loss.PNG", "loss"])
def test_a_picture_that_is_no_svg_is_refused_before_anything_is_read(charrnn: Charrnn, name: str) -> None:
    outcome = charrnn("plot", "missing.npz", "-o", name)
    assert (outcome.code, outcome.out, len(outcome.error_lines)) == (2, b"", 1)
    assert outcome.err.endswith("name a file that ends in .svg\n")
    assert not Path(name).exists()


def test_drawing_writes_no_file_and_changes_none(charrnn: Charrnn, trained: Path) -> None:
    shutil.copy(trained, "run.npz")
    before = bytes_in(Path())
    assert charrnn("plot", "run.npz").code == 0
    assert bytes_in(Path()) == before


def test_training_ends_with_the_curve_of_the_whole_run_above_its_last_words(charrnn: Charrnn, text_file: Path) -> None:
    options = (*TINY, "--eval-every", "10", "--sample-every", "0", "--checkpoint", "run.npz")
    first = charrnn("train", str(text_file), *options, "--steps", "40").error_lines
    place = next(number for number, line in enumerate(first) if line.strip() == "loss, bits/char; held out: o")
    assert first[place + 9].startswith("step  0")
    assert first[place + 11].startswith("done at step 40; saved run.npz")
    second = charrnn("train", "--resume", "--checkpoint", "run.npz", "--steps", "60").error_lines
    (axis,) = [line for line in second if line.startswith("step  0")]
    assert axis.endswith("60")


def test_a_run_too_short_for_a_curve_and_a_quiet_one_end_without(charrnn: Charrnn, text_file: Path) -> None:
    assert "└" not in charrnn("train", str(text_file), *TINY, "--steps", "9").err
    assert charrnn("train", str(text_file), *QUICK).err == ""
