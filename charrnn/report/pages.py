"""Files to look at a model with, or to use it elsewhere: a page of what its cells look at, and exported models.

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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.checkpoint import Checkpoint
from charrnn.errors import ConfigError, PageError, TextError, remedy, shown
from charrnn.exchange.json import as_json
from charrnn.exchange.onnx import as_onnx
from charrnn.exchange.pytorch import as_safetensors
from charrnn.probing import NEAR, ONE, OPEN, PROBES, Recording, correlations, record
from charrnn.report.terminal import bits, visible
from charrnn.scoring.reading import beginning
from charrnn.text.items import Items
from charrnn.text.passage import Passage, read_passage
from charrnn.text.sources import NOBODY, Watcher
from charrnn.training.data import divided

# ---- files that a person asked for ----


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raise `ConfigError` if the name of an output file does not end in one of the suffixes."""
    if path.suffix.lower() not in suffixes:
        ending = f"ends in {shown(path.suffix)}" if path.suffix else "has no ending"
        message = "{} {path} {ending}: name a file that ends in {suffixes}"
        raise ConfigError(message, "output", path=shown(str(path)), ending=ending, suffixes=" or ".join(suffixes))


def write_file(path: Path, data: bytes) -> int:
    """Write a file, replacing an older one, completely or not at all; return its size in bytes."""
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
    """Return a page made of files in ``pages/``, with the HTML for each ``{{field}}`` in them."""
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

    The held-out part is shown from the start of a line. If nothing was held out, the training part is shown.
    """
    vocabulary = trained.vocabulary
    if names:
        decoding = {**trained.reading, "encoding": encoding, "errors": "strict"}
        passage = read_passage(names, vocabulary, **decoding)
        return passage.as_items(vocabulary.encode(trained.separator))
    try:
        division = divided(trained, watcher)
    except TextError as error:
        raise TextError(f"{error}: name another text, as in charrnn view {shown(str(path))} book.txt") from error
    part = division.held_out if len(division.held_out) else division.training
    if isinstance(part, Items):
        starts = part.joined_starts()
        return Passage(part.joined(), vocabulary.characters, len(vocabulary), (), item_starts=starts)
    line_feeds = np.flatnonzero(part[:MOST_CHARACTERS][:-1] == vocabulary.characters.find("\n"))
    if part is division.held_out and line_feeds.size:
        part = part[line_feeds[0] + 1 :]
    return Passage(part, vocabulary.characters, len(vocabulary), ())


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
    """Return the page that shows what a model's cells did at each character of a text."""
    # the symbol for rare characters also stands for unknown ones
    known = (passage.ids < passage.vocab_size) | (passage.unknown is not None)
    if not known.any():
        raise TextError("the model knows none of this text's characters: name another text, or train a model on it")
    text, ids = passage.text(), passage.known
    starts = passage.known_starts
    # an item of unknown characters alone, at the end, starts nowhere
    places = [0] if starts is None else np.union1d([0], starts[starts < len(ids)]).tolist()
    before = beginning(trained.vocabulary, trained.separator)
    recording = record(trained.model, trained.params, ids, before, places)
    model, V = trained.model, passage.vocab_size
    activations, surprise = recording.activations, bits(float(recording.surprise.mean(dtype=np.float64)))
    about = (
        f"{_describe_network(trained)}, trained on {trained.corpus.name} for {trained.progress.step:,} steps; "
        f"{surprise:.3f} bits/char on these {len(ids):,} characters"
    )
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
        about=escaped(f"{name}: {about}"),
        data=harmless_json(data),
        blobs="\n".join(_blobs(recording)),
    )


def _describe_network(trained: Checkpoint) -> str:
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


# ---- a model for other programs ----


def export(trained: Checkpoint, path: str | Path, name: str | None = None) -> int:
    """Write a model as a file for another program, in the format of its suffix; return the file's size in bytes.

    `name` is the model's name in the file; by default that of its training text.
    """
    path = Path(path)
    check_suffix(path, tuple(FORMATS))
    name = name or trained.corpus.name
    name = name.encode("utf-8", "backslashreplace").decode("utf-8")  # a file name may have bytes that are not text
    return write_file(path, FORMATS[path.suffix.lower()].data(trained, name))


def as_html(trained: Checkpoint, name: str) -> bytes:
    """Return a page that holds the model and writes text with it in any browser.

    The page has the checkpoint's own weights and computes in float64.
    """
    best = trained.progress.best
    figure = f", {bits(best[1]):.3f} bits/char on text it never trained on" if best else ""
    about = (
        f"{_describe_network(trained)} and {trained.params.vector.size:,} weights, "
        f"trained on {trained.corpus.name}, one character at a time{figure}"
    )
    data = {
        "model": asdict(trained.model),
        "arrays": [[array_name, list(shape)] for array_name, shape in trained.params.shapes.items()],
        "dtype": trained.params.vector.dtype.name,
        "vocabulary": trained.vocabulary.characters,
        **trained.usage.to_values(),
    }
    params = trained.params
    if never := trained.usage.never_written(trained.vocabulary):
        params = params.copy()
        bias = params["linear.b_y"].copy()
        bias[list(never)] = -np.inf
        params["linear.b_y"] = bias
    page = fill(
        "export.html",
        styles=("theme.css", "export.css"),
        scripts=("shared.js", "random.js", "network.js", "export.js"),
        title=escaped(f"{name} writes"),
        about=escaped(about),
        data=harmless_json(data),
        blobs=blob("numbers-weights", params.vector),
    )
    return page.encode()


@dataclass(frozen=True)
class Format:
    """A file format for models."""

    data: Callable[[Checkpoint, str], bytes]  # returns the file of a checkpoint and its name
    use: str  # what the file is for, as `charrnn export` prints it


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        ".html": Format(as_html, "open it in a browser"),
        ".safetensors": Format(as_safetensors, "tensors with PyTorch's names; the metadata has the vocabulary"),
        ".onnx": Format(as_onnx, "a graph from ids and state to log_probs and final_state"),
        ".json": Format(as_json, "params has the arrays as lists"),
    }
)
