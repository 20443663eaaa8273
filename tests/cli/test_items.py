"""`train --by-line` and what the other commands make of a model of items."""

import contextlib
import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint
from charrnn.training.start import train
from tests.conftest import Charrnn

NAMES = [f"{first}{middle}{last}" for first in "abc" for middle in ("na", "lo", "rimi") for last in ("x", "by", "wick")]
TRAIN = ("train", "--hidden-size", "24", "--batch-size", "4", "--learning-rate", "0.2", "--sample-every", "0")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with names.txt, and a model of it that knows them by heart."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "names.txt").write_text("\n".join([*NAMES, ""]), newline="")
    settings: dict[str, Any] = {"hidden_sizes": (24,), "batch_size": 4, "learning_rate": 0.2, "steps": 300}
    settings |= {"separator": "\n", "dropout": 0.0, "weight_drop": 0.0, "sample_every": 0}
    with contextlib.chdir(folder):
        for _ in train(["names.txt"], checkpoint="names.npz", **settings).events():
            pass
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
    assert "symbols, 24 items (" in outcome.err
    assert " characters) to train on, 3 (" in outcome.err
    assert outcome.err.count("left out") == 1
    last = outcome.err.split("a sample after 40 steps ──\n")[1].split("\n\n")[0].split("\n")
    assert len(last) > 3
    assert all(last)
    assert outcome.error_lines[-1] == "  charrnn sample checkpoints/names-best.npz --num 20"


def test_without_a_text_the_names_of_villages_are_learned(charrnn: Charrnn) -> None:
    assert "text   villages: 29 symbols, 1,080 items" in charrnn(*TRAIN, "--by-line", "--steps", "1").err
    assert checkpoint.load("checkpoints/villages.npz").corpus.sources == ("villages.txt",)


def test_items_are_drawn_until_one_matches(charrnn: Charrnn, model: str) -> None:
    usual = ("sample", model, "--rng-seed", "7")
    outcome = charrnn(*usual, "--match", "^b.*wick$", "--num", "2")
    assert outcome.code == 0
    found = lines(outcome.out)
    assert len(found) == 2
    assert all(name.startswith("b") and name.endswith("wick") for name in found)
    drawn = int(outcome.err.rsplit("; drew ", 1)[1].split()[0])
    all_drawn = lines(charrnn(*usual, "--num", str(drawn)).out)
    assert [name for name in all_drawn if name.startswith("b") and name.endswith("wick")] == found
    assert all_drawn[-1] == found[-1]
    alone = json.loads(charrnn(*usual, "--match", "^b.*wick$", "--json").out)
    assert alone["text"] == found[0]
    again = charrnn("sample", model, "-q", "--rng-seed", str(alone["rng_seed"]))
    assert lines(again.out) == found[:1]


def test_a_pattern_that_nothing_matches_is_given_up(charrnn: Charrnn, model: str) -> None:
    outcome = charrnn("sample", model, "--match", "zz", "--tries", "70")
    assert (outcome.code, outcome.out) == (1, b"")
    assert outcome.error_lines[-1] == ("charrnn: --match 'zz' matches none of 70 items; change it, or raise --tries")


def test_a_novel_item_is_never_one_of_the_training_text(charrnn: Charrnn, model: str) -> None:
    usual = ("sample", model, "--num", "40", "--rng-seed", "1")
    assert " seen" in charrnn(*usual).err
    outcome = charrnn(*usual, "--novel", "99")
    assert outcome.code == 0
    assert "40 items: " in outcome.err
    assert "seen" not in outcome.err
    assert all(f"{start}x" not in "".join(lines(charrnn(*usual, "--novel", "3").out)) for start in ("ana", "alo"))


def test_to_a_pipe_go_names_and_nothing_else(charrnn: Charrnn, model: str) -> None:
    outcome = charrnn("sample", model, "--num", "20", "--temperature", "0.5")
    written = lines(outcome.out)
    assert len(written) == 20
    assert sum(name in NAMES for name in written) > 10
    assert outcome.error_lines[0].startswith("names.npz: gru 24, ")
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
    assert outcome.error_lines[1].startswith("items are not labelled seen or new: the training text cannot be")
    assert len(lines(outcome.out)) == 3
    as_json = charrnn("sample", model, "--num", "3", "--json", "-q")
    assert [json.loads(line)["label"] for line in lines(as_json.out)] == [None] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lines", "3"), "--lines does not go with a model trained on items"),
        (("--seed", "br\n"), "the seed text has '\\n', which ends an item"),
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
    assert "names (names.txt), utf-8, one item a line: 24 items (" in out
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
    assert "items divided by '\\n\\n': " in charrnn("info", "poems.npz").out.decode()
    refused = charrnn("sample", "poems.npz", "--ban", "newline")
    assert (refused.code, refused.out) == (2, b"")
    assert "leave out '\\n', which is needed to end an item" in refused.error_lines[-1]


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


SEPARATED = ("--steps", "2", "-q", "--checkpoint", "run.npz", "--overwrite")


def items_of(charrnn: Charrnn, *arguments: str) -> int:
    """Train on a text and return how many items it has, held-out ones too."""
    outcome = charrnn(*TRAIN, *SEPARATED, *arguments)
    assert outcome.code == 0, outcome.err
    counts = json.loads(charrnn("info", "run.npz", "--json").out)["corpus"]["items"]
    total: int = counts["training"] + counts["held_out"]
    return total


def nats_of(charrnn: Charrnn, text: str) -> float:
    """Nats of all characters of a text."""
    outcome = charrnn("score", "run.npz", "-", "-q", "--json", stdin=text.encode())
    values = json.loads(outcome.out)
    total: float = values["nats_per_char"] * values["characters"]
    return total


def test_items_that_end_as_the_separator_begins_are_one_item_each(charrnn: Charrnn) -> None:
    """The line end that ends a file is not part of its last poem, and joined poems are not parted anew."""
    poems = [f"{name}\n{name[::-1]}" for name in NAMES]
    Path("poems.txt").write_text("\n\n".join(poems) + "\n", newline="")
    assert items_of(charrnn, "poems.txt", "--separator", "\n\n") == len(poems)
    whole = nats_of(charrnn, f"{poems[0]}\n")
    assert whole == pytest.approx(nats_of(charrnn, poems[0]), rel=1e-6)
    assert nats_of(charrnn, f"{poems[0]}\n\n{poems[1]}\n") == pytest.approx(
        whole + nats_of(charrnn, poems[1]), rel=1e-6
    )


def test_an_item_with_a_separator_across_its_own_end_is_read_whole(charrnn: Charrnn) -> None:
    """``xab`` and the separator ``aba`` have another ``aba`` between them, at which nothing ends."""
    Path("text.txt").write_text("aba".join(["xx", "bbx", *NAMES, "bxxb", "xab"]), newline="")
    items_of(charrnn, "text.txt", "--separator", "aba", "--val-fraction", "0")
    trained = checkpoint.load("run.npz")
    ids = trained.vocabulary.encode("axababa")  # read from the separator's end, and ended by the whole of it
    state = trained.model.zero_state(1, trained.params.vector.dtype)
    losses, _ = trained.model.session(trained.params, 1).losses(ids[:-1, None], ids[1:, None], state)
    assert nats_of(charrnn, "xab") == pytest.approx(float(losses.sum()), rel=1e-5)
    Path("xab.txt").write_text("xab", newline="")
    assert charrnn("view", "run.npz", "xab.txt", "-q").code == 0
    assert charrnn("train", "--resume", "--checkpoint", "run.npz", "--steps", "3", "-q").code == 0


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [0, 1, 2])
def test_the_end_of_a_file_is_the_end_of_an_item(charrnn: Charrnn, line_end: str, last: int) -> None:
    """However its last line ends, whatever packs it, and wherever it comes from."""
    for name, poems in (("a", ["anna", "zoe\nkarl"]), ("b", ["karl\nzoe", "bob\nlu", "mia"])):
        text = "\n\n".join(poems) + last * "\n"
        Path(f"poems/{name}.txt").parent.mkdir(exist_ok=True)
        Path(f"poems/{name}.txt").write_text(text.replace("\n", line_end), newline="")
        Path(f"poems/{name}.txt.gz").write_bytes(gzip.compress(text.encode()))
    Path("poems/empty.txt").write_text("")
    for packed in Path("poems").glob("*.gz"):
        packed.rename(packed.name)
    for texts in (["poems"], ["poems/a.txt", "poems/b.txt"], ["a.txt.gz", "b.txt.gz"]):
        assert items_of(charrnn, *texts, "--separator", line_end * 2) == 5
        assert charrnn("train", "--resume", "--checkpoint", "run.npz", "--steps", "3", "-q").code == 0
        assert b"sample" not in charrnn("sample", "run.npz", "--num", "2", "-q").out


def test_a_folder_of_one_item_a_file_needs_no_separator_in_any(charrnn: Charrnn) -> None:
    for number, name in enumerate(NAMES[:6]):
        Path("names").mkdir(exist_ok=True)
        Path(f"names/{number}.txt").write_text(name)
    assert items_of(charrnn, "names", "--by-line") == 6
    assert charrnn("train", "--resume", "--checkpoint", "run.npz", "--steps", "3", "-q").code == 0
    assert charrnn("score", "run.npz", "names", "-q").out.startswith(b"on ")
    outcome = charrnn("train", "names/0.txt", "--by-line", "--checkpoint", "one.npz")
    assert (outcome.code, "single item" in outcome.err) == (2, True)


def test_the_same_bytes_in_other_files_are_another_text(charrnn: Charrnn) -> None:
    Path("a.txt").write_text("anna\nzoe")
    Path("b.txt").write_text("karl\nbob\n")
    assert items_of(charrnn, "a.txt", "b.txt", "--by-line") == 4
    assert "begins in the same line" not in charrnn("train", "a.txt", "b.txt", "--by-line", "--steps", "1").err
    Path("both.txt").write_text("anna\nzoekarl\nbob\n")
    outcome = charrnn("train", "both.txt", "--resume", "--checkpoint", "run.npz", "--steps", "4")
    assert outcome.code == 2
    assert "the text has changed" in outcome.err
    ranked = charrnn("score", "run.npz", "--by-line", "a.txt", "b.txt", "-q").out.decode().splitlines()
    assert sorted(line.split("\t")[2] for line in ranked) == ["anna", "bob", "karl", "zoe"]


def test_a_long_text_from_the_cache_has_the_items_of_the_same_text_in_memory(
    charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        Path(f"{number}.txt").write_text("\n".join(NAMES))
    texts = ("0.txt", "1.txt", "2.txt", "--by-line")
    assert items_of(charrnn, *texts) == 3 * len(NAMES)
    in_memory = Path("run.npz").read_bytes()
    monkeypatch.setattr("charrnn.text.storage.MOST_IN_MEMORY", 100)
    for _ in range(2):  # kept, and found again
        assert items_of(charrnn, *texts) == 3 * len(NAMES)
        assert Path("run.npz").read_bytes() == in_memory


def test_blank_lines_are_no_items_and_counted(charrnn: Charrnn) -> None:
    Path("text.txt").write_text("anna\n\n  \nbob\n\t\nzoe\nmia\n")
    outcome = charrnn(*TRAIN, "text.txt", "--by-line", "--steps", "1", "--checkpoint", "run.npz")
    assert "left out 3 blank lines" in outcome.err
    assert "left out 2 blank ones" in charrnn("score", "run.npz", "-", stdin=b"\n anna\n \nbob").err


def test_repeated_items_are_told_and_can_be_left_out(charrnn: Charrnn) -> None:
    Path("twice.txt").write_text("\n".join([*NAMES, *NAMES]))
    outcome = charrnn(*TRAIN, "twice.txt", "--by-line", "--steps", "1", "--checkpoint", "run.npz")
    assert f"{len(NAMES)} of {2 * len(NAMES)} items repeat an earlier one, and " in outcome.err
    assert "held out are trained on too" in outcome.err
    options = (*TRAIN, "twice.txt", "--by-line", "--unique", "--checkpoint", "unique.npz")
    outcome = charrnn(*options, "--steps", "3")
    assert f"left out {len(NAMES)} items equal to an earlier one" in outcome.err
    assert "trained on too" not in outcome.err
    counts = json.loads(charrnn("info", "unique.npz", "--json").out)["corpus"]["items"]
    assert counts["training"] + counts["held_out"] == len(NAMES)
    assert "--unique" in charrnn("info", "unique.npz").out.decode()
    resumed = charrnn("train", "--resume", "--checkpoint", "unique.npz", "--steps", "5", "-q")
    assert resumed.code == 0, resumed.err
    assert charrnn("train", "twice.txt", "--unique").code == 2  # of a running text nothing repeats


@pytest.mark.parametrize("way", [(), ("--by-line",)])
def test_the_same_file_named_twice_is_told(charrnn: Charrnn, way: tuple[str, ...]) -> None:
    Path("names.txt").write_text("\n".join([*NAMES, ""]))
    outcome = charrnn(*TRAIN, "names.txt", "./names.txt", *way, "--steps", "1")
    assert "names.txt is named more than once" in outcome.err


def test_an_item_goes_no_further_than_the_separator_that_its_seed_begins(charrnn: Charrnn) -> None:
    poems = [f"{name}\n{name[::-1]}" for name in NAMES]
    Path("poems.txt").write_text("\n\n".join(poems), newline="")
    options = ("poems.txt", "--separator", "\n\n", "--steps", "4", "-q", "--checkpoint", "run.npz")
    assert charrnn(*TRAIN, *options).code == 0
    arguments = (
        "sample",
        "run.npz",
        "--num",
        "60",
        "-q",
        "-n",
        "30",
        "--rng-seed",
        "1",
        "--allow",
        "newline",
        "--allow",
        "abcx",
    )
    seeded = charrnn(*arguments, "--seed", f"{poems[0]}\n", "--json")
    values = [json.loads(line) for line in lines(seeded.out)]
    ended = [value for value in values if value["ended"] == "item"]
    assert any(value["text"] == "" for value in ended)  # the next line end ended it
    assert all(value["label"] == "seen" for value in ended if not value["text"])
    assert all("\n\n" not in value["seed"] + value["text"] for value in values)
    plain = charrnn(*arguments, "--seed", f"{poems[0]}\n").out.decode()
    whole = [text for text in plain.split("\n\n")[:-1] if text == poems[0]]
    assert len(whole) == sum(value["text"] == "" for value in ended)


@pytest.mark.parametrize("separator", ["\n", "\n\n", "|"])
def test_no_item_is_written_that_is_blank(charrnn: Charrnn, separator: str) -> None:
    Path("text.txt").write_text(separator.join([*NAMES, " a", "\tb"]), newline="")
    options = ("text.txt", "--separator", separator, "--steps", "1", "-q", "--checkpoint", "run.npz")
    assert charrnn(*TRAIN, *options).code == 0
    seeds = range(0, 90, 30)
    arguments = ("sample", "run.npz", "--num", "30", "--json", "-q", "-n", "20", "--temperature", "1.5")
    for seed in seeds:
        written = lines(charrnn(*arguments, "--rng-seed", str(seed)).out)
        items = [value["text"] for value in map(json.loads, written) if value["ended"] == "item"]
        assert items or separator == "\n\n"
        assert all(map(str.strip, items))
    for allowed in (separator[-1], f" \t{separator}"):
        outcome = charrnn("sample", "run.npz", "--allow", allowed)
        assert (outcome.code, outcome.out) == (2, b"")


def test_by_turns_no_line_of_the_models_is_blank_and_an_item_ends_where_it_ends(charrnn: Charrnn, model: str) -> None:
    turns = charrnn("sample", model, "-i", "-q", "--temperature", "2", "--rng-seed", "1", stdin=b"\n" * 40)
    assert len(lines(turns.out)) == 40
    assert all(line.strip() for line in lines(turns.out))


def test_only_characters_that_are_scored_are_told_as_unseen(charrnn: Charrnn) -> None:
    Path("text.txt").write_text("|".join(NAMES))
    options = ("text.txt", "--separator", "|", "--steps", "1", "-q", "--checkpoint", "run.npz")
    assert charrnn(*TRAIN, *options).code == 0
    # The line end is the file's, the blank item is left out, and no line has a line end if the model knows none.
    whole = charrnn("score", "run.npz", "-", "--json", stdin=b"bnax|\t|cnaby\n")
    assert (json.loads(whole.out)["unseen_characters"], json.loads(whole.out)["unseen"]) == ("", 0)
    by_line = charrnn("score", "run.npz", "-", "-q", "--by-line", stdin=b"bnax\n\t\ncnaby\n")
    assert (len(lines(by_line.out)), by_line.err) == (2, "")
    assert "1 of the characters, '?' (U+003F)" in charrnn("score", "run.npz", "-", "--by-line", stdin=b"bna?\n").err
    assert charrnn("score", "run.npz", "-", "-q", "--by-line", stdin=b"\t\n").out == b""


@pytest.mark.parametrize("separator", ["|", "-="])
def test_by_turns_each_item_has_a_line_where_the_separator_has_no_line_end(charrnn: Charrnn, separator: str) -> None:
    Path("text.txt").write_text(separator.join(NAMES))
    options = ("text.txt", "--separator", separator, "--steps", "1", "-q", "--checkpoint", "run.npz")
    assert charrnn(*TRAIN, *options).code == 0
    turns = charrnn("sample", "run.npz", "-i", "-q", "-n", "-1", "--rng-seed", "1", stdin=b"\n" * 5)
    assert len(lines(turns.out)) == 5


def test_the_line_end_of_a_seed_file_is_not_the_items(charrnn: Charrnn, model: str) -> None:
    Path("seed.txt").write_text("bri\n")
    usual = ("sample", model, "-q", "--temperature", "0")
    assert charrnn(*usual, "--seed-file", "seed.txt").out == charrnn(*usual, "--seed", "bri").out


def test_a_line_end_that_only_ends_the_file_counts_for_no_ranked_line(charrnn: Charrnn) -> None:
    Path("names.txt").write_text("|".join(NAMES) + "\n")
    assert items_of(charrnn, "names.txt", "--separator", "|") == len(NAMES)
    ranked = charrnn("score", "run.npz", "--by-line", "-q", "--json", "-", stdin=b"anax\nblorimiby\n").out
    assert sorted(json.loads(line)["characters"] for line in ranked.splitlines()) == [4, 9]
