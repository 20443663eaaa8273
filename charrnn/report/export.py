"""A whole model as a file for other programs, by the file's suffix."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from charrnn.checkpoint import Checkpoint
from charrnn.report.files import write_file
from charrnn.report.page import blob, escaped, fill, harmless_json
from charrnn.report.units import bits


def write_html(trained: Checkpoint, path: Path, name: str) -> int:
    """Write a page that holds the model and writes text with it in any browser; return its size in bytes.

    The weights are the checkpoint's own numbers; the page computes with them in float64, as the sampler does with
    parameters in float64.

    Raises
    ------
    PageError
        If the file cannot be written.
    """
    data = {
        "model": asdict(trained.model),
        "arrays": [[array_name, list(shape)] for array_name, shape in trained.params.shapes.items()],
        "dtype": trained.params.vector.dtype.name,
        "vocabulary": trained.vocabulary.characters,
    }
    page = fill(
        "export.html",
        styles=("theme.css", "export.css"),
        scripts=("shared.js", "random.js", "network.js", "export.js"),
        title=escaped(f"{name} writes"),
        about=escaped(_describe(trained)),
        data=harmless_json(data),
        blobs=blob("numbers-weights", trained.params.vector),
    )
    return write_file(path, page.encode())


# What `charrnn export` can write, by the suffix of the file.
FORMATS: Mapping[str, Callable[[Checkpoint, Path, str], int]] = MappingProxyType({".html": write_html})


def _describe(trained: Checkpoint) -> str:
    model, best = trained.model, trained.progress.best
    sizes = " + ".join(f"{size:,}" for size in model.hidden_sizes)
    kind = model.cell if model.cell == "vanilla" else model.cell.upper()
    figure = f", {bits(best[1]):.3f} bits/char on text it never trained on" if best else ""
    return (
        f"A {kind} network of {sizes} cells and {trained.params.vector.size:,} weights "
        f"that learned {trained.corpus.name}, one character at a time{figure}"
    )
