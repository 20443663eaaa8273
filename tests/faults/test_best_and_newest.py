"""F16: whatever happens to a run, its newest state and its best model are on the disk, whole.

A state machine of Hypothesis trains, evaluates, crashes, is interrupted, meets a full disk and goes on, in any order.
A run keeps its newest state and its best model, each replaced only by a later and by a better one, and with ``--keep``
the states of the last saves.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from charrnn import checkpoint
from charrnn.errors import CheckpointError
from charrnn.paths import best_path, kept_path, kept_states
from charrnn.training.events import Evaluated, Event, Saved, SaveFailed, Stopped
from charrnn.training.run import Run
from charrnn.training.start import resume, train
from tests.conftest import TEXT
from tests.faults.amount import trials
from tests.faults.conftest import Tried

SMALL: dict[str, Any] = {"hidden_sizes": (5,), "batch_size": 2, "seq_length": 6, "warmup_steps": 0, "sample_every": 0}
SMALL |= {"eval_every": 3, "save_every": 7, "steps": 10_000, "learning_rate": 0.3}  # so high that not each is the best
COUNTS = {"machines": 0, "crashes": 0, "full_disks": 0, "resumes": 0}


class Training(RuleBasedStateMachine):
    """One run and what it said of itself."""

    run: Run | None = None
    events: Iterator[Event]

    @initialize(cell=st.sampled_from(["vanilla", "gru"]), keep=st.integers(0, 4))
    def start(self, cell: str, keep: int) -> None:
        COUNTS["machines"] += 1
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "checkpoints" / "run.npz"
        (self.folder / "lamp.txt").write_text(TEXT[:200], newline="")
        self.disk = pytest.MonkeyPatch()
        self.make_room()
        self.saved, self.keep = 0, keep
        self.saves: set[int] = set()
        self.best = self.best_on_disk = float("inf")
        self.asked_to_stop = False
        self.run = train([str(self.folder / "lamp.txt")], checkpoint=self.path, **{**SMALL, "cell": cell, "keep": keep})
        self._begin()

    @rule(steps=st.integers(1, 12))
    @precondition(lambda self: self.run is not None)
    def train(self, steps: int) -> None:
        seen = 0
        for event in self.events:
            seen += type(event).__name__ == "StepReport"
            self._note(event)
            if seen == steps:
                break

    @rule()
    def fill_the_disk(self) -> None:
        COUNTS["full_disks"] += 1

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        self.disk.setattr(os, "fsync", full)

    @rule()
    def make_room(self) -> None:
        self.disk.setattr(os, "fsync", lambda _: None)

    @rule(leaves_a_stray=st.booleans())
    @precondition(lambda self: self.run is not None)
    def crash(self, leaves_a_stray: bool) -> None:
        COUNTS["crashes"] += 1
        if leaves_a_stray:
            (self.path.parent / ".run.npz.0badcafe.charrnn.tmp").write_bytes(b"PK\3\4")
        self._end()

    @rule()
    @precondition(lambda self: self.run is not None)
    def interrupt(self) -> None:
        self.asked_to_stop = True
        try:
            for event in self.events:
                self._note(event)
            assert isinstance(event, Stopped)
            assert event.step == self.saved
        except CheckpointError as error:  # the last save met a full disk
            assert "cannot save" in str(error)  # noqa: PT017 - a full disk is no failure of the test
        self._end()

    @rule()
    @precondition(lambda self: self.run is None)
    def resume(self) -> None:
        COUNTS["resumes"] += 1
        self.run = resume(self.path)
        assert self.run.trainer.step == self.saved
        self._begin()
        assert not list(self.path.parent.glob(".*.tmp"))

    @invariant()
    @precondition(lambda self: hasattr(self, "saved"))
    def newest_and_best_are_there(self) -> None:
        newest = checkpoint.load(self.path)
        assert newest.progress.step == self.saved
        assert newest.resume is not None
        if self.best_on_disk < float("inf"):
            kept = checkpoint.load(best_path(self.path))
            assert kept.progress.best
            assert kept.progress.best[1] == self.best_on_disk

    @invariant()
    @precondition(lambda self: hasattr(self, "saved"))
    def the_states_of_the_last_saves_are_there(self) -> None:
        steps = kept_states(self.path)
        assert steps == sorted(self.saves)[len(self.saves) - len(steps) :]
        assert len(steps) == min(self.keep, len(self.saves))
        for step in steps:
            assert checkpoint.load(kept_path(self.path, step)).progress.step == step

    def teardown(self) -> None:
        if self.run:
            self._end()
        self.disk.undo()
        shutil.rmtree(self.folder)

    def _begin(self) -> None:
        assert self.run
        self.asked_to_stop = False
        self.events = self.run.events(stop=lambda: self.asked_to_stop)
        for event in self.events:
            self._note(event)
            if isinstance(event, Saved) or not self.run.is_fresh:
                break

    def _end(self) -> None:
        """Forget the process."""
        self.events.close()  # type: ignore[attr-defined] # it is a generator
        self.run = None

    def _note(self, event: Event) -> None:
        if isinstance(event, Saved):
            self.saved = event.step
            self.saves |= {event.step} - {0}
        elif isinstance(event, Evaluated) and event.is_best and event.loss < self.best_on_disk:
            self.best_on_disk = event.loss  # it is saved next, or that fails
        elif isinstance(event, SaveFailed):
            written = best_path(self.path)
            if written.exists():
                best = checkpoint.load(written).progress.best
                assert best
                self.best_on_disk = best[1]
            else:
                self.best_on_disk = float("inf")


TestBestAndNewest = Training.TestCase
TestBestAndNewest.settings = settings(
    max_examples=trials(60, 5000), stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_what_the_machine_did_is_counted(tried: Tried) -> None:
    tried("F16", **COUNTS)
