"""What `import charrnn` offers: sorted, typed, described, and shown in examples that run."""

import doctest
import importlib
import inspect
import subprocess
import sys

import pytest

import charrnn
from tests.conftest import REPOSITORY

CALLABLES = [name for name in charrnn.__all__ if callable(getattr(charrnn, name))]
EXTRAS = {"from_safetensors": "safetensors"}  # what an example needs that not everybody has


def test_the_public_names_are_sorted_and_each_is_there() -> None:
    assert charrnn.__all__ == sorted(set(charrnn.__all__))
    assert all(hasattr(charrnn, name) for name in charrnn.__all__)
    assert set(charrnn.__all__) <= set(dir(charrnn))


def test_no_public_name_hides_a_module() -> None:
    modules = {path.stem for path in (REPOSITORY / "charrnn").iterdir()}
    assert not modules & set(charrnn.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'transformer'"):
        _ = charrnn.transformer  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_of_it() -> None:
    code = (
        "import sys, charrnn\n"
        "names = {name for name in sys.modules if name.startswith('charrnn.')}\n"
        "assert not names and 'numpy' not in sys.modules, names"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", CALLABLES)
def test_every_public_callable_has_an_example_that_is_true(name: str) -> None:
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    value = getattr(charrnn, name)
    assert "Examples\n" in (inspect.getdoc(value) or ""), name
    module = importlib.import_module(value.__module__)
    examples = doctest.DocTestFinder(recurse=False).find(value, name, module, globs={})
    assert any(test.examples for test in examples)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    said: list[str] = []
    for test in examples:
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
