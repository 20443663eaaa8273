"""What the docstrings show is what happens."""

import doctest

import pytest

from charrnn.exchange import json, pytorch


@pytest.mark.parametrize("module", [pytorch, json], ids=lambda module: module.__name__)
def test_every_example_gives_what_it_says(module: object) -> None:
    if module is pytorch:
        pytest.importorskip("safetensors")
    tried = 0
    for example in doctest.DocTestFinder(recurse=True).find(module, globs={}):  # each brings all that it needs
        result = doctest.DocTestRunner().run(example)
        assert not result.failed
        tried += result.attempted
    assert tried
