"""What is shipped agrees with what is said about it."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import charrnn
from charrnn import paths
from tests.conftest import REPOSITORY
from tests.faults.mutants import MODULES

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_stands_in_one_place() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    source = (REPOSITORY / PROJECT["tool"]["hatch"]["version"]["path"]).read_text(encoding="utf-8")
    assert f'"{charrnn.__version__}"' in source
    assert re.fullmatch(r"\d+\.\d+\.\d+", charrnn.__version__)


def test_each_bundled_text_is_listed_with_its_characters_and_symbols() -> None:
    readme = (paths.CORPORA / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|.*\| ([\d,]+) \| ([\d,]+) \|$", readme, re.MULTILINE)
    listed = {name: (int(characters.replace(",", "")), int(symbols)) for name, characters, symbols in rows}
    texts = {name: (paths.CORPORA / name).read_text(encoding="utf-8") for name in paths.corpus_names()}
    assert listed == {name: (len(text), len(set(text))) for name, text in texts.items()}
    assert paths.DEFAULT_CORPUS in texts


def test_the_modules_that_are_changed_and_the_tests_that_must_see_it_exist() -> None:
    for module, tests in MODULES.items():
        for path in (f"charrnn/{module}", *(f"tests/{test}" for test in tests)):
            assert (REPOSITORY / path).is_file(), path


@pytest.mark.slow
def test_the_wheel_carries_its_texts_and_model_and_samples_from_any_folder(tmp_path: Path) -> None:
    if not importlib.util.find_spec("hatchling"):
        pytest.skip("hatchling is not installed, and building without it would need the network")
    if not importlib.util.find_spec("pip"):
        pytest.skip("there is no pip in this environment to install the wheel with")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(REPOSITORY)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"charrnn/data/corpora/{name}" for name in paths.corpus_names()}
    wanted |= {f"charrnn/report/pages/{path.name}" for path in (REPOSITORY / "charrnn/report/pages").iterdir()}
    assert wanted | {"charrnn/data/checkpoints/pretrained.npz", "charrnn/py.typed"} <= names
    assert not [name for name in names if "tests" in name]
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    sample = [sys.executable, "-m", "charrnn", "sample", "--seed", "The ", "-n", "50"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(sample, env=environment, check=True, capture_output=True)
    assert done.stdout.startswith(b"The ")
    where = [sys.executable, "-c", "import charrnn; print(charrnn.PRETRAINED)"]
    assert subprocess.run(where, env=environment, check=True, capture_output=True).stdout.startswith(os.fsencode(site))
    page = [sys.executable, "-m", "charrnn", "view", "-n", "50", "-o", str(tmp_path / "view.html")]
    subprocess.run(page, env=environment, check=True, capture_output=True)
    assert (tmp_path / "view.html").read_text(encoding="utf-8").endswith("</html>\n")
