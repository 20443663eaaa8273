"""What README and docs/ tell the reader to do works, and their links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
import types
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import click
import pytest

import charrnn as package
from charrnn.cli.main import charrnn as group
from tests.conftest import REPOSITORY, Charrnn
from tests.documents import BASH, PAGES, Block, Reader, as_shown, blocks_of, environment, furnish

DOCS = REPOSITORY / "docs"
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
OTHER_TOOLS = {"--hostfile", "--env-file"}  # options of programs that the pages use next to ours


@dataclass
class Visit:
    """A page that is being followed: its folder, its reader, and how far they have come."""

    folder: Path
    values: dict[str, Any] = field(default_factory=dict)
    failed: int = 0  # the line of the block that did not work
    outputs: dict[int, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Visit]:
    return {page: Visit(tmp_path_factory.mktemp(page.stem)) for page in PAGES}


@pytest.fixture
def onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where onnxruntime is not installed, what a page uses of it is computed by the reference of the standard."""
    try:
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError:
        onnx = pytest.importorskip("onnx")
        from onnx.reference import ReferenceEvaluator

        class InferenceSession(ReferenceEvaluator):  # type: ignore[misc]
            def get_inputs(self) -> list[Any]:
                inputs = onnx.load("model.onnx").graph.input
                shapes = [[d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim] for value in inputs]
                return [types.SimpleNamespace(name=v.name, shape=s) for v, s in zip(inputs, shapes, strict=True)]

            def get_modelmeta(self) -> Any:
                props = {prop.key: prop.value for prop in onnx.load("model.onnx").metadata_props}
                return types.SimpleNamespace(custom_metadata_map=props)

        module = types.ModuleType("onnxruntime")
        module.__spec__ = ModuleSpec("onnxruntime", None)
        monkeypatch.setattr(module, "InferenceSession", InferenceSession, raising=False)
        monkeypatch.setitem(sys.modules, "onnxruntime", module)


@pytest.mark.skipif(sys.platform == "win32", reason="the pages are written for a shell of Unix")
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(
            block,
            # with `pytest -n`, one worker follows a page
            marks=[pytest.mark.xdist_group(block.page.stem), *([pytest.mark.slow] if block.is_slow else [])],
            id=f"{block.page.relative_to(REPOSITORY)}:{block.line}",
        )
        for block in BLOCKS
    ],
)
def test_a_block_does_what_the_page_says(
    block: Block,
    visits: dict[Path, Visit],
    charrnn: Charrnn,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if block.reason_to_skip:
        pytest.skip(block.reason_to_skip)
    if "in a clone" in block.notes:
        follow_in_a_clone(block, visits[block.page].folder)
        return
    on_page = blocks_of(block.page)
    if any("onnxruntime" in each.code for each in on_page):
        request.getfixturevalue("onnxruntime")
    visit = visits[block.page]
    if visit.failed:
        pytest.fail(f"the block in line {visit.failed} comes before it and does not work")
    monkeypatch.chdir(visit.folder)
    if not any(visit.folder.iterdir()):
        furnish(visit.folder)
    settings = environment(visit.folder / "bin")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    reader = Reader(charrnn, settings, visit.values)
    for each in [each for each in on_page if each.line < block.line and not each.is_slow] + [block]:
        if each.line not in visit.outputs and not each.reason_to_skip:
            visit.failed = each.line
            visit.outputs[each.line] = reader.run(each)
            visit.failed = 0
    if block.is_compared:
        assert visit.outputs[block.line] == block.code or as_shown(visit.outputs[block.line]) == as_shown(block.code), (
            "run `python -m tests.documents`"
        )


def follow_in_a_clone(block: Block, folder: Path) -> None:
    """Run a set-up block where nothing is installed: a few steps of training, and the tests of one package."""
    clone = folder / "clone"
    shutil.copytree(REPOSITORY, clone, ignore=shutil.ignore_patterns(".*", "__pycache__"), dirs_exist_ok=True)
    shorter = {"CHARRNN_TRAIN_STEPS": "20", "PYTEST_ADDOPTS": "tests/text", "PYTHONPATH": ""}
    done = subprocess.run(
        [BASH, "-c", block.code], cwd=clone, env={**os.environ, **shorter}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    if "charrnn train" in block.code:
        assert (clone / "checkpoints" / "harbour-clerk.npz").exists()
    shutil.rmtree(clone)


def anchors(page: Path) -> set[str]:
    """The anchors that a repository host gives the headings of a page."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page",
    [*PAGES, *(REPOSITORY / name / "README.md" for name in ("examples", "benchmarks", "corpora", "checkpoints"))],
    ids=lambda page: str(page.relative_to(REPOSITORY)),
)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith(("http://", "https://")):
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_the_index_has_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "README.md").read_text(encoding="utf-8")))
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= linked


def flags(text: str) -> set[str]:
    """The options in inline code."""
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return {flag for span in spans for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", span)}


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_option_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "coming-from-char-rnn.md":  # the other columns have the options of other tools
        text = "\n".join(line.rstrip(" |").rpartition(" | ")[2] for line in text.splitlines())
    commands = [group, *group.commands.values()]
    known = {name for command in commands for param in command.params for name in param.opts}
    assert flags(text) <= known | {"--help", *OTHER_TOOLS}


def test_every_command_is_in_the_readme_and_every_public_name_on_the_page_of_the_library() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert all(f"| `charrnn {name}` |" in readme for name in group.commands)
    assert all(isinstance(command, click.Command) for command in group.commands.values())
    shown = set(re.findall(r"\b[A-Za-z_]+\b", (DOCS / "library.md").read_text(encoding="utf-8")))
    assert set(package.__all__) - shown <= {"__version__"}
