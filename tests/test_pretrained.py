"""The model that comes with the program knows its novella better than any n-gram, and what a quotation is."""

from charrnn import checkpoint
from charrnn.archive import read_arrays
from charrnn.paths import PRETRAINED, corpus_names
from charrnn.probing import correlations, inside_quotes, record
from charrnn.report.pages import choose_passage, shorten
from charrnn.scoring.reading import beginning


def test_the_model_in_the_box_is_weights_alone_of_a_size_that_is_no_burden() -> None:
    model = checkpoint.load(PRETRAINED)
    assert model.resume is None
    assert all(name == "meta" or name.startswith("params/") for name in read_arrays(PRETRAINED))
    assert f"{model.corpus.name}.txt" in corpus_names()
    assert 1_000_000 < PRETRAINED.stat().st_size < 2_100_000
    assert model.progress.best
    assert model.progress.best[1] < 1.381  # nats a character of the best n-gram, order 5, on the same characters


def test_a_cell_tracks_whether_a_quotation_is_open() -> None:
    model = checkpoint.load(PRETRAINED)
    passage, _ = shorten(choose_passage(model, PRETRAINED, (), "utf-8"), model, 10_000)
    recording = record(model.model, model.params, passage.known, beginning(model.vocabulary))
    follows = correlations(recording.activations, inside_quotes(passage.text()))
    assert int(abs(follows).argmax()) == 175  # as docs/pages.md says
    assert round(float(follows.min()), 2) == -0.90
