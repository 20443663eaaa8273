"""What is told of a checkpoint agrees with what is in it, and in its log."""

import json
from pathlib import Path
from typing import Any

import pytest

from charrnn import checkpoint, paths
from charrnn.errors import CheckpointError
from charrnn.paths import best_path
from charrnn.report import tables
from charrnn.report.terminal import text_width
from tests.conftest import Charrnn


def row(text: str, name: str) -> str:
    (words,) = [line[10:] for line in text.splitlines() if line[:10].strip() == name]
    return words


def write_log(path: Path, *records: dict[str, Any]) -> None:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def at(second: int, event: str, **more: Any) -> dict[str, Any]:
    return {"event": event, "step": 1, "time": f"2026-01-01T00:00:{second:02}.000+00:00", **more}


def test_values_are_those_of_the_checkpoint(trained: Path) -> None:
    values, model = tables.info_values(trained), checkpoint.load(trained)
    assert values["bytes"] == trained.stat().st_size
    assert values["can_resume"]
    assert values["model"]["parameters"] == model.params.vector.size
    assert values["vocabulary"] == model.vocabulary.characters
    assert values["corpus"]["sha256"] == model.corpus.sha256
    assert values["corpus"]["training"] + values["corpus"]["held_out"] == model.corpus.characters
    assert (values["best"]["step"], values["best"]["loss"]) == model.progress.best
    assert values["step"] == 60
    assert values["log"] is None
    assert not tables.info_values(best_path(trained))["can_resume"]


def test_values_are_one_json_object(trained: Path) -> None:
    values = tables.info_values(trained)
    assert json.loads(tables.info_json(values)) == json.loads(json.dumps(values))
    assert tables.info_json(values).count("\n") == 1


def test_the_lines_say_what_how_big_on_what_how_far_and_how_good(trained: Path) -> None:
    text = tables.info_text(tables.info_values(trained))
    assert row(text, "file").endswith("bytes; training can be resumed")
    assert row(text, "model") == "gru 16, one-hot input, 2,262 parameters in float32"
    assert row(text, "symbols") == r"22: \n ,.acdefhiklmnoprstuw"
    assert row(text, "text").endswith("lamp.txt), utf-8: 588 characters to train on, 66 held out")
    assert len(row(text, "SHA-256")) == 64
    assert row(text, "trained").startswith("60 steps = 7.5 epochs; training loss ")
    assert row(text, "held out").endswith("bits/char at step 60, the best of 3 evaluations")
    assert row(text, "settings").startswith("batch 4 × seq 20, adagrad 0.15 cosine, clip-norm 5, ")
    assert "command" not in text  # a program started it


def test_what_was_typed_is_in_the_checkpoint_and_readable_by_a_shell(charrnn: Charrnn) -> None:
    Path("the poems.txt").write_text("the lamp\n\nwent round\n\n" * 9)
    typed = ("the poems.txt", "--separator", "\n\n", "--hidden-size", "4", "--steps", "1")
    for name in ("one.npz", "two.npz"):
        assert charrnn("train", *typed, "--checkpoint", name, "--quiet").code == 0
        Path(name).with_suffix(".log.jsonl").unlink()
    said = tables.info_values(Path("one.npz"))["command"]
    assert said == "charrnn train 'the poems.txt' --separator $'\\n\\n' --hidden-size 4 --steps 1"
    assert f"command   {said}\n" in tables.info_text(
        tables.info_values(Path("one.npz")), width=40
    )  # whole, to be copied
    # Where it is saved is not in it, so that equal runs are equal files.
    assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()
    # A run that was stopped and resumed keeps the command that started it.
    assert charrnn("train", "--resume", "--checkpoint", "one.npz", "--steps", "2", "-q").code == 0
    assert tables.info_values(Path("one.npz"))["command"] == said.replace("--steps 1", "--steps 2")


def test_the_model_that_ships_says_how_it_was_trained() -> None:
    text = tables.info_text(tables.info_values(paths.PRETRAINED))
    assert row(text, "file").endswith("for sampling only")
    assert " of 10,000 steps = " in row(text, "trained")


def test_a_log_tells_what_was_typed_and_how_long_all_parts_took(trained: Path) -> None:
    Path("run.npz").write_bytes(trained.read_bytes())
    write_log(
        Path("run.log.jsonl"),
        at(0, "start", command="charrnn train lamp.txt"),
        at(20, "save"),
        at(40, "resume", command="charrnn train --resume\x1b[2J"),
        at(59, "end"),
    )
    values = tables.info_values(Path("run.npz"))
    assert values["log"]["seconds"] == 39
    text = tables.info_text(values)
    assert row(text, "command") == "charrnn train lamp.txt"
    assert row(text, "then") == r"charrnn train --resume\x1b[2J"
    assert row(text, "log") == "run.log.jsonl"
    assert " in 39 s; " in row(text, "trained")


def test_a_log_that_is_none_or_says_little_takes_nothing_away(trained: Path) -> None:
    Path("run.npz").write_bytes(trained.read_bytes())
    for records in (
        [{"mine": 1}],
        [{"event": "save", "step": 3}],
        [{"event": "start", "step": 0, "time": 7, "command": 7}],
    ):
        write_log(Path("run.log.jsonl"), *records)
        tables.info_text(tables.info_values(Path("run.npz")))


def test_long_lines_go_on_below_within_the_width(trained: Path) -> None:
    text = tables.info_text(tables.info_values(trained), width=76)
    lines = text.splitlines()
    assert max(len(line) for line in lines if not line.startswith("command ")) <= 76
    unbroken = tables.info_text(tables.info_values(trained))
    assert text.split() == unbroken.split()


def test_wide_characters_take_their_two_columns(trained: Path) -> None:
    values = tables.info_values(trained) | {"vocabulary": "".join(map(chr, range(0x4E00, 0x4E00 + 60)))}
    symbols = [line for line in tables.info_text(values, width=50).splitlines() if line[-1] > "\u4e00"]
    assert [text_width(line) for line in symbols] == [50, 50, 50]
    assert all(line.startswith(" " * 10) for line in symbols)


def test_a_checkpoint_of_no_possible_run_is_damaged(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = checkpoint.load(trained)
    checkpoint.save("odd.npz", model)
    monkeypatch.setattr(checkpoint, "load", lambda _: checkpoint.replace(model, config={"cell": "lstm"}))  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match=r"odd\.npz is damaged"):
        tables.info_values(Path("odd.npz"))
