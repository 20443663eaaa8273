"""What a person or a program reads of a score: figures in both units, exact lines, and harmless quotes."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from charrnn import checkpoint
from charrnn.paths import PRETRAINED
from charrnn.report import tables
from charrnn.scoring.reading import ScoredLine
from charrnn.scoring.yardsticks import Comparison, Figure
from charrnn.text.passage import Passage
from tests.conftest import TEXT

COMPARED = Comparison(1234, 2, Figure("the model", math.log(4)), (Figure("gzip", math.log(8)), Figure("u", 1e4)))
PASSAGE = Passage(np.array([0, 1, 3, 2], dtype=np.uint8), "ab\n\x1b", 2, ())
MODEL = checkpoint.load(PRETRAINED)


def test_the_table_has_the_model_first_and_both_units() -> None:
    assert tables.scores_table(COMPARED) == (
        "on 1,234 characters  nats/char  bits/char  perplexity\n"
        "the model                1.386      2.000        4.00\n"
        "gzip                     2.079      3.000        8.00\n"
        "u                    10000.000  14426.950         inf\n"
    )


def test_a_narrow_terminal_gets_the_table_without_the_perplexity() -> None:
    whole = tables.scores_table(COMPARED).splitlines()
    assert tables.scores_table(COMPARED, len(whole[0])).splitlines() == whole
    narrow = tables.scores_table(COMPARED, 50).splitlines()
    assert narrow[0] == "on 1,234 characters  nats/char  bits/char"
    assert all(line.startswith(cut) for line, cut in zip(whole, narrow, strict=True))


def test_a_note_below_the_table_is_cut_between_words() -> None:
    note = tables.describe_unseen(PASSAGE)
    assert tables.scores_table(COMPARED, None, note) == f"{tables.scores_table(COMPARED)}{note}\n"
    below = tables.scores_table(COMPARED, 50, note).removeprefix(tables.scores_table(COMPARED, 50))
    assert max(map(len, below.splitlines())) <= 50
    assert " ".join(below.splitlines()) == note


def test_the_units_agree_in_json() -> None:
    values = json.loads(tables.scores_as_json(COMPARED, MODEL, PASSAGE, Path("run.npz")))
    for figures in (values, *values["yardsticks"][:1]):
        assert figures["bits_per_char"] == pytest.approx(figures["nats_per_char"] / math.log(2), rel=1e-12)
        assert figures["perplexity"] == pytest.approx(2 ** figures["bits_per_char"], rel=1e-12)
    assert values["yardsticks"][1]["perplexity"] is None
    assert [values[name] for name in ("checkpoint", "characters", "unseen")] == ["run.npz", 1234, 2]
    assert values["unseen_characters"] == "\n\x1b"


def test_the_text_that_the_model_learned_is_told_from_others() -> None:
    assert tables.describe_sameness(MODEL, PASSAGE) == []
    learned = replace(PASSAGE, sha256=MODEL.corpus.sha256)
    assert tables.describe_sameness(MODEL, learned)[0].startswith("this is the text that the model learned")
    values = [json.loads(tables.scores_as_json(COMPARED, MODEL, text, Path("run.npz"))) for text in (PASSAGE, learned)]
    assert [of["is_training_text"] for of in values] == [False, True]


def test_unseen_characters_are_named_in_a_safe_form_and_their_price_told() -> None:
    assert tables.describe_unseen(PASSAGE) == (
        "unseen in training: 2 of the characters, '\\n' (U+000A), '\\x1b' (U+001B); "
        "each costs 20.087 bits, a guess among all of Unicode, and is not read"
    )
    assert tables.describe_unseen(replace(PASSAGE, ids=PASSAGE.ids[:2])) == ""


def test_a_line_is_exact_and_ends_one_line_feed_later() -> None:
    line = ScoredLine(7, PASSAGE, math.log(4))
    assert tables.line_row(line) == "2.000\t7\tab\x1b\n"
    assert tables.line_row(replace(line, passage=replace(PASSAGE, ids=PASSAGE.ids[:2]))) == "2.000\t7\tab\n"
    assert tables.line_json(line).count("\n") == 1
    values = json.loads(tables.line_json(line))
    assert values == {
        "line": 7,
        "text": "ab\x1b",
        "characters": 4,
        "unseen": 2,
        "nats_per_char": math.log(4),
        "bits_per_char": 2.0,
    }


def test_a_sample_s_report_counts_what_stands_in_the_training_text(trained: Path) -> None:
    model = checkpoint.load(trained)

    def report(text: str) -> str:
        return tables.describe_copying(model, model.vocabulary.encode(text).tolist())

    assert report(TEXT[3:13]) == 'copied: at most 10 characters in a row, " lamp went"; 0.0% of its 8-grams are new'
    assert report("dthenthdt" + TEXT[3:13]).endswith(
        '10 characters in a row, " lamp went"; 75.0% of its 8-grams are new'
    )
    assert report("a\nt") == 'copied: at most 2 characters in a row, "\\nt"; too short for 8-grams'
    assert report("") == 'copied: at most 0 characters in a row, ""; too short for 8-grams'
    long = report(TEXT[:120])
    assert '"the lamp went round, and the sea went round the lamp.\\na cle…"' in long
    assert "at most 120 characters" in long


def test_without_the_training_text_the_report_is_the_reason(trained: Path) -> None:
    model = checkpoint.load(trained)
    lost = replace(model, corpus=replace(model.corpus, sources=("gone\x1b.txt",)))
    reason = tables.describe_copying(lost, [1, 2, 3])
    assert reason.startswith(
        "no report on copying: the training text cannot be read again (there is no text 'gone\\x1b"
    )
    assert "\n" not in reason
