"""A model as a file for other programs; the file's suffix sets the format."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.exchange.json import as_json
from charrnn.exchange.onnx import as_onnx
from charrnn.exchange.safetensors import as_safetensors
from charrnn.report.pages import blob, check_suffix, describe_network, escaped, fill, harmless_json, write_file
from charrnn.report.terminal import bits


def export(checkpoint: Checkpoint, path: str | Path, name: str | None = None) -> int:
    """Write a model as a file for another program.

    Parameters
    ----------
    checkpoint : read, not changed
    path : the file, which replaces an older one, completely or not at all. Its suffix sets the format: ``.html`` (a
        page that writes text), ``.json`` (plain lists), ``.onnx`` (a graph; needs onnx) or ``.safetensors`` (tensors
        with PyTorch's names; needs safetensors)
    name : the model's name in the file; by default that of its training text

    Returns
    -------
    The file's size in bytes.

    Raises
    ------
    ConfigError
        If the suffix is another one.
    MissingPackageError
        If the package for the format is not installed.
    PageError
        If the file cannot be written; an older file is then unchanged.

    See Also
    --------
    from_json, from_safetensors : read the file back.
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
    name = name.encode("utf-8", "backslashreplace").decode("utf-8")  # a file name may have bytes that are not text
    return write_file(path, FORMATS[path.suffix.lower()].data(checkpoint, name))


def as_html(trained: Checkpoint, name: str) -> bytes:
    """Return a page that holds the model and writes text with it in any browser.

    The page has the checkpoint's own weights and computes in float64.
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
    """A file format for models."""

    data: Callable[[Checkpoint, str], bytes]
    """Returns the file of a checkpoint and its name."""
    use: str
    """What the file is for, as `charrnn export` prints it."""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        ".html": Format(as_html, "open it in a browser"),
        ".safetensors": Format(as_safetensors, "tensors with PyTorch's names; the metadata has the vocabulary"),
        ".onnx": Format(as_onnx, "a graph from ids and state to log_probs and final_state"),
        ".json": Format(as_json, "params has the arrays as lists"),
    }
)


def _describe(trained: Checkpoint) -> str:
    best = trained.progress.best
    figure = f", {bits(best[1]):.3f} bits/char on text it never trained on" if best else ""
    return (
        f"{describe_network(trained)} and {trained.params.vector.size:,} weights, "
        f"trained on {trained.corpus.name}, one character at a time{figure}"
    )
