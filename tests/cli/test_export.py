"""`charrnn export` writes a model in the form that its suffix names, whole or not at all, and says how to use it."""

import errno
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from charrnn.checkpoint import load
from charrnn.exchange.json import from_json
from charrnn.exchange.pytorch import from_safetensors
from tests.conftest import Charrnn, bytes_in
from tests.exchange.conftest import assert_equal_models
from tests.faults.disk import watch

NEEDED = {".json": "json", ".safetensors": "safetensors", ".onnx": "onnx"}


@pytest.mark.parametrize(
    ("suffix", "use"),
    [
        (".safetensors", "tensors with PyTorch's names; the metadata has the vocabulary"),
        (".onnx", "a graph from ids and state to log_probs and final_state"),
        (".json", "params has the arrays as lists"),
    ],
)
def test_each_form_says_what_it_wrote_and_replaces_an_older_file(
    charrnn: Charrnn, trained: Path, suffix: str, use: str
) -> None:
    pytest.importorskip(NEEDED[suffix])
    path = Path(f"model{suffix}")
    path.write_bytes(b"old")
    outcome = charrnn("export", str(trained), "-o", str(path))
    assert (outcome.code, outcome.out) == (0, b"")
    model, wrote = outcome.error_lines
    assert model.startswith(f"{trained}: gru 16, trained on lamp for 60 steps")
    assert wrote == f"wrote {path} ({path.stat().st_size / 1e6:,.1f} MB): {use}"
    assert list(bytes_in(Path())) == [path.name]
    assert path.stat().st_size > 3


def test_what_is_read_back_is_the_model_under_the_checkpoints_name(charrnn: Charrnn, trained: Path) -> None:
    pytest.importorskip("safetensors")
    assert charrnn("export", str(trained), "-q", "-o", "model.json").err == ""
    assert charrnn("export", str(trained), "-q", "-o", "model.safetensors").err == ""
    for back in (from_json("model.json"), from_safetensors("model.safetensors")):
        assert_equal_models(back, load(trained))
        assert back.corpus.name == trained.stem


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        (".safetensors", "a .safetensors needs safetensors: `pip install safetensors`"),
        (".onnx", "an .onnx needs onnx: `pip install onnx`"),
    ],
)
def test_without_its_package_a_form_is_one_sentence_that_says_what_to_install(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, words: str
) -> None:
    for name in ("safetensors", "safetensors.numpy", "onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    outcome = charrnn("export", str(trained), "-q", "-o", f"model{suffix}")
    assert (outcome.code, outcome.out, outcome.err) == (2, b"", f"charrnn: {words}\n")
    assert not list(Path().iterdir())
    assert charrnn("export", str(trained), "-q", "-o", "model.json").code == 0
    assert json.loads(Path("model.json").read_text())["cell"] == "gru"


@pytest.mark.parametrize("suffix", [".html", *NEEDED])
def test_a_full_disk_is_one_sentence_and_leaves_the_older_file(
    charrnn: Charrnn, trained: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    if suffix in NEEDED:
        pytest.importorskip(NEEDED[suffix])
    path = Path(f"model{suffix}")
    path.write_bytes(b"old")

    def full(name: str, _arguments: tuple[Any, ...]) -> None:
        if name == "write":
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        watch(disk, full)
        disk.setattr(io, "BufferedRandom", io.BufferedWriter)  # what is opened here is only written
        outcome = charrnn("export", str(trained), "-q", "-o", str(path))
    assert (outcome.code, outcome.out) == (1, b"")
    assert outcome.err == f"charrnn: cannot write {path}: No space left on device; make room or choose another place\n"
    assert bytes_in(Path()) == {path.name: b"old"}
