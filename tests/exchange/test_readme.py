"""The README's section on other programs: its commands and programs run, and its table names flags that are there."""

import io
import re
import shlex
import shutil
import sys
import types
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import charrnn as package
from charrnn import checkpoint, paths
from charrnn.exchange import pytorch
from tests.cli.test_options import spellings
from tests.conftest import REPOSITORY, Charrnn

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SECTION = README.split("### Taking a model elsewhere\n")[1].split("\n### ")[0]
PROGRAMS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


def program(word: str) -> str:
    """The one program that has a word in it."""
    (found,) = (str(text) for text in PROGRAMS if word in text)
    return found


@pytest.fixture
def exported(charrnn: Charrnn) -> None:
    """The checkpoint that ships, where the section has it, and what its commands make of it."""
    for name in ("safetensors", "onnx"):
        pytest.importorskip(name)
    Path("checkpoints").mkdir()
    shutil.copy(paths.PRETRAINED, "checkpoints")
    (shell,) = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    commands = [shlex.split(line, comments=True) for line in shell.splitlines()]
    assert [command[0] for command in commands] == ["pip", "charrnn", "charrnn", "charrnn"]
    for command in commands[1:]:
        assert charrnn(*command[1:]).code == 0


def greedy(charrnn: Charrnn) -> str:
    seed = ("--seed", "The light", "-n", "40", "--temperature", "0")
    return charrnn("sample", "checkpoints/pretrained.npz", "-q", *seed).out.decode() + "\n"


@pytest.mark.usefixtures("exported")
def test_the_programs_for_onnx_and_for_no_library_write_what_the_sampler_does(
    charrnn: Charrnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    class InferenceSession(ReferenceEvaluator):  # type: ignore[misc]
        """What the program uses of onnxruntime, computed by the standard's reference."""

        def get_inputs(self) -> list[Any]:
            inputs = onnx.load("model.onnx").graph.input
            shapes = [[d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim] for value in inputs]
            return [types.SimpleNamespace(name=v.name, shape=s) for v, s in zip(inputs, shapes, strict=True)]

        def get_modelmeta(self) -> Any:
            props = {prop.key: prop.value for prop in onnx.load("model.onnx").metadata_props}
            return types.SimpleNamespace(custom_metadata_map=props)

    stand_in = types.SimpleNamespace(InferenceSession=InferenceSession)
    monkeypatch.setitem(sys.modules, "onnxruntime", stand_in)
    wanted = greedy(charrnn)
    for word in ("onnxruntime", "import json"):
        with redirect_stdout(io.StringIO()) as out:
            exec(program(word), {})  # noqa: S102 - it is what the reader is told to run
        assert out.getvalue() == wanted, word


@pytest.mark.usefixtures("exported")
def test_the_programs_for_pytorch_load_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    for name, value in {
        "load": checkpoint.load,
        "save": checkpoint.save,
        "to_torch": pytorch.to_torch,
        "from_torch": pytorch.from_torch,
    }.items():
        monkeypatch.setattr(package, name, value, raising=False)
    exec(program("to_torch"), {})  # noqa: S102
    assert (checkpoint.load("back.npz").params.vector == checkpoint.load(paths.PRETRAINED).params.vector).all()
    namespace: dict[str, Any] = {}
    exec(program("load_file"), namespace)  # noqa: S102
    assert namespace["vocabulary"] == checkpoint.load(paths.PRETRAINED).vocabulary.characters


def test_every_flag_of_ours_in_the_table_of_other_tools_is_there() -> None:
    rows = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("| ")]
    assert len(rows) > 30
    known = {"-", "-n", *spellings("train"), *spellings("sample")}
    for *_, ours in rows[1:]:
        flags = re.findall(r"(?<!\w)--?[a-z][a-z-]*", ours)
        assert set(flags) <= known, ours
        assert flags or "none: " in ours or "`TEXT`" in ours or "`charrnn " in ours or "`CHECKPOINT`" in ours
