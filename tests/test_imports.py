"""Who may import whom: each part knows only what stands below it, and only where it stands."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "charrnn"
MODULES = {
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
# Lowest first; parts of one level do not know each other, but for the pairs named below.
LEVELS = (
    {"environment", "errors", "version"},
    {"commands", "config", "files", "machine", "paths", "randomness"},
    {"archive", "nn", "optim", "text"},
    {"cache", "checkpoint", "layers"},
    {"gradcheck", "sampling", "scoring"},
    {"probing", "training"},
    {"exchange"},
    {"report"},
    {"cli"},
    {"__main__"},
)
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
# What a configuration may be is known to a checkpoint too, which checks it; it stands on the lowest level alone.
CONFIGURATION = "charrnn.config"
# What else is imported, and under what alone.
OUTSIDE = {
    "numpy": "charrnn",
    "click": "charrnn.cli",
    "tqdm": "charrnn.report.progress",
    "mpi4py": "charrnn.training.mpi",
    "onnx": "charrnn.exchange.onnx",
    "safetensors": "charrnn.exchange.pytorch",
    "torch": "charrnn.exchange.torch_module",
}
# Outside the commands, only what may not be installed is imported inside a function, or our module that needs it; and
# what reads books and other documents, since few commands read a text.
OPTIONAL = {
    "charrnn.text.formats",
    "charrnn.text.gutenberg",
    "onnx",
    "charrnn.exchange.torch_module",
    "safetensors",
    "safetensors.numpy",
}


def part(module: str) -> str:
    """The part of the package that a module belongs to: ``nn`` for ``charrnn.nn.lstm``, "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


@cache
def imports(module: str, *, deferred: bool | None = None) -> list[str]:
    """Modules that one module imports; those inside functions, those outside, or (None) all."""
    return list(_imports(module, deferred))


def _imports(module: str, deferred: bool | None) -> Iterator[str]:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if deferred is not None and (id(node) in inside) != deferred:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else str(node.module)


def ours(module: str) -> list[str]:
    return [name for name in imports(module) if name.split(".")[0] == "charrnn"]


def test_every_part_has_its_level() -> None:
    assert {part(module) for module in MODULES} - {""} == set(LEVEL)


def test_a_module_imports_only_what_stands_below_it() -> None:
    pairs = [(module, imported) for module in MODULES for imported in ours(module)]
    for module, imported in pairs:
        here, there = part(module), part(imported)
        if not here:  # the public names; when each is loaded: tests/test_public_names.py
            drawn = imported == "charrnn.report.plot"
            assert drawn or there not in {"report", "cli"}, f"the package itself imports {imported}"
        elif here != there:
            assert LEVEL[there] < LEVEL[here], f"{module} imports {imported}"


def test_a_configuration_knows_nothing_but_errors() -> None:
    assert set(ours(CONFIGURATION)) == {"charrnn.errors"}


def test_no_imports_go_in_a_circle() -> None:
    TopologicalSorter({module: ours(module) for module in MODULES}).prepare()  # raises CycleError


def test_the_rest_of_the_world_is_a_few_packages_each_in_its_place() -> None:
    for module in MODULES:
        for imported in imports(module):
            top = imported.split(".")[0]
            if top not in sys.stdlib_module_names and top != "charrnn":
                assert top in OUTSIDE, f"{module} imports {imported}"
                assert f"{module}.".startswith(f"{OUTSIDE[top]}."), f"{module} imports {imported}"


def test_imports_inside_functions_are_the_commands_and_of_what_may_not_be_installed() -> None:
    for module in MODULES:
        deferred = {name for name in imports(module, deferred=True) if part(module) not in {"cli", "__main__"}}
        assert deferred <= OPTIONAL, f"{module} imports {deferred - OPTIONAL} inside a function"


@pytest.mark.parametrize("module", ["charrnn.cli.main", CONFIGURATION])
def test_the_help_comes_without_numpy(module: str) -> None:
    code = f"import sys, {module}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_command_loads_nothing_but_its_declared_dependencies(tmp_path: Path, trained: Path) -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom charrnn.cli.main import charrnn\n"
        f"charrnn(['sample', {str(trained)!r}, '-n', '1', '-q'], standalone_mode=False)\n"
        "import charrnn.report.progress\n"
        "files = {name: getattr(module, '__file__', None) for name, module in sys.modules.items()}\n"
        "names = {name.split('.')[0] for name, file in files.items() if file and name not in before}\n"
        f"open({str(tmp_path / 'loaded')!r}, 'w').write(' '.join(names - set(sys.stdlib_module_names)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert set((tmp_path / "loaded").read_text().split()) == {"charrnn", "click", "numpy", "tqdm"}
