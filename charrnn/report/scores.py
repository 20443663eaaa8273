"""Scores as tables and as JSON: a text's, its lines', and how much of a sample is copied."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.errors import TextError, counted
from charrnn.report.columns import wrap
from charrnn.report.terminal import visible
from charrnn.report.units import bits
from charrnn.scoring.copying import GRAM_LENGTH, find_copying
from charrnn.scoring.score import UNSEEN_NATS, ScoredLine
from charrnn.scoring.yardsticks import Comparison, Figure
from charrnn.text.corpus import text_identity
from charrnn.text.passage import Passage
from charrnn.text.vocabulary import list_characters
from charrnn.training.records import stamp
from charrnn.training.trained_on import training_part

_LONGEST_QUOTE = 60  # characters
_LINE_FEED = "\n"
_LOSSES = 2 * (2 + 9)  # columns of a loss in nats and in bits


def as_table(comparison: Comparison, width: int | None = None, note: str = "") -> str:
    """Write one line a method, the model first, then its yardsticks from the best down, and a note below.

    `width` is the terminal's, if it goes to one: where it is narrow, the perplexity is left out, and the note is cut
    between words.
    """
    figures = (comparison.model, *comparison.yardsticks)
    header = f"on {counted(comparison.characters, 'character')}"
    names = max(len(header), *(len(figure.name) for figure in figures))
    rows = [f"{header:<{names}}  nats/char  bits/char  perplexity"]
    for figure in figures:
        losses = f"{figure.nats:>9.3f}  {bits(figure.nats):>9.3f}"
        rows.append(f"{figure.name:<{names}}  {losses}  {_perplexity(figure.nats):>10,.2f}")
    if width and len(rows[0]) > width:
        rows = [row[: names + _LOSSES] for row in rows]
    below = wrap(note, width) if width else [note]
    return "".join(f"{row}\n" for row in (*rows, *(below if note else ())))


def describe_unseen(passage: Passage) -> str:
    """Say which characters the model never saw, if there are any, and what each costs; one sentence."""
    if passage.num_unknown:
        return (
            f"rare: {passage.num_unknown:,} of the characters, {list_characters(passage.unseen)}; each is read, and "
            "costs what it costs to expect some rare character, its unknown symbol, and not which"
        )
    if not passage.num_unseen:
        return ""
    return (
        f"unseen in training: {passage.num_unseen:,} of the characters, {list_characters(passage.unseen)}; "
        f"each costs {bits(UNSEEN_NATS):.3f} bits, a guess among all of Unicode, and is not read"
    )


def describe_sameness(trained: Checkpoint, passage: Passage) -> list[str]:
    """Say it, a line of its own, where a text is the very one that the model learned."""
    if not _is_learned(trained, passage):
        return []
    return ["this is the text that the model learned: that flatters it, and the n-grams and compressors still more"]


def as_json(comparison: Comparison, trained: Checkpoint, passage: Passage, path: Path) -> str:
    """Write one object: the model's figures, and a list of the yardsticks'."""
    values = {
        "checkpoint": str(path),
        "is_training_text": _is_learned(trained, passage),
        "unseen_characters": passage.unseen,
        **_values(comparison),
    }
    if passage.unknown is not None:
        values["read_as_unknown"] = passage.num_unknown
    return json.dumps(values) + "\n"


def as_event(comparison: Comparison, step: int) -> str:
    """Write the same of a run's held-out part, to come after the events of the run, which ended at a step."""
    return json.dumps(stamp("yardsticks", step) | _values(comparison)) + "\n"


def line_row(line: ScoredLine) -> str:
    """Write a line with its bits a character and its number, tabs between; the line itself is exact."""
    text = line.passage.text()
    return f"{bits(line.nats):.3f}\t{line.number}\t{text.removesuffix(_LINE_FEED)}\n"


def line_json(line: ScoredLine) -> str:
    """Write the same as one JSON object, a line feed after it and none in it."""
    values = {
        "line": line.number,
        "text": line.passage.text().removesuffix(_LINE_FEED),
        "characters": len(line.passage.ids),
        "unseen": line.passage.num_unseen,
        "nats_per_char": line.nats,
        "bits_per_char": bits(line.nats),
    }
    return json.dumps(values) + "\n"


def describe_copying(trained: Checkpoint, written: Sequence[int]) -> str:
    """Say how long a run of a sample (ids) stands in the training text, which, and how much of the sample is new."""
    try:
        training = training_part(trained)
    except TextError as error:
        return visible(f"no report on copying: {error}")
    sample = np.array(written, dtype=np.intp)
    copying = find_copying(sample, training)
    words = f"too short for {GRAM_LENGTH}-grams"
    if copying.novel_share is not None:
        words = f"{copying.novel_share:.1%} of its {GRAM_LENGTH}-grams are new"
    run = trained.vocabulary.decode(sample[copying.run_start :][: copying.run_length])
    quote = run if len(run) <= _LONGEST_QUOTE else f"{run[: _LONGEST_QUOTE - 1]}…"
    most = counted(copying.run_length, "character")
    return visible(f"copied: at most {most} in a row, {json.dumps(quote, ensure_ascii=False)}; {words}")


def _is_learned(trained: Checkpoint, passage: Passage) -> bool:
    sha256 = text_identity(passage.sha256, passage.file_ends, of_items=bool(trained.separator))
    return sha256 == trained.corpus.sha256


def _values(comparison: Comparison) -> dict[str, Any]:
    return {
        "characters": comparison.characters,
        "unseen": comparison.unseen,
        **_figures(comparison.model),
        "yardsticks": [{"name": figure.name, **_figures(figure)} for figure in comparison.yardsticks],
    }


def _figures(figure: Figure) -> dict[str, float | None]:
    perplexity = _perplexity(figure.nats)
    return {
        "nats_per_char": figure.nats,
        "bits_per_char": bits(figure.nats),
        "perplexity": perplexity if math.isfinite(perplexity) else None,  # JSON has no infinity
    }


def _perplexity(nats: float) -> float:
    """Among how many equal chances the next character would be as hard to guess."""
    return math.exp(nats) if nats < math.log(sys.float_info.max) else math.inf
