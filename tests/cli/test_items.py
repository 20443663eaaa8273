"""`train --by-line` and what the other commands make of a model of items."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from charrnn import checkpoint
from tests.conftest import Charrnn, command

NAMES = [f"{first}{middle}{last}" for first in "abc" for middle in ("na", "lo", "rimi") for last in ("x", "by", "wick")]
TRAIN = ("train", "--hidden-size", "24", "--batch-size", "4", "--learning-rate", "0.2", "--sample-every", "0")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with names.txt, and a model of it that knows them by heart."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "names.txt").write_text("\n".join([*NAMES, ""]), newline="")
    options = (*TRAIN, "names.txt", "--by-line", "--steps", "300", "--dropout", "0", "--weight-drop", "0", "-q")
    subprocess.run([*command(options), "--checkpoint", "names.npz"], check=True, timeout=60, cwd=folder)
    return folder


@pytest.fixture
def model(once: Path) -> str:
    shutil.copytree(once, ".", dirs_exist_ok=True)
    return "names.npz"


def lines(out: bytes) -> list[str]:
    assert out.endswith(b"\n")
    return out.decode().split("\n")[:-1]


def test_training_says_how_many_items_it_read_shows_a_few_and_ends_with_the_command_to_try(charrnn: Charrnn) -> None:
    Path("names.txt").write_text("\n\n".join(NAMES), newline="")
    outcome = charrnn(*TRAIN, "names.txt", "--by-line", "--steps", "40", "--sample-every", "40")
    assert outcome.code == 0
    assert "left out 26 blank lines\n" in outcome.err
    assert "symbols, 24 items of " in outcome.err
    assert " characters + 3 of " in outcome.err
    assert outcome.err.count("left out") == 1
    last = outcome.err.split("a sample after 40 steps ──\n")[1].split("\n\n")[0].split("\n")
    assert len(last) > 3
    assert all(last)
    assert outcome.error_lines[-1] == "  charrnn sample checkpoints/names-best.npz --num 20"


def test_without_a_text_the_names_of_villages_are_learned(charrnn: Charrnn) -> None:
    assert "text   villages: 29 symbols, 1,080 items" in charrnn(*TRAIN, "--by-line", "--steps", "1").err
    assert checkpoint.load("checkpoints/villages.npz").corpus.sources == ("villages.txt",)


def test_to_a_pipe_go_names_and_nothing_else(charrnn: Charrnn, model: str) -> None:
    outcome = charrnn("sample", model, "--num", "20", "--temperature", "0.5")
    written = lines(outcome.out)
    assert len(written) == 20
    assert sum(name in NAMES for name in written) > 10
    assert outcome.error_lines[0].startswith("names.npz: gru 24, learned names")
    assert outcome.error_lines[1].startswith("20 items: ")
    assert charrnn("sample", model, "--num", "20", "-q").err == ""


def test_one_name_is_written_where_no_more_are_asked_for(charrnn: Charrnn, model: str) -> None:
    outcome = charrnn("sample", model)
    assert len(lines(outcome.out)) == 1
    assert outcome.error_lines[1].startswith("1 item: 1 ")


def test_labels_tell_what_was_trained_on_from_all_else(charrnn: Charrnn, model: str) -> None:
    outcome = charrnn("sample", model, "--num", "60", "--json", "--rng-seed", "1")
    samples = [json.loads(line) for line in lines(outcome.out)]
    held_out = set(NAMES) - {s["text"] for s in samples if s["label"] == "seen"}
    assert {s["label"] for s in samples} == {"seen", "new"}
    assert all(s["text"] in NAMES for s in samples if s["label"] == "seen")
    assert all(s["ended"] == "item" for s in samples)
    assert all(s["text"] not in set(NAMES) - held_out for s in samples if s["label"] == "new")
    seen = sum(s["label"] == "seen" for s in samples)
    assert outcome.error_lines[1] == f"60 items: {60 - seen} new, {seen} seen"


def test_an_item_that_has_no_end_yet_is_cut_off(charrnn: Charrnn, model: str) -> None:
    outcome = charrnn("sample", model, "-n", "2", "--num", "2")
    assert [len(line) for line in lines(outcome.out)] == [2, 2]
    assert outcome.error_lines[1] == "2 items: 2 cut off"


def test_a_seed_text_begins_every_item_and_is_part_of_its_label(charrnn: Charrnn, model: str) -> None:
    arguments = ("sample", model, "--num", "5", "--seed", "bri", "--temperature", "0.1")
    assert all(line.startswith("bri") for line in lines(charrnn(*arguments).out))
    bare = charrnn(*arguments, "--no-echo", "--rng-seed", "2")
    whole = [json.loads(line) for line in lines(charrnn(*arguments, "--json", "--rng-seed", "2").out)]
    assert [sample["text"] for sample in whole] == lines(bare.out)
    assert all((sample["label"] == "new") or ("bri" + sample["text"] in NAMES) for sample in whole)
    assert any(sample["label"] == "seen" for sample in whole)


def test_without_the_training_text_there_are_no_labels_and_one_line_says_why(charrnn: Charrnn, model: str) -> None:
    Path("names.txt").unlink()
    outcome = charrnn("sample", model, "--num", "3")
    assert outcome.error_lines[1].startswith(
        "no labels that say what is seen and what new: the training text cannot be"
    )
    assert len(lines(outcome.out)) == 3
    as_json = charrnn("sample", model, "--num", "3", "--json", "-q")
    assert [json.loads(line)["label"] for line in lines(as_json.out)] == [None] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lines", "3"), "--lines does not go with a model that learned items"),
        (("--seed", "br\n"), "the seed text has '\\n', by which an item ends"),
    ],
)
def test_what_no_item_can_have_is_refused(charrnn: Charrnn, model: str, arguments: tuple[str, ...], words: str) -> None:
    outcome = charrnn("sample", model, *arguments)
    assert (outcome.code, outcome.out) == (2, b"")
    assert words in outcome.error_lines[-1]


def test_an_item_ends_whatever_may_be_written(charrnn: Charrnn, model: str) -> None:
    allowed = charrnn("sample", model, "--num", "5", "--allow", "bclo")
    assert {*"".join(lines(allowed.out))} <= {*"bclo"}
    assert allowed.error_lines[1] == "5 items: 5 new"
    banned = charrnn("sample", model, "--num", "5", "--ban", "newline", "--ban", "a")
    assert "cut off" not in banned.err


def test_several_temperatures_are_told_apart_but_by_the_quiet(charrnn: Charrnn, model: str) -> None:
    arguments = ("sample", model, "--num", "2", "--temperature", "0.1,0.9", "--rng-seed", "1")
    written = lines(charrnn(*arguments).out)
    assert written[0::3] == ["── temperature 0.1 ──", "── temperature 0.9 ──"]
    assert lines(charrnn(*arguments, "-q").out) == written[1:3] + written[4:6]


def test_a_text_is_scored_item_by_item(charrnn: Charrnn, model: str) -> None:
    Path("some.txt").write_text("\nblorimiby\n\nanax", newline="")
    outcome = charrnn("score", model, "some.txt")
    assert "read as 2 items, each separately" in outcome.err
    assert outcome.out.startswith(b"on 15 characters")
    Path("turned.txt").write_text("anax\nblorimiby\n", newline="")
    values = [json.loads(charrnn("score", model, name, "--json").out) for name in ("some.txt", "turned.txt")]
    assert values[0]["nats_per_char"] == pytest.approx(values[1]["nats_per_char"], rel=1e-6)
    ranked = charrnn("score", model, "--by-line", "some.txt").out.decode().splitlines()
    assert [line.split("\t")[1] for line in ranked] in (["2", "4"], ["4", "2"])


def test_items_of_nothing_but_unknown_characters_are_charged(charrnn: Charrnn, model: str) -> None:
    outcome = charrnn("score", model, "-", "-q", stdin="日本\n東京\n".encode())
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(b"on 6 characters ")


def test_info_says_what_an_item_is(charrnn: Charrnn, model: str) -> None:
    out = charrnn("info", model).out.decode()
    assert "names (names.txt), utf-8: lines, each for itself: 24 of " in out
    assert json.loads(charrnn("info", model, "--json").out)["corpus"]["items"]["held_out"] == 3


def test_items_of_several_lines_stand_as_in_their_text(charrnn: Charrnn) -> None:
    poems = [f"{a}\n{b}" for a in NAMES[:5] for b in NAMES[20:]]
    Path("poems.txt").write_text("\n\n".join(poems), newline="")
    options = ("poems.txt", "--separator", "\n\n", "--steps", "150", "--dropout", "0", "--weight-drop", "0", "-q")
    assert charrnn(*TRAIN, *options, "--checkpoint", "poems.npz").code == 0
    outcome = charrnn("sample", "poems.npz", "--num", "3", "--temperature", "0.3")
    assert outcome.out.endswith(b"\n\n")
    written = outcome.out.decode().split("\n\n")[:-1]
    assert len(written) == 3
    assert any("\n" in poem for poem in written)
    assert "items by '\\n\\n', each for itself" in charrnn("info", "poems.npz").out.decode()
    refused = charrnn("sample", "poems.npz", "--ban", "newline")
    assert (refused.code, refused.out) == (2, b"")
    assert "leave out '\\n', by which an item ends" in refused.error_lines[-1]


def test_two_ways_to_part_items_are_one_too_many(charrnn: Charrnn) -> None:
    assert charrnn("train", "--by-line", "--separator", "|").code == 2
    outcome = charrnn(*TRAIN, "--by-line", "--separator", "\n", "--steps", "1")
    assert outcome.code == 0


def test_by_turns_each_line_begins_an_item(charrnn: Charrnn, model: str) -> None:
    """What the model writes after a line is what it writes after any other."""
    usual = ("sample", model, "-i", "-q", "--temperature", "0")
    first = charrnn(*usual, stdin=b"bri\\\n").out
    later = charrnn(*usual, stdin=b"anax\nbri\\\n").out
    assert first.startswith(b"bri")
    assert later.endswith(first)
