"""Where a run is saved: its last state, and beside it its best model by the held-out figure."""

import math
from dataclasses import replace
from pathlib import Path

from charrnn import checkpoint
from charrnn.archive import Lock, sweep_temporaries
from charrnn.checkpoint import Checkpoint
from charrnn.errors import CheckpointError
from charrnn.run_files import best_path, kept_path, kept_states
from charrnn.training.config import BOUNDS
from charrnn.training.evaluation import AnyEvaluator


class Saving:
    """The files of one run.

    Parameters
    ----------
    path : of the run's own checkpoint
    lock : what keeps other runs off it, until `close`
    keep : states of the last saves to keep too, each in a file of its own

    Attributes
    ----------
    best_path : of its best model
    kept : held-out figure of the best model that is on the disk, in nats a character; infinity where there is none
    """

    def __init__(self, path: Path, lock: Lock | None, keep: int = 0) -> None:
        self.path = path
        self.best_path = best_path(path)
        self.kept = math.inf
        self._lock = lock
        self._keep = keep

    def begin(self) -> None:
        """Remove what killed runs have left in the folder."""
        sweep_temporaries(self.path.parent)

    def save(self, state: Checkpoint) -> None:
        """Save the run's state; keep it and those of the saves before it as far as is asked for.

        An older state is removed when the new one is on the disk, and by its step's number, not by any clock. States of
        later steps, which a run leaves behind when it goes back, stay until it has come that far again.

        Raises
        ------
        CheckpointError
            If it cannot be written; the file is then as it was, and nothing is removed.
        """
        checkpoint.save(self.path, state)
        step = state.progress.step
        if self._keep and step:
            checkpoint.save(kept_path(self.path, step), state)
            for old in sorted(number for number in kept_states(self.path) if number <= step)[: -self._keep]:
                _remove(kept_path(self.path, old), "a state kept before")

    def save_if_best(self, state: Checkpoint, loss: float) -> None:
        """Keep a model, its weights alone, if its held-out figure is better than that of the one that is kept.

        A resumed run may stand before a best that its interrupted predecessor kept: that stays until it is beaten.

        Raises
        ------
        CheckpointError
            If it cannot be written; the best so far is then as it was.
        """
        if loss < self.kept:
            checkpoint.save(self.best_path, replace(state, resume=None))
            self.kept = loss

    def forget(self) -> None:
        """Remove the best model and the kept states of the run that this one replaces.

        Raises
        ------
        CheckpointError
            If that is not possible.
        """
        _remove(self.best_path, "the best model of the run to be replaced")
        for step in kept_states(self.path):
            _remove(kept_path(self.path, step), "a state of the run to be replaced")

    def give_bounds(self, state: Checkpoint) -> None:
        """Write the bounds of a run that is resumed into its best model and its kept states.

        They may have been saved when the run was to end elsewhere. So all files of a run say the same of it, and are
        those of one that was to end there from the start.

        Parameters
        ----------
        state : of the run that is resumed

        Raises
        ------
        CheckpointError
            If one of them cannot be written; it is then as it was.
        """
        bounds = {name: state.config[name] for name in BOUNDS}
        for path in (self.best_path, *(kept_path(self.path, step) for step in kept_states(self.path))):
            try:
                earlier = checkpoint.load(path)
            except CheckpointError:  # missing, or damaged: a better or a later one will replace it
                continue
            config = {**earlier.config, **bounds}
            is_same_run = (earlier.model, earlier.corpus) == (state.model, state.corpus)
            if is_same_run and config != earlier.config:
                checkpoint.save(path, replace(earlier, config=config))

    def close(self) -> None:
        """Let other runs have the checkpoint."""
        if self._lock:
            self._lock.release()


def _remove(path: Path, what: str) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot remove {str(path)!a}, {what}: {error.strerror}; move it away") from error


def kept_loss(run: Checkpoint, best: Path, evaluator: AnyEvaluator | None) -> float:
    """Return the held-out figure of the best model that a resumed run finds on the disk; infinity if there is none.

    Parameters
    ----------
    run : the state it goes on from
    best : where that model is
    evaluator : scores the run's held-out part; it is asked where the model was judged by another text
    """
    try:
        kept = checkpoint.load(best)
    except CheckpointError:
        return math.inf
    if kept.corpus.sha256 != run.corpus.sha256 and evaluator and kept.model == run.model:
        return evaluator.loss(kept.params)
    entry = kept.progress.best
    return entry[1] if entry else math.inf
