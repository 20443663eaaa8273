"""The held-out figure of a run beside what simple methods reach on the same characters."""

from charrnn.scoring.tracking import Track, untracked
from charrnn.scoring.yardsticks import Comparison, Figure, Slice, compare
from charrnn.training.division import joined_starts, running
from charrnn.training.evaluation import AnyEvaluator, ItemEvaluator
from charrnn.training.run import Run


def compare_held_out(run: Run, evaluator: AnyEvaluator, track: Track = untracked) -> Comparison:
    """Compare the best held-out figure of a run that is over.

    The first held-out character is given and not predicted, to the model and the yardsticks alike; of items the
    separator before the first. `track` follows what takes long.
    """
    trainer = run.trainer
    part, training = evaluator.items if isinstance(evaluator, ItemEvaluator) else evaluator.ids, trainer.streams.part
    text, starts = running(part), joined_starts(part)
    given = 1 if starts is None else int(starts[0])
    best = min((loss for _, loss in run.history), default=None)
    model = Figure("the model at its best", evaluator.loss(trainer.params) if best is None else best)
    parts = Slice(
        running(training),
        text[:given],
        text[given:],
        training_starts=joined_starts(training),
        starts=None if starts is None else starts - given,
    )
    return compare(model, parts, trainer.vocabulary, track)
