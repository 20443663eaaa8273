"""The model in the box writes what the README shows, and knows its novella better than any n-gram."""

import re
import shlex
from pathlib import Path

from charrnn import checkpoint
from charrnn.bundled import PRETRAINED
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
