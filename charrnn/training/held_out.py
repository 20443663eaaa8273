"""The held-out figure of a run beside what simple methods reach on the same characters."""

from charrnn.scoring.tracking import Track, untracked
from charrnn.scoring.yardsticks import Comparison, Figure, Slice, compare
from charrnn.training.division import running
from charrnn.training.evaluation import AnyEvaluator, ItemEvaluator
from charrnn.training.run import Run


def compare_held_out(run: Run, evaluator: AnyEvaluator, track: Track = untracked) -> Comparison:
    """Compare the best held-out figure of a run that is over.

    The first held-out character is given and not predicted, to the model and the yardsticks alike; of items the
    separator before the first. `track` follows what takes long.
    """
    trainer = run.trainer
    separator = evaluator.items.separator if isinstance(evaluator, ItemEvaluator) else None
    text = running(evaluator.items if isinstance(evaluator, ItemEvaluator) else evaluator.ids)
    given = 1 if separator is None else len(separator)
    training = running(trainer.streams.part)
    best = min((loss for _, loss in run.history), default=None)
    model = Figure("the model at its best", evaluator.loss(trainer.params) if best is None else best)
    parts = Slice(training, text[:given], text[given:], separator=separator)
    return compare(model, parts, trainer.vocabulary, track)
