"""`charrnn sample` writes the seed text and what follows to stdout, to the byte, and nothing else."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from charrnn import paths
from charrnn.paths import best_path
from charrnn.report.terminal import text_width
from tests.conftest import TEXT, TINY, Charrnn, command
from tests.forking import Forks


def test_stdout_is_the_seed_and_the_characters_after_it_to_the_byte(charrnn: Charrnn, trained: Path) -> None:
    outcome = charrnn("sample", str(trained), "--seed", "a clerk", "-n", "200")
    assert outcome.code == 0
    assert outcome.out.startswith(b"a clerk")
    assert len(outcome.out) == len(b"a clerk") + 200  # the alphabet is ASCII: no newline was added
    assert len(outcome.error_lines) == 1


def test_without_a_seed_text_a_line_begins_and_the_line_end_is_not_written(charrnn: Charrnn, trained: Path) -> None:
    outcome = charrnn("sample", str(trained), "-n", "150", "--temperature", "0")
    assert len(outcome.out) == 150
    assert outcome.out[:1] in b"ta"  # what the lines of the text begin with


def test_no_length_is_the_seed_text_alone(charrnn: Charrnn, trained: Path) -> None:
    assert charrnn("sample", str(trained), "--seed", "lamp", "-n", "0").out == b"lamp"
    assert charrnn("sample", str(trained), "-n", "0").out == b""


def test_the_same_rng_seed_writes_the_same_and_a_longer_sample_begins_with_the_shorter(
    charrnn: Charrnn, trained: Path
) -> None:
    def drawn(*arguments: str) -> bytes:
        return charrnn("sample", str(trained), "--seed", "a", *arguments).out

    assert drawn("-n", "80", "--rng-seed", "3") == drawn("-n", "80", "--rng-seed", "3")
    assert drawn("-n", "80", "--rng-seed", "3").startswith(drawn("-n", "20", "--rng-seed", "3"))
    assert drawn("-n", "80", "--rng-seed", "3") != drawn("-n", "80", "--rng-seed", "4")


def test_the_line_on_stderr_tells_how_to_have_the_same_text_again(charrnn: Charrnn, trained: Path) -> None:
    first = charrnn("sample", str(trained), "-n", "60")
    rng_seed = first.err.split("--rng-seed ")[1].split()[0]
    assert re.fullmatch(rf"{trained.name}: gru 16, \d\.\d{{3}} bits/char, --rng-seed \d+\n", first.err)
    assert charrnn("sample", str(trained), "-n", "60", "--rng-seed", rng_seed).out == first.out
    assert charrnn("sample", str(trained), "-n", "60").out != first.out


@pytest.mark.parametrize("name", ["a" * 70, "灯" * 40])
def test_the_line_on_stderr_fits_80_columns_whatever_the_model_is_called(
    charrnn: Charrnn, trained: Path, name: str
) -> None:
    shutil.copy(trained, f"{name}.npz")
    line = charrnn("sample", f"{name}.npz", "-n", "0", "--rng-seed", str(2**32 - 1)).err.removesuffix("\n")
    assert text_width(line) in (79, 80)
    assert re.fullmatch(rf"{name[0]}+…: gru 16, \d\.\d{{3}} bits/char, --rng-seed {2**32 - 1}", line)


def test_the_likeliest_characters_do_not_depend_on_chance(charrnn: Charrnn, trained: Path) -> None:
    greedy = [("--temperature", "0"), ("--top-k", "1"), ("--top-p", "1e-9"), ("--temperature", "0", "--rng-seed", "5")]
    written = {charrnn("sample", str(trained), "--seed", "the", "-n", "99", *filters).out for filters in greedy}
    assert len(written) == 1


def test_a_reader_that_leaves_ends_the_command_quietly(trained: Path) -> None:
    process = subprocess.Popen(
        command(["sample", str(trained), "-n", "100000000"]), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    with process.stdout, process.stderr:
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        assert process.wait(timeout=30) == 0
        assert len(process.stderr.read().splitlines()) == 1  # the introduction


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full to stand for a full disk")
@pytest.mark.parametrize("arguments", [["sample", "MODEL", "-q"], ["--version"], ["train", "--help"]])
def test_output_that_cannot_be_written_is_one_line_and_a_failure(
    forks: Forks, trained: Path, arguments: list[str]
) -> None:
    words = [str(trained) if word == "MODEL" else word for word in arguments]
    outcome = forks.run(*words, streams={"stdout": "/dev/full"})
    assert (outcome.code, outcome.err) == (1, "charrnn: cannot write the output: No space left on device\n")


def test_a_number_as_seed_text_asks_whether_the_random_seed_was_meant(charrnn: Charrnn, trained: Path) -> None:
    outcome = charrnn("sample", str(trained), "--seed", "42")
    assert outcome.code == 2
    assert "--rng-seed 42" in outcome.err
    assert "--rng-seed" not in charrnn("sample", str(trained), "--seed", "Lamp").err


def test_a_number_that_the_model_can_read_is_a_text_and_a_line_says_so(charrnn: Charrnn) -> None:
    Path("numbers.txt").write_text(" ".join(map(str, range(300))))
    charrnn("train", "numbers.txt", *TINY, "--steps", "1", "-q")
    outcome = charrnn("sample", "numbers", "--seed", "42", "-n", "1")
    assert outcome.out.startswith(b"42")
    assert "42 is the text to continue; for a random seed use --rng-seed 42\n" in outcome.err
    assert charrnn("sample", "numbers", "--seed", "42", "-n", "1", "-q").err == ""
    assert len(charrnn("sample", "numbers", "--seed", "4 2", "-n", "1").error_lines) == 1


def test_the_temperature_is_0_7_unless_another_is_asked_for(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "-q", "-n", "80", "--rng-seed", "3")
    assert charrnn(*usual).out == charrnn(*usual, "-t", "0.7").out
    assert charrnn(*usual).out != charrnn(*usual, "--temperature", "1").out


def test_the_output_can_go_to_a_file(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", "-m", str(trained), "--rng-seed", "3", "-n", "30", "--num", "2")
    Path("poem.txt").write_text("something older and far longer than what is written now" * 9)
    outcome = charrnn(*usual, "-o", "poem.txt")
    assert outcome.out == b""
    assert outcome.error_lines[-1] == "wrote poem.txt"
    assert Path("poem.txt").read_bytes() == charrnn(*usual).out
    refused = charrnn(*usual, "-o", "nowhere/poem.txt")
    assert (refused.code, refused.error_lines[-1]) == (
        *(1, "charrnn: cannot use 'nowhere/poem.txt': No such file or directory"),
    )


def test_a_backslash_n_is_a_line_end_for_a_model_without_backslashes(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "-q", "-n", "300", "--rng-seed", "3")
    assert charrnn(*usual, "--seed", r"lamp.\na").out == charrnn(*usual, "--seed", "lamp.\na").out
    assert charrnn(*usual, "--stop", r".\n").out == charrnn(*usual, "--stop", ".\n").out != charrnn(*usual).out
    Path("tex.txt").write_text(r"\newpage \nobreak " * 30)
    charrnn("train", "tex.txt", *TINY, "--steps", "1", "-q")
    assert charrnn("sample", "tex", "-q", "--seed", r"\n", "-n", "0").out == rb"\n"


def test_a_novel_text_copies_no_more_characters_in_a_row_than_asked(
    charrnn: Charrnn, trained: Path, text_file: Path
) -> None:
    usual = ("sample", str(trained), "--report", "--rng-seed", "3", "-t", "0.3", "-n", "200")
    report = re.compile(r"copied: at most (\d+) characters")
    found = report.search(charrnn(*usual).err)
    assert found
    assert int(found[1]) > 10
    found = report.search(charrnn(*usual, "--novel", "5").err)
    assert found
    assert int(found[1]) == 5
    text_file.rename("elsewhere.txt")
    outcome = charrnn(*usual, "--novel", "5")
    Path("elsewhere.txt").rename(text_file)
    assert outcome.code == 2
    assert outcome.err.startswith("charrnn: cannot use --novel: the training text cannot be read again (")


def test_by_default_the_newest_model_in_the_folder_writes(charrnn: Charrnn, trained: Path) -> None:
    Path("checkpoints").mkdir()
    for number, name in enumerate(("older", "newest", "older-too")):
        shutil.copy(trained, f"checkpoints/{name}.npz")
        age = 1 if name == "newest" else 100 + number
        stamp = Path(f"checkpoints/{name}.npz").stat().st_mtime - age
        os.utime(f"checkpoints/{name}.npz", (stamp, stamp))
    assert charrnn("sample", "-n", "1").err.startswith("newest.npz: ")
    shutil.copy(best_path(trained), "checkpoints/newest-best.npz")
    assert charrnn("sample", "-n", "1").err.startswith("newest-best.npz: ")


def test_a_checkpoint_that_is_not_there_brings_those_to_mind_that_may_be_meant(charrnn: Charrnn, trained: Path) -> None:
    Path("checkpoints").mkdir()
    shutil.copy(trained, "checkpoints/kafka.npz")
    shutil.copy(trained, "here.npz")
    for typed, meant in (
        ("kafka.npz", "checkpoints/kafka.npz"),
        ("kafak", "checkpoints/kafka.npz"),
        ("checkpoints/kafak.npz", "checkpoints/kafka.npz"),
        ("hare.npz", "here.npz"),
    ):
        outcome = charrnn("sample", typed)
        assert outcome.code == 1
        assert outcome.err.startswith(f"charrnn: no such checkpoint: '{typed}'; did you mean '{meant}'?")


def test_without_any_model_the_one_that_comes_with_the_program_writes(charrnn: Charrnn) -> None:
    assert paths.PRETRAINED.exists(), "the trained model is missing from the repository"
    outcome = charrnn("sample", "--seed", "The ", "-n", "200", "--rng-seed", "1")
    assert outcome.code == 0
    assert outcome.err.startswith(f"{paths.PRETRAINED.name}: ")
    assert outcome.out.startswith(b"The ")
    assert len(outcome.out.decode()) == 204


def test_characters_that_are_not_ascii_come_out_as_utf_8_and_are_counted_as_one(charrnn: Charrnn) -> None:
    Path("harsh.txt").write_text("é🙂\x1b\u202eß\x00" * 40, newline="")
    assert charrnn("train", "harsh.txt", *TINY, "--steps", "3", "--checkpoint", "harsh.npz").code == 0
    outcome = charrnn("sample", "harsh.npz", "--seed", "é🙂", "-n", "100")
    assert outcome.out.decode().startswith("é🙂")
    assert len(outcome.out.decode()) == 102
    assert not set("\x1b\u202e\x00") & set(outcome.err)


def test_sampling_writes_no_file(charrnn: Charrnn, trained: Path) -> None:
    charrnn("sample", str(trained), "-n", "5")
    assert not list(Path().iterdir())


def test_the_report_counts_what_was_written_and_not_the_seed_text(charrnn: Charrnn, trained: Path) -> None:
    seed = "the lamp went round, and the sea went round the lamp."
    outcome = charrnn("sample", str(trained), "--seed", seed, "-n", "0", "--report")
    assert outcome.out.decode() == seed
    assert outcome.error_lines[-1] == 'copied: at most 0 characters in a row, ""; too short for 8-grams'
    written = charrnn("sample", str(trained), "--seed", seed, "-n", "50", "--report", "-q", "--rng-seed", "1")
    (line,) = written.error_lines
    run = line.split('"')[1].replace("\\n", "\n")
    assert f"at most {len(run)} characters" in line
    assert run in written.out.decode().removeprefix(seed)
    assert run in TEXT


# --- several texts, JSON, files ---


def test_several_texts_stand_apart_and_each_is_what_its_random_seed_writes_alone(
    charrnn: Charrnn, trained: Path
) -> None:
    usual = ("sample", str(trained), "--seed", "the", "-n", "40", "--rng-seed")
    together = charrnn(*usual, "7", "--num", "3").out.decode()
    alone = [charrnn(*usual, str(7 + k)).out.decode() for k in range(3)]
    ended = [text if text.endswith("\n") else f"{text}\n" for text in alone]
    assert together == "\n".join(f"── --rng-seed {7 + k} ──\n{text}" for k, text in enumerate(ended))
    assert charrnn(*usual, "7", "--num", "3", "-q").out.decode() == "".join(ended)


def test_temperatures_stand_apart_where_there_is_no_terminal(charrnn: Charrnn, trained: Path) -> None:
    usual = ("sample", str(trained), "--seed", "the", "-n", "40", "--rng-seed", "7", "--ban", "newline")
    together = charrnn(*usual, "--temperature", "0.5,1").out.decode()
    cold, warm = (charrnn(*usual, "--temperature", t).out.decode() for t in ("0.5", "1"))
    assert together == f"── temperature 0.5 ──\n{cold}\n\n── temperature 1 ──\n{warm}\n"


def test_json_has_the_text_how_to_have_it_again_and_what_the_model_thinks_of_it(
    charrnn: Charrnn, trained: Path
) -> None:
    usual = ("sample", str(trained), "--seed", "the", "--lines", "2", "--rng-seed", "7", "--top-p", "0.9")
    outcome = charrnn(*usual, "--num", "2", "--json", "--no-echo")
    first, second = map(json.loads, outcome.out.splitlines())
    for own, rng_seed in ((first, 7), (second, 8)):
        text = charrnn(*usual[:-3], str(rng_seed), *usual[-2:], "--no-echo").out.decode()
        assert own["text"] == text
        assert (own["seed"], own["rng_seed"], own["temperature"], own["ended"]) == ("the", rng_seed, 0.7, "lines")
        assert own["checkpoint"] == str(trained)
        assert len(own["log_probs"]) == len(text)
        assert own["nats_per_char"] == pytest.approx(-sum(own["log_probs"]) / len(text))


def test_the_log_probabilities_are_those_that_scoring_finds(charrnn: Charrnn, trained: Path) -> None:
    own = json.loads(charrnn("sample", str(trained), "-n", "200", "--json", "--temperature", "0.5").out)
    Path("text.txt").write_text(own["text"], newline="")
    scored = json.loads(charrnn("score", str(trained), "text.txt", "--json").out)
    assert own["nats_per_char"] == pytest.approx(scored["nats_per_char"], rel=1e-4)


def test_no_characters_are_json_too(charrnn: Charrnn, trained: Path) -> None:
    own = json.loads(charrnn("sample", str(trained), "-n", "0", "--json").out)
    assert (own["text"], own["log_probs"], own["nats_per_char"], own["ended"]) == ("", [], None, "length")


def test_a_seed_file_is_gone_on_from_to_the_byte_and_stdin_is_one(charrnn: Charrnn, trained: Path) -> None:
    seed = "the lamp\na clerk"
    Path("seed.txt").write_text(seed, newline="")
    usual = ("sample", str(trained), "-n", "50", "--rng-seed", "3")
    wanted = charrnn(*usual, "--seed", seed).out
    assert charrnn(*usual, "--seed-file", "seed.txt").out == wanted
    assert charrnn(*usual, "--seed-file", "-", stdin=seed.encode()).out == wanted
    assert charrnn(*usual, "--seed-file", "seed.txt", "--no-echo").out == wanted.removeprefix(seed.encode())


def test_what_was_replaced_in_a_seed_is_said(charrnn: Charrnn, trained: Path) -> None:
    outcome = charrnn("sample", str(trained), "--seed", "the “LAMP", "-n", "1", "--unknown", "nearest")
    assert outcome.out.startswith(b"the lamp")
    assert outcome.error_lines[1:] == [
        (
            "not known to the model: replaced 'L' (U+004C) by 'l', 'A' (U+0041) by 'a', 'M' (U+004D) by 'm', "
            "'P' (U+0050) by 'p'"
        ),
        "not known to the model: left out '“' (U+201C)",
    ]
    assert charrnn("sample", str(trained), "--seed", "“", "-n", "1", "--unknown", "skip", "-q").err == ""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send on Windows")
@pytest.mark.parametrize("arguments", [["--report"], ["--json"]])
def test_an_endless_text_ends_at_ctrl_c_with_all_that_was_asked_for(trained: Path, arguments: list[str]) -> None:
    process = subprocess.Popen(
        command(["sample", str(trained), "--seed", "the", "-n", "-1", *arguments]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr
    process.stderr.readline()  # it has begun
    if "--json" in arguments:
        time.sleep(0.5)
    else:
        assert process.stdout
        assert len(process.stdout.read(2000)) == 2000
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err
    if "--json" in arguments:
        own = json.loads(out)
        assert own["ended"] == "interrupted"
        assert len(own["log_probs"]) == len(own["text"]) > 0
    assert ("--report" in arguments) == (b"copied: at most" in err)
