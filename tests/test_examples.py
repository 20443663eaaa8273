"""The programs in examples/ print what their docstrings say, with nothing but public names."""

import ast
import functools
import importlib.util
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import charrnn
from tests.conftest import REPOSITORY, TEXT

FOLDER = REPOSITORY / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
KERNELS = ("Haswell", "Sandybridge", "Nehalem")
LONG = {"kafka_notebook", "known_entropy", "one_page", "two_sizes"}
example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


@functools.cache
def run(path: Path, *arguments: str, kernels: str | None = None) -> tuple[str, str]:
    """Run an example, with warnings as errors and maybe with other kernels; return its stdout and stderr."""
    env = os.environ | {"COLUMNS": "80", "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}  # the last is for PyTorch
    if kernels:
        env |= {"OPENBLAS_CORETYPE": kernels, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(path), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def promised(path: Path) -> str:
    """What the docstring says: a first block of output, whose last line is another block where PyTorch is installed."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first, *others = re.findall(r"(?:^    .*\n?)+", docstring, re.MULTILINE)
    command, *lines = (line[4:] for line in first.splitlines())
    assert command == f"$ python examples/{path.name}"
    if others and importlib.util.find_spec("torch"):
        lines[-1:] = (line[4:] for line in others[0].splitlines())
    return "".join(f"{line}\n" for line in lines)


def settled(printed: str) -> str:
    """Leave out what the rounding of other processors changes: the notebook's samples and losses once it has learned.

    It takes long steps from tiny weights, one stream at a time, so that the last bit is soon a word. Where its losses
    end all the same is looked at below.
    """
    return re.sub(r"^(step [1-9]\d*, smoothed loss) [\d.]+\n'.*'$", r"\1 …", printed, flags=re.MULTILINE)


def losses(printed: str) -> list[float]:
    """The notebook's smoothed losses."""
    return [float(loss) for loss in re.findall(r"smoothed loss ([\d.]+)$", printed, re.MULTILINE)]


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] if path.stem in LONG else []) for path in EXAMPLES],
    ids=lambda path: path.stem,
)
def test_it_prints_what_its_docstring_says(path: Path) -> None:
    printed, said = run(path)
    assert (settled(printed), said) == (settled(promised(path)), "")
    assert losses(printed) == pytest.approx(losses(promised(path)), rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("kernels", KERNELS)
@example
def test_it_prints_the_same_with_other_kernels(path: Path, kernels: str) -> None:
    printed, _ = run(path, kernels=kernels)
    assert settled(printed) == settled(promised(path))
    assert losses(printed) == pytest.approx(losses(promised(path)), rel=0.03)


@example
def test_it_uses_public_names_only(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.module
            assert node.module.partition(".")[0] not in ("charrnn", "tests")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                assert alias.name == "charrnn" or top in {"numpy", "torch", *sys.stdlib_module_names}, alias.name
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
            if isinstance(node.value, ast.Name) and node.value.id == "charrnn":
                assert node.attr in charrnn.__all__, node.attr


def test_each_is_described_beside_the_others() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[(\w+\.py)\]\(\1\) \|", readme, re.MULTILINE) == [path.name for path in EXAMPLES]


@pytest.mark.parametrize(
    ("name", "arguments", "last"),
    [
        ("kafka_notebook", ["lamp.txt"], r"step 0, smoothed loss [\d.]+\n'.*'"),
        ("known_entropy", [], r"step  50: .*\nThe loss was never below the entropy: True"),
        ("one_page", ["lamp.txt", "2"], r"step 1, loss [\d.]+\n'.*'"),
        ("two_sizes", [], r"power 4: '.*'"),
    ],
)
def test_a_long_one_runs_with_a_tenth_of_its_steps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, arguments: list[str], last: str
) -> None:
    def shorter(begin: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, steps, **how: begin(*given, steps=steps // 10, **how)

    Path("lamp.txt").write_text(TEXT)
    monkeypatch.setattr(charrnn, "train", shorter(charrnn.train))
    monkeypatch.setattr(charrnn, "resume", shorter(charrnn.resume))
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert re.search(rf"^{last}\n\Z", printed, re.MULTILINE), printed
    assert name != "two_sizes" or "50 steps, saved and loaded, and 100 more equal the 150: True\n" in printed


@pytest.mark.slow
def test_a_model_comes_within_a_percent_of_a_known_entropy_and_never_below_it() -> None:
    printed = run(FOLDER / "known_entropy.py")[0]
    above = [float(share) for share in re.findall(r"(-?[\d.]+)% above the entropy", printed)]
    assert len(above) == 7
    assert above == sorted(above, reverse=True)
    assert 0 < above[-1] <= 1
    assert printed.endswith("never below the entropy: True\n")


@pytest.mark.slow
def test_the_notebook_takes_any_text(text_file: Path) -> None:
    printed = run(FOLDER / "kafka_notebook.py", str(text_file))[0]
    assert "inputs 'the lamp went round, and '" in printed
    assert len(losses(printed)) == 5
    assert losses(printed) == sorted(losses(printed), reverse=True)
