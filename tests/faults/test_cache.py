"""F25: a cache whose building is killed, raced for, or out of room is whole or absent, and the run goes on."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from charrnn.cache import is_sound, load_corpus, open_entry
from charrnn.text import storage
from tests.faults.amount import trials
from tests.faults.conftest import Tried

LINE = "the lamp went round, and the sea went round the lamp — 灯.\n"
# A program that loads a text as if 100 kB were long, again and again, and says when it has.
LOADER = """
import sys
from charrnn.cache import load_corpus
from charrnn.text import storage
storage.MOST_IN_MEMORY = 100_000
for name in sys.stdin:
    corpus = load_corpus([name.strip()])
    print(len(corpus.ids), *(note.split(":")[0].split(",")[0] for note in corpus.notes), flush=True)
"""


@pytest.fixture(autouse=True)
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MOST_IN_MEMORY", 100_000)
    monkeypatch.setenv("CHARRNN_CACHE", "kept")


def loader() -> "subprocess.Popen[str]":
    program = [sys.executable, "-c", LOADER]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def ask(process: "subprocess.Popen[str]", name: str = "t.txt") -> None:
    assert process.stdin
    process.stdin.write(f"{name}\n")


def hear(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def close(process: "subprocess.Popen[str]") -> None:
    process.communicate(timeout=60)


def entries() -> list[Path]:
    return sorted(Path("kept").glob("*.ids"))


def test_a_process_killed_while_it_prepares_a_text_leaves_a_whole_file_or_none(tried: Tried) -> None:
    Path("t.txt").write_text(LINE * 20_000)
    rng = random.Random(0)  # noqa: S311 - moments, not secrets
    strays = whole = 0
    kills = trials(6, 200)
    for trial in range(kills):
        for path in entries():
            path.unlink()
        process = loader()
        ask(process)
        while not list(Path("kept").glob(".*.tmp")) and not entries():
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03) if trial % 2 else 0)  # at once, or a little later
        process.send_signal(signal.SIGKILL)
        close(process)
        strays += len(list(Path("kept").glob(".*.tmp")))
        for path in entries():
            entry = open_entry(path)
            assert entry
            assert is_sound(entry)
            whole += 1
    corpus = load_corpus(["t.txt"])
    assert corpus.vocabulary.decode(corpus.ids) == LINE * 20_000
    assert [path.suffix for path in Path("kept").iterdir()] == [".ids"], "what was left is swept away"
    assert strays, "no kill came while the file was written"
    tried("F25", kills=kills, of_them_in_the_middle=strays, whole_files=whole)


def test_of_two_that_prepare_one_text_the_second_waits_and_uses_it(tried: Tried) -> None:
    Path("t.txt").write_text(LINE * 40_000)
    Path("short.txt").write_text("short")
    both = [loader(), loader()]
    for process in both:
        ask(process, "short.txt")
    for process in both:
        assert hear(process) == "5"
    for process in both:
        ask(process)
    said = sorted(hear(process) for process in both)
    length = len(LINE) * 40_000
    assert said == [f"{length} prepared", f"{length} prepared before"]
    for process in both:
        close(process)
    assert len(list(Path("kept").iterdir())) == 1
    tried("F25", races=1)


def test_a_disk_that_fills_up_leaves_the_text_in_memory(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, tried: Tried
) -> None:
    monkeypatch.setenv("CHARRNN_CACHE", str(small_disk))
    monkeypatch.setattr("charrnn.cache.make_room", lambda *_: None)  # which would look at the room
    Path("t.txt").write_text(LINE * 40_000)
    corpus = load_corpus(["t.txt"])
    assert corpus.vocabulary.decode(corpus.ids) == LINE * 40_000
    assert corpus.notes[-1].endswith("the cache cannot be used (No space left on device)")
    assert not list(small_disk.iterdir())
    tried("F25", full_disks=1)
