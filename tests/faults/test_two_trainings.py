"""F17: of two trainings that are started into one file exactly one goes on, and the other says so at once."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from charrnn import checkpoint
from tests.conftest import TINY, command
from tests.faults.amount import trials
from tests.faults.conftest import Tried

ENDLESS = (*TINY, "--steps", "1000000000", "--eval-every", "0", "--sample-every", "0", "--save-every", "20", "-q")
# Again and again two processes, forked from one that has loaded the program, begin at the same moment.
PAIRS = """
import json, os, sys, time
import charrnn.training.start, charrnn.report.progress, charrnn.report.tables, charrnn.training.run
from charrnn.cli import main
def file():
    return os.stat("run.npz").st_ino if os.path.exists("run.npz") else None
for _ in sys.stdin:
    children, before = {}, file()
    ready, go = os.pipe(), os.pipe()
    for number in range(2):
        child = os.fork()
        if child == 0:
            sys.stderr = open(f"stderr-{number}", "w")
            os.write(ready[1], b".")
            os.read(go[0], 1)
            code = main.invoke()
            sys.stderr.close()
            os._exit(code)
        children[child] = number
    for _ in range(2):
        os.read(ready[0], 1)
    began = time.monotonic()
    os.write(go[1], b"..")
    child, status = os.wait()
    outcome = {"seconds": time.monotonic() - began, "loser": children.pop(child)}
    outcome["losers_code"] = os.waitstatus_to_exitcode(status)
    (child,) = children
    outcome["winner"] = children[child]
    while file() == before:  # until the winner has saved, and so looks after signals
        time.sleep(0.005)
    os.kill(child, 15)
    _, status = os.wait()
    outcome["winners_code"] = os.waitstatus_to_exitcode(status)
    print(json.dumps(outcome), flush=True)
"""
STARTS = trials(4, 10)  # of each kind


@pytest.mark.parametrize("resumes", [False, True], ids=["fresh", "resumed"])
def test_of_two_trainings_into_one_file_one_goes_on_and_the_other_says_so(
    text_file: Path, resumes: bool, tried: Tried
) -> None:
    arguments = ["train", str(text_file), *ENDLESS, "--checkpoint", "run.npz"]
    if resumes:
        first = subprocess.Popen(command(arguments))
        while not Path("run.npz").exists():
            time.sleep(0.005)
        first.terminate()
        assert first.wait() == 128 + signal.SIGTERM
        arguments = ["train", "--resume", "--checkpoint", "run.npz", "-q"]
    slowest = 0.0
    with subprocess.Popen(
        [sys.executable, "-c", PAIRS, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as pairs:
        assert pairs.stdout
        assert pairs.stdin
        for _ in range(STARTS):
            if not resumes:
                for left in ("run.npz", "run.log.jsonl"):
                    Path(left).unlink(missing_ok=True)
            print(file=pairs.stdin, flush=True)
            outcome = json.loads(pairs.stdout.readline())
            said = Path(f"stderr-{outcome['loser']}").read_text()
            assert len(said.splitlines()) == 1
            # Of two fresh ones the slower may find the file of the other already, which it will not replace.
            in_use, exists = "in use by" in said, "run.npz exists" in said
            assert (outcome["losers_code"] == 1 and in_use) or (outcome["losers_code"] == 2 and exists and not resumes)
            assert outcome["winners_code"] == 128 + signal.SIGTERM
            assert Path(f"stderr-{outcome['winner']}").read_text() == ""
            assert checkpoint.load("run.npz").progress.step > 0
            assert not [*Path().glob(".*.tmp"), *Path().glob(".*.lock")]
            slowest = max(slowest, outcome["seconds"])
        pairs.stdin.close()
    tried("F17", starts_of_two=STARTS, most_seconds_of_the_loser=slowest)
