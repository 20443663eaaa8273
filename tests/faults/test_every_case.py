"""Each of the 95 ways in which things go wrong for a user, tried on the command line.

A case is a list of mistakes (arguments, exit code, words of the one line), a story that a function tells, the name of
a test that proves it better, or a note why it cannot occur. Whatever is tried ends with its exit code and without a
traceback, and every file that was there before is as it was.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from charrnn import checkpoint
from charrnn.run_files import best_path, kept_path, kept_states
from charrnn.training.log import log_path
from tests.conftest import REPOSITORY, TINY, Outcome, command, contents
from tests.faults.checkpoints import MODELS
from tests.mistakes import FILES, check_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.forking import Forks

SAMPLE = ("sample", "good.npz", "-n", "5")
TRAIN = ("train", "lamp.txt", *TINY, "--steps", "5", "--checkpoint", "run.npz")
RESUME = ("train", "--resume", "--checkpoint")
LONG = ("train", "lamp.txt", *TINY, "--steps", "1000000", "--save-every", "1", "--checkpoint", "run.npz")
TEXTS = {
    **FILES,
    "bell.txt": "ab\x1b]52;c;aGk=\x07\x9b31m\u202e\n".encode() * 40,
    "a.txt": b"a" * 60,
    "two.txt": b"ab",
    "nul.txt": b"a\0b\0\0" * 30,
    "crlf.txt": b"one\r\ntwo\rthree\n" * 9,
    "marked.txt": b"\xef\xbb\xbf" + b"the lamp went round\n" * 9,
    "family.txt": "👨‍👩‍👧‍👦 🇸🇪 e\u0301\n".encode() * 20,
    "many.txt": "".join(map(chr, [*range(0x4E00, 0x9FFF), *range(0x20000, 0x33450)])).encode(),
    "overlong.txt": b"the lamp \xc0\xaf\n",
    "cut.txt": "the lampé".encode()[:-1],
    "surrogates.txt": b"the lamp \xed\xa0\x80\n",
    "odd.txt": b"caf\xe9 au lait\n" * 20,
    "other.txt": b"the lamp went round\n" * 20,
    "strange.txt": "the lamp 0123456789 ÄÖÜ went round\n".encode() * 20,
}


class Desk:
    """An empty folder with a good checkpoint in it, and a person who gives commands there."""

    def __init__(self, forks: Forks, trained: Path) -> None:
        self.forks = forks
        self.good = trained.read_bytes()
        Path("good.npz").write_bytes(self.good)
        Path("lamp.txt").write_bytes(TEXTS["lamp.txt"])
        Path("folder").mkdir()

    def lay_out(self, *names: str) -> None:
        for name in names:
            if name in TEXTS:
                Path(name).write_bytes(TEXTS[name])
            elif name in MODELS:
                Path(name).write_bytes(MODELS[name](self.good))

    def refuse(self, arguments: tuple[str, ...], code: int, words: str, **how: Any) -> Outcome:
        self.lay_out(*arguments)
        return check_refusal(self.forks, arguments, code, words, **how)

    def do(self, *arguments: str, **how: Any) -> Outcome:
        """Run a command that must end well; nothing that is wrong with it is on stderr."""
        self.lay_out(*arguments)
        outcome = self.forks.run(*arguments, **how)
        assert outcome.code == 0, outcome.err
        assert "Traceback" not in outcome.err
        assert "Warning" not in outcome.err
        return outcome

    @contextmanager
    def training(self, *arguments: str, **how: Any) -> Iterator[subprocess.Popen[str]]:
        """A process of its own, in training; to be ended by the story."""
        self.lay_out(*arguments)
        with subprocess.Popen(
            command(arguments), stderr=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True, **how
        ) as process:
            try:
                wait_for(lambda: Path("run.npz").exists())
                yield process
            finally:
                process.kill()


def wait_for(is_so: Callable[[], object]) -> None:
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.02)
    raise TimeoutError


def end_of(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Exit code and the lines that it said."""
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, err.splitlines()


Mistake = tuple[tuple[str, ...], int, str]
Story = Callable[[Desk], None]


@dataclass(frozen=True)
class Case:
    """What goes wrong, and how that is tried."""

    what: str
    mistakes: tuple[Mistake, ...] = ()
    story: Story | None = None
    tests: tuple[str, ...] = ()  # names of tests that prove it, or more of it, within the process
    cannot_occur: str = ""  # why, where nothing of it can be tried


def refused(*names: str, words: str = "") -> tuple[Mistake, ...]:
    """Each of these files is refused as a checkpoint."""
    return tuple((("sample", name, "-n", "1"), 1, words or name) for name in names)


def unread(*names: str, words: str, code: int = 2) -> tuple[Mistake, ...]:
    """Each of these is refused as a text."""
    return tuple((("train", name), code, words) for name in names)


def options(*rows: tuple[tuple[str, ...], str]) -> tuple[Mistake, ...]:
    """Each of these options is refused by `train`."""
    return tuple(((*TRAIN, *given), 2, words) for given, words in rows)


def filters(*rows: tuple[tuple[str, ...], str]) -> tuple[Mistake, ...]:
    """Each of these options is refused by `sample`."""
    return tuple(((*SAMPLE, *given), 2, words) for given, words in rows)


# --- A. Reading a checkpoint


def older_files_load(desk: Desk) -> None:
    desk.do("sample", "older.npz", "-n", "5")
    desk.do("sample", str(REPOSITORY / "checkpoints" / "pretrained.npz"), "-n", "5")


def a_bad_seed_is_bad_for_training_alone(desk: Desk) -> None:
    wrong_type = "the configuration's rng_seed has the wrong type"
    for name, words in (
        ("seed-negative.npz", "--rng-seed must be 0 or more, not -1"),
        ("seed-broken.npz", wrong_type),
        ("seed-words.npz", wrong_type),
        ("seed-none.npz", wrong_type),
        ("seed-gone.npz", "the configuration's fields differ: ['rng_seed']"),
    ):
        desk.refuse((*RESUME, name), 1, f"{name} is damaged ({words})")
        desk.do("sample", name, "-n", "5")


def what_is_no_file(desk: Desk) -> None:
    os.mkfifo("pipe.npz")
    Path("loop.npz").symlink_to("loop.npz")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.npz")
        for name, words in (
            ("pipe.npz", "'pipe.npz' is not a regular file"),
            ("loop.npz", "cannot read 'loop.npz': Too many levels of symbolic links"),
            ("socket.npz", "cannot read 'socket.npz'"),
            ("folder", "cannot read 'folder': Is a directory"),
            ("/dev/zero", "'/dev/zero' is not a regular file"),
        ):
            desk.refuse(("sample", name), 1, words)


def what_may_not_be_read(desk: Desk) -> None:
    Path.cwd().chmod(0o755)
    Path("good.npz").chmod(0)
    desk.refuse(("sample", "good.npz"), 1, "cannot read 'good.npz': Permission denied", as_nobody=True)


def replaced_while_it_is_read(desk: Desk) -> None:
    greedy = ("good.npz", "-n", "50", "--temperature", "0", "-q")
    whole = [Path("good.npz").read_bytes(), MODELS["quiet.npz"](desk.good)]
    expected = []
    for content in whole:
        Path("good.npz").write_bytes(content)
        expected.append(desk.do("sample", *greedy).out)
    assert expected[0] != expected[1]
    is_over = threading.Event()

    def replace_again_and_again() -> None:
        while not is_over.is_set():
            for content in whole:
                Path("next.npz").write_bytes(content)
                Path("next.npz").replace("good.npz")

    replacing = threading.Thread(target=replace_again_and_again)
    replacing.start()
    try:
        seen = [desk.do("sample", *greedy).out for _ in range(20)]
    finally:
        is_over.set()
        replacing.join()
    assert set(seen) <= set(expected)


def a_cap_that_can_be_raised(desk: Desk) -> None:
    cap = {"CHARRNN_MAX_CHECKPOINT_BYTES": "1000"}
    words = "more than the limit of 1,000; if you trust it, set CHARRNN_MAX_CHECKPOINT_BYTES to a larger number"
    desk.refuse(("sample", "good.npz"), 1, words, environment=cap)


# --- B. Saving and running


def killed_in_training(desk: Desk) -> None:
    with desk.training(*LONG) as process:
        time.sleep(0.5)
        process.kill()
        process.wait()
    step = checkpoint.load("run.npz").progress.step
    left = [name for name in contents(Path()) if ".charrnn." in name]
    assert ".run.npz.charrnn.lock" in left  # of no effect, and swept away with a temporary, if there is one
    said = desk.do(*RESUME, "run.npz", "--steps", str(step + 2)).err
    assert f"at step {step:,}" in said
    assert not [name for name in contents(Path()) if ".charrnn." in name]


def the_disk_fills_up_and_has_room_again(desk: Desk) -> None:
    with desk.training(*LONG) as process:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, most))
        assert process.stderr
        warning = next(line for line in process.stderr if "warning: cannot save" in line)
        assert "File too large; make room" in warning
        assert "training goes on and tries again" in warning
        step = checkpoint.load("run.npz").progress.step
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
        wait_for(lambda: checkpoint.load("run.npz").progress.step > step)
        process.send_signal(signal.SIGINT)
        assert end_of(process)[0] == 130


def clear_away(path: str) -> None:
    """Remove all that a run has left."""
    for file in (Path(path), best_path(Path(path)), log_path(Path(path))):
        file.unlink(missing_ok=True)


def the_disk_fills_up(desk: Desk) -> None:
    if not hasattr(resource, "prlimit"):
        pytest.skip("only Linux lets one process limit the files of another")
    the_disk_fills_up_and_has_room_again(desk)
    clear_away("run.npz")
    the_disk_is_full_at_the_end(desk)


def the_disk_is_full_at_the_end(desk: Desk) -> None:
    with desk.training(*LONG) as process:
        old = Path("run.npz").stat().st_mtime_ns
        wait_for(lambda: Path("run.npz").stat().st_mtime_ns > old)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        process.send_signal(signal.SIGTERM)
        code, said = end_of(process)
        assert code == 1
        assert re.match("charrnn: cannot save 'run.npz': .* too large; make room", said[-1])
    checkpoint.load("run.npz")
    assert not list(Path().glob(".*.tmp"))


def the_log_is_full(desk: Desk) -> None:
    """A limit that the checkpoint keeps within, and the log outgrows."""
    log = Path("run.log.jsonl")
    with desk.training(*LONG) as process:
        wait_for(lambda: log.stat().st_size > 2 * Path("run.npz").stat().st_size)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, most))
        assert process.stderr
        warning = next(line for line in process.stderr if "warning: " in line)
        assert re.match(r"warning: cannot write the log run\.log\.jsonl: .*; training goes on\n", warning)
        step = checkpoint.load("run.npz").progress.step
        wait_for(lambda: checkpoint.load("run.npz").progress.step > step)
        process.send_signal(signal.SIGINT)
        code, said = end_of(process)
    assert code == 130
    assert not [line for line in said if "warning" in line]
    last = checkpoint.load("run.npz").progress.step
    clear_away("run-best.npz")
    desk.do(*RESUME, "run.npz", "--steps", str(last + 1))


def a_full_log_or_output(desk: Desk) -> None:
    if hasattr(resource, "prlimit"):
        the_log_is_full(desk)
        clear_away("run.npz")
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full to stand for a full disk")
    desk.refuse((*SAMPLE, "-q"), 1, "cannot write the output: No space left", streams={"stdout": "/dev/full"})
    desk.do(*TRAIN, streams={"stderr": "/dev/full"})
    assert checkpoint.load("run.npz").progress.step == 5
    assert desk.do(*SAMPLE, streams={"stderr": "/dev/full"}).out
    assert desk.forks.run("sample", "missing.npz", streams={"stderr": "/dev/full"}).code == 1


def places_that_cannot_be_written(desk: Desk) -> None:
    Path("locked").mkdir(mode=0o555)
    Path("folder.npz").mkdir()
    for place in ("lamp.txt/run.npz", "folder.npz", f"{'x' * 300}.npz", "locked/run.npz"):
        arguments = (*TRAIN[:-1], place)
        Path.cwd().chmod(0o755)
        desk.refuse(arguments, 1, "cannot save", as_nobody=True)
    assert sorted(contents(Path())) == ["folder", "folder.npz", "good.npz", "lamp.txt", "locked"]


def a_link_is_written_through(desk: Desk) -> None:
    Path("latest.npz").symlink_to("good.npz")
    desk.do(*TRAIN[:-1], "latest.npz", "--overwrite")
    assert Path("latest.npz").is_symlink()
    assert checkpoint.load("good.npz").progress.step == 5


def modes_are_kept(desk: Desk) -> None:
    Path("good.npz").chmod(0o604)
    desk.do(*TRAIN[:-1], "good.npz", "--overwrite")
    desk.do(*TRAIN)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(Path("good.npz").stat().st_mode) == 0o604
    assert stat.S_IMODE(Path("run.npz").stat().st_mode) == 0o666 & ~umask


def one_training_at_a_time(desk: Desk) -> None:
    with desk.training(*LONG) as process:
        words = f"'run.npz' is in use by process {process.pid}; wait until that has ended, or save elsewhere"
        others = [(*TRAIN, "--overwrite"), (*RESUME, "run.npz"), TRAIN]
        for arguments in others:
            outcome = desk.forks.run(*arguments)
            assert (outcome.code, outcome.error_lines) == (1, [outcome.err.strip()])
            assert words in outcome.err
        Path("alias.npz").symlink_to("run.npz")
        assert "in use by process" in desk.forks.run(*RESUME, "alias.npz").err
        process.send_signal(signal.SIGINT)
        assert end_of(process)[0] == 130
    desk.do(*RESUME, "run.npz", "--steps", str(checkpoint.load("run.npz").progress.step + 1))
    assert not [name for name in contents(Path()) if ".lock" in name]


def a_taken_name_is_never_overwritten(desk: Desk) -> None:
    desk.refuse((*TRAIN[:-1], "good.npz"), 2, "good.npz exists; go on from it with --resume")
    desk.do(*TRAIN[:-2])
    first = contents(Path("checkpoints"))
    assert "checkpoints/lamp.npz is taken; this run saves to checkpoints/lamp-2.npz" in desk.do(*TRAIN[:-2]).err
    second = contents(Path("checkpoints"))
    assert {name: second[name] for name in first} == first


def stopped_by(number: signal.Signals, code: int) -> Story:
    def story(desk: Desk) -> None:
        with desk.training(*LONG) as process:
            process.send_signal(number)
            ended, said = end_of(process)
            assert ended == code
            assert re.match("stopped at step .*, all saved; go on with:", said[-2])
            step = int(said[-2].split()[3].strip(",").replace(",", ""))
            assert checkpoint.load("run.npz").progress.step == step

    return story


def hung_up_or_terminated(desk: Desk) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        stopped_by(number, 128 + number)(desk)
        clear_away("run.npz")
        arguments = command(("sample", "good.npz", "-q", "-n", str(10**9)))
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.read(100)
            process.send_signal(number)
            process.stdout.close()
            assert process.stderr
            assert (process.wait(), process.stderr.read().strip()) == (
                128 + number,
                b"",
            )  # Click ends a terminal's line


def stopped_twice(desk: Desk) -> None:
    # Drawing a long sample is what the first signal waits for, and the second does not.
    with desk.training(*LONG, "--sample-length", "1000000", "--sample-every", "1") as process:
        old = Path("run.npz").read_bytes()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        code, said = end_of(process)
        assert (code, said[-1]) == (130, "stopped at once; run.npz is as it was last saved")
        assert Path("run.npz").read_bytes() == old
    assert not [name for name in contents(Path()) if ".charrnn." in name]


def an_ignored_signal_stays_ignored(desk: Desk) -> None:
    ignore = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731
    with desk.training(*LONG, preexec_fn=ignore) as process:
        process.send_signal(signal.SIGINT)
        step = checkpoint.load("run.npz").progress.step
        wait_for(lambda: checkpoint.load("run.npz").progress.step > step)
        process.send_signal(signal.SIGTERM)
        assert end_of(process)[0] == 143


def a_best_model_that_is_gone(desk: Desk) -> None:
    desk.do(*TRAIN)
    Path("run-best.npz").unlink()
    said = desk.do(*RESUME, "run.npz", "--steps", "9").err
    assert "warning: the best model so far, run-best.npz, is gone; only a better one makes it anew" in said
    assert checkpoint.load("run.npz").progress.step == 9


def asleep_in_the_middle(desk: Desk) -> None:
    steps = ("--steps", "300", "--schedule-steps", "300")
    desk.do(*TRAIN[:-2], *steps, "--checkpoint", "whole.npz")
    with desk.training(*TRAIN, *steps) as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        process.send_signal(signal.SIGCONT)
        assert end_of(process)[0] == 0
    assert Path("run.npz").read_bytes() == Path("whole.npz").read_bytes()


def closed_streams(_: Desk) -> None:
    def shell(words: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        run = ["/bin/sh", "-c", f'exec "$@" {words}', "sh", *command(arguments)]
        return subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)

    failed = shell(">&-", *SAMPLE, "-q")
    assert (failed.returncode, failed.stderr) == (1, "charrnn: cannot write the output: Bad file descriptor\n")
    trained = shell("<&- >&- 2>&-", *TRAIN)
    assert trained.returncode == 0
    assert checkpoint.load("run.npz").progress.step == 5
    quiet = shell("2>&-", "sample", "missing.npz")
    assert (quiet.returncode, quiet.stdout) == (1, "")
    no_text = shell("<&-", "train", "-")
    assert (no_text.returncode, no_text.stderr) == (
        1,
        "charrnn: stdin is closed: name a file instead of -\n",
    )


# --- C. Going on


def another_text(desk: Desk) -> None:
    desk.do(*TRAIN)
    then = checkpoint.load("run.npz").corpus.sha256[:12]
    desk.lay_out("other.txt", "strange.txt")
    for text in (TEXTS["other.txt"], TEXTS["lamp.txt"][:-1]):
        Path("lamp.txt").write_bytes(text)
        outcome = desk.refuse((*RESUME, "run.npz"), 2, f"SHA-256 {then}… then, ")
        assert "give the text it was trained on, or learn this one with --allow-new-text" in outcome.err
    Path("lamp.txt").unlink()
    desk.refuse((*RESUME, "run.npz"), 2, "say where it is now: charrnn train TEXT --resume")
    new = ("train", "other.txt", "--resume", "--checkpoint", "run.npz", "--steps", "9", "--allow-new-text")
    assert "goes on with another text: other, from its beginning" in desk.do(*new).err
    after = checkpoint.load("run.npz")
    assert (after.progress.step, after.corpus.name) == (9, "other")
    desk.do(*RESUME, "run.npz", "--steps", "11")


def older_states_are_kept(desk: Desk) -> None:
    desk.do(*TRAIN, "--save-every", "2", "--keep", "2")
    assert kept_states(Path("run.npz")) == [4, 5]
    desk.lay_out("strange.txt")
    old = contents(Path())
    desk.refuse(("train", "strange.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz"), 2, "run.npz exists")
    assert contents(Path()) == old
    desk.do(*RESUME, "run.npz", "--steps", "8", "--keep", "3")
    assert kept_states(Path("run.npz")) == [5, 6, 8]
    for step in kept_states(Path("run.npz")):
        desk.do("sample", str(kept_path(Path("run.npz"), step)), "-n", "5", "-q")


def a_clock_that_jumps(desk: Desk) -> None:
    """What is kept goes by the number of the step, whatever the times of the files say."""
    desk.do(*TRAIN, "--save-every", "2", "--keep", "3")
    for step, time_of_day in ((2, 4e9), (4, 1.0), (5, 1.0)):
        os.utime(kept_path(Path("run.npz"), step), (time_of_day, time_of_day))
    desk.do(*RESUME, "run.npz", "--steps", "6", "--save-every", "1")
    assert kept_states(Path("run.npz")) == [4, 5, 6]


def from_every_step(desk: Desk) -> None:
    planned = ("--schedule-steps", "5", "--save-every", "5")
    desk.do(*TRAIN, *planned)
    whole = Path("run.npz").read_bytes()
    for step in range(1, 5):
        desk.do(*TRAIN, *planned, "--steps", str(step), "--overwrite")
        desk.do(*RESUME, "run.npz", "--steps", "5")
        assert Path("run.npz").read_bytes() == whole


def samples_more_often(desk: Desk) -> None:
    desk.do(*TRAIN, "--steps", "9", "--schedule-steps", "9")
    whole = checkpoint.load("run.npz").params.vector
    desk.do(*TRAIN, "--schedule-steps", "9", "--overwrite")
    more = ("--steps", "9", "--sample-every", "1", "--eval-every", "1", "--sample-length", "30")
    desk.do(*RESUME, "run.npz", *more)
    assert np.array_equal(checkpoint.load("run.npz").params.vector, whole)


def new_characters(desk: Desk) -> None:
    desk.do(*TRAIN)
    words = "characters the model never saw (13 in all): '0' (U+0030), '1' (U+0031)"
    new = ("train", "strange.txt", "--resume", "--checkpoint", "run.npz", "--allow-new-text")
    outcome = desk.refuse(new, 2, words)
    assert outcome.err.count("U+") == 10


def changed_options(desk: Desk) -> None:
    desk.do(*TRAIN)
    outcome = desk.refuse((*RESUME, "run.npz", "--hidden-size", "9"), 2, "--hidden-size cannot change")
    assert "(what may change: --steps, --epochs, --minutes, --eval-every, " in outcome.err
    said = desk.do(*RESUME, "run.npz", "--steps", "7", "--learning-rate", "0.05", "--save-every", "3").err
    assert "changed: --steps 7 (was 5), --save-every 3 (was 400), --learning-rate 0.05 (was 0.15)" in said


def another_machine(desk: Desk) -> None:
    desk.do(*TRAIN)
    assert "exact resume" not in desk.do(*RESUME, "run.npz", "--steps", "6").err
    Path("run.npz").write_bytes(MODELS["elsewhere.npz"](Path("run.npz").read_bytes()))
    said = desk.do(*RESUME, "run.npz", "--steps", "7").err
    assert len(re.findall("warning: exact resume not guaranteed: NumPy 1.0 then, .* now\n", said)) == 1


def a_finished_run(desk: Desk) -> None:
    desk.do(*TRAIN)
    before = contents(Path())
    assert (
        desk.do(*RESUME, "run.npz").err == "run.npz is at the end of its run, step 5; give a later --steps to go on\n"
    )
    assert contents(Path()) == before


def steps_are_counted_from_the_first(desk: Desk) -> None:
    desk.do(*TRAIN)
    assert "done at step 9" in desk.do(*RESUME, "run.npz", "--steps", "9").err


# --- D. Numbers


def enormous_scores(*names: str) -> Story:
    """A model whose scores are near the largest numbers there are is sampled from and scored without a warning."""

    def story(desk: Desk) -> None:
        for name in names:
            assert len(desk.do("sample", name, "-n", "20").out) == 20
            scored = desk.do("score", name, "lamp.txt", "--json").out
            assert math.isfinite(json.loads(scored)["nats_per_char"])

    return story


def diverged(desk: Desk) -> None:
    wild = (*TRAIN, "-q", "--optimizer", "sgd", "--learning-rate", "1e38", "--save-every", "1")
    outcome = desk.refuse(wild, 1, "training diverged at step")
    said = (
        r"its update made weights that are not finite, learning rate [\d.]+e\+3\d, halved 5 times already; try a lower"
    )
    assert re.search(said, outcome.err)
    assert checkpoint.load("run.npz").progress.step < int(outcome.err.split("at step ")[1].split(":")[0])


def an_alarming_loss(desk: Desk) -> None:
    wild = ("--optimizer", "sgd", "--learning-rate", "30", "--clip-norm", "0", "--steps", "20", "--batch-size", "1")
    said = desk.do(*TRAIN, *wild).err
    assert len(re.findall(r"warning: the loss of step \d+, .*, is over three times the first; if", said)) == 1


def temperatures_that_work(desk: Desk) -> None:
    best = desk.do(*SAMPLE, "--temperature", "0").out
    assert desk.do(*SAMPLE, "--temperature", "1e-300").out == best


def seeds_that_work(desk: Desk) -> None:
    for seed in (2**32, 2**128):
        desk.do(*SAMPLE, "--rng-seed", str(seed))
    desk.do(*TRAIN, "--rng-seed", str(2**128))


def no_warning_in_a_good_run(desk: Desk) -> None:
    desk.do(*TRAIN, "--dtype", "float64")  # `do` looks for them, and the forks make an error of each
    desk.do(*SAMPLE)
    desk.do("score", "good.npz", "lamp.txt")


# --- E. Text


def learned(*names: str, **expected: Any) -> Story:
    """Each text is learned, saved, loaded and sampled, with this vocabulary."""

    def story(desk: Desk) -> None:
        for name in names:
            desk.do("train", name, *TINY, "--steps", "3", "--checkpoint", "run.npz", "--overwrite")
            desk.do("sample", "run.npz", "-n", "20")
            for what, value in expected.items():
                assert getattr(checkpoint.load("run.npz").vocabulary, what) == value

    return story


def a_hundred_thousand_characters(desk: Desk) -> None:
    """Learned within 1 GiB of addresses, where a table of each character against each would take 10 GB or 40."""
    learned("many.txt")(desk)
    train = command(("train", "many.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz", "--overwrite", "-q"))
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))  # noqa: E731
    subprocess.run(train, preexec_fn=limit, check=True, timeout=60)
    assert len(checkpoint.load("run.npz").vocabulary) > 90_000


def one_character_alone(desk: Desk) -> None:
    learned("a.txt", characters="a")(desk)
    assert checkpoint.load("run.npz").progress.smoothed_loss == 0
    assert desk.do("sample", "run.npz", "-n", "5").out == b"aaaaa"


def too_short_for_the_sequence(desk: Desk) -> None:
    said = desk.do("train", "two.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz").err
    assert "sequence length 1 instead of 10: the text has only 2 characters" in said


def line_ends(desk: Desk) -> None:
    said = desk.do("train", "crlf.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz").err
    assert "crlf.txt: 9 CRLF line ends read as LF" in said
    assert "crlf.txt: 9 CR line ends read as LF" in said
    assert "\r" not in checkpoint.load("run.npz").vocabulary.characters


def bytes_of_another_encoding(desk: Desk) -> None:
    said = desk.do("train", "odd.txt", *TINY, "--steps", "3", "--errors", "replace", "--checkpoint", "run.npz").err
    assert "odd.txt: 20 × U+FFFD, read where bytes are not utf-8" in said
    desk.do("train", "odd.txt", *TINY, "--steps", "3", "--encoding", "latin-1", "--checkpoint", "latin.npz")
    assert "é" in checkpoint.load("latin.npz").vocabulary.characters


def composed_characters(desk: Desk) -> None:
    said = desk.do("train", "family.txt", *TINY, "--steps", "3", "--normalize", "nfc", "--checkpoint", "run.npz").err
    assert "family.txt: 20 fewer characters by composing them (NFC)" in said
    assert "\u0301" not in checkpoint.load("run.npz").vocabulary.characters
    assert desk.do("sample", "run.npz", "--seed", "e\u0301", "-n", "0").out.decode() == "é"
    assert desk.do("score", "run.npz", "family.txt", "--json").out
    desk.do("train", "family.txt", *TINY, "--steps", "3", "--checkpoint", "exact.npz")
    assert "\u200d" in checkpoint.load("exact.npz").vocabulary.characters
    desk.refuse(("sample", "exact.npz", "--seed", "é"), 2, "'é' (U+00E9)")


def texts_that_are_no_files(desk: Desk) -> None:
    os.mkfifo("pipe.txt")
    for name, words in (("pipe.txt", "is a pipe"), ("/dev/zero", "is not a file")):
        desk.refuse(("train", name), 1, words)
    desk.refuse(("train", "folder"), 2, "folder is a folder without a text file")
    desk.refuse(("train", "-", "-"), 2, "stdin can be read only once")
    desk.do("train", "-", *TRAIN[2:], stdin=TEXTS["lamp.txt"])
    desk.refuse((*RESUME, "run.npz"), 2, "the text came from stdin; give it again")
    Path.cwd().chmod(0o755)
    Path("lamp.txt").chmod(0)
    desk.refuse(("train", "lamp.txt"), 1, "lamp.txt cannot be read (Permission denied)", as_nobody=True)


def a_text_beyond_the_memory(desk: Desk) -> None:
    with Path("vast.txt").open("wb") as file:
        file.truncate(1 << 43)  # takes no room on the disk
    outcome = desk.forks.run("train", "vast.txt")
    Path("vast.txt").unlink()
    assert outcome.code == 2
    assert re.match(r"charrnn: vast\.txt has 8\.8 TB, and .* of memory are free; ", outcome.err)


def no_character_is_assumed(desk: Desk) -> None:
    desk.do("train", "a.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz")
    assert desk.do("sample", "run.npz", "--seed", "", "-n", "3").out == b"aaa"


def lengths(desk: Desk) -> None:
    assert desk.do("sample", "good.npz", "-n", "0").out == b""
    with subprocess.Popen(command(("sample", "good.npz", "-q", "-n", str(10**9))), stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert len(process.stdout.read(2000)) == 2000
        process.kill()


def a_console_of_few_characters(desk: Desk) -> None:
    desk.do("train", "family.txt", *TINY, "--steps", "3", "--checkpoint", "run.npz")
    arguments = command(("sample", "run.npz", "-n", "50", "--seed", "👨", "-q"))
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(arguments, env=environment, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode("utf-8").startswith("👨")  # a pipe; a terminal is in the test that is named


def controls_are_sent_to_no_terminal(desk: Desk) -> None:
    said = desk.do("train", "bell.txt", *TINY, "--steps", "3", "--sample-every", "1", "--checkpoint", "run.npz").err
    seed = "ab\x1b]52;"
    outcome = desk.do("sample", "run.npz", "--seed", seed, "-n", "300", "--report")
    refusal = desk.refuse(("sample", "run.npz", "--seed", "\x1b[2J?"), 2, r"'?' (U+003F)")
    for seen in (said, outcome.err, refusal.err):
        assert not set("\x1b\x07\x9b\u202e") & set(seen)
    assert outcome.out.decode().startswith(seed)
    assert len(outcome.out.decode()) == 300 + len(seed)


def controls_in_names(desk: Desk) -> None:
    name = "\x1b[31m\u202etxt.\x9b"
    Path(name).write_bytes(TEXTS["lamp.txt"])
    said = desk.do("train", name, *TINY, "--steps", "3", "--checkpoint", f"{name}.npz").err
    assert not set("\x1b\x9b\u202e") & set(said)
    for arguments, code in ((("train", f"{name}2"), 2), (("sample", f"{name}2"), 1), (("sample", name), 1)):
        desk.refuse(arguments, code, r"\x1b[31m\u202etxt")


def a_reader_that_leaves(_: Desk) -> None:
    pipe = f"{' '.join(command(('sample', 'good.npz', '-q', '-n', '100000')))}; echo $? >&2"
    words = ["/bin/sh", "-c", f"{{ {pipe}; }} | head -c 5"]
    done = subprocess.run(words, capture_output=True, check=True, timeout=60)
    assert len(done.stdout) == 5
    assert done.stderr == b"0\n"


def output_that_is_full(desk: Desk) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full to stand for a full disk")
    for arguments in (("sample", "good.npz", "-q"), ("score", "good.npz", "lamp.txt", "-q"), ("--version",)):
        words = "cannot write the output: No space left on device"
        desk.refuse(arguments, 1, words, streams={"stdout": "/dev/full"})


def a_text_that_changes_in_training(desk: Desk) -> None:
    with desk.training(*LONG) as process:
        Path("lamp.txt").write_bytes(b"something else")
        process.send_signal(signal.SIGINT)
        assert end_of(process)[0] == 130
    Path("lamp.txt").write_bytes(TEXTS["lamp.txt"])
    step = checkpoint.load("run.npz").progress.step
    desk.do(*RESUME, "run.npz", "--steps", str(step + 1))  # its hash is that of the bytes that were read


def the_readme_warns_of_repetition(_: Desk) -> None:
    readme = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    assert "A sample can repeat passages of its training text" in readme


CASES: dict[int, Case] = {
    # A. Reading a checkpoint
    1: Case(
        "missing", ((("sample", "none.npz"), 1, "no such checkpoint: 'none.npz'; in the same folder: 'good.npz'"),)
    ),
    2: Case("empty", refused("empty.npz", words="is empty (was a save interrupted?)")),
    3: Case(
        "cut short",
        (
            *refused("cut-1.npz", words="is not a charrnn checkpoint"),
            *refused("cut-at-4.npz", "cut-at-half.npz", "cut-by-22.npz", "cut-by-1.npz", words="is cut short"),
        ),
        tests=("test_every_truncation_is_called_cut_short",),
    ),
    4: Case("a tail of zeros", refused("zeroed.npz", words="is cut short or damaged")),
    5: Case(
        "a bit flipped",
        refused("flipped-early.npz", "flipped.npz", words="does not match its checksum"),
        tests=("test_no_random_damage_changes_an_array",),
    ),
    6: Case(
        "a header that makes an array shrink or shift",
        refused("shrunk.npz", "shifted.npz", words="is damaged"),
        tests=("test_no_changed_byte_of_the_structure_changes_an_array",),
    ),
    7: Case(
        "an array missing or too many",
        (
            *refused("less.npz", words="params/linear.b_y is missing"),
            *refused("more.npz", words="unknown member bonus"),
            *refused("no-meta.npz", words="it has no meta member"),
        ),
    ),
    8: Case(
        "two members of one name",
        (
            *refused("twice.npz", words="two of its arrays have one name"),
            *refused("no-suffix.npz", words="member named"),
        ),
    ),
    9: Case(
        "what is no plain number",
        refused(
            "objects.npz",
            "strings.npz",
            "void.npz",
            "dates.npz",
            "records.npz",
            words="is not a plain array of numbers",
        ),
    ),
    10: Case(
        "another order of bytes", refused("big-endian.npz", "fortran.npz", words="is not a plain array of numbers")
    ),
    11: Case(
        "shapes that nothing has",
        (
            *refused("huge-40.npz", "overflow.npz", words="does not have as many numbers as its shape says"),
            *refused(
                *("huge-70.npz", "negative.npz", "dimensions.npz", "truth.npz"), words="is not a plain array of numbers"
            ),
        ),
    ),
    12: Case(
        "bombs",
        (
            *refused("bomb.npz", "bytes-bomb.npz", words="its arrays would unpack to 73,400,3"),
            *refused("header-bomb.npz", words="'params/linear.b_y' is not a plain array of numbers"),
            *refused("lzma.npz", "bzip2.npz", words="its directory holds an entry that no checkpoint has"),
        ),
        tests=("test_bomb_is_refused_before_it_fills_the_memory",),
    ),
    13: Case(
        "members that overlap or are too many",
        (
            *refused("overlapping.npz", words="'meta' is not where its directory says"),
            *refused("crowd.npz", words="it claims 60000 arrays, more than 1024"),
        ),
    ),
    14: Case(
        "zip files that no checkpoint is",
        (
            *refused("encrypted.npz", "method.npz", words="its directory holds an entry that no checkpoint has"),
            *refused("zip64.npz", words="its members claim more bytes than the file has"),
            *refused("leading.npz", words="is not a charrnn checkpoint"),
            *refused("trailing.npz", words="is cut short or damaged at its end"),
        ),
    ),
    15: Case(
        "names like paths and commands",
        refused("up.npz", "absolute.npz", "escape.npz", "bidi.npz", words="is damaged (it"),
    ),
    16: Case(
        "numbers that no model has",
        (
            *refused("nan.npz", "infinite.npz", words="holds a number that is not finite"),
            *refused("negative-memory.npz", words="has a negative sum of squares"),
            ((*RESUME, "nan.npz"), 1, "holds a number that is not finite"),
            ((*RESUME, "negative-memory.npz"), 1, "has a negative sum of squares"),
        ),
    ),
    17: Case(
        "files of other programs",
        (
            *refused("torch.pt", words="is not a charrnn checkpoint (looks like a PyTorch checkpoint)"),
            *refused("model.safetensors", words="(looks like a safetensors file)"),
            *refused("model.keras", words="(looks like a Keras model)"),
            *refused("model.pkl", words="(looks like a pickle file"),
            *refused("array.npy", words="(looks like a single .npy array)"),
            *refused("model.t7", words="(looks like a Torch7 file"),
            *refused("text.npz", "lamp.txt", words="(looks like a text file); give an .npz file"),
        ),
    ),
    18: Case("newer", refused("newer.npz", words="made by a newer charrnn (format 3, this one reads up to 1)")),
    19: Case("older", story=older_files_load),
    20: Case("sizes that contradict the arrays", refused("other-size.npz", words="shape (22, 48), the model's descr")),
    21: Case(
        "JSON that is none, or too much",
        (
            *refused("huge-size.npz", words="the model's description cannot be right"),
            *refused("json-nan.npz", words="NaN in meta"),
            *refused("json-deep.npz", words="meta has a list where an object belongs"),
            *refused("json-deeper.npz", words="meta is nested too deeply"),
            *refused("json-twice.npz", words="a name stands twice in meta"),
            *refused("json-long.npz", words="a number of 100,000 digits in meta"),
            *refused("json-type.npz", words="meta has a text where a whole number belongs"),
            *refused("json-not.npz", words="meta is no JSON"),
        ),
    ),
    22: Case(
        "vocabularies that cannot be",
        (
            *refused("doubled.npz", words="must be distinct and in code-point order"),
            *refused("surrogate.npz", words="a surrogate is half a character"),
            *refused("beyond.npz", words="meta is no JSON"),  # beyond Unicode there is no character to write
            *refused("shorter.npz", words=", the vocabulary "),
        ),
    ),
    23: Case("a random seed that is none", story=a_bad_seed_is_bad_for_training_alone),
    24: Case("no file", story=what_is_no_file),
    25: Case("no permission", story=what_may_not_be_read),
    26: Case(
        "replaced while it is read",
        story=replaced_while_it_is_read,
        tests=("test_file_replaced_while_it_is_read_is_the_old_one",),
    ),
    27: Case("beyond the cap", story=a_cap_that_can_be_raised),
    # B. Saving and running
    28: Case(
        "killed",
        story=killed_in_training,
        tests=("test_sweep_removes_what_a_killed_save_left_and_nothing_else",),
    ),
    29: Case("power lost", tests=("test_file_keeps_its_old_bytes_until_the_new_ones_are_on_disk",)),
    30: Case(
        "a full disk",
        story=the_disk_fills_up,
        tests=("test_full_disk_leaves_the_old_file",),
    ),
    31: Case("a full log", story=a_full_log_or_output),
    32: Case("places that cannot be written", story=places_that_cannot_be_written),
    33: Case("a link", story=a_link_is_written_through),
    34: Case("permissions", story=modes_are_kept),
    35: Case("two trainings, one file", story=one_training_at_a_time),
    36: Case("a name that is taken", story=a_taken_name_is_never_overwritten),
    37: Case("Ctrl-C", story=stopped_by(signal.SIGINT, 130)),
    38: Case("Ctrl-C twice", story=stopped_twice),
    39: Case("SIGTERM and SIGHUP", story=hung_up_or_terminated),
    40: Case("a parent that ignores Ctrl-C", story=an_ignored_signal_stays_ignored),
    41: Case("killed for memory", cannot_occur="otherwise than 28: the signal is the same"),
    42: Case(
        "rotation",
        story=older_states_are_kept,
        tests=("test_the_states_of_the_last_saves_are_kept_and_the_last_is_the_run_s_own",),
    ),
    43: Case(
        "a held-out loss that is no number",
        tests=("test_a_held_out_loss_that_is_not_finite_rolls_back_and_is_never_the_best",),
    ),
    44: Case("the best model gone", story=a_best_model_that_is_gone),
    45: Case("a target that is open elsewhere", tests=("test_target_that_is_open_elsewhere_is_waited_for",)),
    46: Case("a move to another file system", cannot_occur="a temporary stands in its target's folder"),
    47: Case(
        "a clock that jumps",
        story=a_clock_that_jumps,
        tests=("test_a_state_of_a_later_step_stays_when_a_run_has_gone_back",),
    ),
    48: Case("asleep in the middle", story=asleep_in_the_middle),
    49: Case("closed streams", story=closed_streams),
    # C. Going on
    50: Case(
        "from every step",
        story=from_every_step,
        tests=("test_stopping_after_any_step_and_going_on_equals_never_stopping",),
    ),
    51: Case("another text", story=another_text),
    52: Case("new characters", story=new_characters),
    53: Case("changed options", story=changed_options),
    54: Case("another machine", story=another_machine),
    55: Case("a finished run", story=a_finished_run),
    56: Case(
        "steps and rate begin again",
        story=steps_are_counted_from_the_first,
        tests=("test_a_shorter_run_that_is_given_more_steps_equals_the_longer_run",),
    ),
    57: Case(
        "samples more often",
        story=samples_more_often,
        tests=("test_sampling_and_evaluating_more_often_after_a_resume_changes_no_weight",),
    ),
    # D. Numbers
    58: Case(
        "large scores",
        story=enormous_scores("loud.npz"),
        tests=("test_log_softmax_is_finite_and_normalised_whatever_the_logits",),
    ),
    59: Case(
        "very negative scores",
        story=enormous_scores("quiet.npz"),
        tests=("test_all_logits_very_low_are_no_different_from_zero",),
    ),
    60: Case(
        "divergence",
        story=diverged,
        tests=("test_a_number_that_is_not_finite_goes_back_to_the_last_evaluation_or_save",),
    ),
    61: Case(
        "norms beyond the numbers",
        tests=("test_norm_is_right_at_every_size", "test_norm_is_finite_only_if_every_number_is"),
    ),
    62: Case("where eps stands", tests=("test_adagrad_eps_stands_inside_the_root",)),
    63: Case("a memory that stalls", tests=("test_adagrads_memory_never_shrinks",)),
    64: Case("a loss three times the first", story=an_alarming_loss),
    65: Case(
        "temperatures",
        filters(
            (("--temperature", "nan"), "--temperature must be 0 or more, not nan"),
            (("--temperature", "-1"), "--temperature must be 0 or more, not -1.0"),
            (("--temperature", "inf"), "--temperature must be 0 or more, not inf"),
        ),
        temperatures_that_work,
    ),
    66: Case(
        "drawing with rounding errors",
        tests=("test_draw_never_returns_the_impossible", "test_draw_stays_in_range_to_the_very_end"),
    ),
    67: Case(
        "random seeds",
        (
            *options(
                (("--rng-seed", "-1"), "-1 is not in the range x>=0"), (("--rng-seed", "1.5"), "not a valid integer")
            ),
            *filters(
                (("--rng-seed", "-1"), "-1 is not in the range x>=0"), (("--rng-seed", "x"), "not a valid integer")
            ),
        ),
        seeds_that_work,
    ),
    68: Case(
        "sizes",
        options(
            (("--hidden-size", "0"), "--hidden-size must be at least 1, not 0"),
            (("--hidden-size", "8,-1"), "--hidden-size must be at least 1, not 8,-1"),
            (
                ("--hidden-size", "1000000000"),
                "a gru of 1,000,000,000 units over 18 symbols, batch 2 × seq 10, needs about 2",
            ),
            (("--hidden-size", "9" * 400), "--hidden-size must be at most 1,000,000,000,000"),
            (("--embedding-size", "1000000000000"), "of memory, and "),
            (("--num-layers", "1000000000"), "--num-layers must be 1 to 32, not 1000000000"),
            (("--batch-size", "0"), "--batch-size must be at least 1, not 0"),
            (("--seq-length", "-3"), "--seq-length must be at least 1, not -3"),
            (("--sample-length", "1000000000"), "--sample-length must be at most 1,000,000"),
            (("--threads", "1000000"), "--threads must be at most 256"),
            (("--steps", "9" * 400), "--steps must be at most 1,000,000,000,000,000"),
            (("--epochs", "1e300"), "--epochs must be at most 1,000,000,000"),
        ),
    ),
    69: Case("a wrong gradient", tests=("test_a_wrong_gradient_is_named_and_is_a_failure",)),
    70: Case("warnings", story=no_warning_in_a_good_run),
    # E. Text
    71: Case("empty", unread("empty.txt", "mark.txt", "-", words="is empty: give a text of at least two characters")),
    72: Case("too short", unread("one.txt", words="one.txt has only one character"), too_short_for_the_sequence),
    73: Case("one character again and again", story=one_character_alone),
    74: Case("a hundred thousand characters", story=a_hundred_thousand_characters),
    75: Case("a byte-order mark", story=learned("marked.txt", characters="\n adehlmnoprtuw")),
    76: Case("line ends of other systems", story=line_ends),
    77: Case(
        "not in the encoding",
        (
            *unread("overlong.txt", words="overlong.txt is not utf-8 at byte offset 9 (0xc0): try --encoding latin-1"),
            *unread("cut.txt", words="cut.txt is not utf-8 at byte offset 8 (0xc3)"),
            *unread("surrogates.txt", words="surrogates.txt is not utf-8 at byte offset 9 (0xed)"),
            *unread("odd.txt", words="try --encoding latin-1, or --errors replace"),
            *unread("utf16.txt", words="try --encoding utf-16"),
            (("train", "lamp.txt", "--encoding", "utf-9"), 2, "there is no text encoding utf-9"),
            (("train", "lamp.txt", "--encoding", "hex"), 2, "there is no text encoding hex"),
        ),
        bytes_of_another_encoding,
    ),
    78: Case("NUL", story=learned("nul.txt", characters="\0ab")),
    79: Case("half a character", unread("surrogates.txt", words="is not utf-8 at byte offset 9")),
    80: Case("marks and joined emoji", story=composed_characters),
    81: Case("é in two ways", story=composed_characters),
    82: Case("larger than the memory", story=a_text_beyond_the_memory),
    83: Case("no file", story=texts_that_are_no_files),
    84: Case("a picture", unread("picture.png", words="picture.png is not utf-8 at byte offset 0 (0x89)")),
    85: Case(
        "a prompt with unknown characters",
        filters((("--seed", "LAMP 7"), "characters the model never saw (5 in all): '7' (U+0037), 'A' (U+0041)")),
    ),
    86: Case("an empty prompt", story=no_character_is_assumed),
    87: Case("a prompt that is no UTF-8", filters((("--seed", "a\udcff"), "U+DCFF"))),
    88: Case("lengths", filters((("-n", "-5"), "-5 is not in the range x>=-1")), lengths),
    89: Case(
        "a console of few characters",
        story=a_console_of_few_characters,
        tests=("test_a_terminal_of_few_characters_gets_the_others_escaped",),
    ),
    90: Case("controls in samples", story=controls_are_sent_to_no_terminal),
    91: Case("controls in names", story=controls_in_names),
    92: Case("a reader that leaves", story=a_reader_that_leaves),
    93: Case("a full disk for the output", story=output_that_is_full),
    94: Case("a text that changes in training", story=a_text_that_changes_in_training),
    95: Case("secrets in the text", story=the_readme_warns_of_repetition),
}


@pytest.fixture
def desk(forks: Forks, trained: Path) -> Desk:
    return Desk(forks, trained)


@pytest.mark.parametrize("number", CASES, ids=[f"{number} {case.what}" for number, case in CASES.items()])
def test_every_case_ends_as_it_should(desk: Desk, number: int) -> None:
    case = CASES[number]
    for arguments, code, words in case.mistakes:
        desk.refuse(arguments, code, words)
    if case.story:
        case.story(desk)


def test_there_are_95_cases_and_something_is_said_of_each() -> None:
    assert list(CASES) == list(range(1, 96))
    assert all(case.mistakes or case.story or case.tests or case.cannot_occur for case in CASES.values())


def test_the_tests_that_are_named_exist() -> None:
    there = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    for case in CASES.values():
        for name in case.tests:
            assert f"def {name}(" in there
