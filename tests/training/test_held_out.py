"""The held-out comparison is of the run's best figure, on the characters that the evaluator scores."""

from pathlib import Path
from typing import Any

import pytest

from charrnn.scoring.yardsticks import Figure, Slice, compare
from charrnn.text.corpus import read_corpus
from charrnn.training.events import Evaluated
from charrnn.training.run import compare_held_out
from charrnn.training.start import resume, train


def test_the_best_figure_stands_beside_yardsticks_on_the_same_characters(text_file: Path) -> None:
    changes: dict[str, Any] = {"hidden_sizes": (8,), "batch_size": 2, "seq_length": 10, "steps": 5, "eval_every": 2}
    run = train([str(text_file)], checkpoint=True, **changes)
    losses = [event.loss for event in run.events() if isinstance(event, Evaluated)]
    assert run.evaluator
    found = compare_held_out(run, run.evaluator)
    corpus = read_corpus([str(text_file)])
    best = Figure("the model at its best", min(losses))
    parts = Slice(corpus.ids[:588], corpus.ids[588:589], corpus.ids[589:])
    assert found == compare(best, parts, corpus.vocabulary)
    assert found.characters == run.evaluator.transitions


def test_a_run_that_has_no_figure_yet_gets_one(trained: Path, text_file: Path) -> None:
    run = resume(trained, [str(text_file)], eval_every=0)
    run.history.clear()
    assert list(run.events())
    assert run.evaluator
    found = compare_held_out(run, run.evaluator)
    assert found.model.nats == pytest.approx(run.evaluator.loss(run.params), rel=1e-12)
