"""`charrnn train` learns what it is given, keeps what it has, and says so on stderr alone."""

import gzip
import json
import math
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from charrnn import checkpoint, paths
from charrnn.cli.signals import Interruption
from charrnn.machine import describe_numerics
from charrnn.training import trainer
from charrnn.training.log import read_log
from tests.conftest import TEXT, TINY, Charrnn, bytes_in, command, unix

QUICK = (*TINY, "--steps", "3", "--checkpoint", "run.npz")


def test_a_run_from_start_to_sample_as_its_own_last_line_says(charrnn: Charrnn, text_file: Path) -> None:
    trained = charrnn("train", str(text_file), *TINY, "--steps", "30")
    assert (trained.code, trained.out) == (0, b"")
    assert trained.error_lines[0] == "text   lamp: 22 symbols, 588 characters to train on, 66 held out"
    assert trained.error_lines[-3:] == [
        "done at step 30; saved checkpoints/lamp.npz, and the best as checkpoints/lamp-best.npz",
        "now try:",
        "  charrnn sample checkpoints/lamp-best.npz -n 400",
    ]
    _, *arguments = trained.error_lines[-1].split()
    assert len(charrnn(*arguments).out) == 400


def test_a_second_run_keeps_the_first_and_says_where_it_saves(charrnn: Charrnn, text_file: Path) -> None:
    charrnn("train", str(text_file), *TINY, "--steps", "3")
    before = bytes_in(Path("checkpoints"))
    outcome = charrnn("train", str(text_file), *TINY, "--steps", "3", "--rng-seed", "1")
    assert "checkpoints/lamp.npz is taken; this run saves to checkpoints/lamp-2.npz\n" in outcome.err
    after = bytes_in(Path("checkpoints"))
    assert sorted(after) == [
        f"lamp{part}" for part in ("-2-best.npz", "-2.log.jsonl", "-2.npz", "-best.npz", ".log.jsonl", ".npz")
    ]
    assert {name: after[name] for name in before} == before


def test_a_named_checkpoint_that_exists_is_refused(charrnn: Charrnn, text_file: Path) -> None:
    charrnn("train", str(text_file), *QUICK)
    before = bytes_in(Path())
    outcome = charrnn("train", str(text_file), *QUICK)
    assert outcome.code == 2
    assert outcome.err == "charrnn: run.npz exists; resume it with --resume, or replace it with --overwrite\n"
    assert bytes_in(Path()) == before
    assert charrnn("train", str(text_file), *QUICK, "--overwrite").code == 0


def test_resuming_a_finished_run_says_so_and_touches_nothing(charrnn: Charrnn, text_file: Path) -> None:
    charrnn("train", str(text_file), *QUICK)
    before = bytes_in(Path())
    outcome = charrnn("train", "--resume", "--checkpoint", "run.npz")
    assert outcome.code == 0
    assert outcome.err == "run.npz has finished its run at step 3; give a later --steps to continue\n"
    assert bytes_in(Path()) == before


def test_a_quiet_resume_still_says_that_it_may_not_be_exact(
    charrnn: Charrnn, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charrnn("train", str(text_file), *QUICK)
    go_on = ("train", "--resume", "--checkpoint", "run.npz", "-q")
    assert charrnn(*go_on, "--steps", "4").err == ""
    monkeypatch.setattr(trainer, "describe_numerics", lambda: {**describe_numerics(), "NumPy": "1.0"})
    (line,) = charrnn(*go_on, "--steps", "5").error_lines
    assert re.fullmatch(r"warning: exact resume not guaranteed: NumPy .* then, 1\.0 now", line)


def test_resuming_a_run_that_lost_its_patience_says_what_would_go_on(charrnn: Charrnn, text_file: Path) -> None:
    impatient = ("--steps", "300", "--eval-every", "1", "--learning-rate", "3", "--patience", "1")
    charrnn("train", str(text_file), *TINY, *impatient, "--checkpoint", "run.npz")
    step = checkpoint.load("run.npz").progress.step
    outcome = charrnn("train", "--resume", "--checkpoint", "run.npz")
    end = f"run.npz has finished its run at step {step}; give a later --steps or a greater --patience to continue\n"
    assert (outcome.code, outcome.err) == (0, end)
    assert charrnn("train", "--resume", "--checkpoint", "run.npz", "--patience", "0", "--steps", "301").code == 0
    assert checkpoint.load("run.npz").progress.step == 301


def test_resume_refuses_options_that_belong_to_a_new_run(charrnn: Charrnn, text_file: Path) -> None:
    charrnn("train", str(text_file), *QUICK)
    refused = (("--recipe", "default"), ("--num-layers", "1"), ("--encoding", "utf-8"), ("--overwrite",))
    for option in (*refused, ("--init-from", "run.npz")):
        outcome = charrnn("train", "--resume", "--checkpoint", "run.npz", *option)
        assert (outcome.code, outcome.err) == (2, f"charrnn: {option[0]} does not go with --resume\n")
    changed = charrnn("train", "--resume", "--checkpoint", "run.npz", "--hidden-size", "9")
    assert changed.code == 2
    assert changed.err.startswith("charrnn: --hidden-size cannot change when a run is resumed")


def test_resume_with_another_text_shows_both_hashes(charrnn: Charrnn, text_file: Path) -> None:
    charrnn("train", str(text_file), *QUICK)
    Path("other.txt").write_text(TEXT[:-1])
    outcome = charrnn("train", "other.txt", "--resume", "--checkpoint", "run.npz", "--steps", "9")
    assert outcome.code == 2
    assert checkpoint.load("run.npz").corpus.sha256[:12] in outcome.err
    assert len(outcome.error_lines) == 1


def test_the_same_seed_leaves_the_same_bytes_and_another_seed_other_ones(charrnn: Charrnn, text_file: Path) -> None:
    for name, seed in (("one", "5"), ("two", "5"), ("other", "6")):
        options = ("--steps", "3", "--rng-seed", seed, "--checkpoint", f"{name}.npz")
        assert charrnn("train", str(text_file), *TINY, *options).code == 0
    assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes() != Path("other.npz").read_bytes()


def test_stdin_a_packed_file_and_several_texts_are_learned_as_the_plain_text_is(charrnn: Charrnn) -> None:
    Path("whole.txt").write_text(TEXT, newline="")
    Path("whole.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    Path("first.txt").write_text(TEXT[:100], newline="")
    Path("rest.txt").write_text(TEXT[100:], newline="")
    ways = {"plain": ["whole.txt"], "gz": ["whole.txt.gz"], "stdin": ["-"], "parts": ["first.txt", "rest.txt"]}
    for name, texts in ways.items():
        outcome = charrnn("train", *texts, *TINY, "--steps", "3", "--checkpoint", f"{name}.npz", stdin=TEXT.encode())
        assert outcome.code == 0, outcome.err
    models = [checkpoint.load(f"{name}.npz") for name in ways]
    assert len({model.params.vector.tobytes() for model in models}) == 1
    assert len({model.corpus.sha256 for model in models}) == 1
    assert [model.corpus.name for model in models] == ["whole", "whole", "stdin", "first"]


def test_a_run_from_stdin_goes_on_when_the_text_is_given_again(charrnn: Charrnn) -> None:
    charrnn("train", "-", *QUICK, stdin=TEXT.encode())
    resume = ("--resume", "--checkpoint", "run.npz", "--steps", "5")
    refused = charrnn("train", *resume)
    assert refused.code == 2
    assert refused.err.startswith("charrnn: the text came from stdin; give it again, as a file or with -: ")
    assert charrnn("train", "-", *resume, stdin=TEXT.encode()).code == 0
    assert checkpoint.load("run.npz").progress.step == 5


@pytest.mark.parametrize("name", ["weather-court.txt", "villages"])
def test_a_bundled_text_is_found_by_its_name_from_any_folder(charrnn: Charrnn, name: str) -> None:
    outcome = charrnn("train", name, *TINY, "--steps", "1", "--eval-every", "0", "--val-fraction", "0")
    assert outcome.code == 0
    assert Path("checkpoints", Path(name).stem + ".npz").exists()


def test_without_a_text_the_default_one_is_learned(charrnn: Charrnn) -> None:
    assert charrnn("train", *TINY, "--steps", "1", "--val-fraction", "0").code == 0
    assert checkpoint.load(Path("checkpoints", paths.DEFAULT_CORPUS).with_suffix(".npz")).progress.step == 1


def test_a_text_of_one_distinct_character_is_learned_and_sampled(charrnn: Charrnn) -> None:
    Path("a.txt").write_text("a" * 60)
    assert charrnn("train", "a.txt", *QUICK).code == 0
    assert checkpoint.load("run.npz").progress.smoothed_loss == 0
    assert charrnn("sample", "run.npz", "-n", "5").out == b"aaaaa"


def test_the_shortest_text_of_two_characters_is_learned(charrnn: Charrnn) -> None:
    Path("ab.txt").write_text("ab")
    outcome = charrnn("train", "ab.txt", *QUICK)
    assert outcome.code == 0
    assert "sequence length 1 instead of 10: the text has only 2 characters\n" in outcome.err


def test_quiet_says_nothing_and_saves(charrnn: Charrnn, text_file: Path) -> None:
    outcome = charrnn("train", str(text_file), *QUICK, "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, b"", "")
    assert checkpoint.load("run.npz").progress.step == 3


def test_a_log_whose_reader_has_left_does_not_end_the_training(text_file: Path) -> None:
    process = subprocess.Popen(command(["train", str(text_file), *QUICK]), stderr=subprocess.PIPE)
    assert process.stderr
    process.stderr.close()
    assert process.wait(timeout=30) == 0
    assert checkpoint.load("run.npz").progress.step == 3


@unix
def test_one_signal_asks_and_a_second_one_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert not interruption.is_requested()
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.is_requested()
        assert interruption.exit_code == 130
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@unix
def test_a_signal_that_the_parent_asked_to_ignore_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not interruption.is_requested()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_json_lines_are_the_log_and_nothing_else_on_stdout(charrnn: Charrnn, text_file: Path) -> None:
    outcome = charrnn("train", str(text_file), *QUICK, "--json", "--yardsticks")
    assert outcome.code == 0
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert [event["event"] for event in events[-2:]] == ["end", "yardsticks"]
    assert events[:-1] == [json.loads(line) for line in Path("run.log.jsonl").read_text().splitlines()]
    assert events[0]["command"] == shlex.join(["charrnn", "train", str(text_file), *QUICK, "--json", "--yardsticks"])
    assert events[-1]["step"] == events[-2]["step"]
    assert events[-1]["nats_per_char"] == min(event["loss"] for event in events if event["event"] == "evaluation")
    quiet = charrnn("train", "--resume", "--checkpoint", "run.npz", "--json", "--quiet")
    assert (quiet.code, quiet.err) == (0, "")
    assert [json.loads(line)["event"] for line in quiet.out.splitlines()] == ["resume", "end"]


def test_a_reader_of_json_lines_that_left_does_not_end_the_training(text_file: Path) -> None:
    process = subprocess.Popen(
        command(["train", str(text_file), *QUICK, "--json", "-q"]), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == b"warning: cannot write the events: Broken pipe; training continues\n"
    process.stderr.close()
    assert process.wait(timeout=30) == 0
    assert checkpoint.load("run.npz").progress.step == 3


def test_a_log_of_a_lost_checkpoint_is_not_written_over(charrnn: Charrnn, text_file: Path) -> None:
    Path("run.log.jsonl").write_text("precious\n")
    refused = charrnn("train", str(text_file), *QUICK)
    assert refused.err == "charrnn: run.log.jsonl exists; move it away, or replace it with --overwrite\n"
    Path("checkpoints").mkdir()
    Path("checkpoints/lamp.log.jsonl").write_text("precious\n")
    assert charrnn("train", str(text_file), *TINY, "--steps", "1", "--checkpoint", "mine.npz").code == 0
    assert "this run saves to checkpoints/lamp-2.npz" in charrnn("train", str(text_file), *TINY, "--steps", "1").err
    assert Path("checkpoints/lamp.log.jsonl").read_text() == "precious\n"
    assert charrnn("train", str(text_file), *QUICK, "--overwrite").code == 0
    assert read_log(Path("run.log.jsonl"))[-1]["event"] == "end"


def test_yardsticks_come_last_on_stdout_with_the_best_held_out_figure_first(charrnn: Charrnn, text_file: Path) -> None:
    outcome = charrnn("train", str(text_file), *QUICK, "--yardsticks")
    assert outcome.code == 0
    header, model, *yardsticks = outcome.out.decode().splitlines()
    assert header.startswith("on 65 characters ")
    best = checkpoint.load("run.npz").progress.best
    assert best
    assert model.split()[:-1] == ["the", "model", "at", "its", "best", f"{best[1]:.3f}", f"{best[1] / math.log(2):.3f}"]
    assert len(yardsticks) == 5
    again = charrnn("train", "--resume", "--checkpoint", "run.npz", "--yardsticks", "-q")
    assert again.out == outcome.out


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_minutes_without_room_for_a_step_are_told(charrnn: Charrnn, text_file: Path, quiet: tuple[str, ...]) -> None:
    outcome = charrnn("train", str(text_file), *TINY, "--minutes", "0.00001", "--checkpoint", "run.npz", *quiet)
    assert outcome.code == 0
    assert outcome.error_lines[-1] == ("warning: --minutes 1e-05 was too short for a single step; give more --minutes")
    assert "done at" not in outcome.err


def test_a_dry_run_says_what_would_be_done_and_leaves_nothing(charrnn: Charrnn, text_file: Path) -> None:
    usual = (str(text_file), *TINY, "--steps", "40", "--val-fraction", "0.5", "--dry-run")
    outcome = charrnn("train", *usual)
    assert (outcome.code, outcome.err) == (0, "")
    names = [line.split()[0] for line in outcome.out.decode().splitlines()]
    assert names == ["text", "model", "train", "speed", "memory", "saves"]
    assert b"327 characters to train on, 327 held out" in outcome.out
    assert b"40 steps = " in outcome.out
    assert b"saves  to checkpoints/lamp.npz, and its best model to checkpoints/lamp-best.npz\n" in outcome.out
    assert b"saves  to a/b/c.npz" in charrnn("train", *usual, "--checkpoint", "a/b/c.npz").out
    assert not list(Path().iterdir())


def test_a_dry_run_of_a_resume_changes_nothing(charrnn: Charrnn, text_file: Path) -> None:
    charrnn("train", str(text_file), *QUICK)
    before = bytes_in(Path())
    outcome = charrnn("train", "--resume", "--checkpoint", "run.npz", "--steps", "9", "--dry-run")
    assert outcome.code == 0
    assert "resuming run.npz at step 3\n" in outcome.err
    assert b"9 steps = " in outcome.out
    assert bytes_in(Path()) == before
    assert charrnn("train", str(text_file), *QUICK, "--dry-run").code == 2  # run.npz exists


@pytest.mark.parametrize(
    ("line", "is_list"),
    [("Anna\n", True), ("Port Saint Mary\n", True), ("the wind went round.\n", False), ("a\n\n", False)],
)
def test_a_list_of_names_leads_to_by_line(charrnn: Charrnn, line: str, is_list: bool) -> None:
    Path("text.txt").write_text(line * 30)
    hint = "the text looks like a list; --by-line trains on each line separately\n"
    assert (hint in charrnn("train", "text.txt", *TINY, "--dry-run").err) == is_list
    assert hint not in charrnn("train", "text.txt", *TINY, "--dry-run", "--by-line").err


def test_a_backslash_n_in_a_separator_is_a_line_end(charrnn: Charrnn) -> None:
    Path("poems.txt").write_text("a line\nand one\n\n" * 30)
    assert b"30 items" not in charrnn("train", "poems.txt", *TINY, "--dry-run", "--separator", r"\n").out
    typed, real = (charrnn("train", "poems.txt", *TINY, "--dry-run", "--separator", sep) for sep in (r"\n\n", "\n\n"))
    assert b"27 items (" in typed.out
    assert typed.out.split(b"speed")[0] == real.out.split(b"speed")[0]
    Path("book.txt").write_text("one page\\newpage\n" * 30)
    outcome = charrnn("train", "book.txt", *TINY, "--dry-run", "--separator", r"\newpage\n")
    assert b"27 items (" in outcome.out
