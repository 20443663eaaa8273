"""`charrnn score` tells how well a model reads a text, on stdout, beside what simple methods reach."""

import json
import shutil
from pathlib import Path

import pytest

from charrnn import checkpoint, paths
from charrnn.report import progress
from charrnn.scoring.reading import UNSEEN_NATS
from tests.conftest import TEXT, TINY, Charrnn

LINES = "the lamp went round.\n\nthe lamp wnet ruond.\nthe sea went round.\n"


def test_a_text_gets_a_table_and_the_model_is_named_on_stderr(charrnn: Charrnn, trained: Path, text_file: Path) -> None:
    outcome = charrnn("score", str(trained), str(text_file))
    assert outcome.code == 0
    assert outcome.err.startswith(f"{trained}: gru 16, trained on lamp for 60 steps, held out ")
    assert outcome.error_lines[1:] == ["note: this is the training text, so all these scores are too good"]
    header, model, *yardsticks = outcome.out.decode().splitlines()
    assert header.split() == ["on", "654", "characters", "nats/char", "bits/char", "perplexity"]
    assert model.startswith("the model ")
    names = {line[:25].rsplit("  ", 1)[0].strip() for line in yardsticks}
    assert {"gzip", "xz", "unigram", "uniform over 22 symbols"} < names
    assert len(yardsticks) == 5
    figures = [float(line.split()[-3]) for line in yardsticks]
    assert figures == sorted(figures)


def test_several_texts_stdin_and_a_packed_one_are_read_as_one(charrnn: Charrnn, trained: Path) -> None:
    Path("first.txt").write_text(TEXT[:100], newline="")
    Path("rest.txt").write_text(TEXT[100:], newline="")
    parts = charrnn("score", str(trained), "first.txt", "-", stdin=TEXT[100:].encode())
    assert parts.code == 0
    assert charrnn("score", str(trained), "first.txt", "rest.txt").out == parts.out
    assert charrnn("score", str(trained), "-", stdin=TEXT.encode()).out == parts.out


def test_without_a_checkpoint_the_newest_in_the_folder_reads_and_else_the_one_that_ships(
    charrnn: Charrnn, trained: Path
) -> None:
    shipped = charrnn("score", "-", "--json", stdin=b"The light")
    assert json.loads(shipped.out)["checkpoint"] == str(paths.PRETRAINED)
    assert {"unigram", "uniform over 61 symbols"} < {row["name"] for row in json.loads(shipped.out)["yardsticks"]}
    Path("checkpoints").mkdir()
    shutil.copy(trained, "checkpoints/mine.npz")
    mine = json.loads(charrnn("score", "-", "--json", stdin=b"the light").out)
    assert mine["checkpoint"] == "checkpoints/mine.npz"


def test_unseen_characters_are_charged_and_told(charrnn: Charrnn, trained: Path) -> None:
    clean, spoilt = (
        json.loads(charrnn("score", str(trained), "-", "--json", stdin=text.encode()).out)
        for text in ("the lamp", "the ☃lamp")
    )
    assert (clean["unseen"], spoilt["unseen"], spoilt["unseen_characters"]) == (0, 1, "☃")
    for ours, theirs in zip((spoilt, *spoilt["yardsticks"]), (clean, *clean["yardsticks"]), strict=True):
        assert 9 * ours["nats_per_char"] == pytest.approx(8 * theirs["nats_per_char"] + UNSEEN_NATS, rel=1e-12)
    table = charrnn("score", str(trained), "-", stdin="the ☃lamp".encode()).out.decode()
    assert "unseen in training: 1 of the characters, '☃' (U+2603); each is skipped and costs 20.087 bits" in table


def test_without_its_training_text_a_model_stands_beside_what_needs_none(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("lamp.txt").write_text(TEXT, newline="")
    options = ("--hidden-size", "8", "--steps", "1", "-q", "--checkpoint", "mine.npz")
    assert charrnn("train", "lamp.txt", *options).code == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    outcome = charrnn("score", "../mine.npz", "-", "-q", stdin=b"the lamp")
    assert outcome.code == 0
    (line,) = outcome.error_lines
    assert line.startswith(
        "methods that learn are left out: the training text cannot be read again (there is no text lamp.txt"
    )
    names = [line.split("  ")[0] for line in outcome.out.decode().splitlines()[2:]]
    assert sorted(names) == ["gzip, the text alone", "uniform over 22 symbols", "xz, the text alone"]
    assert checkpoint.load(trained).corpus.name == "lamp"


def test_lines_are_ranked_with_the_most_surprising_first_and_exact(charrnn: Charrnn, trained: Path) -> None:
    text = f"{LINES}the \x1b[2lamp"
    outcome = charrnn("score", str(trained), "-", "--by-line", stdin=text.encode())
    assert outcome.code == 0
    rows = [line.split(b"\t") for line in outcome.out.splitlines()]
    assert sorted(row[1:] for row in rows) == [
        [str(number).encode(), line.encode()] for number, line in enumerate(text.splitlines(), 1) if line
    ]
    assert rows[0][1] == b"5"
    assert [float(row[0]) for row in rows] == sorted((float(row[0]) for row in rows), reverse=True)
    assert "unseen in training: 3 of the characters, '\\x1b' (U+001B), '2' (U+0032), '[' (U+005B)" in outcome.err


def test_misspelt_lines_rise_to_the_top_and_come_as_json_lines_too(charrnn: Charrnn) -> None:
    text = b"The light was on the table.\nThe ligth was on teh tabel.\nThe clerk went to the door.\n"
    outcome = charrnn("score", "-", "--by-line", "--json", "-q", stdin=text)
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert rows[0]["line"] == 2
    assert rows[0]["text"] == "The ligth was on teh tabel."
    assert outcome.err == ""


def test_a_line_by_itself_costs_what_the_text_of_that_line_costs(charrnn: Charrnn, trained: Path) -> None:
    by_line = charrnn("score", str(trained), "-", "--by-line", "--json", stdin=LINES.encode())
    for row in map(json.loads, by_line.out.splitlines()):
        alone = charrnn("score", str(trained), "-", "--json", stdin=f"{row['text']}\n".encode())
        assert json.loads(alone.out)["nats_per_char"] == pytest.approx(row["nats_per_char"], rel=1e-5)


def test_windows_forget_what_came_before(charrnn: Charrnn, trained: Path) -> None:
    text = "the lamp went round, and the sea went round the lamp."
    command = ("score", str(trained), "--windows", "20", "-q", "-")
    values = json.loads(charrnn(*command, "--json", stdin=text.encode()).out)
    assert values["windows"] == 20
    # Two windows of 20 after the first character; each alone must cost the same.
    alone = [
        json.loads(charrnn(*command, "--json", stdin=text[start : start + 21].encode()).out)["nats_per_char"]
        for start in (0, 20)
    ]
    assert values["nats_per_char"] == pytest.approx(sum(alone) / 2, rel=1e-5)
    table = charrnn(*command, stdin=text.encode()).out.decode()
    assert f"the model, windows of 20  {values['nats_per_char']:>9.3f}  {values['bits_per_char']:>9.3f}" in table


def test_windows_are_for_running_text_that_is_long_enough(charrnn: Charrnn, trained: Path) -> None:
    short = charrnn("score", str(trained), "--windows", "8", "-", stdin=b"the lamp")
    assert (short.code, short.out) == (2, b"")
    assert short.error_lines[-1].startswith("charrnn: --windows 8 needs a text of more than 8 characters")
    lines = charrnn("score", str(trained), "--windows", "3", "--by-line", "-", stdin=b"the lamp")
    assert (lines.code, lines.out) == (2, b"")
    assert "--windows" in lines.err


def test_scoring_writes_no_file(charrnn: Charrnn, trained: Path) -> None:
    charrnn("score", str(trained), "-", stdin=b"the lamp")
    assert not list(Path().iterdir())


def test_a_long_text_shows_how_far_the_reading_is_and_a_quiet_one_does_not(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    loud = charrnn("score", str(trained), "-", stdin=TEXT.encode())
    assert "\nthe model reads: 100%, " in loud.err
    assert "\nxz compresses the text: 100%, " in loud.err
    assert "\nthe model reads: 100%, " in charrnn("score", str(trained), "-", "--by-line", stdin=TEXT.encode()).err
    quiet = charrnn("score", str(trained), "-", "-q", stdin=TEXT.encode())
    assert (quiet.out, quiet.err) == (loud.out, "")


@pytest.mark.parametrize("text", ["the lamp went round.", "a clerk"])
def test_equal_lines_rank_equal_whether_or_not_a_line_end_follows(charrnn: Charrnn, trained: Path, text: str) -> None:
    ranked = charrnn("score", str(trained), "--by-line", "-q", "-", stdin=f"{text}\n{text}".encode()).out.decode()
    first, second = (line.split("\t") for line in ranked.splitlines())
    assert (first[0], first[2]) == (second[0], second[2])
    assert (first[1], second[1]) == ("1", "2")


def test_a_model_that_knows_no_line_ends_charges_none(charrnn: Charrnn) -> None:
    Path("text.txt").write_text("the lamp went round, and the sea went round the lamp. " * 5)
    train = ("train", "text.txt", *TINY, "--steps", "2", "-q", "--checkpoint", "run.npz")
    assert charrnn(*train).code == 0
    rows = charrnn("score", "run.npz", "--by-line", "-q", "--json", "-", stdin=b"lamp\nround\n").out.splitlines()
    values = [json.loads(row) for row in rows]
    assert sorted((value["characters"], value["unseen"]) for value in values) == [(4, 0), (5, 0)]
    assert all(value["bits_per_char"] < 8 for value in values)
