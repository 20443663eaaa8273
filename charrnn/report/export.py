"""A whole model as a file for other programs, by the file's suffix."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.exchange.json import as_json
from charrnn.exchange.onnx import as_onnx
from charrnn.exchange.safetensors import as_safetensors
from charrnn.report.pages import blob, check_suffix, escaped, fill, harmless_json, write_file
from charrnn.report.terminal import bits


def export(checkpoint: Checkpoint, path: str | Path, name: str | None = None) -> int:
    """Write a model as a file for another program.

    Parameters
    ----------
    checkpoint : read, not changed
    path : the file, written whole or not at all, over an older one. Its suffix says what it becomes: ``.html`` (a page
        that writes text), ``.json`` (plain lists), ``.onnx`` (a graph; needs onnx) or ``.safetensors`` (tensors by
        PyTorch's names; needs safetensors)
    name : what the file calls the model; by default the text it learned

    Returns
    -------
    The file's size in bytes.

    Raises
    ------
    ConfigError
        If the suffix is none of these.
    MissingPackageError
        If the package that it needs is not installed.
    PageError
        If the file cannot be written; what stood there before is untouched.

    See Also
    --------
    from_json, from_safetensors : read such a file again.
    to_torch : a PyTorch module, without a file.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from charrnn.paths import PRETRAINED
    >>> from charrnn.checkpoint import load
    >>> from charrnn.report.export import export
    >>> size = export(load(PRETRAINED), "model.json")
    >>> model = json.loads(Path("model.json").read_text())
    >>> model["cell"], model["hidden_sizes"], model["vocabulary"][-3:]
    ('gru', [320], ['x', 'y', 'z'])
    """
    path = Path(path)
    check_suffix(path, tuple(FORMATS))
    name = name or checkpoint.corpus.name
    name = name.encode("utf-8", "backslashreplace").decode("utf-8")  # a file may be called by bytes that are no text
    return write_file(path, FORMATS[path.suffix.lower()].data(checkpoint, name))


def as_html(trained: Checkpoint, name: str) -> bytes:
    """Return a page that holds the model and writes text with it in any browser.

    The weights are the checkpoint's own numbers; the page computes with them in float64, as the sampler does with
    parameters in float64.
    """
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
        about=escaped(_describe(trained)),
        data=harmless_json(data),
        blobs=blob("numbers-weights", params.vector),
    )
    return page.encode()


@dataclass(frozen=True)
class Format:
    """A kind of file that a model can become."""

    data: Callable[[Checkpoint, str], bytes]
    """What makes it of a checkpoint and its name."""
    use: str
    """What to do with such a file."""


# What `charrnn export` can write, by the suffix of the file.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        ".html": Format(as_html, "open it in a browser"),
        ".safetensors": Format(as_safetensors, "tensors by PyTorch's names; its metadata has the vocabulary"),
        ".onnx": Format(as_onnx, "ids and state become log_probs and final_state"),
        ".json": Format(as_json, "arrays are plain lists under params"),
    }
)


def _describe(trained: Checkpoint) -> str:
    model, best = trained.model, trained.progress.best
    sizes = " + ".join(f"{size:,}" for size in model.hidden_sizes)
    kind = model.cell if model.cell == "vanilla" else model.cell.upper()
    figure = f", {bits(best[1]):.3f} bits/char on text it never trained on" if best else ""
    return (
        f"A {kind} network of {sizes} cells and {trained.params.vector.size:,} weights "
        f"that learned {trained.corpus.name}, one character at a time{figure}"
    )
