"""A checkpoint comes back as it was saved, is readable without this package, and never contradicts itself."""

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from charrnn import checkpoint
from charrnn.archive import read_arrays, write_arrays
from charrnn.checkpoint import Checkpoint, Fallback, Progress, Resume
from charrnn.config import TrainConfig
from charrnn.errors import CharRNNError, CheckpointError
from charrnn.nn.model import CharRNN
from charrnn.optim import OPTIMIZERS
from charrnn.text.corpus import CorpusInfo
from charrnn.text.vocabulary import Vocabulary
from charrnn.training.events import StepReport
from charrnn.training.start import resume, train
from tests.conftest import TEXT, Charrnn
from tests.faults.amount import trials

Arrays = dict[str, NDArray[Any]]
VOCABULARY = Vocabulary("\n\x1b aé🙂")


def made(cell: str = "lstm", optimizer: str = "adam", dtype: str = "float32", embedding_size: int = 0) -> Checkpoint:
    """A checkpoint with a different number in every place."""
    rng = np.random.default_rng(0)
    model = CharRNN(len(VOCABULARY), cell, (4, 3), embedding_size)
    params = model.initialize(rng, dtype=dtype)
    memory = OPTIMIZERS[optimizer]().init(params)
    memory.updates = 5
    for values in memory.memories.values():
        values.vector[:] = rng.random(values.vector.size)
    state = tuple(
        type(layer)(*(rng.random(a.shape).astype(dtype) for a in layer)) for layer in model.zero_state(2, dtype)
    )
    return Checkpoint(
        model=model,
        params=params,
        vocabulary=VOCABULARY,
        corpus=CorpusInfo("lamp", ("lamp.txt", "-"), "utf-8", "ab" * 32, 1234),
        config=TrainConfig(cell=cell, optimizer=optimizer, dtype=dtype, hidden_sizes=(4, 3), average=0).to_json(),
        progress=Progress(7, 1, 20, 2.5, 0.75, ((5, 3.0), (7, 2.25))),
        resume=Resume(memory, state),
    )


def tampered(
    change_meta: Callable[[dict[str, Any]], object] = lambda _: None,
    change_arrays: Callable[[Arrays], object] = lambda _: None,
) -> Path:
    """A good archive whose contents are wrong."""
    path = Path("tampered.npz")
    checkpoint.save(path, made())
    edited(str(path), change_meta)
    arrays = read_arrays(path)
    change_arrays(arrays)
    write_arrays(path, arrays)
    return path


def edited(path: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the description in an existing checkpoint."""
    arrays = read_arrays(path)
    meta = json.loads(arrays["meta"].tobytes())
    change(meta)
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    write_arrays(path, arrays)


def refusal(path: Path) -> str:
    """The sentence with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert sentence.isprintable()
    return sentence


@pytest.mark.parametrize(
    ("cell", "optimizer", "dtype", "embedding_size"),
    [
        ("vanilla", "adagrad", "float32", 0),
        ("lstm", "adam", "float64", 2),
        ("gru", "rmsprop", "float32", 2),
        ("lstm", "sgd", "float64", 0),
    ],
)
def test_what_is_saved_is_loaded(cell: str, optimizer: str, dtype: str, embedding_size: int) -> None:
    saved = made(cell, optimizer, dtype, embedding_size)
    checkpoint.save("one.npz", saved)
    loaded = checkpoint.load("one.npz")
    assert (loaded.model, loaded.vocabulary, loaded.corpus) == (saved.model, saved.vocabulary, saved.corpus)
    assert (loaded.config, loaded.progress) == (saved.config, saved.progress)
    assert loaded.progress.best == (7, 2.25)
    assert loaded.params.vector.dtype == dtype
    checkpoint.save("two.npz", loaded)  # equal bytes: every array is equal too
    assert Path("two.npz").read_bytes() == Path("one.npz").read_bytes()


@pytest.mark.parametrize(("cell", "order"), [("vanilla", "ifgo"), ("lstm", "ifgo"), ("gru", "rzn")])
def test_the_gate_order_is_on_record(cell: str, order: str) -> None:
    checkpoint.save("one.npz", made(cell))
    assert json.loads(read_arrays("one.npz")["meta"].tobytes())["gate_order"] == order


def test_a_state_to_fall_back_to_is_loaded_as_it_was_saved() -> None:
    saved, earlier = made(), made()
    assert saved.resume
    assert earlier.resume
    earlier.params.vector[:] += 1
    earlier.resume.optimizer_state.updates = 3
    saved = replace(saved, progress=replace(saved.progress, rollbacks=3))
    assert saved.resume
    progress = replace(earlier.progress, step=5, history=earlier.progress.history[:1], rollbacks=2)
    fallback = Fallback(earlier.params, progress, earlier.resume)
    checkpoint.save("one.npz", replace(saved, resume=replace(saved.resume, fallback=fallback)))
    loaded = checkpoint.load("one.npz")
    assert loaded.resume
    assert loaded.resume.fallback
    assert loaded.resume.fallback.progress == fallback.progress
    assert loaded.resume.fallback.resume.optimizer_state.updates == 3
    assert loaded.resume.fallback.params.vector.tobytes() == earlier.params.vector.tobytes()
    checkpoint.save("two.npz", loaded)
    assert Path("two.npz").read_bytes() == Path("one.npz").read_bytes()
    whole = read_arrays("one.npz")
    for name in whole:
        if name.startswith("fallback/"):
            write_arrays("less.npz", {other: array for other, array in whole.items() if other != name})
            assert name.rsplit("/", 1)[1] in refusal(Path("less.npz"))
    write_arrays("more.npz", whole | {"fallback/bonus": whole["params/linear.b_y"]})
    assert "unknown member fallback/bonus" in refusal(Path("more.npz"))
    halves = {n: a.astype("<f8") if n.startswith("fallback/") else a for n, a in whole.items()}
    write_arrays("other.npz", halves)
    assert "another data type" in refusal(Path("other.npz"))
    meta = json.loads(whole["meta"].tobytes())
    meta["progress"]["rollbacks"] = progress.rollbacks - 1
    write_arrays("later.npz", whole | {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)})
    assert "later than the run's own" in refusal(Path("later.npz"))


def test_a_checkpoint_for_sampling_only_is_loaded_without_a_way_to_resume() -> None:
    checkpoint.save("best.npz", replace(made(), resume=None))
    assert checkpoint.load("best.npz").resume is None
    assert all(name == "meta" or name.startswith("params/") for name in read_arrays("best.npz"))


def test_a_summary_has_what_the_checkpoint_has_and_does_not_read_the_weights(trained: Path) -> None:
    whole, summary = checkpoint.load(trained), checkpoint.summarize(trained)
    assert (summary.model, summary.corpus, summary.progress) == (whole.model, whole.corpus, whole.progress)
    arrays = read_arrays(trained)
    write_arrays("torn.npz", {"params/cells.0.W_xh": arrays["params/cells.0.W_xh"][:-1], "meta": arrays["meta"]})
    assert checkpoint.summarize("torn.npz") == summary
    write_arrays("other.npz", {"weights": arrays["params/cells.0.W_xh"]})
    with pytest.raises(CheckpointError, match="is not a charrnn checkpoint"):
        checkpoint.summarize("other.npz")


def test_numpy_and_json_alone_can_read_it() -> None:
    saved = made()
    checkpoint.save("lamp.npz", saved)
    with np.load("lamp.npz", allow_pickle=False) as file:
        meta = json.loads(file["meta"].tobytes())
        assert file["params/cells.1.W_hh"].tobytes() == saved.params["cells.1.W_hh"].tobytes()
        assert {"optimizer/mean/linear.b_y", "optimizer/mean_square/cells.0.b_h", "state/1/c"} <= set(file.files)
    assert meta["vocabulary"] == VOCABULARY.characters
    assert (meta["format"], meta["gate_order"], meta["progress"]["step"]) == (checkpoint.FORMAT, "ifgo", 7)
    assert meta["corpus"]["sha256"] == "ab" * 32


def test_saving_makes_the_folder_it_needs() -> None:
    checkpoint.save("a/b/lamp.npz", made())
    assert checkpoint.load("a/b/lamp.npz").progress.step == 7


def test_a_place_that_cannot_be_written_is_one_error() -> None:
    Path("file").write_text("")
    with pytest.raises(CheckpointError, match="file"):
        checkpoint.save("file/lamp.npz", made())


DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]

# What is wrong -> how to make it so, and words of the sentence.
WRONG_META: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "newer format": (lambda meta: meta.update(format=9), r"newer charrnn \(format 9, this one reads up to 1\)"),
    "no format": (lambda meta: meta.pop("format"), "format"),
    "a format below the first": (lambda meta: meta.update(format=0), "meta has the format 0"),
    "hidden size unlike the arrays": (
        lambda m: m["model"].update(hidden_sizes=[5, 3]),
        r"cells.0.* \(6, 16\).* \(6, 20\)",
    ),
    "layer more than the arrays": (lambda m: m["model"].update(hidden_sizes=[4, 3, 3]), "cells.2.W_xh is missing"),
    "layer fewer than the arrays": (lambda m: m["model"].update(hidden_sizes=[4]), "linear.W_hy has shape"),
    "no layer": (lambda m: m["model"].update(hidden_sizes=[]), "description"),
    "huge hidden size": (lambda m: m["model"].update(hidden_sizes=[10**400, 3]), "count above"),
    "layer that no machine holds": (lambda m: m["model"].update(hidden_sizes=[1 << 40, 3]), "description"),
    "large hidden size": (lambda m: m["model"].update(hidden_sizes=[1 << 30, 3]), "shape"),
    "negative hidden size": (lambda m: m["model"].update(hidden_sizes=[-4, 3]), "negative"),
    "true as hidden size": (
        lambda m: m["model"].update(hidden_sizes=[True, 3]),
        "a yes or no where a whole number belongs",
    ),
    "embedding that is not there": (lambda m: m["model"].update(embedding_size=2), "embedding.W_e is missing"),
    "another cell": (lambda m: m["model"].update(cell="vanilla"), "shape"),
    "unknown cell": (lambda m: m["model"].update(cell="lstn"), "description"),
    "a cell of other gates": (lambda m: m["model"].update(cell="gru"), "shape"),
    "unknown field of the model": (lambda m: m["model"].update(bias=True), "bias"),
    "another gate order": (lambda m: m.update(gate_order="iofg"), "gate order"),
    "another data type": (lambda m: m["config"].update(dtype="float64"), "data type"),
    "unknown optimizer": (lambda m: m["config"].update(optimizer="lion"), "lion"),
    "another optimizer": (lambda m: m["config"].update(optimizer="adagrad"), "sum_squares"),
    "shorter vocabulary": (lambda m: m.update(vocabulary="\n aé🙂"), "6 characters, the vocabulary 5"),
    "repeated character": (lambda m: m.update(vocabulary="\n\n aé🙂"), "distinct"),
    "half a character": (lambda m: m.update(vocabulary="\n aé\ud800🙂"), "half a character"),
    "vocabulary that is a list": (lambda m: m.update(vocabulary=["a"]), "a list where a text belongs"),
    "negative step": (lambda m: m["progress"].update(step=-1), "negative"),
    "step with a point": (lambda m: m["progress"].update(step=1.5), "a fraction where a whole number belongs"),
    "loss that is a text": (lambda m: m["progress"].update(smoothed_loss="low"), "a text where a fraction belongs"),
    "history of the wrong kind": (lambda m: m["progress"].update(history=[1]), "damaged"),
    "negative updates": (lambda m: m.update(optimizer_updates=-1), "negative"),
    "nested deeply": (lambda m: m.update(corpus=DEEP), "damaged"),
    "null": (lambda m: m.update(model=None), "damaged"),
    "separator of unknown characters": (lambda m: m["config"].update(separator="#"), "separator has characters"),
    "separator without items": (lambda m: m["config"].update(separator=" "), "separator without items"),
}


@pytest.mark.parametrize("wrong", WRONG_META)
def test_a_description_that_contradicts_the_arrays_is_refused(wrong: str) -> None:
    change, words = WRONG_META[wrong]
    sentence = refusal(tampered(change_meta=change))
    assert re.search(words, sentence), sentence


WRONG_ARRAYS: dict[str, tuple[Callable[[Arrays], object], str]] = {
    "no meta": (lambda a: a.pop("meta"), "it has no meta member"),
    "missing weights": (lambda a: a.pop("params/linear.W_hy"), "params/linear.W_hy is missing"),
    "missing memory": (lambda a: a.pop("optimizer/mean/linear.b_y"), "optimizer/mean/linear.b_y is missing"),
    "missing state": (lambda a: a.pop("state/1/c"), "state/1/c"),
    "extra member": (lambda a: a.update(bonus=np.zeros(2, np.float32)), "unknown member bonus"),
    "negative sum of squares": (
        lambda a: a["optimizer/mean_square/linear.b_y"].__setitem__(0, -1e-9),
        "mean_square has a negative sum",
    ),
    "weights of another type": (lambda a: a.update({"params/linear.b_y": np.zeros(6)}), "one type"),
    "memory of another type": (
        lambda a: a.update({k: v.astype(float) for k, v in a.items() if k.startswith("optimizer/mean/")}),
        "differ in data type",
    ),
    "whole numbers as weights": (
        lambda a: a.update({k: v.astype(np.int64) for k, v in a.items() if k.startswith("params/")}),
        "floating-point",
    ),
    "state of another width": (lambda a: a.update({"state/1/h": np.zeros((2, 4), np.float32)}), "state/1 does not fit"),
    "states of unequal batches": (lambda a: a.update({"state/1/h": np.zeros((3, 3), np.float32)}), "state/1"),
}


@pytest.mark.parametrize("wrong", WRONG_ARRAYS)
def test_arrays_that_contradict_the_description_are_refused(wrong: str) -> None:
    change, words = WRONG_ARRAYS[wrong]
    assert words in refusal(tampered(change_arrays=change))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"step": 7', b'"step": NaN', "NaN in meta"),
        (b'"step": 7', b'"step": 7, "step": 8', "stands twice"),
        (b'"step": 7', b'"step": ' + b"9" * 5000, "damaged"),
        (b'"smoothed_loss": 2.5', b'"smoothed_loss": 1e999', "not finite"),
        (b'"step": 7', b'"step": ' + b"[" * 100_000, "damaged"),
        (b'"step": 7', b"", "damaged"),
        (b"lamp", b"\xff\xfe", "damaged"),
    ],
)
def test_json_that_is_no_honest_json_is_refused(old: bytes, new: bytes, words: str) -> None:
    def change(arrays: Arrays) -> None:
        text = arrays["meta"].tobytes()
        assert old in text
        arrays["meta"] = np.frombuffer(text.replace(old, new, 1), np.uint8)

    assert words in refusal(tampered(change_arrays=change))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where each value of a JSON text stands, the containers included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in leaves(item, (*path, key)))]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, 10**30, -(10**400), 0, 1, 1 << 53, 1 << 62, 1e308, 1e-320]),
    st.floats(),
    st.sampled_from(["x" * 100_000, "\x1b[31m", "\0", "\ud800", "float16"]),
    st.text(max_size=4),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@settings(max_examples=trials(60, 10_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_description_says_only_our_own_errors_are_raised(data: st.DataObject, trained: Path) -> None:
    path = Path("mutant.npz")
    arrays = read_arrays(trained)
    meta = json.loads(arrays["meta"].tobytes())
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from(leaves(meta)[1:]))
        place = meta
        for key in way:
            place = place[key] if isinstance(place, dict | list) else {}
        if isinstance(place, dict) or (isinstance(place, list) and last < len(place)):
            place[last] = data.draw(JUNK)
            if data.draw(st.integers(0, 9)) == 0:
                del place[last]
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    write_arrays(path, arrays)
    try:
        checkpoint.load(path)
    except CheckpointError as error:
        assert len(str(error)) < 1000  # noqa: PT017
        return
    try:
        for event in resume(path, steps=1 << 40).events(stop=lambda: True):
            assert len(str(event)) < 10_000
        checkpoint.load(path)
    except CharRNNError as error:
        assert len(str(error)) < 1000  # noqa: PT017


def put(meta: Any, way: tuple[Any, ...], value: Any) -> bytes:
    """The description with another value in one place, as bytes."""
    changed = place = json.loads(json.dumps(meta))
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    return json.dumps(changed).encode()


@pytest.mark.parametrize("value", [10**400, -1, "x" * 100_000], ids=["huge", "negative", "long"])
def test_with_any_value_in_any_place_a_training_in_memory_goes_on_or_says_why_not(value: Any) -> None:
    changes: dict[str, Any] = {"hidden_sizes": (8,), "seq_length": 10, "dropout": 0.0, "weight_drop": 0.0}
    run = train(TEXT, steps=2, schedule="constant", **changes)
    list(run)
    checkpoint.save("memory.npz", run.checkpoint())
    arrays = read_arrays("memory.npz")
    meta = json.loads(arrays["meta"].tobytes())
    went_on = 0
    for way in leaves(meta)[1:]:
        arrays["meta"] = np.frombuffer(put(meta, way, value), np.uint8)
        write_arrays("mutant.npz", arrays)
        try:
            resumed = resume(checkpoint.load("mutant.npz"), TEXT, steps=3)
            assert all(event.step == 3 for event in resumed if isinstance(event, StepReport)), way
        except CharRNNError as error:
            assert len(str(error)) < 1000, way  # noqa: PT017
        else:
            went_on += 1
    assert went_on < 40


@pytest.mark.parametrize("command", ["info", "sample", "score", "export", "train"])
def test_what_no_run_could_have_is_one_short_line_of_any_command(charrnn: Charrnn, trained: Path, command: str) -> None:
    given = (command, "--resume", "--checkpoint") if command == "train" else (command,)
    for way, value, words in (
        (("progress", "step"), 10**400, "meta has a count above"),
        (("config", "dtype"), "float16", "dtype must be one of float32, float64, not 'float16'"),
    ):
        arrays = read_arrays(trained)
        if value == "float16":
            arrays = {name: a.astype("<f2") if a.dtype.kind == "f" else a for name, a in arrays.items()}
        meta = json.loads(arrays["meta"].tobytes())
        arrays["meta"] = np.frombuffer(put(meta, way, value), np.uint8)
        write_arrays("mutant.npz", arrays)
        outcome = charrnn(*given, "mutant.npz")
        assert (outcome.code, outcome.out, len(outcome.error_lines)) == (1, b"", 1)
        assert words in outcome.err
        assert len(outcome.err) < 1000


def test_a_text_of_any_length_and_name_is_told_of_in_few_words(charrnn: Charrnn, trained: Path) -> None:
    for characters in (0, 1, 1 << 53):
        shutil.copy(trained, "odd.npz")
        edited("odd.npz", lambda meta: meta["corpus"].update(characters=characters))  # noqa: B023
        outcome = charrnn("info", "odd.npz")
        assert (outcome.code, outcome.err) == (0, "")
    meta = json.loads(read_arrays(trained)["meta"].tobytes())
    for way in (("corpus", "name"), ("corpus", "sources", 0), ("corpus", "encoding"), ("machine", "NumPy")):
        arrays = read_arrays(trained) | {"meta": np.frombuffer(put(meta, way, "x" * 100_000), np.uint8)}
        write_arrays("long.npz", arrays)
        assert len(charrnn("sample", "long.npz", "-n", "3").err) < 3000
        assert len(charrnn("train", "--resume", "--checkpoint", "long.npz", "--steps", "61").err) < 3000


WRONG_VALUES: dict[str, Callable[[Checkpoint], Checkpoint]] = {
    "number of 1,001 digits": lambda good: replace(good, config={**good.config, "rng_seed": 10**1001}),
    "step that no run could have": lambda good: replace(good, progress=replace(good.progress, step=10**400)),
    "negative step": lambda good: replace(good, progress=replace(good.progress, step=-1)),
    "loss that is not finite": lambda good: replace(good, progress=replace(good.progress, smoothed_loss=math.nan)),
    "number of NumPy's": lambda good: replace(good, progress=replace(good.progress, epoch=np.int64(1))),  # type: ignore[arg-type]
    "field of no run": lambda good: replace(good, config={**good.config, "colour": 1}),
    "evaluation of a later step": lambda good: replace(good, progress=replace(good.progress, history=((9, 1.0),))),
    "vocabulary of another size": lambda good: replace(good, vocabulary=Vocabulary("ab")),
}


@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_what_could_not_be_loaded_again_is_not_saved(wrong: str) -> None:
    checkpoint.save("lamp.npz", made())
    before = Path("lamp.npz").read_bytes()
    with pytest.raises(CheckpointError, match="cannot save"):
        checkpoint.save("lamp.npz", WRONG_VALUES[wrong](made()))
    assert Path("lamp.npz").read_bytes() == before
    assert [path.name for path in Path().iterdir()] == ["lamp.npz"]
