"""The model in the box writes what the README shows, and knows its novella better than any n-gram."""

import re
import shlex
from pathlib import Path

from charrnn import checkpoint
from charrnn.paths import PRETRAINED
from charrnn.probing import correlations, inside_quotes, record
from charrnn.report.pages import choose_passage, shorten
from charrnn.scoring.reading import beginning
from tests.conftest import Charrnn

README = Path(__file__).parents[1] / "README.md"


def test_the_first_sample_of_the_readme_is_what_its_command_writes(charrnn: Charrnn) -> None:
    shown = re.search(
        r"```console\n\$ charrnn (sample [^\n]*)\n(.*?)\n```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert shown
    # Other matrix kernels round otherwise, by one part in a million: too little to turn a draw in so short a text.
    outcome = charrnn(*shlex.split(shown[1]))
    assert outcome.out.decode().rstrip("\n") == shown[2]


def test_the_model_in_the_box_is_weights_alone_of_a_size_that_is_no_burden() -> None:
    model = checkpoint.load(PRETRAINED)
    assert model.resume is None
    assert 1_000_000 < PRETRAINED.stat().st_size < 2_100_000
    assert model.progress.best
    assert model.progress.best[1] < 1.381  # nats a character of the best n-gram, order 5, on the same characters


def test_the_cell_that_the_readme_names_knows_whether_a_quotation_is_open() -> None:
    readme = " ".join(README.read_text(encoding="utf-8").split())
    claim = re.search(
        r"cell (\d+) knows whether a quotation is open.* a correlation of −(0\.\d\d) over ([\d,]+)", readme
    )
    assert claim
    model = checkpoint.load(PRETRAINED)
    passage, _ = shorten(choose_passage(model, PRETRAINED, (), "utf-8"), model, int(claim[3].replace(",", "")))
    recording = record(model.model, model.params, passage.known, beginning(model.vocabulary))
    follows = correlations(recording.activations, inside_quotes(passage.text()))
    assert abs(follows).argmax() == int(claim[1])
    assert f"{-follows.min():.2f}" == claim[2]


def test_the_model_as_a_page_has_the_size_that_the_readme_says(charrnn: Charrnn) -> None:
    (words,) = set(re.findall(r"wrote model\.html \([^)]*\)", README.read_text(encoding="utf-8")))
    assert words in charrnn("export").err
