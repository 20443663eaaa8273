"""The held-out figure of a run beside what simple methods reach on the same characters."""

from charrnn.scoring.tracking import Track, untracked
from charrnn.scoring.yardsticks import Comparison, Figure, Slice, compare
from charrnn.training.evaluation import Evaluator
from charrnn.training.run import Run


def compare_held_out(run: Run, evaluator: Evaluator, track: Track = untracked) -> Comparison:
    """Compare the best held-out figure of a run that is over.

    The first held-out character is given and not predicted, to the model and the yardsticks alike. `track`
    follows what takes long.
    """
    trainer, held_out = run.trainer, evaluator.ids
    best = min((loss for _, loss in run.history), default=None)
    model = Figure("the model at its best", evaluator.loss(trainer.params) if best is None else best)
    return compare(model, Slice(trainer.streams.ids, held_out[:1], held_out[1:]), trainer.vocabulary, track)
