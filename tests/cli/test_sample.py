"""`charrnn sample` writes the seed text and what follows to stdout, to the byte, and nothing else."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from charrnn import bundled
from charrnn.checkpoint import best_path
from tests.conftest import TEXT, TINY, Charrnn, command, run_process


def test_stdout_is_the_seed_and_the_characters_after_it_to_the_byte(trained: Path) -> None:
    outcome = run_process("sample", str(trained), "--seed", "a clerk", "-n", "200")
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
    assert first.err.startswith(f"{trained}: gru 16, learned lamp for 60 steps, held out ")
    assert charrnn("sample", str(trained), "-n", "60", "--rng-seed", rng_seed).out == first.out
    assert charrnn("sample", str(trained), "-n", "60").out != first.out


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
def test_output_that_cannot_be_written_is_one_line_and_a_failure(trained: Path, arguments: list[str]) -> None:
    words = [str(trained) if word == "MODEL" else word for word in arguments]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command(words), stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.decode() == "charrnn: cannot write the output: No space left on device\n"


def test_a_number_as_seed_text_asks_whether_the_random_seed_was_meant(charrnn: Charrnn, trained: Path) -> None:
    outcome = charrnn("sample", str(trained), "--seed", "42")
    assert outcome.code == 2
    assert "--rng-seed 42" in outcome.err
    assert "--rng-seed" not in charrnn("sample", str(trained), "--seed", "Lamp").err


def test_by_default_the_newest_model_in_the_folder_writes(charrnn: Charrnn, trained: Path) -> None:
    Path("checkpoints").mkdir()
    for number, name in enumerate(("older", "newest", "older-too")):
        shutil.copy(trained, f"checkpoints/{name}.npz")
        age = 1 if name == "newest" else 100 + number
        stamp = Path(f"checkpoints/{name}.npz").stat().st_mtime - age
        os.utime(f"checkpoints/{name}.npz", (stamp, stamp))
    assert charrnn("sample", "-n", "1").err.startswith("checkpoints/newest.npz: ")
    shutil.copy(best_path(trained), "checkpoints/newest-best.npz")
    assert charrnn("sample", "-n", "1").err.startswith("checkpoints/newest-best.npz: ")


def test_without_any_model_the_one_that_comes_with_the_program_writes(charrnn: Charrnn) -> None:
    assert bundled.PRETRAINED.exists(), "the trained model is missing from the repository"
    outcome = charrnn("sample", "--seed", "The ", "-n", "200", "--rng-seed", "1")
    assert outcome.code == 0
    assert outcome.err.startswith(f"{bundled.PRETRAINED}: ")
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
