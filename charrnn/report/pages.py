"""Pages of one file: templates, styles, scripts and numbers joined, so that a browser needs nothing else.

Whatever comes from outside, such as a text or a file's name, enters a page in one of two ways: escaped for HTML, or as
JSON of plain ASCII in which ``<``, ``>`` and ``&`` are escaped too, so that no text can end a script or begin a tag.

What the cells look at, as a page: a text coloured by any cell's activation, by surprise, by how open a gate is.

Files that a person asked for, pages, pictures and models: written whole or not at all.
"""

import base64
import html
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.checkpoint import Checkpoint
from charrnn.errors import ConfigError, PageError, TextError, shown
from charrnn.probing import NEAR, ONE, OPEN, PROBES, Recording, correlations, record
from charrnn.report.terminal import bits, visible
from charrnn.scoring.reading import as_items, beginning
from charrnn.text.items import Items
from charrnn.text.passage import Passage, read_passage
from charrnn.text.sources import NOBODY, Watcher
from charrnn.training.data import divided

_TEMPLATES = Path(__file__).with_name("pages")
_FIELD = re.compile(r"\{\{(\w+)\}\}")


def fill(body: str, styles: Sequence[str], scripts: Sequence[str], **fields: str) -> str:
    """Return a page made of files in `pages`.

    Parameters
    ----------
    body, styles, scripts : names of those files
    fields : HTML for each ``{{place}}`` that they leave: at least ``title``, ``data`` (JSON) and ``blobs``
    """
    parts = {"style": "\n".join(map(_read, styles)), "script": "\n".join(map(_read, scripts)), **fields}
    # What is put in is never looked at again, and so never taken for a place.
    parts["body"] = _FIELD.sub(lambda field: parts[field[1]], _read(body))
    return _FIELD.sub(lambda field: parts[field[1]], _read("page.html"))


def escaped(text: str) -> str:
    """Return a text for HTML, its control and bidirectional characters made visible."""
    return html.escape(visible(text))


def harmless_json(values: Mapping[str, Any]) -> str:
    """Return JSON that may stand inside a script element."""
    plain = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def blob(name: str, array: NDArray[Any]) -> str:
    """Return an element that holds numbers: little-endian, in base64."""
    data = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return f'<script type="text/plain" id="{name}">{base64.b64encode(data.tobytes()).decode()}</script>'


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


MOST_CHARACTERS = 50_000
# Activations and gates in a page, a byte each: 50,000 characters of an LSTM of 512 cells.
_MOST_NUMBERS = MOST_CHARACTERS * 512 * 4
_GATE_NAMES = {
    "lstm": {"i": "input gate i", "f": "forget gate f", "o": "output gate o"},
    "gru": {"r": "reset gate r", "z": "update gate z"},
    "vanilla": {},
}
_ABOUT = {
    "inside quotes": "From an opening quotation mark to the closing one.",
    "position in line": "Growing from the beginning of a line to its end.",
    "after a capital": "The character just read is a capital.",
    "inside a word": "The character just read is a letter.",
    "near a newline": f"One of the next {NEAR} characters ends the line.",
}
_SHUT, _WIDE = OPEN // 10, OPEN - OPEN // 10  # below 0.1 and above 0.9, as in Karpathy, Johnson & Fei-Fei (2016)


def choose_passage(
    trained: Checkpoint, path: Path, names: Sequence[str], encoding: str, watcher: Watcher = NOBODY
) -> Passage:
    """Read the text to look at: what is named, or what was held out of the text that the model learned.

    What is held out is shown from a line's beginning; where nothing was, it is what the model trained on.
    `watcher` hears how far the model's own text is read.

    Raises
    ------
    TextError
        If none is named, and the model's own is not here any more; or as `read_passage` does.
    """
    vocabulary = trained.vocabulary
    if names:
        decoding = {**trained.corpus.decoding, "encoding": encoding, "errors": "strict"}
        passage = read_passage(names, vocabulary, **decoding)
        return as_items(passage, vocabulary.encode(trained.separator))
    try:
        division = divided(trained, watcher)
    except TextError as error:
        raise TextError(f"{error}: name one to look at, as in charrnn view {shown(str(path))} book.txt") from error
    part = division.held_out if len(division.held_out) else division.training
    starts = None
    if isinstance(part, Items):
        ids, starts = part.joined(), part.joined_starts()
    else:
        line_feeds = np.flatnonzero(part[:MOST_CHARACTERS][:-1] == vocabulary.characters.find("\n"))
        is_cut = part is division.held_out and line_feeds.size
        ids = part[line_feeds[0] + 1 :] if is_cut else part
    return Passage(ids, vocabulary.characters, len(vocabulary), (), item_starts=starts)


def shorten(passage: Passage, trained: Checkpoint, length: int) -> tuple[Passage, str]:
    """Keep as much of a text as was asked for and as a page can hold; say so where that is not all."""
    model = trained.model
    rows = sum(model.hidden_sizes) * (1 + len(_GATE_NAMES[model.cell]))
    most = max(1, min(length, MOST_CHARACTERS, _MOST_NUMBERS // rows))
    if len(passage.ids) <= most:
        return passage, ""
    note = f"shows the first {most:,} of {len(passage.ids):,} characters"
    if most < length:
        note += ", which is as much as a page holds"
    starts = passage.item_starts
    starts = None if starts is None else starts[starts < most]
    return replace(passage, ids=passage.ids[:most], item_starts=starts), note


def view_page(trained: Checkpoint, passage: Passage, name: str) -> str:
    """Read a text with a model and return the page that shows how.

    Raises
    ------
    TextError
        If the model knows none of its characters.
    DivergedError
        If the model's scores are not finite.
    """
    # a symbol for all rare characters stands for what the model never saw, too
    known = (passage.ids < passage.vocab_size) | (passage.unknown is not None)
    if not known.any():
        raise TextError("the model knows none of this text's characters: name another text, or train a model on it")
    text, ids = passage.text(), passage.known
    before, starts = beginning(trained.vocabulary, trained.separator), _starts(passage, known)
    recording = record(trained.model, trained.params, ids, before, starts)
    model, V = trained.model, passage.vocab_size
    activations = recording.activations
    data = {
        "text": text,
        "vocabulary": passage.characters[:V],
        "normalize": trained.usage.normalize,
        "unseen": np.flatnonzero(~known).tolist(),
        "layers": list(model.hidden_sizes),
        "means": _rounded(activations.mean(axis=1) / ONE),
        "deviations": _rounded(activations.std(axis=1, dtype=np.float32) / ONE),
        "probes": [
            {"name": name, "about": _ABOUT[name], "follows": _rounded(correlations(activations, probe(text)[known]))}
            for name, probe in PROBES.items()
        ],
        "gates": [
            {"letter": letter, "name": name, **_openness(recording.gates[letter])}
            for letter, name in _GATE_NAMES[model.cell].items()
        ],
    }
    return fill(
        "view.html",
        styles=("theme.css", "view.css"),
        scripts=(
            *("shared.js", "view_data.js", "view_text.js", "view_cells.js"),
            *("view_cursor.js", "view_search.js", "view.js"),
        ),
        title=escaped(f"What the cells of {name} look at"),
        about=escaped(f"{name}: {_describe(trained, recording)}"),
        data=harmless_json(data),
        blobs="\n".join(_blobs(recording)),
    )


def _starts(passage: Passage, known: NDArray[np.bool]) -> list[int]:
    """Return where the text, or each of its items, begins among the characters that the model knows."""
    if passage.item_starts is None:
        return [0]
    places = np.searchsorted(np.flatnonzero(known), passage.item_starts)
    starts: list[int] = np.union1d([0], places[places < np.count_nonzero(known)]).tolist()
    return starts


def _describe(trained: Checkpoint, recording: Recording) -> str:
    model, length = trained.model, len(recording.surprise)
    sizes = " + ".join(f"{size:,}" for size in model.hidden_sizes)
    kind = model.cell if model.cell == "vanilla" else model.cell.upper()
    return (
        f"{kind} of {sizes} cells, learned {trained.corpus.name} for {trained.progress.step:,} steps; "
        f"{bits(float(recording.surprise.mean(dtype=np.float64))):.3f} bits/char on these {length:,} characters"
    )


def _openness(gate: NDArray[np.uint8]) -> dict[str, list[float]]:
    """Say of each cell how open its gate was on average, and at what share of the text it was shut or wide open."""
    return {
        "mean": _rounded(gate.mean(axis=1) / OPEN),
        "shut": _rounded((gate <= _SHUT).mean(axis=1)),
        "open": _rounded((gate >= _WIDE).mean(axis=1)),
    }


def _blobs(recording: Recording) -> list[str]:
    surprise = (recording.surprise / np.float32(np.log(2))).astype(np.float32)  # in bits
    return [
        blob("numbers-activations", _whole_groups(recording.activations)),
        *(blob(f"numbers-{letter}", _whole_groups(gate)) for letter, gate in recording.gates.items()),
        blob("numbers-surprise", surprise),
        blob("numbers-guesses", recording.guesses.astype(np.uint32)),
        blob("numbers-guess-probs", recording.guess_probs),
    ]


def _whole_groups(rows: NDArray[Any]) -> NDArray[Any]:
    """Pad rows of bytes to whole groups of three, so that each can be decoded from base64 by itself."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 3)))


def _rounded(values: ArrayLike) -> list[float]:
    """Return numbers with as many digits as a page can show."""
    rounded: list[float] = np.round(np.asarray(values, dtype=np.float64), 4).tolist()
    return rounded


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raise `ConfigError` where a file's name does not end in one of the suffixes that can be written."""
    if path.suffix.lower() not in suffixes:
        ending = f"ends in {shown(path.suffix)}" if path.suffix else "has no ending"
        raise ConfigError(f"-o {shown(str(path))} {ending}: name a file that ends in {' or '.join(suffixes)}")


def write_file(path: Path, data: bytes) -> int:
    """Write a file, whole or not at all, over what stood there; return its size in bytes.

    Raises
    ------
    PageError
        If it cannot be written; what stood there before is untouched.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "it exists and is not a regular file")
        with temporary.open("xb") as stream:
            stream.write(data)
        temporary.replace(os.path.realpath(path))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise PageError(f"cannot write {shown(str(path))}: {why}; make room or choose another place") from error
    finally:
        with suppress(OSError, ValueError):  # gone already after a success
            temporary.unlink()
    return len(data)
