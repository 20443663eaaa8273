"""Rare characters become one symbol, which is learned, said aloud, and never written."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from charrnn import checkpoint
from charrnn.text.corpus import Numbering, read_corpus
from charrnn.text.items import clean_items
from charrnn.text.vocabulary import UNKNOWN, code_points, from_code_points
from tests.conftest import TINY, Charrnn

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\r\ufeff")


@given(st.text(st.sampled_from("aabbccdeé甲🪲\ufffd\n"), min_size=2), st.integers(1, 8))
def test_the_most_frequent_stay_and_the_rest_is_one_symbol(text: str, most: int) -> None:
    numbering = Numbering(is_counting=True)
    for start in range(0, len(text), 5):
        numbering.append(code_points(text[start : start + 5]))
    gone, places = numbering.cap(most)
    numbering.renumber()
    counts = Counter(text.replace(UNKNOWN, ""))
    kept = sorted(counts, key=lambda c: (-counts[c], c))[:most]
    rare = set(counts) - set(kept)
    assert (gone, places) == (len(rare), sum(counts[c] for c in rare))
    wanted = "".join(UNKNOWN if c in rare else c for c in text)
    assert from_code_points(code_points(numbering.characters)[numbering.ids]) == wanted
    assert numbering.characters == "".join(sorted(set(wanted)))


def test_the_ids_take_as_few_bytes_as_what_is_kept_needs() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300))) + "一丁" * 300
    Path("t.txt").write_text(text)
    assert read_corpus(["t.txt"]).ids.dtype == np.uint16
    corpus = read_corpus(["t.txt"], max_vocab=2)
    assert corpus.ids.dtype == np.uint8
    assert corpus.vocabulary.characters == "一丁\ufffd"
    assert corpus.notes == ("298 rare characters, 298 of the text's 900 (33.11%), became one unknown symbol, U+FFFD",)


@given(
    st.text(st.sampled_from("aabbccdeé甲🪲\n"), min_size=2), st.sets(st.sampled_from("adeé甲\nz")), st.integers(0, 5)
)
def test_what_is_to_stay_stays_however_rare_it_is(text: str, keep: set[str], more: int) -> None:
    most = len(keep) + more or 1
    Path("t.txt").write_text(text, newline="")
    assume(len(cleaned := clean_items(text, "".join(keep))) > 1)
    corpus = read_corpus(["t.txt"], max_vocab=most, separator="".join(keep))
    counts = Counter(cleaned)
    kept = sorted({*counts, *keep}, key=lambda c: (c not in keep, -counts[c], c))[:most]
    assert set(corpus.vocabulary.characters) - {UNKNOWN} == set(kept)


@pytest.mark.parametrize(
    ("options", "separator"),
    [(("--separator", "|"), "|"), (("--separator", "<end>"), "<end>"), (("--by-line",), "\n")],
)
def test_a_rare_separator_is_not_capped(charrnn: Charrnn, options: tuple[str, ...], separator: str) -> None:
    Path("t.txt").write_text(separator.join(["abcf" * 30, "abcg" * 30, "abch" * 30, "abc" * 30]), newline="")
    run = ("--max-vocab", "6", *TINY, "--steps", "2", "--sample-every", "0", "--checkpoint", "run.npz")
    outcome = charrnn("train", "t.txt", *options, *run)
    assert outcome.code == 0, outcome.err
    known = checkpoint.load("run.npz").vocabulary.characters
    assert set(separator) <= set(known)
    assert len(known) == 7
    outcome = charrnn("train", "--resume", "--checkpoint", "run.npz", "--steps", "3")
    assert outcome.code == 0, outcome.err
    assert charrnn("sample", "run.npz", "--num", "2").code == 0


def test_a_separator_for_which_there_is_no_room_or_that_is_the_symbol_is_refused(charrnn: Charrnn) -> None:
    Path("t.txt").write_text("abc<end>abd\ufffdabe" * 9, newline="")
    outcome = charrnn("train", "t.txt", *TINY, "--separator", "<end>", "--max-vocab", "4")
    assert outcome.code == 2
    assert "--max-vocab 4 leaves no room for the 5 characters of --separator; give 5 or more" in outcome.err
    outcome = charrnn("train", "t.txt", *TINY, "--separator", UNKNOWN, "--max-vocab", "4")
    assert outcome.code == 2
    assert "--separator has U+FFFD, which --max-vocab makes of every rare character; give another" in outcome.err
    assert not Path("checkpoints").exists()


def test_a_text_that_has_the_symbol_itself_is_told_so() -> None:
    Path("t.txt").write_text("abab\ufffd")
    assert "the text has U+FFFD itself" in read_corpus(["t.txt"], max_vocab=9).notes[0]
    assert "the text has U+FFFD itself" in read_corpus(["t.txt"], max_vocab=1).notes[0]
    assert read_corpus(["t.txt"]).notes == ()


@pytest.fixture
def capped(charrnn: Charrnn) -> str:
    """A model that knows a, b, the space, the line feed, and nothing else."""
    Path("t.txt").write_text(("aab ab b" * 9 + "xyz\n") * 9, newline="")
    outcome = charrnn("train", "t.txt", *TINY, "--steps", "4", "--max-vocab", "4", "--checkpoint", "run.npz")
    assert "3 rare characters, 27 of the text's 684 (3.95%), became one unknown symbol, U+FFFD" in outcome.err
    assert checkpoint.load("run.npz").vocabulary.characters == "\n ab\ufffd"
    return "run.npz"


def test_the_symbol_is_never_written(charrnn: Charrnn, capped: str) -> None:
    model = checkpoint.load(capped)
    assert UNKNOWN in model.vocabulary.characters
    bias = np.zeros(len(model.vocabulary))
    bias[model.vocabulary.characters.index(UNKNOWN)] = 50  # the model wants nothing else
    model.params["linear.b_y"] = bias
    checkpoint.save("eager.npz", model)
    for options in ((), ("--num", "3"), ("--ban", "a"), ("--allow", "ab\ufffd")):
        out = charrnn("sample", "eager.npz", "-n", "200", *options).out.decode()
        assert len(out) >= 200
        assert UNKNOWN not in out


def test_a_text_to_score_is_read_with_the_symbol_and_the_output_says_so(charrnn: Charrnn, capped: str) -> None:
    Path("other.txt").write_text("ab qq\n")
    outcome = charrnn("score", capped, "other.txt", "-q")
    assert b"on 6 characters" in outcome.out
    assert b"rare: 2 of the characters, 'q' (U+0071); each is read" in outcome.out
    values = json.loads(charrnn("score", capped, "other.txt", "--json", "-q").out)
    assert (values["unseen"], values["read_as_unknown"]) == (0, 2)
    Path("same.txt").write_text("ab zz\n")  # z too is the symbol
    assert json.loads(charrnn("score", capped, "same.txt", "--json", "-q").out)["nats_per_char"] == pytest.approx(
        values["nats_per_char"], rel=1e-12
    )
    by_line = charrnn("score", capped, "other.txt", "--by-line", "-q").out.decode()
    assert by_line.endswith("\t1\tab qq\n")


def test_a_capped_run_goes_on_and_its_weights_begin_another(charrnn: Charrnn, capped: str) -> None:
    again = charrnn("train", "--resume", "--checkpoint", capped, "--steps", "6")
    assert (again.code, "done at step 6" in again.err) == (0, True)
    assert "--max-vocab 4" in charrnn("info", capped).out.decode()
    Path("new.txt").write_text("abc " * 200)
    outcome = charrnn("train", "new.txt", *TINY, "--steps", "2", "--init-from", capped, "--max-vocab", "2")
    assert outcome.code == 0, outcome.err
    assert "became one unknown symbol" in outcome.err
    other = charrnn("train", "new.txt", "--resume", "--checkpoint", capped, "--steps", "8", "--allow-new-text")
    assert other.code == 0, other.err
    assert "characters that the model does not know (1 distinct) are read as its unknown symbol, U+FFFD" in other.err
