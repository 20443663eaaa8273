"""Cases 28 to 49: saving and running."""

import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from charrnn import checkpoint
from charrnn.paths import best_path, log_path
from tests.conftest import command, contents
from tests.faults.cases.desk import LONG, RESUME, SAMPLE, TRAIN, Case, Desk, Story, end_of, wait_for


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
        warning = next(line for line in process.stderr if "warning: cannot save" in line)
        assert "File too large; make room" in warning
        assert "training continues and will try again" in warning
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
        wait_for(lambda: log.exists() and log.stat().st_size > 2 * Path("run.npz").stat().st_size)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, most))
        warning = next(line for line in process.stderr if "warning: " in line)
        assert re.match(r"warning: cannot write the log run\.log\.jsonl: .*; training continues\n", warning)
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


def one_training_at_a_time(desk: Desk) -> None:
    with desk.training(*LONG) as process:
        words = f"'run.npz' is in use by process {process.pid}; wait until it has ended, or save elsewhere"
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


def stopped_by(number: signal.Signals, code: int) -> Story:
    def story(desk: Desk) -> None:
        with desk.training(*LONG) as process:
            process.send_signal(number)
            ended, said = end_of(process)
            assert ended == code
            assert re.match("stopped at step .* and saved. To resume:", said[-2])
            assert said[-1] == "  charrnn train --resume --checkpoint run.npz"
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


def an_ignored_signal_stays_ignored(desk: Desk) -> None:
    desk.lay_out(*LONG)
    in_the_background = ["/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command(LONG)]
    with subprocess.Popen(in_the_background, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: Path("run.npz").exists())
            process.send_signal(signal.SIGINT)
            step = checkpoint.load("run.npz").progress.step
            wait_for(lambda: checkpoint.load("run.npz").progress.step > step)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 143
        finally:
            process.kill()


def a_best_model_that_is_gone(desk: Desk) -> None:
    desk.do(*TRAIN)
    Path("run-best.npz").unlink()
    said = desk.do(*RESUME, "run.npz", "--steps", "9").err
    assert "warning: the best model so far, run-best.npz, is missing; only a better model will replace it" in said
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
    assert (failed.returncode, failed.stderr) == (1, "charrnn: cannot write the output: stdout is closed\n")
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


CASES: dict[int, Case] = {
    28: Case(
        "killed",
        story=killed_in_training,
        tests=("test_what_a_killed_process_left_is_swept_away_and_its_lock_is_free",),
    ),
    29: Case("power lost", tests=("test_file_keeps_its_old_bytes_until_the_new_ones_are_on_disk",)),
    30: Case(
        "a full disk",
        story=the_disk_fills_up,
        tests=("test_full_disk_leaves_the_old_file",),
    ),
    31: Case("a full log", story=a_full_log_or_output),
    32: Case("places that cannot be written", story=places_that_cannot_be_written),
    33: Case("a link", tests=("test_link_keeps_pointing_at_the_file_that_is_replaced",)),
    34: Case("permissions", tests=("test_replaced_file_keeps_its_mode_and_a_new_one_follows_the_umask",)),
    35: Case("two trainings, one file", story=one_training_at_a_time),
    36: Case(
        "a name that is taken",
        ((("train", "lamp.txt", "--checkpoint", "good.npz"), 2, "good.npz exists; resume it with --resume"),),
        tests=("test_a_second_run_of_a_text_takes_the_next_free_name_and_says_so",),
    ),
    37: Case("Ctrl-C", story=stopped_by(signal.SIGINT, 130)),
    38: Case("Ctrl-C twice", tests=("test_a_second_signal_stops_at_once_and_leaves_the_last_save",)),
    39: Case("SIGTERM and SIGHUP", story=hung_up_or_terminated),
    40: Case("a parent that ignores Ctrl-C", story=an_ignored_signal_stays_ignored),
    41: Case("killed for memory", cannot_occur="otherwise than 28: the signal is the same"),
    42: Case("rotation", tests=("test_the_states_of_the_last_saves_are_kept_and_the_last_is_the_run_s_own",)),
    43: Case(
        "a held-out loss that is no number",
        tests=("test_a_held_out_loss_that_is_not_finite_rolls_back_and_is_never_the_best",),
    ),
    44: Case("the best model gone", story=a_best_model_that_is_gone),
    45: Case("a target that is open elsewhere", tests=("test_target_that_is_open_elsewhere_is_waited_for",)),
    46: Case("a move to another file system", cannot_occur="a temporary stands in its target's folder"),
    47: Case(
        "a clock that jumps",
        tests=("test_a_state_of_a_later_step_stays_when_a_run_has_gone_back",),
    ),
    48: Case("asleep in the middle", story=asleep_in_the_middle),
    49: Case("closed streams", story=closed_streams),
}
