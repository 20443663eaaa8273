"""What the docstrings show is what happens."""

import doctest

import pytest

from charrnn.exchange import json, pytorch, safetensors
from charrnn.report import export


@pytest.mark.parametrize("module", [pytorch, json, safetensors, export], ids=lambda module: module.__name__)
def test_every_example_gives_what_it_says(module: object) -> None:
    if module is safetensors:
        pytest.importorskip("safetensors")
    tried = 0
    for example in doctest.DocTestFinder(recurse=True).find(module, globs={}):  # each brings all that it needs
        result = doctest.DocTestRunner().run(example)
        assert not result.failed
        tried += result.attempted
    assert tried
