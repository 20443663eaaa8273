"""F12: whatever the text, it is learned, saved, loaded and sampled, or refused in one line."""

import os
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn import checkpoint
from charrnn.errors import CharRNNError, InputError
from charrnn.sampling.sampler import sample
from charrnn.text.corpus import read_corpus
from charrnn.training.data import Reading
from charrnn.training.start import train
from tests.faults import hostile
from tests.faults.amount import trials
from tests.faults.conftest import Tried

STEPS = 4


@pytest.fixture(autouse=True)
def disk_that_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


LITTLE: dict[str, Any] = {
    "hidden_sizes": (5,),
    "batch_size": 2,
    "seq_length": 6,
    "steps": STEPS,
    "warmup_steps": 0,
    "eval_every": 2,
    "sample_every": 2,
    "sample_length": 20,
}


def learn(path: Path, encoding: str = "utf-8") -> None:
    """Train, save, load and sample; every law that holds for any text is asserted on the way."""
    run = train(
        [str(path)],
        checkpoint=path.with_suffix(".npz"),
        reading=Reading(encoding=encoding),
        overwrite=True,
        **LITTLE,
    )
    for _ in run.events():
        pass
    loaded = checkpoint.load(path.with_suffix(".npz"))
    assert loaded.progress.step == STEPS
    corpus = read_corpus([str(path)], encoding=encoding, vocabulary=loaded.vocabulary)
    text = loaded.vocabulary.decode(corpus.ids)
    wanted = path.read_bytes().decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    assert text == wanted
    assert loaded.vocabulary.decode(loaded.vocabulary.encode(text)) == text
    ids = list(
        islice(sample(loaded.model, loaded.params, corpus.ids[:3].astype(np.intp), np.random.default_rng(1)), 30)
    )
    assert set(loaded.vocabulary.decode(ids)) <= set(text)


@pytest.mark.parametrize(
    ("data", "encoding"), [row[1:] for row in hostile.readable()], ids=[row[0] for row in hostile.readable()]
)
def test_an_odd_text_is_learned_saved_loaded_and_sampled(data: bytes, encoding: str, tried: Tried) -> None:
    Path("odd.txt").write_bytes(data)
    learn(Path("odd.txt"), encoding)
    tried("F12", odd_texts=1)


@pytest.mark.parametrize("data", [row[1] for row in hostile.refused()], ids=[row[0] for row in hostile.refused()])
def test_what_is_no_text_is_refused_in_one_line(data: bytes, tried: Tried) -> None:
    Path("odd.txt").write_bytes(data)
    with pytest.raises(InputError) as caught:
        learn(Path("odd.txt"))
    assert str(caught.value).isprintable()
    assert "odd.txt" in str(caught.value)
    left = {path.name for path in Path().iterdir()} - {".odd.npz.charrnn.lock"}  # held for as long as the error is
    assert left == {"odd.txt"}
    tried("F12", refused_texts=1)


# From all of Unicode, and often from its corners.
CORNERS = st.characters(categories=("Cc", "Cf", "Zl", "Zp", "Mn", "Co", "Cn"))
ANYTHING = st.lists(st.one_of(CORNERS, st.characters(codec="utf-8"), st.sampled_from("ab \n\r\t")), max_size=40)


@settings(max_examples=trials(25, 2000), deadline=None, suppress_health_check=list(HealthCheck))
@given(ANYTHING.map("".join))
def test_any_text_at_all_is_learned_or_refused(tried: Tried, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "any.txt")
        path.write_bytes(text.encode())
        try:
            learn(path)
        except InputError:
            left = text.removeprefix("\ufeff").replace("\r\n", "\n")
            assert len(left) < 2
    tried("F12", drawn_texts=1)


@settings(max_examples=trials(60, 2000), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=30), st.sampled_from(["utf-8", "utf-16", "utf-32", "latin-1", "cp1252", "utf-7", "gb18030"]))
def test_any_bytes_in_any_encoding_are_read_as_python_reads_them_or_refused(data: bytes, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "any.txt")
        path.write_bytes(data)
        try:
            corpus = read_corpus([str(path)], encoding=encoding)
        except CharRNNError:
            return
        wanted = data.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        assert corpus.vocabulary.decode(corpus.ids) == wanted
