"""Pages of one HTML file, and the page that shows what the cells of a model look at.

A page is made of templates, styles and scripts in ``pages/`` and of numbers, so that a browser needs nothing else. Text
from outside enters a page in one of two ways: escaped for HTML, or as ASCII JSON in which ``<``, ``>`` and ``&`` are
escaped too, so that no text can end a script or start a tag.
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
from charrnn.errors import ConfigError, PageError, TextError, remedy, shown
from charrnn.probing import NEAR, ONE, OPEN, PROBES, Recording, correlations, record
from charrnn.report.terminal import bits, visible
from charrnn.scoring.reading import as_items, beginning
from charrnn.text.items import Items
from charrnn.text.passage import Passage, read_passage
from charrnn.text.sources import NOBODY, Watcher
from charrnn.training.data import divided

# ---- files that a person asked for ----


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raise `ConfigError` if the name of an output file does not end in one of the suffixes."""
    if path.suffix.lower() not in suffixes:
        ending = f"ends in {shown(path.suffix)}" if path.suffix else "has no ending"
        raise ConfigError(f"-o {shown(str(path))} {ending}: name a file that ends in {' or '.join(suffixes)}")


def write_file(path: Path, data: bytes) -> int:
    """Write a file, replacing an older one, completely or not at all; return its size in bytes.

    Raises
    ------
    PageError
        If it cannot be written; an older file is then unchanged.
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
        raise PageError(f"cannot write {shown(str(path))}: {why}; {remedy(error)}") from error
    finally:
        with suppress(OSError, ValueError):  # it is gone after a success
            temporary.unlink()
    return len(data)


# ---- pages ----

_TEMPLATES = Path(__file__).with_name("pages")
_FIELD = re.compile(r"\{\{(\w+)\}\}")


def fill(body: str, styles: Sequence[str], scripts: Sequence[str], **fields: str) -> str:
    """Return a page made of files in ``pages/``.

    Parameters
    ----------
    body, styles, scripts : names of these files
    fields : the HTML for each ``{{field}}`` in them: at least ``title``, ``data`` (JSON) and ``blobs``
    """
    parts = {"style": "\n".join(map(_read, styles)), "script": "\n".join(map(_read, scripts)), **fields}
    # One pass for each file: text that is filled in is never searched for fields.
    parts["body"] = _FIELD.sub(lambda field: parts[field[1]], _read(body))
    return _FIELD.sub(lambda field: parts[field[1]], _read("page.html"))


def escaped(text: str) -> str:
    """Return a text for HTML, with control and bidirectional characters made visible."""
    return html.escape(visible(text))


def harmless_json(values: Mapping[str, Any]) -> str:
    """Return JSON that is safe inside a script element."""
    plain = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def blob(name: str, array: NDArray[Any]) -> str:
    """Return an element that holds an array, little-endian, in base64."""
    data = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return f'<script type="text/plain" id="{name}">{base64.b64encode(data.tobytes()).decode()}</script>'


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


# ---- what the cells look at ----

MOST_CHARACTERS = 50_000
# Activations and gates in a page, one byte each: 50,000 characters of an LSTM of 512 cells.
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
    """Return the text to show: the named one, or the held-out part of the model's training text.

    The held-out part is shown from the start of a line. If nothing was held out, the training part is shown. `watcher`
    is told how far the model's text is read.

    Raises
    ------
    TextError
        If no text is named and the model's is no longer there; and as `read_passage` does.
    """
    vocabulary = trained.vocabulary
    if names:
        decoding = {**trained.corpus.decoding, "encoding": encoding, "errors": "strict"}
        passage = read_passage(names, vocabulary, **decoding)
        return as_items(passage, vocabulary.encode(trained.separator))
    try:
        division = divided(trained, watcher)
    except TextError as error:
        raise TextError(f"{error}: name another text, as in charrnn view {shown(str(path))} book.txt") from error
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
    """Return as much of a text as was asked for and as a page can hold, and a note if that is not all."""
    model = trained.model
    rows = sum(model.hidden_sizes) * (1 + len(_GATE_NAMES[model.cell]))
    most = max(1, min(length, MOST_CHARACTERS, _MOST_NUMBERS // rows))
    if len(passage.ids) <= most:
        return passage, ""
    note = f"shows the first {most:,} of {len(passage.ids):,} characters"
    if most < length:
        note += ", the most that a page can hold"
    starts = passage.item_starts
    starts = None if starts is None else starts[starts < most]
    return replace(passage, ids=passage.ids[:most], item_starts=starts), note


def view_page(trained: Checkpoint, passage: Passage, name: str) -> str:
    """Return the page that shows what a model's cells did at each character of a text.

    Raises
    ------
    TextError
        If the model knows none of the text's characters.
    DivergedError
        If the model's scores are not finite.
    """
    # the symbol for rare characters also stands for unknown ones
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
    """Return where the text, or each of its items, starts among the characters that the model knows."""
    if passage.item_starts is None:
        return [0]
    places = np.searchsorted(np.flatnonzero(known), passage.item_starts)
    starts: list[int] = np.union1d([0], places[places < np.count_nonzero(known)]).tolist()
    return starts


def _describe(trained: Checkpoint, recording: Recording) -> str:
    surprise = bits(float(recording.surprise.mean(dtype=np.float64)))
    return (
        f"{describe_network(trained)}, trained on {trained.corpus.name} for {trained.progress.step:,} steps; "
        f"{surprise:.3f} bits/char on these {len(recording.surprise):,} characters"
    )


def describe_network(trained: Checkpoint) -> str:
    """Return the kind and the sizes of a network: ``GRU with 320 cells``."""
    model = trained.model
    sizes = " + ".join(f"{size:,}" for size in model.hidden_sizes)
    return f"{model.cell if model.cell == 'vanilla' else model.cell.upper()} with {sizes} cells"


def _openness(gate: NDArray[np.uint8]) -> dict[str, list[float]]:
    """Return for each cell how open its gate was on average, and for what share of the text it was shut or open."""
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
    """Pad rows of bytes to groups of three, so that each row can be decoded from base64 separately."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 3)))


def _rounded(values: ArrayLike) -> list[float]:
    """Return numbers with the digits that a page can show."""
    rounded: list[float] = np.round(np.asarray(values, dtype=np.float64), 4).tolist()
    return rounded
